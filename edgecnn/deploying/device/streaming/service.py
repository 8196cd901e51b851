"""Tells systemd that we live, and the folder that this release answers as a service.

sd_notify(3): a datagram to the socket that $NOTIFY_SOCKET names.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_BEATS = 3.0  # in the time that the watchdog waits
_MICROSECONDS = 1e6
# A camera takes a second or two to start; `service_program.ANSWER_S` is what there is in all.
_WITHOUT_FRAME_S = 5.0


class Notifier:
    """Says "ready" and "alive" to whoever started us; to nobody where that is not systemd."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        waits = os.environ.get("WATCHDOG_USEC", "")
        self._gap_s = int(waits) / _MICROSECONDS / _BEATS if waits.isdigit() else 0.0
        self._next = 0.0

    def ready(self) -> None:
        """All is loaded and answers."""
        self._send("READY=1")

    def stopping(self) -> None:
        """We end."""
        self._send("STOPPING=1")

    def beat(self) -> None:
        """The loop goes round; told now and then."""
        now = time.monotonic()
        if self._gap_s and now >= self._next:
            self._next = now + self._gap_s
            self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),  # it restarts us where it hears nothing
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            sender.connect(self._address)
            sender.send(text.encode())


class Confirmation:
    """Says once that the program works: it has answered a frame, or none has come for a while.

    A release that fails on its first frame has said nothing by then, and gives way to the one
    before; one whose camera is unplugged is not to blame.

    Args:
        say: called once.
        without_frame_s: so long a frame is waited for.
    """

    def __init__(self, say: Callable[[], None], without_frame_s: float = _WITHOUT_FRAME_S) -> None:
        self._say, self._without_frame_s = say, without_frame_s
        self._until_s = float("inf")
        self._said = False

    def begin(self) -> None:
        """Frames may come from now on."""
        self._until_s = time.monotonic() + self._without_frame_s

    def __call__(self, _: object) -> None:
        """Hear of a frame's answer."""
        self._once()

    def beat(self) -> None:
        """Hear that the loop goes round."""
        if time.monotonic() >= self._until_s:
            self._once()

    def _once(self) -> None:
        if not self._said:
            self._said = True
            self._say()


def confirm(folder: Path, release: str, host: str, port: int | None) -> None:
    """Say in the service's folder that this release answers, and is to stay.

    Args:
        folder: that holds the releases.
        release: ours.
        host: where the page listens.
        port: of the page; None for none.

    Raises:
        OSError: it cannot be written there; then `status` says that it does not answer.
    """
    pending = folder / "pending.json"
    if _read(pending).get("new") == release:
        with contextlib.suppress(FileNotFoundError):
            pending.unlink()
    state = folder / "service" / "state.json"
    state.parent.mkdir(exist_ok=True)
    content = {"release": release, "pid": os.getpid(), "host": host, "port": port}
    part = state.with_name(f".state.{os.getpid()}.part")
    part.write_text(json.dumps(content), "utf-8")
    part.replace(state)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
