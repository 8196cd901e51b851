"""The sentences for what a guard refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.devices.facts import printable
from edgecnn.errors import DeviceError

if TYPE_CHECKING:
    from edgecnn.devices.frames import Refusal


def megabytes(size_bytes: int) -> str:
    """A size for a sentence."""
    return f"{size_bytes / 1e6:.1f} MB"


def refusal(target: str, step: str, answer: Refusal) -> DeviceError:
    """The error for a guard that cannot do what it was asked for."""
    kind, text = answer.kind, printable(answer.text)
    if kind == "taken":
        return DeviceError(
            f"{target}: another edgecnn is using it ({text or 'it does not say who'}).",
            hint="Wait for it to end: two at once would measure each other.",
        )
    if kind == "full":
        return disk_full(target, step, answer.free)
    if kind == "place":
        return DeviceError(
            f"{target}: there is no place to write: {text}.",
            hint="Set XDG_CACHE_HOME over there to a folder that this user can write to.",
        )
    return DeviceError(f"{target}: {text} (while {step}).")


def disk_full(target: str, step: str, free: int, needed: int | None = None) -> DeviceError:
    """The error for a device's disk that has no room."""
    room = f"{megabytes(free)} are free"
    if needed is not None:
        room += f", and {megabytes(needed)} are needed"
    return DeviceError(
        f"{target}: its disk is full: {room} ({step}).",
        hint="Free some space over there (df -h ~), and run it again.",
    )
