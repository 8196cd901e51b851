"""Wheels to one archive with what an inference needs, the same bytes wherever it is made."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from edgecnn.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterable
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


class _Sum:
    """A file that keeps nothing of what is written but its SHA-256."""

    def __init__(self) -> None:
        self.total = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> int:
        """Take it in."""
        self.total.update(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        """Bytes so far."""
        return self._size


def packed_sha256(wheels: Iterable[Path]) -> str:
    """The SHA-256 (hex) of what `pack` would write; nothing is written.

    Raises:
        DeviceError: as `pack`.
    """
    summed = _Sum()
    _pack(wheels, summed)
    return summed.total.hexdigest()


def pack(wheels: Iterable[Path], archive: Path) -> None:
    """Write a .tar of all needed files of some wheels.

    Sorted by name, without owners, times or folders; readable by all.

    Raises:
        DeviceError: a wheel is no zip file, or holds a name that leads out of its folder.
    """
    with archive.open("wb") as stream:
        _pack(wheels, stream)


def _pack(wheels: Iterable[Path], to: Any) -> None:  # noqa: ANN401 - a binary file, or a _Sum
    members: dict[str, tuple[Path, str]] = {}
    for wheel in wheels:
        members.update((name, (wheel, name)) for name in _names(wheel))
    opened: dict[Path, zipfile.ZipFile] = {}
    with tarfile.open(fileobj=to, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, (wheel, inner) in sorted(members.items()):
            source = opened.setdefault(wheel, zipfile.ZipFile(wheel))
            info = tarfile.TarInfo(name)
            info.size = source.getinfo(inner).file_size
            info.mode = 0o644
            with source.open(inner) as content:
                tar.addfile(info, content)
    for source in opened.values():
        source.close()


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
