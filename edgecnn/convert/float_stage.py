"""The float stage: from what the user named to float files, the one place that runs TensorFlow.

`make` is called in a child process (`isolation`), which keeps TensorFlow's memory, noise and
crashes to itself. It writes model.tflite, model.onnx where asked for, and info.json.
"""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.errors import EdgeCnnError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.building import BuildRequest, BuiltModel
    from edgecnn.progress import Progress

INFO, TFLITE, ONNX = "info.json", "model.tflite", "model.onnx"
# What the child sets before TensorFlow is imported: no GPU probing, no chatter.
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "TF_ENABLE_ONEDNN_OPTS": "1",
}
_FAITHFUL_DB = 60.0


def make(
    request: BuildRequest,
    folder: str,
    *,
    formats: tuple[str, ...],
    images: NDArray[np.float32] | None,
    progress: Progress,
) -> None:
    """Build, convert and check one network.

    Args:
        request: what to build.
        folder: an empty folder for the files.
        formats: "tflite", "onnx" or both.
        images: (N, H, W, C) float32, preprocessed: normalization statistics of random weights are
            adapted on them; None leaves the weights as they are.
        progress: told of each step.

    Raises:
        InputError: as `building.build`, or an operator a format does not have.
        EdgeCnnError: a float file does not compute what Keras computes.
    """
    from edgecnn import building

    os.environ.update(ENVIRONMENT)
    progress.stage("importing TensorFlow")
    importlib.import_module("tensorflow")  # here, so that its seconds have a name
    progress.stage("building the network")
    built = building.build(request)
    if images is not None and built.keras_model is not None:
        progress.stage("adapting normalization statistics")
        building.adapt_batch_normalization(built.keras_model, images)
    _convert(built, Path(folder), formats, progress)


def _convert(built: BuiltModel, folder: Path, formats: tuple[str, ...], progress: Progress) -> None:
    from edgecnn.convert import onnx_float, tflite_float

    progress.stage("tracing")
    function = tflite_float.trace(built)
    if "tflite" in formats:
        progress.stage("converting to float .tflite")
        data = tflite_float.to_tflite(function, built.identity.name)
        (folder / TFLITE).write_bytes(data)
        _check(built, data)
    if "onnx" in formats:
        progress.stage("converting to float .onnx")
        onnx_float.to_onnx(function, folder / ONNX)
    (folder / INFO).write_text(json.dumps(_info(built)), encoding="utf-8")


def _info(built: BuiltModel) -> dict[str, Any]:
    return {
        "input_shape": list(built.input_shape),
        "classes": built.classes,
        "parameters": built.parameters,
        "trainable_parameters": built.trainable_parameters,
    }


def _check(built: BuiltModel, data: bytes) -> None:
    """Hold the file against the network on noise: a converter's mistake ends here."""
    import tensorflow as tf

    from edgecnn.parity import snr_db
    from edgecnn.runtime.litert import LiteRTSession

    noise = np.random.default_rng(0).uniform(-1, 1, built.input_shape).astype(np.float32)
    wanted = np.asarray(built.function(tf.constant(noise)))
    found = LiteRTSession(data, threads=os.cpu_count() or 1).run([noise])[0]
    ratio = snr_db(wanted, found)
    if ratio is not None and not ratio >= _FAITHFUL_DB:
        raise EdgeCnnError(
            f"{built.identity.name}: the converted .tflite is not the same function as the"
            f" network ({ratio:.1f} dB SNR on noise; {_FAITHFUL_DB:.0f} at least).",
            hint="This is a converter's mistake; please report the network.",
        )
