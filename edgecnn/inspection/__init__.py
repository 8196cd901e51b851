"""What a model file really is: operators, MACs and parameters by precision, delegate partitions.

No TensorFlow: `inspect` reads anybody's .tflite in pure Python and lets native code see the file
only in a child process, so that a hostile file's crash becomes a clear error.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from edgecnn import files, gate
from edgecnn.errors import InputError, MissingPartError
from edgecnn.inspection import flatbuffer, tflite
from edgecnn.inspection.check import check_recipe
from edgecnn.inspection.record import DYNAMIC, Inspection, Operator
from edgecnn.runtime.session import UnsupportedOpsError

__all__ = ["DYNAMIC", "Inspection", "Operator", "check_recipe", "inspect"]

_HEAD_BYTES = 8


def inspect(path: Path, *, delegate: bool = True) -> Inspection:
    """Read what a .tflite or .onnx file really is; the content decides which, not the name.

    Args:
        path: the file, anybody's.
        delegate: for a .tflite, load it into LiteRT in a child process to see how XNNPACK divides
            it; without, `delegate_partitions` stays None.

    Raises:
        InputError: no such file, not a model, or damaged.
        CrashedError: native code crashed on it, or ran out of time.
        MissingPartError: an ONNX file, and the onnx package is not installed.
    """
    path = Path(path)
    head = _head(path)
    if flatbuffer.is_tflite(head):
        return _tflite(path, delegate=delegate)
    if path.suffix == ".onnx":
        inspection: Inspection = gate.run(
            "edgecnn.inspection.onnx:read",
            str(path),
            source=path,
            work=gate.READ,
            what=f"reading {path}",
        )
        return inspection
    if path.suffix == ".tflite":
        flatbuffer.parse(head, str(path))  # says what is wrong
    raise InputError(f"{path} is neither a .tflite nor a .onnx file.", hint="Name one of those.")


def _head(path: Path) -> bytes:
    try:
        with files.open_binary(path) as file:
            return file.read(_HEAD_BYTES)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.", hint="Check the path."
        ) from error


def _tflite(path: Path, *, delegate: bool) -> Inspection:
    inspection = tflite.read(files.read_bytes(path), str(path))
    return _with_partitions(inspection, path) if delegate else inspection


def _with_partitions(inspection: Inspection, path: Path) -> Inspection:
    try:
        count, undelegated = gate.run(
            "edgecnn.runtime.litert:partitions",
            str(path),
            source=path,
            work=gate.READ,
            what=f"loading {path}",
        )
    except (MissingPartError, UnsupportedOpsError) as error:
        note = f"Delegate partitions are not known: {error.message}"
        return dataclasses.replace(inspection, notes=(*inspection.notes, note))
    graph = dataclasses.replace(
        inspection.graph, delegate_partitions=count, undelegated_ops=undelegated
    )
    return dataclasses.replace(inspection, graph=graph)
