"""Wheels to one archive with what an inference needs, the same bytes wherever it is made."""

from __future__ import annotations

import base64
import csv
import io
import tarfile
import zipfile
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from edgecnn import digests
from edgecnn.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# Patterns of files that no inference needs ("*" crosses folders). Measured with the aarch64 wheels
# of Python 3.11: ai-edge-litert 42.1 -> 17.5 MB (a WebGPU accelerator, the CompiledModel API and
# its programs go, `Interpreter` stays), numpy 49.5 -> 40.2 MB (26 MB are OpenBLAS, which its core
# is linked to), onnxruntime 55.9 -> 26.9 MB (its C library is in the Python module a second time),
# pillow 22.9 -> 12.1 MB (AVIF, fonts, colour management, Tk).
_DROPPED = (
    "*/tests/*", "*.pyi", "*.a", "*.h", "*.pxd", "*.data/*", "*.dist-info/RECORD",
    "*.dist-info/sboms/*",
    "numpy/distutils/*", "numpy/f2py/*", "numpy/typing/*", "numpy/testing/*", "numpy/doc/*",
    "onnxruntime/transformers/*", "onnxruntime/quantization/*", "onnxruntime/tools/*",
    "onnxruntime/datasets/*", "onnxruntime/backend/*", "onnxruntime/capi/libonnxruntime.so*",
    "PIL/_avif.*", "PIL/_imagingcms.*", "PIL/_imagingft.*", "PIL/_imagingtk.*",
    "pillow.libs/libavif-*", "pillow.libs/libbrotli*", "pillow.libs/libfreetype-*",
    "pillow.libs/libharfbuzz-*", "pillow.libs/liblcms2-*",
)  # fmt: skip
# Of these folders, only what is listed.
_KEPT = {
    "ai_edge_litert": (
        "__init__.py", "interpreter.py", "metrics_interface.py", "metrics_portable.py",
        "_pywrap_litert_interpreter_wrapper.so", "libpywrap_litert_common.so",
    ),
}  # fmt: skip
# What one version needs beside that.
_ALSO_KEPT = {"ai_edge_litert-2.1.0-": ("ai_edge_litert/libLiteRt.so",)}
RULES = [1, _DROPPED, _KEPT, _ALSO_KEPT]
"""All that decides an archive beside the wheels; the first number counts the layouts."""


def needed(wheel: str, name: str) -> bool:
    """Whether a wheel's file is needed to run a network.

    Args:
        wheel: the wheel's file name.
        name: the file's path in it.
    """
    first, _, rest = name.partition("/")
    if first in _KEPT:
        also = (names for start, names in _ALSO_KEPT.items() if wheel.startswith(start))
        return rest in _KEPT[first] or any(name in names for names in also)
    return not any(fnmatchcase(name, pattern) for pattern in _DROPPED)


def pack(wheels: Iterable[Path], archive: Path) -> None:
    """Write a .tar of all needed files of some wheels.

    Sorted by name, without owners, times or folders; readable by all.

    Raises:
        DeviceError: a wheel is no zip file, or holds a name that leads out of its folder.
    """
    members: dict[str, tuple[Path, str]] = {}
    for wheel in wheels:
        members.update((name, (wheel, name)) for name in _names(wheel))
    opened: dict[Path, zipfile.ZipFile] = {}
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, (wheel, inner) in sorted(members.items()):
            source = opened.setdefault(wheel, zipfile.ZipFile(wheel))
            info = tarfile.TarInfo(name)
            info.size = source.getinfo(inner).file_size
            info.mode = 0o644
            with source.open(inner) as content:
                tar.addfile(info, content)
    for source in opened.values():
        source.close()


def is_packed_from(archive: Path, wheels: Iterable[Path]) -> bool:
    """Whether a .tar holds what `pack` writes, by the sums that the wheels' own RECORDs give.

    Each wheel is held to its pin before; nothing of it is unpacked again.

    Raises:
        DeviceError: as `pack`.
        OSError: a file cannot be read.
    """
    expected: dict[str, str] = {}
    for wheel in wheels:
        expected.update(_sums(wheel))
    try:
        with tarfile.open(archive, "r:") as tar:
            members = tar.getmembers()
            names = [member.name for member in members if member.isreg()]
            if sorted(expected) != names or len(names) != len(members):
                return False
            sums = [digests.of_stream(content) for m in members if (content := tar.extractfile(m))]
    except tarfile.TarError:
        return False
    return sums == [expected[name] for name in sorted(expected)] and _ends_well(archive, members)


def _ends_well(archive: Path, members: list[tarfile.TarInfo]) -> bool:
    """Whether zeros follow the last member, to the end of a record, and nothing else does."""
    last = max((m.offset_data + m.size for m in members), default=0)
    with archive.open("rb") as stream:
        stream.seek(last)
        rest = stream.read(2 * tarfile.RECORDSIZE)
        size = last + len(rest)
        return not rest.strip(b"\0") and not stream.read(1) and size % tarfile.RECORDSIZE == 0


def _sums(wheel: Path) -> dict[str, str]:
    """SHA-256 (hex) of each file that is needed; of those that no RECORD lists, by reading them."""
    names = _names(wheel)
    with zipfile.ZipFile(wheel) as content:
        records = [name for name in content.namelist() if name.endswith(".dist-info/RECORD")]
        listed = dict(pair for name in records for pair in _listed(content.read(name)))
        return {name: listed.get(name) or _read_sum(content, name) for name in names}


def _listed(record: bytes) -> Iterator[tuple[str, str]]:
    """The files of a RECORD with their SHA-256, hex."""
    for row in csv.reader(io.StringIO(record.decode())):
        name, digest = row[0], row[1].partition("sha256=")[2]
        if digest:
            yield name, base64.urlsafe_b64decode(f"{digest}==").hex()


def _read_sum(content: zipfile.ZipFile, name: str) -> str:
    with content.open(name) as stream:
        return digests.of_stream(stream)


def _names(wheel: Path) -> list[str]:
    try:
        with zipfile.ZipFile(wheel) as content:
            names = [name for name in content.namelist() if not name.endswith("/")]
    except zipfile.BadZipFile as error:
        raise DeviceError(
            f"{wheel.name} is no wheel: {error}.", hint="Fetch it again: pip cache purge"
        ) from error
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise DeviceError(
                f"{wheel.name} holds {name!r}, which leads out of its folder.",
                hint="Such a wheel must not be unpacked anywhere; which index did it come from?",
            )
    return [name for name in names if needed(wheel.name, name)]
