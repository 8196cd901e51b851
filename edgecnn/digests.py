"""Digests of files, read piece by piece."""

from __future__ import annotations

import hashlib
import os
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK_BYTES = 1 << 20


def of_file(path: Path) -> str:
    """SHA-256 of a file's content, hex.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return of_stream(stream)


def of_stream(stream: IO[bytes]) -> str:
    """SHA-256 of what is left to read, hex."""
    return _hex(hashlib.sha256(), stream)


def fast_of_file(path: Path) -> str:
    """BLAKE2b of a file's content, hex; a link is not followed.

    For what we wrote ourselves and compare often; SHA-256 takes longer where the processor has no
    instructions for it.

    Raises:
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - of a descriptor
        return _hex(hashlib.blake2b(digest_size=16), stream)


def _hex(total: hashlib._Hash | hashlib.blake2b, stream: IO[bytes]) -> str:
    while chunk := stream.read(_CHUNK_BYTES):
        total.update(chunk)
    return total.hexdigest()
