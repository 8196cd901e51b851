"""The float .tflite of a Keras model, from the cache or made by TensorFlow once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.progress import Progress
    from edgecnn.records import Preprocessing


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
    from edgecnn.exporting.options import ExportOptions
    from edgecnn.exporting.plan import make_plan
    from edgecnn.exporting.sources import Sources

    options = ExportOptions(recipes=("float32",), formats=("tflite",), preprocessing=preprocessing)
    plan = make_plan(str(model), options)
    path = into / f"{plan.identity.name}.tflite"
    path.write_bytes(Sources(plan, options, progress).float_tflite)
    return path
