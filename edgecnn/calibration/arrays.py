"""An .npz with one array for each input of a network, fed as they are.

Arrays are read row by row from the archive (NEP 1, the .npy format), so that a file larger than
memory costs no more than the rows that are used, and nothing in it is ever unpickled.
"""

from __future__ import annotations

import hashlib
import math
import random
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from edgecnn import files
from edgecnn.calibration.sampleset import rows_of
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from edgecnn.records import Endpoint

_FLOAT_BYTES = {2, 4, 8}
_FEWEST_RUNS = 2  # one to calibrate on, one to check with
_QUARTER = 4
# Beyond it squares overflow single precision, and LiteRT aborts its process at the steps of an int8
# file that such values are calibrated to.
LARGEST = 1e18
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
    """What an array's header says.

    Attributes:
        name: the array's name.
        rows: length of its first axis.
        dtype: of its values.
    """

    name: str
    rows: int
    dtype: np.dtype[Any]


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows taken from an .npz, an array for each input, in the inputs' order."""

    calibration: tuple[npt.NDArray[Any], ...]
    calibration_runs: int
    held_out: tuple[npt.NDArray[Any], ...]
    held_out_runs: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Choice:
    """Which runs are taken: those to calibrate on, and all from `first_apart` on."""

    calibration: frozenset[int]
    first_apart: int

    def takes(self, run: int) -> bool:
        return run in self.calibration or run >= self.first_apart


def load(path: Path, inputs: Sequence[Endpoint], *, samples: int, held_out: int, seed: int) -> Rows:
    """Read an .npz: a seeded sample of runs to calibrate on, and its last part apart.

    Args:
        path: the file; it holds an array (N, *shape[1:]) for every input, under the input's name,
            or, where one run takes several rows, (runs, *shape).
            With one input the first array is taken, whatever its name. An artifact's reference.npz
            is one too.
        inputs: of the network.
        samples: calibration samples wanted.
        held_out: runs wanted from the end of the arrays.
        seed: chooses the calibration samples when there are more than wanted.

    Raises:
        InputError: the file is no .npz, is damaged, lacks an input's array, or an array is not
            of finite numbers of the input's shape and kind, two runs or more.
    """
    try:
        with files.open_binary(path) as stream, zipfile.ZipFile(stream) as archive:
            return _read(archive, path.name, inputs, (samples, held_out), seed)
    except _DAMAGE as error:
        raise InputError(
            f"{path.name}: not an .npz file, or damaged ({error})", hint="write it with numpy.savez"
        ) from error
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror or error})") from error


def share(available: int, samples: int, held_out: int) -> tuple[int, int]:
    """Divide what there is between calibration and parity, in the proportion asked for.

    Of few, a quarter at most is held out: what is missing in calibration is missing in the file.

    Returns:
        How many for calibration and how many held out; at least one each where two are available.
    """
    if available >= samples + held_out:
        return samples, held_out
    in_proportion = round(available * held_out / (samples + held_out))
    apart = min(held_out, max(1, min(in_proportion, available // _QUARTER)), available - 1)
    return min(samples, available - apart), apart


def _read(
    archive: zipfile.ZipFile,
    name: str,
    inputs: Sequence[Endpoint],
    samples: tuple[int, int],
    seed: int,
) -> Rows:
    members = _members(archive, name, inputs)
    headers = [
        _opened(archive, member, _place(name, endpoint, inputs), endpoint)
        for member, endpoint in zip(members, inputs, strict=True)
    ]
    runs = _runs(headers, inputs, name)
    choice = _chosen(runs, *share(runs, *samples), seed)
    taken = [
        _rows(archive, member, _place(name, endpoint, inputs), endpoint, choice)
        for member, endpoint in zip(members, inputs, strict=True)
    ]
    warnings = _converted(name, headers, inputs) + _unused(archive, name, members)
    return _collect(name, taken, inputs, choice, (runs, samples, warnings))


def _place(name: str, endpoint: Endpoint, inputs: Sequence[Endpoint]) -> str:
    """Where an error is: the file, and of several inputs which."""
    return name if len(inputs) == 1 else f"{name}, input {endpoint.name!r}"


def _members(
    archive: zipfile.ZipFile, name: str, inputs: Sequence[Endpoint]
) -> list[zipfile.ZipInfo]:
    """The member of each input."""
    stored = [member for member in archive.infolist() if member.filename.endswith(".npy")]
    if not stored or stored[0] is not archive.infolist()[0]:
        raise InputError(f"{name}: holds no array", hint="write it with numpy.savez")
    by_name = {member.filename.removesuffix(".npy"): member for member in stored}
    if len(inputs) == 1:
        return [by_name.get(inputs[0].name, stored[0])]
    missing = [endpoint.name for endpoint in inputs if endpoint.name not in by_name]
    in_order = [f"x{k}" for k in range(len(inputs))]
    if missing and {*in_order, "y0"} <= set(by_name):  # an artifact's reference.npz
        return [by_name[array] for array in in_order]
    if missing:
        raise InputError(
            f"{name}: no array for the input {' and '.join(map(repr, missing))}; it holds"
            f" {', '.join(map(repr, by_name))}",
            hint="numpy.savez(FILE, **{NAME: array}) with one array for each input: "
            + ", ".join(f"{endpoint.name} {_expected(endpoint)}" for endpoint in inputs),
        )
    return [by_name[endpoint.name] for endpoint in inputs]


def _opened(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, endpoint: Endpoint
) -> Header:
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise InputError(
            f"{name}: compressed in a way numpy does not", hint="write it with numpy.savez"
        )
    with archive.open(member) as stream:
        return _header(stream, member, name, endpoint)


def _runs(headers: Sequence[Header], inputs: Sequence[Endpoint], name: str) -> int:
    counts = {
        header.name: header.rows // rows_of(endpoint)
        for header, endpoint in zip(headers, inputs, strict=True)
    }
    if len(set(counts.values())) > 1:
        sizes = ", ".join(f"{array} {count}" for array, count in counts.items())
        raise InputError(
            f"{name}: its arrays hold different numbers of samples: {sizes}",
            hint="sample i of every array belongs to one run",
        )
    runs = next(iter(counts.values()))
    if runs < _FEWEST_RUNS:
        raise InputError(
            f"{name}: one sample is not enough: one is calibrated on, another checked with",
            hint="put a hundred samples into it",
        )
    return runs


def _chosen(runs: int, samples: int, apart: int, seed: int) -> _Choice:
    first_apart = runs - apart
    generator = random.Random(seed)  # noqa: S311 - no secret is made
    return _Choice(frozenset(generator.sample(range(first_apart), samples)), first_apart)


def _rows(
    archive: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    name: str,
    endpoint: Endpoint,
    choice: _Choice,
) -> dict[int, npt.NDArray[Any]]:
    """The runs taken of one input's array, each (batch, *shape[1:])."""
    rows = rows_of(endpoint)
    taken: dict[int, list[npt.NDArray[Any]]] = {}
    with archive.open(member) as stream:
        header = _header(stream, member, name, endpoint)
        for index, row in enumerate(_stream_rows(stream, name, header, endpoint)):
            if choice.takes(index // rows):
                taken.setdefault(index // rows, []).append(row)
    return {run: np.stack(parts) for run, parts in taken.items() if len(parts) == rows}


def _collect(
    name: str,
    taken: Sequence[dict[int, npt.NDArray[Any]]],
    inputs: Sequence[Endpoint],
    choice: _Choice,
    request: tuple[int, tuple[int, int], list[str]],
) -> Rows:
    runs, samples, warnings = request
    seen: set[bytes] = set()
    kept: list[int] = []
    copies, constant = [], []
    for run in sorted(taken[0]):
        digest = hashlib.sha256(b"".join(values[run].tobytes() for values in taken)).digest()
        if digest in seen:
            copies.append(run)
            continue
        seen.add(digest)
        kept.append(run)
        if any(map(_is_blank, (values[run] for values in taken), inputs)):
            constant.append(run)
    calibration = [run for run in kept if run < choice.first_apart]
    held_out = [run for run in kept if run >= choice.first_apart]
    if not held_out:
        raise InputError(
            f"{name}: the last samples only repeat earlier ones, nothing is left to check with",
            hint="put different samples into it",
        )
    warnings += _sentences(name, copies, constant)
    if runs < sum(samples):
        warnings.append(
            f"{name} has {runs} samples: {len(calibration)} for calibration "
            f"(requested: {samples[0]}), {len(held_out)} held out to measure fidelity."
        )
    return Rows(
        _stacked(taken, calibration),
        len(calibration),
        _stacked(taken, held_out),
        len(held_out),
        tuple(warnings),
    )


def _stacked(
    taken: Sequence[dict[int, npt.NDArray[Any]]], runs: Sequence[int]
) -> tuple[npt.NDArray[Any], ...]:
    return tuple(np.concatenate([values[run] for run in runs]) for values in taken)


def _is_blank(values: npt.NDArray[Any], endpoint: Endpoint) -> bool:
    """Whether an image is of a single colour; one pixel is none, but a vector."""
    if sorted(endpoint.layout) != sorted("NHWC"):
        return False
    channels = endpoint.layout.index("C")
    pixels = np.moveaxis(values, channels, -1)
    return pixels[..., 0].size > len(pixels) and bool((pixels == pixels[:, :1, :1]).all())


def _converted(name: str, headers: Sequence[Header], inputs: Sequence[Endpoint]) -> list[str]:
    return [
        f"{name}: {header.dtype} values are converted to {endpoint.dtype}."
        for header, endpoint in zip(headers, inputs, strict=True)
        if header.dtype != np.dtype(endpoint.dtype)
    ]


def _unused(archive: zipfile.ZipFile, name: str, members: Sequence[zipfile.ZipInfo]) -> list[str]:
    used = {member.filename for member in members}
    others = [m.filename.removesuffix(".npy") for m in archive.infolist() if m.filename not in used]
    if not others:
        return []
    names = ", ".join(member.filename.removesuffix(".npy") for member in members)
    return [f"{name}: of its arrays only {names} is used, not {', '.join(others)}."]


def _sentences(name: str, copies: Sequence[int], constant: Sequence[int]) -> list[str]:
    lines = []
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


def _header(stream: IO[bytes], member: zipfile.ZipInfo, name: str, endpoint: Endpoint) -> Header:
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    array = member.filename.removesuffix(".npy")
    try:
        version = np.lib.format.read_magic(stream)
        if version not in readers:
            raise InputError(f"{name}: .npy version {version} is not for plain arrays")
        shape, fortran, dtype = readers[version](stream)
    except (ValueError, SyntaxError, TypeError, OverflowError) as error:
        raise InputError(
            f"{name}: the header of array {array} is damaged ({error})",
            hint="write it with numpy.savez",
        ) from error
    _check_dtype(dtype, name, endpoint)
    if shape[1:] == endpoint.shape and rows_of(endpoint) > 1:
        shape = (shape[0] * shape[1], *shape[2:])
    _check_shape(shape, endpoint, name)
    if fortran and len(shape) > 1:
        raise InputError(
            f"{name}: the array lies in Fortran order",
            hint="numpy.savez(FILE, numpy.ascontiguousarray(x))",
        )
    if member.file_size - stream.tell() != math.prod(shape) * dtype.itemsize:
        raise InputError(f"{name}: damaged: its header and its size contradict each other")
    return Header(array, shape[0], dtype)


def _check_dtype(dtype: np.dtype[Any], name: str, endpoint: Endpoint) -> None:
    if dtype.hasobject:
        raise InputError(
            f"{name}: the array holds pickled Python objects, which are never loaded",
            hint="save it as numpy.asarray(x, 'float32'), all samples of one shape",
        )
    expected = np.dtype(endpoint.dtype)
    if expected.kind != "f":
        if dtype.kind not in "iub":
            raise InputError(
                f"{name}: the array is {dtype}, but the input {endpoint.name!r} takes {expected}",
                hint=f"x.astype('{expected}') before saving",
            )
        return
    if dtype.kind in "iub":
        raise InputError(
            f"{name}: the array is {dtype}, but it is fed as it is and must be float32",
            hint="scale it as the network expects, for example (x / 255).astype('float32')",
        )
    if dtype.kind != "f" or dtype.itemsize not in _FLOAT_BYTES:
        raise InputError(
            f"{name}: the array is {dtype}, not float32", hint="x.astype('float32') before saving"
        )


def _expected(endpoint: Endpoint) -> str:
    """The shape that an input's array must have, as text."""
    if rows_of(endpoint) > 1:  # N samples, not N rows
        return f"(N, {', '.join(map(str, endpoint.shape))})"
    return f"(N{''.join(f', {size}' for size in endpoint.shape[1:])})"


def _check_shape(shape: tuple[int, ...], endpoint: Endpoint, name: str) -> None:
    expected = endpoint.shape
    if shape and shape[1:] == expected[1:] and shape[0] > 0:
        return
    text = _expected(endpoint)
    hint = f"the network's input {endpoint.name} asks for {text}"
    if shape == expected[1:]:
        hint = "add the axis of samples: x[None]"
    elif len(expected) == 4 and shape[1:] == (expected[3], *expected[1:3]):  # noqa: PLR2004 - an image
        hint = "put the channels last: x.transpose(0, 2, 3, 1)"
    elif len(expected) == 4 and shape[1:] == (*expected[2:], expected[1]):  # noqa: PLR2004 - likewise
        hint = "put the channels first: x.transpose(0, 3, 1, 2)"
    what = "is empty" if shape and 0 in shape else "has the wrong shape"
    raise InputError(f"{name}: the array {what}: {shape}, expected {text}", hint=hint)


def _stream_rows(
    stream: IO[bytes], name: str, header: Header, endpoint: Endpoint
) -> Iterator[npt.NDArray[Any]]:
    """Yield every row in the input's dtype, and hold that it is finite and fits.

    The archive's checksum is held too, once the last row was read.
    """
    shape, dtype = endpoint.shape[1:], np.dtype(endpoint.dtype)
    row_bytes = math.prod(shape) * header.dtype.itemsize
    for index in range(header.rows):
        data = stream.read(row_bytes)
        if len(data) != row_bytes:
            raise InputError(f"{name}: damaged: it ends at sample {index} of {header.rows}")
        with np.errstate(over="ignore"):  # what overflows is refused below
            stored = np.frombuffer(data, header.dtype).reshape(shape)
            row = stored.astype(dtype)
        if dtype.kind == "f" and not np.isfinite(row).all():
            where = tuple(int(axis[0]) for axis in np.nonzero(~np.isfinite(row)))
            raise InputError(
                f"{name}: NaN or infinite value (as float32) at index {(index, *where)}",
                hint="remove the sample, or mend what made it",
            )
        if dtype.kind == "f" and row.size and np.abs(row).max() > LARGEST:
            raise InputError(
                f"{name}: a value of {np.abs(row).max():.3g} in sample {index}; no more than"
                f" {LARGEST:.0e} is taken",
                hint="remove the sample, or mend what made it",
            )
        if dtype.kind != "f" and not np.array_equal(row, stored):
            raise InputError(
                f"{name}: a value at index {index} does not fit {dtype}, which the input"
                f" {endpoint.name!r} takes",
                hint="save it in the input's own dtype",
            )
        yield row
