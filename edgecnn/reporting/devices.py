"""Devices and how they fare, as `edgecnn devices` shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.text import ABSENT, printable, size_text

if TYPE_CHECKING:
    from edgecnn.benchmark.report import DeviceProbe
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
        ("runtime", probe.runtime or "none fits"),
    ]
    if facts.emulated:
        pairs.append(("emulated", f"by {facts.emulator}: its times say nothing of a real device"))
    if probe.state is not None:
        pairs.append(("now", state_text(probe.state)))
    return tuple((name, printable(value, _LONGEST)) for name, value in pairs)


def state_text(state: DeviceState) -> str:
    """Clock, temperature and load in a line; what the system does not tell is left out."""
    said: list[str] = []
    if state.clock_mhz is not None:
        of = f" of {state.max_clock_mhz:.0f}" if state.max_clock_mhz is not None else ""
        said.append(f"{state.clock_mhz:.0f}{of} MHz")
    if state.governor is not None:
        said.append(f"governor {state.governor}")
    if state.temperature_c is not None:
        said.append(f"{state.temperature_c:.1f} degrees C")
    if state.throttled is not None:
        said.append(f"throttled {state.throttled:#x}" if state.throttled else "not throttled")
    if state.load_average is not None:
        said.append(f"load {state.load_average:.2f}")
    if state.free_memory_bytes is not None:
        said.append(f"{size_text(state.free_memory_bytes)} free")
    return ", ".join(said) or ABSENT
