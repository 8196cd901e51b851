"""What devices are called: by themselves, by users, and in a sentence; their profiles know it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from edgecnn.latency import profiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgecnn.latency.profiles import DeviceProfile

# Words that may follow a device's name.
_SAME_DEVICE = {("rev",), ("xl",)}


def of_device(model: str) -> str | None:
    """The profile of a device by what it calls itself; None where there is none.

    A profile's names hold for revisions too, and for the larger of two phones with one chip.

    >>> of_device("Raspberry Pi 4 Model B Rev 1.4"), of_device("samsung SM-G973F"), of_device("PC")
    ('raspberry-pi-4b', 'galaxy-s10', None)
    """
    words = tuple(model.lower().split())
    fitting = (
        profile
        for own, profile in _names()
        if words[: len(own)] == own and (words[len(own) :][:1] or ("rev",)) in _SAME_DEVICE
    )
    return next(fitting, None)


def short_name(device: str) -> str:
    """A device as a sentence has it; one without a profile keeps its name.

    >>> short_name("raspberry-pi-5"), short_name("galaxy-s10"), short_name("ssh://pi@board")
    ('Pi 5', 'Galaxy S10', 'ssh://pi@board')
    """
    profile = _known().get(device)
    return device if profile is None else profile.short


def kind(device: str) -> str:
    """What sort of device it is: "raspberry-pi", "phone", "board", or "" without a profile."""
    profile = _known().get(device)
    return "" if profile is None else profile.kind


@functools.cache
def _known() -> Mapping[str, DeviceProfile]:
    return {name: profiles.find(name) for name in profiles.names()}


@functools.cache
def _names() -> tuple[tuple[tuple[str, ...], str], ...]:
    return tuple(
        (tuple(own.lower().split()), name)
        for name, profile in _known().items()
        for own in profile.names
    )
