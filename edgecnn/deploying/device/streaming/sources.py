"""Which source a name means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.deploying.device.streaming import cameras
from edgecnn.deploying.device.streaming.addresses import Address
from edgecnn.deploying.device.streaming.folders import Files
from edgecnn.deploying.device.trouble import TroubleError

if TYPE_CHECKING:
    from edgecnn.deploying.device.streaming.frames import Source


def source_of(name: str, *, once: bool = False, loop: bool = False) -> Source:
    """The source behind `--source NAME`.

    Args:
        name: "camera", /dev/videoN, an address, a video file, a folder, or a picture.
        once: of files: each that is there, and then the end.
        loop: of files: each that is there, again and again.

    Raises:
        TroubleError: it is none, or needs a library that is not there.
    """
    scheme = name.partition("://")[0].lower() if "://" in name else ""
    file = not scheme and name != "camera" and not name.startswith("/dev/video")
    if file and Path(name).suffix.lower() not in cameras.VIDEOS:
        if not Path(name).exists() and not Path(name).absolute().parent.is_dir():
            raise TroubleError(f"--source {name}: neither it nor its folder is there", _FORMS)
        return Files(Path(name), once=once, loop=loop)
    if once or loop:
        raise TroubleError("--once and --loop are for pictures and folders", "Leave it out.")
    if scheme in {"http", "https"}:
        return Address(name)
    if scheme in {"rtsp", "rtsps"} or file:
        return cameras.video(name)
    if scheme:
        raise TroubleError(f"--source {scheme}://: not a kind of address that is read", _FORMS)
    return cameras.camera(name)


_FORMS = "Name a picture, a folder, http://HOST/PATH (MJPEG), rtsp://HOST/PATH, or camera."
