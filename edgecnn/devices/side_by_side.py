"""Work on several devices at once: a thread each, one job at a time a device.

What is slow, busy or dead holds up nobody but those behind it on the same host.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from typing import TYPE_CHECKING

from edgecnn.devices.target import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from edgecnn.devices.device import Device
    from edgecnn.progress import Progress

    Work = Callable[[Device, Progress], None]

MOST = 64  # connections, and programs of this machine that hold them
_SSH_PORT = 22
_GRACE_S = 2.0  # for those at work to hear that they are to stop; then their connection is ended


def run(devices: Sequence[Device], work: Work, progress: Progress, *, most: int = MOST) -> None:
    """Do some work on every device, on as many at a time as there are hosts.

    One device alone is worked on in this thread, and its own stages are shown. Of several only
    what arrives is (`Progress.tell`), and how many have ended.

    Args:
        devices: each is closed by `work`.
        work: is given a device and a Progress; what fails there is its own to keep.
        progress: told by one thread at a time.
        most: devices at a time.

    Raises:
        BaseException: whatever `work` raises, or the user's interrupt; the others are stopped.
    """
    if len(devices) == 1:
        work(devices[0], progress)
        return
    lanes = _lanes(devices)
    if not lanes:
        return
    seat = _Seat(progress)
    progress.stage(f"{len(devices)} devices, side by side", len(devices))
    with ThreadPoolExecutor(min(most, len(lanes)), "edgecnn-device") as pool:
        futures = [pool.submit(_one_by_one, lane, work, seat) for lane in lanes]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            _stop(futures, devices, seat)
            raise


def _lanes(devices: Iterable[Device]) -> list[list[Device]]:
    """The devices by their host: two names of one must not meet there."""
    lanes: dict[tuple[str, str, int], list[Device]] = {}
    for device in devices:
        target = parse(device.target)
        host = target.scheme, target.address.lower(), target.port or _SSH_PORT
        lanes.setdefault(host, []).append(device)
    return list(lanes.values())


def _one_by_one(lane: Sequence[Device], work: Work, seat: _Seat) -> None:
    for device in lane:
        seat.hold_on()
        work(device, seat)
        seat.ended()


def _stop(futures: Sequence[Future[None]], devices: Iterable[Device], seat: _Seat) -> None:
    """End those at work: at their next word, or by their connection."""
    seat.stop()
    for future in futures:
        future.cancel()
    if wait(futures, timeout=_GRACE_S).not_done:
        for device in devices:
            with contextlib.suppress(OSError):  # it has just ended by itself
                device.close()


class _Seat:
    """One Progress for several threads; once stopped, the next word ends whoever says it."""

    def __init__(self, watcher: Progress) -> None:
        self._watcher = watcher
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def hold_on(self) -> None:
        """End this thread as the user's interrupt would, where all are to stop."""
        if self._stopped.is_set():
            raise KeyboardInterrupt

    def ended(self) -> None:
        with self._lock:
            self._watcher.advance()

    def stage(self, name: str, total: int | None = None) -> None:
        """Stages of several devices at once would only hide each other."""
        del name, total
        self.hold_on()

    def advance(self, steps: int = 1) -> None:
        """Likewise."""
        del steps
        self.hold_on()

    def warn(self, message: str) -> None:
        with self._lock:
            self._watcher.warn(message)

    def tell(self, message: str) -> None:
        with self._lock:
            self._watcher.tell(message)
