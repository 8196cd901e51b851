"""What the page says of the program, the device and the release."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.deploying.device.trouble import SCHEMA
from edgecnn.runtime import runner

if TYPE_CHECKING:
    from edgecnn.deploying.device.streaming.keeping import Keeper
    from edgecnn.deploying.device.streaming.loop import Loop
    from edgecnn.deploying.device.streaming.mailbox import Mailbox
    from edgecnn.deploying.device.streaming.reader import Reader
    from edgecnn.deploying.device.streaming.stages import Times
    from edgecnn.deploying.device.streaming.telling import Teller

_FRESH_S = 2.0
_THROTTLED_NOW = 0x4  # as `vcgencmd get_throttled` defines the bits
_THROTTLED_SINCE_BOOT = 0x40000
_UNDER_VOLTAGE = 0x1


class Machine:
    """The device's state, as a bench reads it; asked no more often than every two seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0
        self._state: dict[str, Any] = {}

    def state(self) -> dict[str, Any]:
        """Temperature, clock, throttling, load and memory; None for what is not known."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._state = _read()
                self._until = time.monotonic() + _FRESH_S
            return self._state


def _read() -> dict[str, Any]:
    state = runner.read_state(runner.fastest_cores()[0])
    bits = state["throttled"]
    return {
        "temperature_c": state["temperature_c"],
        "clock_mhz": state["clock_mhz"],
        "max_clock_mhz": state["max_clock_mhz"],
        "throttled": None if bits is None else bool(bits & _THROTTLED_NOW),
        "throttled_since_boot": None if bits is None else bool(bits & _THROTTLED_SINCE_BOOT),
        "under_voltage": None if bits is None else bool(bits & _UNDER_VOLTAGE),
        "load_average": state["load_average"],
        "free_memory_bytes": state["free_memory_bytes"],
        "own_memory_bytes": resident_bytes(),
    }


def resident_bytes() -> int | None:
    """The memory that this process holds."""
    try:
        pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


class State:
    """All that is said, put together when it is asked for.

    Args:
        about: what stays: model, recipe, release, runtime, task.
    """

    def __init__(
        self,
        about: dict[str, Any],
        *,
        loop: Loop,
        reader: Reader,
        mailbox: Mailbox[Any],
        times: Times,
        keeper: Keeper,
        teller: Teller,
    ) -> None:
        self._about = about
        self._loop, self._reader, self._mailbox = loop, reader, mailbox
        self._times, self._keeper, self._teller = times, keeper, teller
        self._machine = Machine()
        self._start = time.monotonic()

    def record(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "schema": SCHEMA,
            **self._about,
            "uptime_s": round(time.monotonic() - self._start, 1),
            "source": {
                "state": self._reader.state,
                "why": self._reader.why,
                "frames": self._reader.count,
                "passed_over": self._mailbox.replaced,
            },
            "answered": self._loop.answered,
            "fps": self._times.fps(),
            "ms": self._times.percentiles(),
            "device": self._machine.state(),
            "paused": self._loop.paused,
            "above": self._loop.question.above,
            "kept": {"frames": self._keeper.count(), "most": self._keeper.most_frames},
            "events": self._teller.recent(),
        }
