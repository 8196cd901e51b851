"""Energy of one inference, estimated from what a whole device draws at rest and at full load."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.latency.profiles import DeviceProfile


def power_w(profile: DeviceProfile, threads: int) -> float | None:
    """What the device draws with that many cores busy, watts: between rest and full load, linear.

    None where the profile does not know.
    """
    if profile.idle_w is None or profile.load_w is None:
        return None
    busy = min(threads, profile.cores) / profile.cores
    return profile.idle_w + (profile.load_w - profile.idle_w) * busy


def energy_mj(profile: DeviceProfile, threads: int, latency_ms: float) -> float | None:
    """Energy of the whole device during one inference, its rest included, millijoules."""
    watts = power_w(profile, threads)
    return None if watts is None else watts * latency_ms
