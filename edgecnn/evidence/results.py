"""results.jsonl: every result ever measured, one JSON object a line, appended as it arrives."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import files
from edgecnn.errors import InputError
from edgecnn.measurements import BenchResult
from edgecnn.records import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

DEFAULT = Path("artifacts") / "results.jsonl"
_NEWLINE = b"\n"


def check_writable(path: Path) -> None:
    """Hold, before anything is measured, that results can be kept there.

    Raises:
        InputError: they cannot.
    """
    with input_errors("Results", path, _OTHER_FILE), _locked(path):
        pass


def append(path: Path, results: Iterable[BenchResult]) -> None:
    """Append results, each a line; they are on the disk when this returns.

    Two processes may append at once: each waits for the other's lock (flock), and a line that a
    full disk cut is taken back. What a killed process left of a line is closed first.

    Raises:
        InputError: the file cannot be written.
    """
    lines = [_line(result) for result in results]
    if not lines:
        return
    with input_errors("Results", path, _OTHER_FILE), _locked(path) as descriptor:
        size = os.fstat(descriptor).st_size
        # A killed writer's half line must not swallow ours.
        start = b"" if size == 0 or os.pread(descriptor, 1, size - 1) == _NEWLINE else _NEWLINE
        try:
            files.write_all(descriptor, start + b"".join(lines))
            os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                os.ftruncate(descriptor, size)
            raise


def read(path: Path) -> tuple[tuple[BenchResult, ...], tuple[str, ...]]:
    """Read all results, and say which lines hold none.

    Returns:
        The results in the order they were measured, and one sentence for each line that is
        damaged, such as the last one of a killed run.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    try:
        content = files.read_bytes(path, files.MOST_COLLECTION_BYTES)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.", hint="Measure first: `edgecnn bench`."
        ) from error
    results: list[BenchResult] = []
    problems: list[str] = []
    for number, line in enumerate(content.split(_NEWLINE), start=1):
        if not line.strip():
            continue
        try:
            results.append(from_json_object(json.loads(line)))
        except (ValueError, RecursionError) as error:
            problems.append(f"{path}, line {number}, holds no result: {error}")
    return tuple(results), tuple(problems)


def from_json_object(content: object) -> BenchResult:
    """One result from parsed JSON; fields that a later edgecnn added are left out.

    Raises:
        ValueError: it is no result, or of another schema.
    """
    import cattrs

    from edgecnn.strict import strict_converter

    if not isinstance(content, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - one kind of error for damaged lines
    if content.get("schema") != SCHEMA:
        raise ValueError(f"its schema is {content.get('schema')!r}, not {SCHEMA}")
    try:
        result: BenchResult = strict_converter().structure(content, BenchResult)
    except cattrs.BaseValidationError as error:
        raise ValueError("; ".join(cattrs.transform_error(error))) from error
    return result


def _line(result: BenchResult) -> bytes:
    ordered: dict[str, Any] = {"schema": result.schema, **asdict(result)}
    text = json.dumps(ordered, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii") + _NEWLINE


@contextlib.contextmanager
def _locked(path: Path) -> Generator[int, None, None]:
    """The file, made if it is not there, open for appending and locked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A link may lead to a file that is run: a shell's start-up file, with $(...) in a model's name.
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)  # and the lock with it


_OTHER_FILE = "Name another file with --results FILE, or keep none with --no-results."


@contextlib.contextmanager
def input_errors(what: str, path: Path, hint: str) -> Generator[None, None, None]:
    """Say of a file that cannot be written what cannot be kept in it, and why.

    Raises:
        InputError: an OSError came out of the block.
    """
    try:
        yield
    except OSError as error:
        why = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
        raise InputError(f"{what} cannot be kept in {path}: {why}.", hint=hint) from error
