"""Which wheels fit a device, and why none does: facts and pins in, wheels or a sentence out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from edgecnn.devices.wheel_pins import WHEELS
from edgecnn.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.devices.wheel_pins import Wheel
    from edgecnn.measurements import DeviceFacts

ARMV7L = "armv7l"
_MACHINES = {
    ("aarch64", 64): "aarch64",
    ("arm64", 64): "aarch64",
    ("x86_64", 64): "x86_64",
    # A 32-bit system on a 64-bit kernel, as Raspberry Pi OS (32-bit) boots on a Pi 3 and newer.
    ("aarch64", 32): ARMV7L,
    ("armv8l", 32): ARMV7L,
    (ARMV7L, 32): ARMV7L,
}
_OLDEST, _NEWEST = (3, 9), (3, 14)
_64_BIT = "Install a 64-bit system there (Raspberry Pi OS 64-bit runs on a Pi 3 and newer)."


def _refuse(facts: DeviceFacts, why: str, hint: str) -> NoReturn:
    raise DeviceError(f"No runtime for {facts.model or 'the device'}: {why}", hint=hint)


def python(facts: DeviceFacts) -> str:
    """The device's Python as wheels name it, "3.11".

    Raises:
        DeviceError: it has none, or one that no runtime has wheels for.
    """
    match = re.match(r"(\d+)\.(\d+)", facts.python)
    if not match:
        _refuse(facts, "it has no Python 3.", "Install it there: sudo apt install python3")
    version = int(match[1]), int(match[2])
    if version < _OLDEST:
        _refuse(
            facts,
            f"its Python is {facts.python}, and the oldest with wheels is 3.9.",
            "Install a newer system there (Debian 11 has Python 3.9, Debian 12 has 3.11).",
        )
    if version > _NEWEST:
        _refuse(
            facts,
            f"its Python is {facts.python}, and the newest with wheels is 3.14.",
            "Install an older Python there, and make it the first python3 on the PATH.",
        )
    return f"{version[0]}.{version[1]}"


def machine(facts: DeviceFacts) -> str:
    """The machine that the device's programs are built for, which may not be its kernel's.

    Raises:
        DeviceError: no runtime has wheels for it.
    """
    known = _MACHINES.get((facts.machine, facts.userland_bits))
    if known:
        return known
    if facts.machine.startswith("armv6"):
        _refuse(
            facts,
            f"its CPU is {facts.machine}, for which none has wheels (Pi 1, Pi Zero).",
            "A Pi Zero 2 W takes the same place, and runs a 64-bit system.",
        )
    _refuse(
        facts,
        f"none has wheels for a {facts.userland_bits}-bit system on {facts.machine}.",
        "Supported are aarch64 (64-bit), 32-bit ARM from ARMv7 on, and x86_64.",
    )


def check_libc(facts: DeviceFacts) -> None:
    """Refuse C libraries that no wheel is built for.

    Raises:
        DeviceError: it is bionic (Android) or musl (Alpine).
    """
    if facts.libc.startswith("bionic"):
        _refuse(
            facts,
            "its Python is built for Android (Termux), for which none has wheels.",
            "Name a benchmark_model binary for Android: --benchmark-model PATH",
        )
    if facts.libc.startswith("musl"):
        _refuse(
            facts,
            f"its C library is {facts.libc}, and all wheels are built for glibc.",
            "Install a system with glibc there: Debian, Ubuntu, Raspberry Pi OS; not Alpine.",
        )


def pick(facts: DeviceFacts, packages: Iterable[str]) -> tuple[Wheel, ...]:
    """The pinned wheel of each package for this device.

    Raises:
        DeviceError: there is none for its machine and Python, or it needs a newer glibc.
    """
    for_machine, for_python = machine(facts), python(facts)
    pins = {
        wheel.package: wheel
        for wheel in WHEELS
        if (wheel.machine, wheel.python) == (for_machine, for_python)
    }
    names = list(packages)
    for package in names:
        if package not in pins:
            _refuse_package(facts, package, for_python)
    wheels = tuple(pins[package] for package in names)
    _check_glibc(facts, wheels)
    return wheels


def _refuse_package(facts: DeviceFacts, package: str, for_python: str) -> NoReturn:
    arm = "32-bit ARM"
    if facts.machine == "aarch64":
        arm += " (its system is a 32-bit one on a 64-bit kernel)"
    if package == "tflite-runtime":
        _refuse(
            facts,
            f"{package} has wheels for {arm} up to Python 3.11; its Python is {for_python}.",
            f"{_64_BIT} Or a 32-bit one with Python 3.11: Debian 12 (bookworm).",
        )
    _refuse(
        facts,
        f"{package} has no wheels for {arm}.",
        f"{_64_BIT} The .tflite file of the same network runs on the system it has.",
    )


def _check_glibc(facts: DeviceFacts, wheels: Iterable[Wheel]) -> None:
    match = re.match(r"glibc (\d+)\.(\d+)", facts.libc)
    if not match:  # not told: a library that does not fit fails to load there, and says so
        return
    has = int(match[1]), int(match[2])
    for wheel in wheels:
        if wheel.glibc > has:
            _refuse(
                facts,
                f"{wheel.title} needs glibc {wheel.glibc[0]}.{wheel.glibc[1]} or newer,"
                f" and it has {facts.libc}.",
                "Install a newer system there (Debian 11 has glibc 2.31, Debian 12 has 2.36).",
            )
