"""Devices to measure on: this machine, SSH, adb; the only room that starts ssh and adb."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from edgecnn.devices.target import Target, parse

if TYPE_CHECKING:
    from edgecnn.devices.device import Device

__all__ = ["Target", "open_device", "parse"]

# Imported when a target asks for one: `edgecnn --help` needs no subprocess.
_CLASSES = {
    "local": "edgecnn.devices.local:LocalDevice",
    "ssh": "edgecnn.devices.ssh:SshDevice",
    "adb": "edgecnn.devices.adb:AdbDevice",
}


def open_device(target: str) -> Device:
    """The device that a target names. Nothing is started or reached yet.

    Args:
        target: "local", "ssh://[user@]host[:port]" or "adb://SERIAL".

    Raises:
        InputError: it is none of these; the sentence says what is wrong.
    """
    parsed = parse(target)
    module, _, name = _CLASSES[parsed.scheme].partition(":")
    return cast("Device", getattr(importlib.import_module(module), name)(parsed))
