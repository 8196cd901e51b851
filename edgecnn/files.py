"""Opens what a user names: regular files only, and no larger than their kind can be.

A FIFO or a terminal would be waited for without end, and a device read without end. They are
refused before they are opened, with an OSError as for any file that cannot be read, so that whoever
tells of one tells of the other.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO

MIB = 1 << 20
GIB = 1 << 30
# Far above the largest that is real: .onnx ends at 2 GB, and weights behind a .tflite's FlatBuffer
# or beside a SavedModel at what a small device holds.
MOST_MODEL_BYTES = 16 * GIB
# A manifest has 10 kB to 1 MB; what Python makes of JSON is up to 30 times as large.
MOST_RECORD_BYTES = 16 * MIB
# Results of a year's benches, or COCO's annotations.
MOST_COLLECTION_BYTES = 2 * GIB

_KINDS = (
    (stat.S_ISDIR, "Is a directory"),
    (stat.S_ISFIFO, "it is a pipe, no regular file"),
    (stat.S_ISSOCK, "it is a socket, no regular file"),
    (stat.S_ISCHR, "it is a device, no regular file"),
    (stat.S_ISBLK, "it is a device, no regular file"),
)


class RefusedFileError(OSError):
    """It exists and is not read: no regular file, or larger than its kind can be."""

    def __str__(self) -> str:
        """Why, without the number of the error; whoever tells of it names the file."""
        return str(self.strerror)


def open_binary(path: Path | str, most_bytes: int = MOST_MODEL_BYTES) -> IO[bytes]:
    """Open a regular file for reading.

    Raises:
        RefusedFileError: it is a pipe, a device, a socket or a folder, or has more bytes.
        OSError: it is not there, or may not be read.
    """
    path = Path(path)
    _require(path, path.stat(), most_bytes)
    # What took the file's place since then is not waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        _require(path, os.fstat(descriptor), most_bytes)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def require(path: Path | str, most_bytes: int = MOST_MODEL_BYTES) -> int:
    """The size of a regular file, for those who hand its name on to what opens it themselves.

    Raises:
        OSError: as `open_binary`.
    """
    path = Path(path)
    status = path.stat()
    _require(path, status, most_bytes)
    return status.st_size


def read_bytes(path: Path | str, most_bytes: int = MOST_MODEL_BYTES) -> bytes:
    """A regular file's bytes, no more of them than it had when it was opened.

    Raises:
        OSError: as `open_binary`.
    """
    with open_binary(path, most_bytes) as stream:
        size = os.fstat(stream.fileno()).st_size
        data = stream.read(size + 1)
    if len(data) > size:  # it grows while it is read, or is one that /proc makes without end
        raise RefusedFileError(errno.EFBIG, "it has more bytes than its size says", str(path))
    return data


def read_text(
    path: Path | str, most_bytes: int = MOST_RECORD_BYTES, encoding: str = "utf-8"
) -> str:
    """A regular file's text.

    Raises:
        OSError: as `open_binary`.
        UnicodeDecodeError: it is no text.
    """
    return read_bytes(path, most_bytes).decode(encoding)


def expanded(path: str) -> Path:
    """The path with ~ in it replaced; left as it is where nobody knows the user's home."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises where there is none


def _require(path: Path, status: os.stat_result, most_bytes: int) -> None:
    for is_kind, words in _KINDS:
        if is_kind(status.st_mode):
            code = errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.EINVAL
            raise RefusedFileError(code, words, str(path))
    if status.st_size > most_bytes:
        words = f"it has {status.st_size:,} bytes, and {most_bytes:,} are the most that are read"
        raise RefusedFileError(errno.EFBIG, words, str(path))


def write_all(descriptor: int, data: bytes) -> None:
    """Write until nothing is left: one call may take only a part where the disk runs full."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
