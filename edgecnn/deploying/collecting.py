"""The verb `collect`: frames that were kept on a device come back, for the next calibration."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import files, store, strict
from edgecnn.deploying import place
from edgecnn.errors import DeviceError, InputError
from edgecnn.progress import Progress, Silent
from edgecnn.strict import UnfitError, structured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgecnn.devices.shell import ShellDevice

_PROGRAM = "kept.py"
_NAME = re.compile(r"([0-9a-f]{16})\.(jpg|png|webp|gif|bmp|tif)")
_MOST_FRAME_BYTES = 17 << 20
_BATCH_BYTES, _BATCH_FRAMES = 32 << 20, 100
_BATCH_S = 300.0


@dataclass(frozen=True)
class KeptFrame:
    """A frame on the device: its name, which begins with its SHA-256, and its size."""

    name: str
    bytes: int


@dataclass(frozen=True)
class _Listed:
    """What lies there."""

    frames: tuple[KeptFrame, ...]


@dataclass(frozen=True)
class Collected:
    """What came back.

    Attributes:
        target: the device.
        folder: the network's there.
        model: its name.
        recipe: its precision.
        out: the folder here.
        frames: names of those that are here now.
        new: how many of them came now; the others were here already.
        bytes: of those that came.
        removed: how many were removed on the device.
    """

    target: str
    folder: str
    model: str
    recipe: str
    out: str
    frames: tuple[str, ...]
    new: int
    bytes: int
    removed: int


def collect(
    where: str, out: Path | str, *, clear: bool = False, progress: Progress | None = None
) -> Collected:
    """Fetch the frames that were kept on a device.

    Each is held to its name, which is from its content, and appears whole. Nothing is locked: it
    may run while `live` does.

    Args:
        where: as for `live`.
        out: a folder; made when it is not there. What lies in it stays.
        clear: remove those on the device that are here now.
        progress: told of each batch.

    Raises:
        InputError: there is no such network, or the folder cannot be written.
        DeviceError: the device cannot be reached, or what it gives is no kept frame.
    """
    watcher, out = progress or Silent(), Path(out)
    device, folder = place.opened(where)
    try:
        network = place.network(device, folder)
        listed = _list(device, network.folder)
        missing = [frame for frame in listed if not _is_here(out / frame.name)]
        watcher.stage(f"fetching frames from {device.target}", len(missing))
        for batch in _batches(missing):
            _fetch(device, network.folder, batch, out)
            watcher.advance(len(batch))
        removed = _clear(device, network.folder, listed) if clear else 0
    finally:
        device.close()
    return Collected(
        target=device.target,
        folder=network.folder,
        model=network.model,
        recipe=network.recipe,
        out=str(out),
        frames=tuple(frame.name for frame in listed),
        new=len(missing),
        bytes=sum(frame.bytes for frame in missing),
        removed=removed,
    )


def _program() -> str:
    return (Path(__file__).parent / _PROGRAM).read_text("utf-8")


def _list(device: ShellDevice, folder: str) -> tuple[KeptFrame, ...]:
    step = "asking for kept frames"
    said = device.ask(_program(), (folder, "list"), step=step)
    try:
        frames = structured(strict.parse(said), _Listed).frames
        strict.refuse(
            f"{frame.name[:60]!r} of {frame.bytes} bytes is no kept frame"
            for frame in frames
            if not _NAME.fullmatch(frame.name) or not 0 < frame.bytes <= _MOST_FRAME_BYTES
        )
    except UnfitError as error:
        raise DeviceError(
            f"{device.target}: its list of kept frames makes no sense: {error}.",
            hint="Look into the folder `kept` there.",
        ) from error
    return frames


def _is_here(path: Path) -> bool:
    """Whether a frame came earlier, and is as it was."""
    try:
        return _is_of(path.name, files.read_bytes(path, _MOST_FRAME_BYTES))
    except OSError:
        return False


def _is_of(name: str, content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest().startswith(name.partition(".")[0])


def _batches(frames: Sequence[KeptFrame]) -> Iterator[list[KeptFrame]]:
    batch: list[KeptFrame] = []
    for frame in frames:
        full = sum(kept.bytes for kept in batch) + frame.bytes > _BATCH_BYTES
        if batch and (full or len(batch) == _BATCH_FRAMES):
            yield batch
            batch = []
        batch.append(frame)
    if batch:
        yield batch


def _fetch(device: ShellDevice, folder: str, batch: Sequence[KeptFrame], out: Path) -> None:
    total = sum(frame.bytes for frame in batch)
    data = device.ask_bytes(
        _program(),
        (folder, "give", *(frame.name for frame in batch)),
        step="fetching kept frames",
        most_bytes=total,
        within_s=_BATCH_S,
    )
    at = 0
    for frame in batch:
        content = data[at : at + frame.bytes]
        at += frame.bytes
        if not _is_of(frame.name, content):
            raise DeviceError(
                f"{device.target}: the frame {frame.name} is not what its name says.",
                hint="Remove it from the folder `kept` there: it is damaged.",
            )
        _write(out / frame.name, content)


def _write(path: Path, content: bytes) -> None:
    with store.file_errors(path):
        try:
            store.write_file(path, content)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise InputError(
                f"{path.parent} is no folder that frames can be written to.",
                hint="Name another with --out.",
            ) from error


def _clear(device: ShellDevice, folder: str, frames: Sequence[KeptFrame]) -> int:
    for first in range(0, len(frames), _BATCH_FRAMES):
        names = (frame.name for frame in frames[first : first + _BATCH_FRAMES])
        device.ask(_program(), (folder, "clear", *names), step="removing kept frames")
    return len(frames)
