"""An .npz or .npy of anybody's, held to its own sizes before any array is made.

The archive's directory and each array's header (NEP 1, the .npy format) say how much memory it
takes; a compressed file of some megabytes can promise gigabytes.
"""

from __future__ import annotations

import contextlib
import math
import struct
import tokenize
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Any

from edgecnn import files
from edgecnn.files import GIB, MIB

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

# All that numpy and zipfile raise on a damaged file.
UNREADABLE = (
    OSError, ValueError, KeyError, EOFError, AttributeError, MemoryError, NotImplementedError,
    ArithmeticError, RuntimeError, TypeError, SyntaxError, struct.error, zipfile.BadZipFile,
    zlib.error, tokenize.TokenError,
)  # fmt: skip
_MOST_ARRAYS = 100_000
# Packed numbers of a network or of pictures shrink to a tenth, masks to a hundredth.
_MOST_RATIO = 64


@contextlib.contextmanager
def opened(path: Path, *, always_bytes: int = GIB) -> Generator[Arrays, None, None]:
    """Open an .npz; its arrays are read when they are asked for, and pickles never.

    Args:
        path: the file.
        always_bytes: what all its arrays may take, unpacked, whatever the file's own size; beyond
            that, 64 times the file's.

    Raises:
        UNREADABLE: it is no such file, or not what its own sizes say.
    """
    import numpy as np

    with files.open_binary(path) as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        with zipfile.ZipFile(stream) as archive:
            check_sizes(archive, size, always_bytes=always_bytes)
            _check_headers(archive)
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as arrays:
            yield arrays


def read(path: Path, *, always_bytes: int = GIB) -> dict[str, NDArray[Any]]:
    """All arrays of an .npz; see `opened`."""
    import numpy as np

    with opened(path, always_bytes=always_bytes) as arrays:
        return {name: np.asarray(arrays[name]) for name in arrays}


def read_npy(path: Path, *, most_bytes: int = 256 * MIB) -> NDArray[Any]:
    """The one array of a .npy.

    Raises:
        UNREADABLE: it is no such file, or not what its header says.
    """
    import numpy as np

    with files.open_binary(path, most_bytes) as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        _check_header(stream, str(path.name), size)
        stream.seek(0)
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        return array


def check_sizes(archive: zipfile.ZipFile, size: int, *, always_bytes: int = GIB) -> None:
    """Hold what an archive would unpack to against its own size; see `opened`.

    Raises:
        ValueError: it promises more.
    """
    members = archive.infolist()
    if len(members) > _MOST_ARRAYS:
        raise ValueError(f"it holds {len(members):,} arrays")
    whole = sum(member.file_size for member in members)
    if whole > max(always_bytes, _MOST_RATIO * size):
        raise ValueError(
            f"its {size:,} bytes promise {whole:,} of arrays; written without compression"
            " (numpy.savez), they would be read"
        )


def _check_headers(archive: zipfile.ZipFile) -> None:
    for member in archive.infolist():
        if member.filename.endswith(".npy"):
            with archive.open(member) as stream:
                _check_header(stream, member.filename, member.file_size)


def _check_header(stream: IO[bytes], name: str, size: int) -> None:
    from numpy.lib import format as npy

    headers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    version = npy.read_magic(stream)
    if version not in headers:
        raise ValueError(f"{name} is of version {version}, which plain arrays do not need")
    shape, _, dtype = headers[version](stream)
    if dtype.hasobject:
        raise ValueError(f"{name} holds pickled Python objects, which are never loaded")
    if any(length < 0 for length in shape):
        raise ValueError(f"{name} has the shape {shape}")
    size_bytes = math.prod(shape) * dtype.itemsize
    if stream.tell() + size_bytes != size:
        raise ValueError(
            f"{name} has the shape {shape} of {dtype}, {size_bytes:,} bytes, and holds"
            f" {size - stream.tell():,}"
        )
