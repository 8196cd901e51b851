"""The low-power verdict in sentences, every word of which depends on the records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.claims import changing
from edgecnn.claims.record import ANSWERS, Detail, DeviceSpeed
from edgecnn.claims.sources import listed
from edgecnn.claims.standings import (
    FRAME_MS,
    MEMORY_BYTES,
    POWER_W,
    devices_text,
    fastest,
    grade,
    is_phone,
    of_contender,
    reaches,
)
from edgecnn.latency.device_names import short_name
from edgecnn.text import size_text, threads_text
from edgecnn.tflm.boards import BOARDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edgecnn.claims.low_power import Standing
    from edgecnn.claims.record import Outcome
    from edgecnn.claims.standings import Row
    from edgecnn.evidence.records import Contender, DeviceLatency, Devices, Fitted

_MEMORY = f"{MEMORY_BYTES / 1e6:g} MB"


def headline(outcome: Outcome, places: Sequence[Standing], full: Sequence[Contender]) -> str:
    """The answer for a reader in a hurry: where it is fast enough, and what it needs."""
    every = [place.device for place in places]
    rates = []
    for frames in sorted(FRAME_MS):
        devices = [place.device for place in places if place.reached[frames]]
        some = len(devices) < len(every)
        where = devices_text(devices, every) if some else f"all {len(every)} devices"
        rates.append(f"{frames} frame{'s' if frames > 1 else ''} a second on {where}")
    least = min(full, key=lambda net: net.memory_bytes)
    fits = "within" if least.memory_bytes <= MEMORY_BYTES else "over"
    return (
        f"{ANSWERS[outcome]}: Xception makes {', '.join(rates)}, and needs"
        f" {size_text(least.memory_bytes)} of memory, {fits} the {_MEMORY} that are allowed."
        f" {_by(places)}"
    )


def _where(places: Sequence[Standing]) -> str:
    """Where it is fast enough, and under which recipes."""
    every = [place.device for place in places]
    parts = []
    for frames in FRAME_MS:
        standings = [place for place in places if place.reached[frames]]
        recipes = _recipes(row for place in standings for row in place.reached[frames])
        under = f" in {listed(recipes)}" if recipes else ""
        where = devices_text([place.device for place in standings], every)
        parts.append(f"for {frames} frame{'s' if frames > 1 else ''} a second{under} on {where}")
    return f"Full Xception is fast enough, or likely so, {', and '.join(parts)}."


def summary(places: Sequence[Standing], full: Sequence[Contender]) -> str:
    """Where it reaches which rate, under which recipes, and what of the other budgets it keeps."""
    every = [place.device for place in places]
    frugal = [
        f"{frames} on {devices_text(_known_frugal(places, frames), every)}" for frames in FRAME_MS
    ]
    return (
        f"{_where(places)} Within {POWER_W:g} W, where the power is known:"
        f" {', '.join(frugal)}. {_memory(full)}"
    )


def _by(places: Sequence[Standing]) -> str:
    """How the latencies came about."""
    kinds = {row.latency.provenance for place in places for row in place.rows}
    if kinds == {"predicted"}:
        return "These latencies are predicted, not measured."
    if kinds == {"measured"}:
        return "These latencies were measured."
    measured = [place.device for place in places if place.rows[0].latency.provenance == "measured"]
    where = f"on {listed(list(map(short_name, measured)))}" if measured else "in part"
    return f"These latencies were measured {where}, the others are predicted."


def _known_frugal(places: Sequence[Standing], frames: int) -> list[str]:
    """Devices whose power is known and that reach a rate within it."""
    return [
        place.device
        for place in places
        if any(
            row.latency.power_w is not None and row.within_power() for row in place.reached[frames]
        )
    ]


def _recipes(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(row.latency.recipe for row in rows))


def _memory(full: Sequence[Contender]) -> str:
    least = min(full, key=lambda net: net.memory_bytes)
    keeping = [net.recipe for net in full if net.memory_bytes <= MEMORY_BYTES]
    amount = f"{least.recipe} needs {size_text(least.memory_bytes)} ({least.memory_provenance})"
    if keeping:
        return f"Within {_MEMORY} of memory: {listed(keeping)}; {amount}."
    return f"No recipe fits in {_MEMORY} of memory: {amount}."


def conditions(places: Sequence[Standing], full: Sequence[Contender]) -> Iterator[str]:
    """What has to be given up: rate, devices, recipes, memory, cores."""
    every = [place.device for place in places]
    for frames, what in ((10, "10 frames a second"), (1, "1 frame a second")):
        slow = [place.device for place in places if not place.reached[frames]]
        if slow:
            yield f"not {what} on {devices_text(slow, every)}"
    recipes = _recipes(row for place in places for row in place.reached[10])
    others = [net.recipe for net in full if net.recipe not in recipes]
    if recipes and others:
        yield f"10 frames a second only in {listed(recipes)}"
    heavy = [net.recipe for net in full if net.memory_bytes > MEMORY_BYTES]
    if heavy:
        yield f"more than {_MEMORY} of memory in {listed(heavy)}"
    hungry = [
        place.device for place in places if place.reached[1] and not place.rows[0].within_power()
    ]
    if hungry:
        yield f"more than {POWER_W:g} W with all cores on {devices_text(hungry, every)}"


def network(full: Sequence[Contender], record: Devices) -> Iterator[Detail]:
    """What is put to the test."""
    first, topic = full[0], "Network"
    yield Detail(topic, "input, each side", first.input_size, "px", kind="counted")
    yield Detail(topic, "multiplications", first.macs, "MACs", kind="counted")
    yield Detail(topic, "parameters", first.parameters, "parameters", kind="counted")
    named = (net for net in record.contenders if net.model in {"xception", "keras:Xception"})
    top1 = next((net.published_top1 for net in named if net.published_top1 is not None), None)
    if top1 is not None:
        yield Detail(topic, "top-1 on ImageNet", top1, "1", kind="published")


def device(place: Standing, full: Sequence[Contender]) -> DeviceSpeed:
    """How fast each recipe is on one device, and the fastest in full."""
    best = place.rows[0].latency
    fastest_rows = {net.recipe: fastest(of_contender(place.rows, net)) for net in full}
    frugal = (row for row in place.rows if row.latency.power_w is not None and row.within_power())
    return DeviceSpeed(
        device=short_name(place.device),
        frames={recipe: row.frames for recipe, row in fastest_rows.items() if row is not None},
        recipe=best.recipe,
        threads=best.threads,
        latency_ms=best.latency_ms,
        low_ms=best.low_ms,
        high_ms=best.high_ms,
        provenance=best.provenance,
        power_w=best.power_w,
        energy_mj=best.energy_mj,
        frugal=max((row.frames for row in frugal), default=None),
        enough_for=speed(best),
        basis=best.basis,
        at_low=changing.rate_at(best.low_ms),
        at_high=changing.rate_at(best.high_ms),
        decided_by=changing.deciding(place),
    )


def speed(latency: DeviceLatency) -> str:
    """The highest rate it is fast enough for, and how sure that is."""
    for frames, budget_ms in FRAME_MS.items():
        if reaches(latency, budget_ms):
            return f"{frames}/s" if grade(latency, budget_ms) == "meets" else f"{frames}/s likely"
    return "below 1/s"


def sizes(full: Sequence[Contender], record: Devices) -> Iterator[Detail]:
    """File and memory of every recipe against the budget."""
    topic = "Files"
    for net in full:
        size, memory = float(net.size_bytes), float(net.memory_bytes)
        yield Detail(topic, f"{net.recipe}, file", size, "bytes", kind=net.size_provenance)
        yield Detail(topic, f"{net.recipe}, memory", memory, "bytes", kind=net.memory_provenance,
                     limit=MEMORY_BYTES)  # fmt: skip
    if record.runtime_bytes is not None:
        label, size = "Python and runtime", record.runtime_bytes
        yield Detail(topic, label, size, "bytes", kind="measured", note="comes on top")


def boards(full: Sequence[Contender]) -> Iterator[Detail]:
    """One class of device further down: the int8 file beside the flash of microcontrollers."""
    topic, most = "Microcontrollers", max(BOARDS, key=lambda board: board.flash_bytes)
    for net in full:
        if net.recipe != "int8":  # TensorFlow Lite Micro has no kernels for dynamic
            continue
        yield Detail(topic, "int8, file", net.size_bytes, "bytes", kind=net.size_provenance,
                     limit=most.flash_bytes, note=f"flash of {most.name}")  # fmt: skip
        able = [board.name for board in BOARDS if board.flash_bytes >= net.size_bytes]
        label, unit = "boards with the flash for it", f"of {len(BOARDS)}"
        yield Detail(topic, label, len(able), unit, kind="counted", note=", ".join(able))


def what_it_takes(record: Devices, places: Sequence[Standing]) -> Iterator[Detail]:
    """The largest xception that `fit` found where the full one is too slow."""
    for frames, budget_ms in FRAME_MS.items():
        short = {
            place.device
            for place in places
            if not is_phone(place.device) and not reaches(place.rows[0].latency, budget_ms)
        }
        for fit in record.fits:
            if fit.budget_ms == budget_ms and fit.device in short:
                yield _fitted(fit, f"For {frames} a second")


def _fitted(fit: Fitted, topic: str) -> Detail:
    name = short_name(fit.device)
    if not fit.found:
        return Detail(topic, name, "nothing was found", kind="predicted")
    label = f"{name}: width {fit.width:g} at {fit.input_size}, {fit.recipe}"
    ends, note = (fit.low_ms, fit.high_ms), threads_text(fit.threads)
    return Detail(topic, label, fit.latency_ms, "ms", *ends, "predicted", fit.budget_ms, note)


def basis(places: Sequence[Standing]) -> Iterator[Detail]:
    """How many latencies are predicted, what their intervals promise, and on what they rest."""
    latencies = [row.latency for place in places for row in place.rows]
    predictions = [latency for latency in latencies if latency.provenance == "predicted"]
    if not predictions:
        return
    topic = "Basis"
    unit = f"of {len(latencies)}"
    yield Detail(topic, "predicted latencies", len(predictions), unit, kind="counted")
    rates = [latency.interval for latency in predictions if latency.interval is not None]
    if rates:
        yield Detail(topic, "share within the intervals", min(rates), "1", kind="predicted",
                     note="of what left-out sources measured")  # fmt: skip
    for kind in dict.fromkeys(latency.basis for latency in predictions):
        for name in _of_basis(predictions, kind):
            yield Detail(topic, name, _BASES.get(kind, kind), kind="predicted")


def _of_basis(predictions: Sequence[DeviceLatency], kind: str) -> Iterator[str]:
    """The devices of a basis; with their recipes where others of them have another."""
    for device in dict.fromkeys(latency.device for latency in predictions):
        here = [latency for latency in predictions if latency.device == device]
        recipes = dict.fromkeys(latency.recipe for latency in here if latency.basis == kind)
        alone = all(latency.basis == kind for latency in here)
        if recipes:
            yield short_name(device) + ("" if alone else f" ({', '.join(recipes)})")


_BASES = {
    "interpolated": "similar networks measured",
    "extrapolated": "other kinds measured",
    "no rows": "none published, from its type of cores",
}


def caveats(record: Devices) -> Iterator[str]:
    """What else a reader should know."""
    if any(net.memory_provenance == "measured" for net in record.contenders):
        yield f"Memory was measured on {record.header.machine.cpu}, not on the devices."
    yield (
        "A measurement replaces a prediction: `edgecnn bench DIR --on ssh://pi@HOST` stores it in"
        " artifacts/results.jsonl."
    )
    yield "Power is that of the whole device, from its profile, not measured in a run."
