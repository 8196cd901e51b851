"""The float .tflite of a Keras model, from the cache or made by TensorFlow once."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from edgecnn.building import BuildRequest, identify
from edgecnn.calibration.preprocessing import AS_IT_IS
from edgecnn.calibration.sources import Sampling
from edgecnn.convert import float_cache, float_tflite
from edgecnn.errors import MissingPartError

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.progress import Progress
    from edgecnn.records import Preprocessing

# For the float stage's proof alone.
_SAMPLES = 4


def write_float(
    model: Path, into: Path, preprocessing: Preprocessing | None, progress: Progress
) -> Path:
    """Write the file that `edgecnn export` starts from.

    Args:
        model: .keras or .h5.
        into: a folder.
        preprocessing: how images become its input; None where it is not known yet.
        progress: told of what TensorFlow does.

    Raises:
        InputError: the model cannot be read or converted.
        MissingPartError: TensorFlow is not installed.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingPartError(
            f"{model} is a Keras model, and tensorflow is not installed here.",
            hint="pip install 'edgecnn[export]', or name its .tflite or .onnx.",
        )
    request = BuildRequest(str(model))
    identity = identify(request)
    files, _ = float_cache.obtain(
        request,
        identity,
        ("tflite",),
        sampling=Sampling(samples=_SAMPLES, held_out=1, calibrated=False),
        preprocessing=preprocessing or AS_IT_IS,
        progress=progress,
    )
    path = into / f"{identity.name}.tflite"
    path.write_bytes(float_tflite.read(files).data)
    return path
