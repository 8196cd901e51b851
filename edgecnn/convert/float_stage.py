"""The float stage: from what the user named to float files, the one place that runs TensorFlow.

`make` is called in a child process (`isolation`), which keeps TensorFlow's memory, noise and
crashes to itself. It writes model.tflite, model.onnx where asked for, and info.json.
"""

from __future__ import annotations

import gc
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
# Raise it when the stage writes other bytes for the same request: files of another version that lie
# in a cache are not mixed with ours.
VERSION = 1


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
    from edgecnn.convert import onnx_float, tflite_float

    os.environ.update(ENVIRONMENT)
    progress.stage("importing TensorFlow")
    importlib.import_module("tensorflow")  # here, so that its seconds have a name
    progress.stage("building the network")
    built = building.build(request)
    if images is not None and built.keras_model is not None:
        progress.stage("adapting normalization statistics")
        building.adapt_batch_normalization(built.keras_model, images)
    (Path(folder) / INFO).write_text(json.dumps(_info(built)), encoding="utf-8")
    progress.stage("tracing")
    question, answer = _sample(built)
    traced, name = tflite_float.trace(built), built.identity.name
    del built  # each holds the weights once more, and the converter copies them several times over
    gc.collect()
    if "onnx" in formats:
        progress.stage("converting to float .onnx")
        onnx_float.to_onnx(traced, Path(folder) / ONNX)
    if "tflite" in formats:
        progress.stage("converting to float .tflite")
        definition = tflite_float.define(traced)
        del traced
        gc.collect()
        (Path(folder) / TFLITE).write_bytes(tflite_float.to_tflite(definition, name))
        _check(name, Path(folder) / TFLITE, question, answer)


def _info(built: BuiltModel) -> dict[str, Any]:
    return {
        "input_shape": list(built.input_shape),
        "classes": built.classes,
        "parameters": built.parameters,
        "trainable_parameters": built.trainable_parameters,
    }


def _sample(built: BuiltModel) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Noise, and what the network makes of it."""
    import tensorflow as tf

    noise = np.random.default_rng(0).uniform(-1, 1, built.input_shape).astype(np.float32)
    return noise, np.asarray(built.function([tf.constant(noise)])[0])


def _check(
    name: str, path: Path, question: NDArray[np.float32], answer: NDArray[np.float32]
) -> None:
    """Hold the file against the network: a converter's mistake ends here."""
    from edgecnn.parity import snr_db
    from edgecnn.runtime.litert import LiteRTSession

    found = LiteRTSession(path, threads=os.cpu_count() or 1).run([question])[0]
    ratio = snr_db(answer, found)
    if ratio is not None and not ratio >= _FAITHFUL_DB:
        raise EdgeCnnError(
            f"{name}: the converted .tflite is not the same function as the network"
            f" ({ratio:.1f} dB SNR on noise; {_FAITHFUL_DB:.0f} at least).",
            hint="This is a converter's mistake; please report the network.",
        )
