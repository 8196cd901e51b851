"""SHA-256 of files, read piece by piece."""

from __future__ import annotations

import hashlib
from typing import IO, TYPE_CHECKING

from edgecnn import files

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK_BYTES = 1 << 20


def of_file(path: Path) -> str:
    """Of a file's content, hex.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    with files.open_binary(path) as stream:
        return of_stream(stream)


def of_stream(stream: IO[bytes]) -> str:
    """Of what is left to read, hex."""
    total = hashlib.sha256()
    while chunk := stream.read(_CHUNK_BYTES):
        total.update(chunk)
    return total.hexdigest()
