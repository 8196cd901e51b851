"""Budgets as people write them ("40ms", "6MB", "20dB"), read strictly."""

from __future__ import annotations

import math
import re

from edgecnn.errors import InputError

_NUMBER = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?) ?(?P<unit>\S*)")
_TIME = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_SIZE = {
    "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip
_RATIO = {"dB": 1.0}


def milliseconds(option: str, text: str) -> float:
    """Read a time with its unit: us, ms or s.

    Raises:
        InputError: it is none, named by the option it was given with.

    >>> milliseconds("--p90", "40ms"), milliseconds("--p90", "0.5 s")
    (40.0, 500.0)
    """
    return _read(option, text, _TIME, "a time, e.g. 40ms")


def size_bytes(option: str, text: str) -> int:
    """Read a size with its unit: B, kB, MB, GB (decimal), or KiB, MiB, GiB (binary).

    Raises:
        InputError: it is none.

    >>> size_bytes("--size", "6MB"), size_bytes("--size", "1.5MiB")
    (6000000, 1572864)
    """
    return round(_read(option, text, _SIZE, "a size, e.g. 6MB"))


def decibels(option: str, text: str) -> float:
    """Read a ratio in dB.

    Raises:
        InputError: it is none.

    >>> decibels("--snr", "20dB")
    20.0
    """
    return _read(option, text, _RATIO, "a ratio in decibels, e.g. 20dB")


def _read(option: str, text: str, units: dict[str, float] | dict[str, int], what: str) -> float:
    match = _NUMBER.fullmatch(text.strip())
    known = ", ".join(units)
    if match is None:
        raise InputError(f"{option} takes {what}, not {text!r}.", hint=f"Units: {known}.")
    number, unit = float(match["number"]), match["unit"]
    if not unit:
        raise InputError(
            f"{option} {text} has no unit.",
            hint="Did you mean " + " or ".join(f"{option} {text.strip()}{name}" for name in units),
        )
    if unit not in units:
        raise InputError(
            f"{option} {text}: {unit!r} is no unit of {what}.", hint=_suggestion(unit, known, units)
        )
    value = number * units[unit]
    if value <= 0 or not math.isfinite(value):
        raise InputError(f"{option} {text}: a budget is above zero.", hint=f"Give {what}.")
    return value


def _suggestion(unit: str, known: str, units: dict[str, float] | dict[str, int]) -> str:
    near = [suffix for suffix in units if suffix.lower() == unit.lower()]
    return f"Did you mean {near[0]}?" if near else f"Units: {known}."
