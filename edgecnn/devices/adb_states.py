"""What adb says of the devices it knows, and which one is meant: pure.

The states are those of adb's own source (`adb devices` prints them), which are not translated.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from edgecnn.devices.facts import printable
from edgecnn.errors import DeviceError

READY = "device"
_BY_NETWORK = re.compile(
    r"[A-Za-z0-9_.-]+:[0-9]{1,5}|\[[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?\]:[0-9]{1,5}"
)


class _State(NamedTuple):
    start: str
    what: str
    hint: str


_STATES = (
    _State(
        "unauthorized",
        "it has not allowed this computer to use it",
        "Unlock it, and accept the question about USB debugging. If none shows: adb kill-server,"
        " and plug it in again.",
    ),
    _State(
        "no permissions",
        "this user may not open its USB device",
        "Install adb's udev rules (sudo apt install android-sdk-platform-tools-common), and plug it"
        " in again.",
    ),
    _State("offline", "adb sees it, and it does not answer", "Plug it in again, or: adb reconnect"),
    _State("authorizing", "it is just being connected", "Try again in a few seconds."),
    _State("connecting", "it is just being connected", "Try again in a few seconds."),
    _State("recovery", "it is in recovery mode", "Start it as usual: adb reboot"),
    _State("rescue", "it is in rescue mode", "Start it as usual: adb reboot"),
    _State("sideload", "it waits for an update", "Start it as usual: adb reboot"),
    _State("bootloader", "it is in its bootloader", "Start it as usual: fastboot reboot"),
)


def parse(text: str) -> dict[str, str]:
    """What `adb devices` printed: each serial's state.

    Lines before the list (a server that starts) and after it do not count.
    """
    _, _, listed = text.partition("List of devices attached")
    states = {}
    for line in listed.splitlines():
        serial, tab, state = line.partition("\t")
        if tab and serial.strip() and state.strip():
            states[printable(serial)] = printable(state)
    return states


def is_by_network(serial: str) -> bool:
    """Whether a serial is an address that `adb connect` takes."""
    return bool(_BY_NETWORK.fullmatch(serial))


def choose(target: str, serial: str, listed: dict[str, str]) -> str:
    """The serial of the device that is meant, which is ready to be used.

    Args:
        target: as the user named it, for the sentences.
        serial: as the user gave it; "" means the only one there is.
        listed: what `parse` found.

    Raises:
        DeviceError: there is none, it is not clear which, or it is not ready.
    """
    if not serial:
        serial = _only_one(target, listed)
    state = listed.get(serial)
    if state is None:
        others = _names(listed) or "none"
        raise DeviceError(
            f"{target}: adb knows no such device (it knows: {others}).",
            hint=_not_there(serial),
        )
    if state != READY:
        raise not_ready(target, state)
    return serial


def _only_one(target: str, listed: dict[str, str]) -> str:
    if not listed:
        raise DeviceError(f"{target}: adb knows no device.", hint=_not_there(""))
    ready = [serial for serial, state in listed.items() if state == READY]
    candidates = ready or list(listed)
    if len(candidates) > 1:
        raise DeviceError(
            f"{target}: there are several devices: {_names(listed)}.",
            hint=f"Name one: --on adb://{candidates[0]}",
        )
    return candidates[0]


def _names(listed: dict[str, str]) -> str:
    return ", ".join(
        serial if state == READY else f"{serial} ({state})" for serial, state in listed.items()
    )


def _not_there(serial: str) -> str:
    if is_by_network(serial):
        return f"Is it on, and in this network? Try: adb connect {serial}"
    return "Plug it in, with USB debugging on (Settings, Developer options); then: adb devices"


def not_ready(target: str, state: str) -> DeviceError:
    """The error for a device that cannot be used as it is."""
    for known in _STATES:
        if state.startswith(known.start):
            return DeviceError(f"{target}: {known.what}.", hint=known.hint)
    return DeviceError(f"{target}: adb says it is {state!r}.", hint="Try by hand: adb devices")
