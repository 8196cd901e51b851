"""The verb `list_profiles`: the devices that `predict` and `fit` know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.latency import fitted, profiles

if TYPE_CHECKING:
    from edgecnn.latency.profiles import DeviceProfile


@dataclass(frozen=True)
class KnownProfile:
    """A profile that comes with edgecnn.

    Attributes:
        profile: the device.
        networks: how many networks' published latencies on this very device its predictions rest
            on, by precision; empty for a device nobody has measured.
    """

    profile: DeviceProfile
    networks: dict[str, int]


def list_profiles() -> tuple[KnownProfile, ...]:
    """The profiles that come with edgecnn, by name."""
    references = fitted.load().references
    return tuple(
        KnownProfile(
            profiles.find(name),
            {
                precision: len(networks)
                for precision, networks in references.get(name, {}).items()
                if networks
            },
        )
        for name in profiles.names()
    )
