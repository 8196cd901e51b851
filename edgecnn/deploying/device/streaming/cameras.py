"""Frames from a camera, a video file or an RTSP address: by libraries that may be on the device.

None of them is brought along, and but for PyAV on one file none was ever tried: `Recorder` is all
that they have to be. picamera2 is Raspberry Pi OS's own (python3-picamera2), linuxpy talks to V4L2
in pure Python, PyAV (python3-av) reads video.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import time
from typing import TYPE_CHECKING, Any, Protocol

from edgecnn.deploying.device.streaming.frames import LostError, Shot
from edgecnn.deploying.device.trouble import MISSING_PART, TroubleError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

VIDEOS = {".mp4", ".m4v", ".mkv", ".mov", ".avi", ".webm", ".mpg", ".mpeg", ".ts"}
_LONGEST_FRAME_S = 1.0
_SIZE = (640, 480)  # width and height that a camera is asked for


class Recorder(Protocol):
    """What a library gives: pictures one after another, until it is closed."""

    def picture(self) -> bytes | NDArray[np.uint8] | None:
        """The next one, a JPEG or (height, width, 3) RGB; None at the end.

        Raises:
            OSError, RuntimeError, ValueError: it is gone.
        """

    def close(self) -> None:
        """Give it back."""


class Recorded:
    """A source over a recorder.

    Args:
        name: for people.
        start: makes the recorder; called anew after it was lost.
    """

    def __init__(self, name: str, start: Callable[[], Recorder]) -> None:
        self.name = name
        self._start = start

    def shots(self, stopped: threading.Event) -> Iterator[Shot]:
        """See `frames.Source`."""
        try:
            with contextlib.closing(self._start()) as recorder:
                while not stopped.is_set():
                    taken = recorder.picture()
                    if taken is None:
                        return
                    yield (
                        Shot(self.name, taken)
                        if isinstance(taken, bytes)
                        else (Shot(self.name, pixels=taken))
                    )
        except (OSError, RuntimeError, ValueError, IndexError) as error:
            raise LostError(str(error) or type(error).__name__) from error

    def interrupt(self) -> None:
        """See `frames.Source`; a camera gives a picture soon."""


def camera(name: str) -> Recorded:
    """The camera: "camera" for the first, or a device's path.

    Raises:
        TroubleError: no library for cameras is installed.
    """
    device = "" if name == "camera" else name
    if not device and _installed("picamera2"):
        return Recorded("camera (picamera2)", _PiCamera)
    if _installed("linuxpy"):
        path = device or "/dev/video0"
        return Recorded(f"{path} (linuxpy)", lambda: _V4l2(path))
    raise TroubleError(
        "no library for cameras is installed on this device",
        "On Raspberry Pi OS: sudo apt install python3-picamera2; elsewhere: pip install linuxpy."
        " A program that writes pictures into a folder will do: --source FOLDER.",
        MISSING_PART,
    )


def video(name: str) -> Recorded:
    """A video file, or an RTSP address.

    Raises:
        TroubleError: no library for video is installed.
    """
    if not _installed("av"):
        raise TroubleError(
            "no library for video is installed on this device",
            "On Debian and Raspberry Pi OS: sudo apt install python3-av",
            MISSING_PART,
        )
    shown = name.rpartition("@")[2] if "://" in name else name
    return Recorded(f"{shown} (PyAV)", lambda: _Video(name))


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


class _PiCamera:
    """picamera2; its "RGB888" is an array of blue, green, red."""

    def __init__(self) -> None:
        self._camera: Any = importlib.import_module("picamera2").Picamera2()
        main = {"size": _SIZE, "format": "RGB888"}
        self._camera.configure(self._camera.create_video_configuration(main=main))
        self._camera.start()

    def picture(self) -> NDArray[np.uint8]:
        pixels: NDArray[np.uint8] = self._camera.capture_array("main")[..., 2::-1].copy()
        return pixels

    def close(self) -> None:
        self._camera.stop()
        self._camera.close()


class _V4l2:
    """linuxpy; the camera is asked for JPEGs."""

    def __init__(self, path: str) -> None:
        module: Any = importlib.import_module("linuxpy.video.device")
        self._device = module.Device(path)
        self._device.open()
        try:
            capture = module.VideoCapture(self._device)
            capture.set_format(*_SIZE, "MJPG")
            self._capture = capture.__enter__()
            self._frames = iter(self._capture)
        except BaseException:
            self._device.close()
            raise

    def picture(self) -> bytes | None:
        frame = next(self._frames, None)
        return None if frame is None else bytes(frame.data)

    def close(self) -> None:
        self._capture.__exit__(None, None, None)
        self._device.close()


class _Video:
    """PyAV; an address waits ten seconds at most, and a file goes by at its own speed."""

    def __init__(self, name: str) -> None:
        self._container: Any = importlib.import_module("av").open(name, timeout=10.0)
        self._frames = self._container.decode(video=0)
        self._start = None if "://" in name else time.monotonic()

    def picture(self) -> NDArray[np.uint8] | None:
        frame = next(self._frames, None)
        if frame is None:
            return None
        if self._start is not None and frame.time is not None:
            early_s = self._start + frame.time - time.monotonic()
            time.sleep(min(max(0.0, early_s), _LONGEST_FRAME_S))
        pixels: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
        return pixels

    def close(self) -> None:
        self._container.close()
