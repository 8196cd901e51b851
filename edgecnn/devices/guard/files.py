"""Files on the device: their sums, names that stay in their folder, and unpacking.

Sent to the device: Python 3.9, standard library alone.
"""

from __future__ import annotations

import hashlib
import tarfile
from typing import TYPE_CHECKING

from edgecnn.devices.guard.pipe import CHUNK, Payload
from edgecnn.devices.guard.place import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

_SUMS = "SHA256SUMS"


def sha256(path: Path) -> str:
    """A file's SHA-256, as it reads now."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(CHUNK), b""):
            total.update(chunk)
    return total.hexdigest()


def inside(folder: Path, name: str) -> Path:
    """`folder / name`, for names that stay in it."""
    if {"", ".", ".."} & set(name.split("/")) or "\0" in name:
        raise RefusedError("name", f"{name!r} is no name within a folder")
    return folder / name


def unpack(payload: Payload, folder: Path) -> None:
    """Unpack a .tar as it comes, and list the sums of what stands there afterwards."""
    names = []
    with tarfile.open(fileobj=payload, mode="r|*") as archive:  # type: ignore[call-overload] # it asks for `read` alone
        for member in archive:
            path = inside(folder, member.name.rstrip("/"))
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            source = archive.extractfile(member) if member.isfile() else None
            if source is None or "\n" in member.name:
                raise RefusedError("archive", f"{member.name!r} is no regular file")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for chunk in iter(lambda source=source: source.read(CHUNK), b""):  # type: ignore[misc] # bound at once
                    file.write(chunk)
            path.chmod(0o700 if member.mode & 0o100 else 0o600)
            names.append(member.name)
    lines = [f"{sha256(folder / name)}  {name}\n" for name in names]
    (folder / _SUMS).write_text("".join(lines))


def intact(folder: Path) -> bool:
    """Whether all that was unpacked is there as it was."""
    try:
        lines = (folder / _SUMS).read_text().splitlines()
        pairs = [line.partition("  ") for line in lines]
        return bool(pairs) and all(sha256(folder / name) == total for total, _, name in pairs)
    except OSError:
        return False
