"""An .npz whose first array is fed to the network as it is.

The array is read row by row from the archive (NEP 1, the .npy format), so that a file larger than
memory costs no more than the rows that are used, and nothing in it is ever unpickled.
"""

from __future__ import annotations

import hashlib
import math
import random
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

_FLOAT_BYTES = {2, 4, 8}
# What zipfile raises; RuntimeError is its word for an encrypted member.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    UnicodeDecodeError,
)


@dataclass(frozen=True)
class Header:
    """What the first array's header says.

    Attributes:
        name: the array's name.
        rows: length of its first axis.
        dtype: a real floating-point type of 2, 4 or 8 bytes.
        others: names of the other arrays in the file.
    """

    name: str
    rows: int
    dtype: np.dtype[np.floating]
    others: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows taken from an .npz; both (n, height, width, channels) float32."""

    calibration: npt.NDArray[np.float32]
    held_out: npt.NDArray[np.float32]
    warnings: tuple[str, ...]


def load(
    path: Path, *, shape: tuple[int, int, int], samples: int, held_out: int, seed: int
) -> Rows:
    """Read the first array of an .npz: a seeded sample to calibrate on, and its last part apart.

    Args:
        path: the file.
        shape: height, width and channels of the network's input.
        samples: calibration samples wanted.
        held_out: rows wanted from the end of the array.
        seed: chooses the calibration samples when there are more than wanted.

    Raises:
        InputError: the file is no .npz, is damaged, or its first array is not
            (N, height, width, channels) of finite floating-point numbers, N two or more.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path.name, shape, (samples, held_out), seed)
    except _DAMAGE as error:
        raise InputError(
            f"{path.name}: not an .npz file, or damaged ({error})", hint="write it with numpy.savez"
        ) from error
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror or error})") from error


def share(available: int, samples: int, held_out: int) -> tuple[int, int]:
    """Divide what there is between calibration and parity, in the proportion asked for.

    Returns:
        How many for calibration and how many held out; at least one each where two are available.
    """
    if available >= samples + held_out:
        return samples, held_out
    apart = min(held_out, max(1, round(available * held_out / (samples + held_out))), available - 1)
    return min(samples, available - apart), apart


def _read(
    archive: zipfile.ZipFile,
    name: str,
    shape: tuple[int, int, int],
    wanted: tuple[int, int],
    seed: int,
) -> Rows:
    members = archive.infolist()
    if not members or not members[0].filename.endswith(".npy"):
        raise InputError(f"{name}: holds no array", hint="write it with numpy.savez")
    if members[0].compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise InputError(
            f"{name}: compressed in a way numpy does not", hint="write it with numpy.savez"
        )
    with archive.open(members[0]) as stream:
        others = tuple(member.filename.removesuffix(".npy") for member in members[1:])
        header = _header(stream, members[0], name, shape, others)
        if header.rows < 2:  # noqa: PLR2004 - one to calibrate on, one to check with
            raise InputError(
                f"{name}: one sample is not enough: one is calibrated on, another checked with",
                hint="put a hundred samples into it",
            )
        samples, apart = share(header.rows, *wanted)
        chosen = _chosen(header.rows, samples, apart, seed)
        rows = _stream_rows(stream, name, header, shape)
        return _collect(rows, chosen, header, (name, wanted))


def _chosen(rows: int, samples: int, apart: int, seed: int) -> tuple[frozenset[int], int]:
    """The calibration rows, and the first of the rows held out."""
    first_apart = rows - apart
    generator = random.Random(seed)  # noqa: S311 - no secret is made
    return frozenset(generator.sample(range(first_apart), samples)), first_apart


def _collect(
    rows: Iterator[npt.NDArray[np.float32]],
    chosen: tuple[frozenset[int], int],
    header: Header,
    request: tuple[str, tuple[int, int]],
) -> Rows:
    name, wanted = request
    calibration: list[npt.NDArray[np.float32]] = []
    held_out: list[npt.NDArray[np.float32]] = []
    seen: set[bytes] = set()
    copies, constant = [], []
    for index, row in enumerate(rows):
        if index not in chosen[0] and index < chosen[1]:
            continue
        digest = hashlib.sha256(row.tobytes()).digest()
        if digest in seen:
            copies.append(index)
            continue
        seen.add(digest)
        if (row == row[:1, :1]).all():
            constant.append(index)
        (calibration if index < chosen[1] else held_out).append(row)
    if not held_out:
        raise InputError(
            f"{name}: the last samples only repeat earlier ones, nothing is left to check with",
            hint="put different samples into it",
        )
    warnings = _sentences(name, header, copies, constant)
    if header.rows < sum(wanted):
        warnings.append(
            f"{name} holds {header.rows} samples: {len(calibration)} are calibrated on "
            f"(asked for: {wanted[0]}), {len(held_out)} are kept to check with."
        )
    return Rows(np.stack(calibration), np.stack(held_out), tuple(warnings))


def _sentences(name: str, header: Header, copies: list[int], constant: list[int]) -> list[str]:
    lines = []
    if header.dtype != np.dtype(np.float32):
        lines.append(f"{name}: {header.dtype} values are converted to float32.")
    if header.others:
        lines.append(
            f"{name}: only its first array, {header.name}, is used, not {', '.join(header.others)}."
        )
    if copies:
        lines.append(
            f"{name}: {len(copies)} samples repeat others exactly and were left out, "
            f"the first at index {copies[0]}."
        )
    if constant:
        lines.append(
            f"{name}: {len(constant)} samples are of a single colour, "
            f"the first at index {constant[0]}."
        )
    return lines


def _header(
    stream: IO[bytes],
    member: zipfile.ZipInfo,
    name: str,
    shape: tuple[int, int, int],
    others: tuple[str, ...],
) -> Header:
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        version = np.lib.format.read_magic(stream)
        if version not in readers:
            raise InputError(f"{name}: .npy version {version} is not for plain arrays")
        found, fortran, dtype = readers[version](stream)
    except (ValueError, SyntaxError, TypeError, OverflowError) as error:
        raise InputError(
            f"{name}: the first array's header is damaged ({error})",
            hint="write it with numpy.savez",
        ) from error
    _check_dtype(dtype, name)
    _check_shape(found, shape, name)
    if fortran:
        raise InputError(
            f"{name}: the array lies in Fortran order",
            hint="numpy.savez(FILE, numpy.ascontiguousarray(x))",
        )
    if member.file_size - stream.tell() != math.prod(found) * dtype.itemsize:
        raise InputError(f"{name}: damaged: its header and its size contradict each other")
    return Header(member.filename.removesuffix(".npy"), found[0], dtype, others)


def _check_dtype(dtype: np.dtype[np.generic], name: str) -> None:
    if dtype.hasobject:
        raise InputError(
            f"{name}: the array holds pickled Python objects, which are never loaded",
            hint="save it as numpy.asarray(x, 'float32'), all samples of one shape",
        )
    if dtype.kind in "iub":
        raise InputError(
            f"{name}: the array is {dtype}, but it is fed as it is and must be float32",
            hint="scale it as the network expects, for example (x / 255).astype('float32')",
        )
    if dtype.kind != "f" or dtype.itemsize not in _FLOAT_BYTES:
        raise InputError(
            f"{name}: the array is {dtype}, not float32", hint="x.astype('float32') before saving"
        )


def _check_shape(found: tuple[int, ...], shape: tuple[int, int, int], name: str) -> None:
    if found[1:] == shape and found[0] > 0:
        return
    height, width, channels = shape
    expected = f"(N, {height}, {width}, {channels})"
    hint = f"the network's input asks for {expected}"
    if found == shape:
        hint = "add the axis of samples: x[None]"
    elif found[1:] == (channels, height, width):
        hint = "put the channels last: x.transpose(0, 2, 3, 1)"
    what = "is empty" if found and 0 in found else "has the wrong shape"
    raise InputError(f"{name}: the array {what}: {found}, expected {expected}", hint=hint)


def _stream_rows(
    stream: IO[bytes], name: str, header: Header, shape: tuple[int, int, int]
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield every row as float32, and hold that it is finite; the archive's checksum included."""
    row_bytes = math.prod(shape) * header.dtype.itemsize
    for index in range(header.rows):
        data = stream.read(row_bytes)
        if len(data) != row_bytes:
            raise InputError(f"{name}: damaged: it ends at sample {index} of {header.rows}")
        with np.errstate(over="ignore"):  # what overflows is refused below
            row = np.frombuffer(data, header.dtype).reshape(shape).astype(np.float32)
        if not np.isfinite(row).all():
            where = tuple(int(axis[0]) for axis in np.nonzero(~np.isfinite(row)))
            raise InputError(
                f"{name}: NaN or infinite value (as float32) at index {(index, *where)}",
                hint="remove the sample, or mend what made it",
            )
        yield row
