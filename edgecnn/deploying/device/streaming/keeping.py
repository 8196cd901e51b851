"""Keeps frames in a folder of a bounded size, for the next calibration."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.deploying.device.streaming.frames import Shot

MOST_FRAMES = 500
MOST_BYTES = 512 << 20
_PART = ".part"
_DIGITS = 16
_KINDS = (
    (b"\xff\xd8\xff", "jpg"),
    (b"\x89PNG", "png"),
    (b"RIFF", "webp"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tif"),
    (b"MM\0*", "tif"),
)


class NotKeptError(Exception):
    """A frame was not kept: a sentence."""


class Keeper:
    """Writes frames into a folder, each under a name from its content.

    Args:
        folder: made with the first frame.
        most_frames: it holds no more.
        most_bytes: likewise.
    """

    def __init__(
        self, folder: Path, most_frames: int = MOST_FRAMES, most_bytes: int = MOST_BYTES
    ) -> None:
        self.folder, self.most_frames = folder, most_frames
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        for left in folder.glob(f".*{_PART}"):
            left.unlink()

    def count(self) -> int:
        """Frames that lie there."""
        return len(self._sizes())

    def keep(self, shot: Shot) -> str:
        """Keep a frame as it came; pixels become a PNG. Returns its name.

        Raises:
            NotKeptError: the folder or the disk is full, or cannot be written.
        """
        data = shot.encoded or _png(shot)
        kind = next((kind for start, kind in _KINDS if data.startswith(start)), "")
        if not kind:
            raise NotKeptError("The frame is of no kind that is kept.")
        name = f"{hashlib.sha256(data).hexdigest()[:_DIGITS]}.{kind}"
        with self._lock:
            sizes = self._sizes()
            if name in sizes:
                return name
            if len(sizes) >= self.most_frames or sum(sizes.values()) + len(data) > self._most_bytes:
                raise NotKeptError(
                    f"The folder of kept frames is full ({len(sizes)}): fetch them with"
                    " `edgecnn collect --clear`."
                )
            self._write(name, data)
        return name

    def _sizes(self) -> dict[str, int]:
        try:
            with os.scandir(self.folder) as listing:
                return {
                    file.name: file.stat().st_size
                    for file in listing
                    if not file.name.startswith(".")
                }
        except FileNotFoundError:
            return {}

    def _write(self, name: str, data: bytes) -> None:
        part = self.folder / f".{name}{_PART}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(self.folder / name)
        except OSError as error:
            with contextlib.suppress(OSError):  # it was never made
                part.unlink()
            full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
            why = "the disk is full" if full else error.strerror
            raise NotKeptError(f"The frame was not kept: {why}.") from error


def _png(shot: Shot) -> bytes:
    from PIL import Image

    if shot.pixels is None:
        raise NotKeptError("The frame is empty.")
    stream = io.BytesIO()
    Image.fromarray(shot.pixels).save(stream, "PNG")
    return stream.getvalue()
