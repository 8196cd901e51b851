"""The low-power verdict in sentences, every word of which depends on the records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.claims.sources import listed
from edgecnn.claims.standings import (
    FRAME_MS,
    MEMORY_BYTES,
    POWER_W,
    device_name,
    devices_text,
    fastest,
    grade,
    is_phone,
    of_contender,
    reaches,
)
from edgecnn.text import count_text, milliseconds_text, size_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edgecnn.claims.low_power import Standing
    from edgecnn.claims.standings import Grade, Row
    from edgecnn.evidence.records import Contender, DeviceLatency, Devices, Fitted

WORDS: dict[Grade, str] = {
    "meets": "met",
    "likely": "likely",
    "unlikely": "unlikely",
    "misses": "missed",
}
_MEMORY = f"{MEMORY_BYTES / 1e6:g} MB"


def summary(places: Sequence[Standing], full: Sequence[Contender]) -> str:
    """Where it reaches which rate, under which recipes, and what of the other budgets it keeps."""
    every = [place.device for place in places]
    parts = []
    for frames in FRAME_MS:
        able = [place for place in places if place.reached[frames]]
        recipes = _recipes(row for place in able for row in place.reached[frames])
        under = f" ({listed(recipes)})" if recipes else ""
        where = devices_text([place.device for place in able], every)
        parts.append(f"{frames} a second on {where}{under}")
    frugal = [
        f"{frames} on {devices_text(_known_frugal(places, frames), every)}" for frames in FRAME_MS
    ]
    return (
        f"{_by(places)}: full Xception makes, or likely makes, {listed(parts)}. Within"
        f" {POWER_W:g} W, where the power is known: {', '.join(frugal)}. {_memory(full)}"
    )


def _by(places: Sequence[Standing]) -> str:
    """How the latencies came about."""
    kinds = {row.latency.provenance for place in places for row in place.rows}
    if kinds == {"predicted"}:
        return "Predicted, not measured"
    return "Measured" if kinds == {"measured"} else "Measured on some devices, predicted on others"


def _known_frugal(places: Sequence[Standing], frames: int) -> list[str]:
    """Devices whose power is known and that reach a rate within it."""
    return [
        place.device
        for place in places
        if any(
            row.latency.power_w is not None and row.within_power() for row in place.reached[frames]
        )
    ]


def _recipes(found: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(row.latency.recipe for row in found))


def _memory(full: Sequence[Contender]) -> str:
    least = min(full, key=lambda each: each.memory_bytes)
    keeping = [each.recipe for each in full if each.memory_bytes <= MEMORY_BYTES]
    amount = f"{least.recipe} takes {size_text(least.memory_bytes)} ({least.memory_provenance})"
    if keeping:
        return f"Within {_MEMORY} of memory: {listed(keeping)}; {amount}."
    return f"No recipe keeps within {_MEMORY} of memory: {amount}."


def conditions(places: Sequence[Standing], full: Sequence[Contender]) -> Iterator[str]:
    """What has to be given up: rate, devices, recipes, memory, cores."""
    every = [place.device for place in places]
    for frames, what in ((10, "10 frames a second"), (1, "1 frame a second")):
        slow = [place.device for place in places if not place.reached[frames]]
        if slow:
            yield f"not {what} on {devices_text(slow, every)}"
    recipes = _recipes(row for place in places for row in place.reached[10])
    others = [each.recipe for each in full if each.recipe not in recipes]
    if recipes and others:
        yield f"10 frames a second in {listed(recipes)} alone"
    heavy = [each.recipe for each in full if each.memory_bytes > MEMORY_BYTES]
    if heavy:
        yield f"above {_MEMORY} of memory in {listed(heavy)}"
    hungry = [
        place.device for place in places if place.reached[1] and not place.rows[0].within_power()
    ]
    if hungry:
        yield f"above {POWER_W:g} W with all cores on {devices_text(hungry, every)}"


def network(full: Sequence[Contender], record: Devices) -> str:
    """What is put to the test."""
    one = full[0]
    published = [each.published_top1 for each in (one, *record.contenders)
                 if each.published_top1 is not None
                 and each.model in {"xception", "keras:Xception"}]  # fmt: skip
    top1 = f", {published[0]:.3f} top-1 (published)" if published else ""
    return (
        f"Network: Xception at {one.input_size}x{one.input_size}: {count_text(one.macs)} MACs and"
        f" {count_text(one.parameters)} parameters (counted){top1}."
    )


def device(place: Standing, full: Sequence[Contender]) -> str:
    """The fastest recipe on one device, what it may draw, and the other recipes."""
    best = place.rows[0]
    sentences = [f"{device_name(place.device)}: {_run(best)}."]
    frugal = next((row for row in place.rows if row.within_power()), None)
    if frugal is None:
        sentences.append(f"Nothing stays within {POWER_W:g} W.")
    elif frugal is not best:
        sentences.append(f"Within {POWER_W:g} W: {_run(frugal)}.")
    others = [
        f"{each.recipe} {rate(row)}"
        for each in full
        if each.recipe != best.latency.recipe
        and (row := fastest(of_contender(place.rows, each))) is not None
    ]
    if others:
        sentences.append(f"Other recipes: {listed(others)}.")
    return " ".join(sentences)


def _run(row: Row) -> str:
    """One latency: recipe, threads, frames a second, and where the number is from."""
    each = row.latency
    threads = f"{each.threads} thread{'s' if each.threads > 1 else ''}"
    watts = "" if each.power_w is None else f"; about {each.power_w:.1f} W"
    energy = "" if each.energy_mj is None else f", {each.energy_mj / 1000:.2g} J a frame"
    return (
        f"{rate(row)} frames a second in {each.recipe}, {threads} ({each.provenance} {ms(each)} ms,"
        f" {interval(each)}{watts}{energy}): {rates(each)}"
    )


def rates(each: DeviceLatency) -> str:
    """How sure the rates are: the higher one alone where it is reached."""
    high = f"10 {WORDS[grade(each, FRAME_MS[10])]}"
    if reaches(each, FRAME_MS[10]):
        return high
    return f"{high}, 1 {WORDS[grade(each, FRAME_MS[1])]}"


def rate(row: Row) -> str:
    """Frames a second, two digits."""
    return f"{row.frames:.1f}" if row.frames < 10 else f"{row.frames:.0f}"  # noqa: PLR2004 - two digits


def ms(each: DeviceLatency | Fitted) -> str:
    """The latency, milliseconds."""
    return milliseconds_text(each.latency_ms)


def interval(each: DeviceLatency | Fitted) -> str:
    """Both ends of its interval, milliseconds."""
    return f"{milliseconds_text(each.low_ms)}-{milliseconds_text(each.high_ms)}"


def phones(places: Sequence[Standing]) -> Iterator[str]:
    """The fastest recipe on each phone, in a row."""
    parts = []
    for place in places:
        if is_phone(place.device):
            best = place.rows[0]
            each = best.latency
            parts.append(
                f"{device_name(place.device)} {rate(best)} ({each.provenance} {ms(each)} ms,"
                f" {interval(each)}: {rates(each)})"
            )
    if parts:
        recipes = listed(list(dict.fromkeys(
            place.rows[0].latency.recipe for place in places if is_phone(place.device)
        )))  # fmt: skip
        yield f"Phones: frames a second at best, in {recipes}: {'; '.join(parts)}."


def sizes(full: Sequence[Contender], record: Devices) -> str:
    """File and memory of every recipe against the budget."""
    parts = [
        f"{each.recipe} {size_text(each.size_bytes)} and {size_text(each.memory_bytes)}"
        f" ({each.memory_provenance})"
        for each in full
    ]
    able = [each.recipe for each in full if each.memory_bytes <= MEMORY_BYTES]
    runtime = record.runtime_bytes
    beneath = "" if runtime is None else f", on top of {size_text(runtime)} for Python and runtime"
    return f"Files: size and memory, {listed(parts)}; within {_MEMORY}{beneath}: {listed(able)}."


def what_it_takes(record: Devices, places: Sequence[Standing]) -> Iterator[str]:
    """The largest xception that `fit` found where the full one is too slow."""
    for frames, budget_ms in FRAME_MS.items():
        short = {
            place.device
            for place in places
            if not is_phone(place.device) and not reaches(place.rows[0].latency, budget_ms)
        }
        fits = [fit for fit in record.fits if fit.budget_ms == budget_ms and fit.device in short]
        parts = [_fitted(fit) for fit in fits if fit.found]
        none = [device_name(fit.device) for fit in fits if not fit.found]
        if none:
            parts.append(f"nothing was found for {listed(none)}")
        if parts:
            yield (
                f"For {frames} a second: by `edgecnn fit` on all cores (predicted; what it costs"
                f" in accuracy is not known) {'; '.join(parts)}."
            )


def _fitted(fit: Fitted) -> str:
    return (
        f"{device_name(fit.device)} width {fit.width:g} at {fit.input_size}x{fit.input_size} in"
        f" {fit.recipe}, {fit.threads} thread{'s' if fit.threads > 1 else ''} ({ms(fit)} ms,"
        f" {interval(fit)}: {grade(fit, fit.budget_ms)})"
    )


def basis(places: Sequence[Standing]) -> Iterator[str]:
    """What the predictions rest on."""
    rows = [row.latency for place in places for row in place.rows]
    predictions = [each for each in rows if each.provenance == "predicted"]
    if not predictions:
        return
    rates = [each.interval for each in predictions if each.interval is not None]
    share = (
        f", whose intervals hold for {100 * min(rates):.0f}% of what left-out sources measured"
        if rates
        else ""
    )
    parts = []
    for kind in dict.fromkeys(each.basis for each in predictions):
        devices = dict.fromkeys(each.device for each in predictions if each.basis == kind)
        parts.append(f"{listed([device_name(each) for each in devices])}: {_BASES.get(kind, kind)}")
    yield (
        f"Basis: {len(predictions)} of {len(rows)} latencies are predicted{share}."
        f" {'. '.join(parts)}."
    )


_BASES = {
    "interpolated": "networks of its kind were measured there",
    "extrapolated": "other kinds of networks were measured there, none of its kind",
    "no rows": "no latencies were published, the cores decide",
}


def caveats(record: Devices) -> Iterator[str]:
    """What else a reader should know."""
    if any(each.memory_provenance == "measured" for each in record.contenders):
        yield f"Memory was measured on {record.header.machine.cpu}, not on the devices."
    yield (
        "A measurement replaces a prediction once there is one: `edgecnn bench DIR --on"
        " ssh://pi@HOST` keeps it in artifacts/results.jsonl."
    )
    yield "Watts are of the whole device, from its profile, not measured in a run."
