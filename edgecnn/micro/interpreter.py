"""Runs a .tflite file in TensorFlow Lite Micro's own interpreter (package tflite-micro).

Called in a child process: TFLM checks little of a file, and aborts where it finds a mistake.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import tempfile
from typing import TYPE_CHECKING, Any

from edgecnn import files
from edgecnn.errors import InputError, MissingPartError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    Arrays = tuple[NDArray[Any], ...]

PACKAGE = "tflite-micro"
HINT = "pip install 'edgecnn[mcu]'"
_TOTALS = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")


def is_installed() -> bool:
    """Whether the package is there; it is not imported."""
    return importlib.util.find_spec("tflite_micro") is not None


def runtime() -> str:
    """The package and its version."""
    return f"{PACKAGE} {importlib.metadata.version(PACKAGE)}"


def run(
    path: str, runs: Sequence[Arrays], outputs: int, most_bytes: int
) -> tuple[list[list[Any]], int, int]:
    """Run a file.

    Args:
        path: of the file.
        runs: for each run an array for every input, of the file's own dtypes and shapes.
        outputs: how many the file has.
        most_bytes: of the arena it is given.

    Returns:
        For each run an array for every output; bytes of activations; bytes that stay.

    Raises:
        InputError: TFLM refuses the file, or fails while running it.
        MissingPartError: the package is not installed.
    """
    interpreter = _open(files.read_bytes(path), path, most_bytes)
    answers = [_run(interpreter, feed, outputs, path) for feed in runs]
    totals = _totals(interpreter)
    return answers, totals["head"], totals["tail"]


def allocates(path: str, arena_bytes: int) -> bool:
    """Whether TFLM allocates a file's tensors in an arena of this size."""
    try:
        _interpreter(files.read_bytes(path), arena_bytes)
    except RuntimeError:
        return False
    return True


def _interpreter(data: bytes, arena_bytes: int) -> Any:  # noqa: ANN401 - the package has no types
    if not is_installed():
        raise MissingPartError(f"{PACKAGE} is not installed.", hint=HINT)
    from tflite_micro import runtime as tflm

    return tflm.Interpreter.from_bytes(data, arena_size=arena_bytes)


def _open(data: bytes, path: str, arena_bytes: int) -> Any:  # noqa: ANN401 - likewise
    try:
        with _captured_stderr() as log:
            return _interpreter(data, arena_bytes)
    except (RuntimeError, ValueError) as error:
        words = (log or [str(error)])[-1].rstrip(".")
        raise InputError(
            f"TensorFlow Lite Micro refuses {path} in an arena of {arena_bytes:,} bytes: {words}.",
            hint="See its operators with `edgecnn inspect FILE`.",
        ) from error


def _run(interpreter: Any, inputs: Arrays, outputs: int, path: str) -> list[Any]:  # noqa: ANN401 - likewise
    import numpy as np

    try:
        for index, values in enumerate(inputs):
            interpreter.set_input(np.ascontiguousarray(values), index)
        interpreter.invoke()
        return [interpreter.get_output(index) for index in range(outputs)]
    except (RuntimeError, ValueError) as error:
        raise InputError(f"TensorFlow Lite Micro failed while running {path}: {error}.") from error


def _totals(interpreter: Any) -> dict[str, int]:  # noqa: ANN401 - likewise
    with _captured_stderr() as log:
        interpreter.print_allocations()
    return {name: int(number) for name, number in _TOTALS.findall("\n".join(log))}


@contextlib.contextmanager
def _captured_stderr() -> Generator[list[str], None, None]:
    """What native code writes to stderr meanwhile: lines, once the block has ended."""
    lines: list[str] = []
    with tempfile.TemporaryFile() as log:
        stderr = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            log.seek(0)
            lines += log.read().decode(errors="replace").strip().splitlines()
