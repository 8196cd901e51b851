"""Devices and how they fare, as `edgecnn devices` shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.table import Column, Table
from edgecnn.text import ABSENT, milliseconds_text, printable, size_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.benchmark.own_profile import ProbeTime
    from edgecnn.benchmark.report import DeviceProbe
    from edgecnn.latency.listing import KnownProfile
    from edgecnn.latency.profiles import DeviceProfile
    from edgecnn.measurements import DeviceState

_LONGEST = 200


def device_pairs(probe: DeviceProbe) -> tuple[tuple[str, str], ...]:
    """What a device is, name and value, a line each."""
    facts = probe.facts
    pairs = [
        ("model", facts.model or ABSENT),
        ("CPU", f"{facts.cores} x {facts.cpu or facts.machine} ({facts.machine})"),
        ("memory", size_text(facts.memory_bytes)),
        ("system", f"{facts.system or ABSENT}, {facts.userland_bits}-bit, kernel {facts.kernel}"),
        ("libraries", f"{facts.libc or ABSENT}, Python {facts.python or ABSENT}"),
        ("runtime", probe.runtime or "none available"),
    ]
    if facts.emulated:
        pairs.append(("emulated", f"by {facts.emulator}: its timings are not representative"))
    if probe.state is not None:
        pairs.append(("now", state_text(probe.state)))
    return tuple((name, printable(value, _LONGEST)) for name, value in pairs)


def state_text(state: DeviceState) -> str:
    """Clock, temperature and load in a line; what the system does not tell is left out."""
    parts: list[str] = []
    if state.clock_mhz is not None:
        of = f" of {state.max_clock_mhz:.0f}" if state.max_clock_mhz is not None else ""
        parts.append(f"{state.clock_mhz:.0f}{of} MHz")
    if state.governor is not None:
        parts.append(f"governor {state.governor}")
    if state.temperature_c is not None:
        parts.append(f"{state.temperature_c:.1f} degrees C")
    if state.throttled is not None:
        parts.append(f"throttled {state.throttled:#x}" if state.throttled else "not throttled")
    if state.load_average is not None:
        parts.append(f"load {state.load_average:.2f}")
    if state.free_memory_bytes is not None:
        parts.append(f"{size_text(state.free_memory_bytes)} free")
    return ", ".join(parts) or ABSENT


def profiles_table(known: Iterable[KnownProfile]) -> Table:
    """One row a profile."""
    columns = (
        Column("name"),
        Column("cores"),
        Column("GB/s", number=True),
        Column("watts", number=True),
        Column("float32", number=True),
        Column("int8", number=True),
    )
    return Table(columns, tuple(map(_profile_row, known)))


def _profile_row(known: KnownProfile) -> tuple[str, ...]:
    profile = known.profile
    return (
        profile.name,
        cores_text(profile),
        f"{profile.dram_gbps:.3g}",
        _watts_text(profile),
        str(known.networks.get("float32", ABSENT)),
        str(known.networks.get("int8", ABSENT)),
    )


def cores_text(profile: DeviceProfile) -> str:
    """The clusters with their clocks: "4 x A72 1.5 GHz"."""
    return " + ".join(
        f"{cluster.count} x {_core_text(cluster.core)} {cluster.clock_ghz:.3g}"
        for cluster in profile.clusters
    )


def _core_text(core: str) -> str:
    return core.removeprefix("cortex-").removesuffix("-nodot").capitalize()


def _watts_text(profile: DeviceProfile) -> str:
    if profile.idle_w is None or profile.load_w is None:
        return ABSENT
    return f"{profile.idle_w:.2g}-{profile.load_w:.2g}"


def profile_pairs(profile: DeviceProfile) -> tuple[tuple[str, str], ...]:
    """What a profile says, name and value, a line each."""
    scale = ", ".join(f"{name} {value:.2f}" for name, value in profile.scale.items())
    pairs = (
        ("device", profile.title or ABSENT),
        ("cores", f"{cores_text(profile)} GHz"),
        ("memory", f"{profile.dram_gbps:.3g} GB/s, copied by one core"),
        ("measured over predicted", scale or ABSENT),
    )
    return tuple((name, printable(value, _LONGEST)) for name, value in pairs)


def probes_table(probes: Iterable[ProbeTime]) -> Table:
    """What was measured, beside what the cores' design alone would have predicted."""
    columns = (
        Column("network"),
        Column("precision"),
        Column("measured ms", number=True),
        Column("predicted ms", number=True),
    )
    rows = [
        (
            probe.network,
            probe.precision,
            milliseconds_text(probe.measured_ms),
            milliseconds_text(probe.predicted_ms),
        )
        for probe in probes
    ]
    return Table(columns, tuple(rows))
