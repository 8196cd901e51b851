"""The low-power verdict in sentences, every word of which depends on the records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.claims.sources import listed
from edgecnn.claims.standings import (
    FRAME_MS,
    MEMORY_BYTES,
    POWER_W,
    device_name,
    fastest,
    grade,
    of_contender,
    reaches,
)
from edgecnn.reporting.text import count_text, milliseconds_text, size_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edgecnn.claims.low_power import Standing
    from edgecnn.claims.standings import Row
    from edgecnn.evidence.records import Contender, DeviceLatency, Devices, Fitted

_WORDS = {
    "meets": "yes",
    "likely": "likely",
    "unlikely": "unlikely",
    "misses": "no",
}


def summary(places: Sequence[Standing]) -> str:
    """Where it reaches which rate, within memory and power."""
    parts = []
    for frames in FRAME_MS:
        suited = [place for place in places if place.suited[frames]]
        recipes = dict.fromkeys(row.latency.recipe for place in suited
                                for row in place.suited[frames])  # fmt: skip
        where = listed([device_name(place.device) for place in suited])
        under = f" in {listed(list(recipes))}" if recipes else ""
        parts.append(f"{frames} frame{'s' if frames > 1 else ''} a second{under}: {where}")
    return (
        f"Full Xception within {size_text(MEMORY_BYTES)} and {POWER_W:g} W makes, or likely makes,"
        f" {'; '.join(parts)}."
    )


def conditions(places: Sequence[Standing], full: Sequence[Contender]) -> Iterator[str]:
    """What has to be given up: rate, devices, recipes, threads."""
    slow = [device_name(place.device) for place in places if not place.suited[10]]
    if slow:
        yield f"not 10 frames a second within the budgets on {listed(slow)}"
    slower = [device_name(place.device) for place in places if not place.suited[1]]
    if slower:
        yield f"not even 1 on {listed(slower)}"
    heavy = [each.recipe for each in full if each.memory_bytes > MEMORY_BYTES]
    if heavy:
        yield f"not in {listed(heavy)}: more than {size_text(MEMORY_BYTES)} of memory"
    hungry = [
        device_name(place.device)
        for place in places
        if reaches(place.rows[0].latency, FRAME_MS[1]) and not place.rows[0].within_power()
    ]
    if hungry:
        yield f"on fewer cores than there are, for {POWER_W:g} W, on {listed(hungry)}"


def network(full: Sequence[Contender]) -> str:
    """What is put to the test."""
    one = full[0]
    top1 = "" if one.published_top1 is None else f", {one.published_top1:.3f} top-1 (published)"
    return (
        f"{one.label} at {one.input_size}x{one.input_size}: {count_text(one.macs)} MACs and"
        f" {count_text(one.parameters)} parameters (counted){top1}."
    )


def device(place: Standing, full: Sequence[Contender]) -> str:
    """The fastest recipe on one device, what it may draw, and the other recipes."""
    best = place.rows[0]
    sentences = [f"{device_name(place.device)}: {_run(best)}{_rates(best)}."]
    frugal = next((row for row in place.rows if row.within_power()), None)
    if frugal is None:
        sentences.append(f"Nothing stays within {POWER_W:g} W.")
    elif frugal is not best:
        sentences.append(f"Within {POWER_W:g} W, {_run(frugal)}{_rates(frugal)}.")
    others = [
        f"{each.recipe} {_rate(row)} ({_ms(row.latency)} ms)"
        for each in full
        if each.recipe != best.latency.recipe
        and (row := fastest(of_contender(place.rows, each))) is not None
    ]
    if others:
        sentences.append(f"Otherwise at best {listed(others)} frames a second.")
    return " ".join(sentences)


def _run(row: Row) -> str:
    """One latency: recipe, threads, frames a second, and where the number is from."""
    each = row.latency
    threads = f"{each.threads} thread{'s' if each.threads > 1 else ''}"
    watts = "" if each.power_w is None else f", about {each.power_w:.1f} W"
    energy = "" if each.energy_mj is None else f" and {each.energy_mj / 1000:.2g} J a frame"
    return (
        f"{each.recipe} with {threads} makes {_rate(row)} frames a second"
        f" ({each.provenance} {_ms(each)} ms, {_span(each)}{watts}{energy})"
    )


def _rates(row: Row) -> str:
    told = [f"{frames} a second: {_WORDS[grade(row.latency, budget_ms)]}"
            for frames, budget_ms in FRAME_MS.items()]  # fmt: skip
    return f"; {', '.join(told)}"


def _rate(row: Row) -> str:
    return f"{row.frames:.2g}" if row.frames < 10 else f"{row.frames:.0f}"  # noqa: PLR2004 - two digits


def _ms(each: DeviceLatency | Fitted) -> str:
    return milliseconds_text(each.latency_ms)


def _span(each: DeviceLatency | Fitted) -> str:
    return f"{milliseconds_text(each.low_ms)}-{milliseconds_text(each.high_ms)}"


def sizes(full: Sequence[Contender]) -> str:
    """File and memory of every recipe against the budget."""
    parts = [
        f"{each.recipe} {size_text(each.size_bytes)} and {size_text(each.memory_bytes)}"
        for each in full
    ]
    able = [each.recipe for each in full if each.memory_bytes <= MEMORY_BYTES]
    kinds = sorted({each.memory_provenance for each in full})
    return (
        f"File and memory: {listed(parts)} (memory {listed(kinds)}); within"
        f" {size_text(MEMORY_BYTES)}: {listed(able)}."
    )


def twin(
    twins: Sequence[Contender], full: Sequence[Contender], usable: Iterable[Row], reference: Row
) -> Iterator[str]:
    """The same network with normal convolutions, on the same device under the same recipe."""
    usable = tuple(usable)
    recipe = reference.latency.recipe
    other = next((each for each in twins if each.recipe == recipe), None)
    row = None if other is None else _same_place(of_contender(usable, other), reference)
    if other is None or row is None:
        return
    ours = next(each for each in full if each.recipe == recipe)
    times = row.latency.latency_ms / reference.latency.latency_ms
    yield (
        f"Its twin with normal convolutions of the same widths multiplies"
        f" {other.macs / ours.macs:.1f} times as much and has"
        f" {other.parameters / ours.parameters:.1f} times the parameters;"
        f" {_place(reference)} it takes {_ms(row.latency)} ms ({row.latency.provenance},"
        f" {_span(row.latency)}), {times:.1f} times as long."
    )


def others(record: Devices, usable: Iterable[Row], reference: Row) -> Iterator[str]:
    """Other networks under equal treatment: time and published accuracy beside Xception's."""
    usable = tuple(usable)
    rivals = [
        (each, row)
        for each in record.contenders
        if each.model != "xception"
        and each.recipe == reference.latency.recipe
        and (row := _same_place(of_contender(usable, each), reference)) is not None
    ]
    if not rivals:
        return
    rivals.sort(key=lambda pair: pair[1].latency.latency_ms)
    parts = [_rival(each, row, reference) for each, row in rivals]
    yield (
        f"Under equal treatment ({_place(reference)}; Xception {_ms(reference.latency)} ms):"
        f" {'; '.join(parts)}."
    )
    yield from _best(rivals, reference)


def _rival(each: Contender, row: Row, reference: Row) -> str:
    top1 = "" if each.published_top1 is None else f", {each.published_top1:.3f} top-1 published"
    share = row.latency.latency_ms / reference.latency.latency_ms
    source = row.latency.provenance
    return f"{each.label} {share:.2f} of the time ({source} {_ms(row.latency)} ms){top1}"


def _best(rivals: Sequence[tuple[Contender, Row]], reference: Row) -> Iterator[str]:
    """The most accurate of those that make 10 frames a second where Xception is compared."""
    able = [
        (each.published_top1, each.label)
        for each, row in rivals
        if each.published_top1 is not None and reaches(row.latency, FRAME_MS[10])
    ]
    verdict = _WORDS[grade(reference.latency, FRAME_MS[10])]
    if able:
        top1, label = max(able)
        yield (
            f"Of them {label} has the highest published top-1, {top1:.3f}, at 10 frames a second"
            f" there; Xception at 10: {verdict}."
        )


def beside(row: Row, reference: Row | None) -> bool:
    """Whether a row is on the device, recipe and threads that others are compared on."""
    if reference is None:
        return False
    ours, theirs = row.latency, reference.latency
    return (ours.device, ours.recipe, ours.threads) == (
        theirs.device, theirs.recipe, theirs.threads
    )  # fmt: skip


def _same_place(found: Iterable[Row], reference: Row) -> Row | None:
    return next((row for row in found if beside(row, reference)), None)


def _place(reference: Row) -> str:
    each = reference.latency
    threads = f"{each.threads} thread{'s' if each.threads > 1 else ''}"
    return f"on a {device_name(each.device)} in {each.recipe} with {threads}"


def what_it_takes(record: Devices) -> Iterator[str]:
    """The largest xception that `fit` found for each budget and device."""
    for budget_ms in sorted({fit.budget_ms for fit in record.fits}):
        fits = [fit for fit in record.fits if fit.budget_ms == budget_ms]
        parts = [_fitted(fit) for fit in fits if fit.found]
        none = [device_name(fit.device) for fit in fits if not fit.found]
        if parts:
            without = f"; nothing was found for {listed(none)}" if none else ""
            yield (
                f"What it takes for {milliseconds_text(budget_ms)} ms, by `edgecnn fit` (predicted;"
                f" what it costs in accuracy is not known): {'; '.join(parts)}{without}."
            )
        elif none:
            budget = milliseconds_text(budget_ms)
            yield f"For {budget} ms `edgecnn fit` finds no xception on {listed(none)}."


def _fitted(fit: Fitted) -> str:
    return (
        f"{device_name(fit.device)} width {fit.width:g} at {fit.input_size}x{fit.input_size} in"
        f" {fit.recipe}, {fit.threads} thread{'s' if fit.threads > 1 else ''} ({_ms(fit)} ms,"
        f" {_span(fit)}: {grade(fit, fit.budget_ms)})"
    )


def caveats(usable: Iterable[Row]) -> Iterator[str]:
    """What the numbers rest on."""
    found = [row.latency for row in usable]
    predictions = [each for each in found if each.provenance == "predicted"]
    if predictions:
        rates = [each.interval for each in predictions if each.interval is not None]
        share = (
            f" held for {100 * min(rates):.0f}% of networks left out of its fit" if rates else ""
        )
        yield (
            f"{len(predictions)} of {len(found)} latencies are predicted, not measured: the"
            f" predictor's intervals{share}."
        )
        extrapolated = {each.device for each in predictions if each.basis != "interpolated"}
        if extrapolated:
            names = [device_name(each) for each in sorted(extrapolated)]
            yield f"Predictions that are extrapolated: {listed(names)}."
    yield (
        "A measurement replaces a prediction once there is one: `edgecnn bench DIR --on"
        " ssh://pi@HOST` keeps it in artifacts/results.jsonl."
    )
    yield "Watts are of the whole device, from its profile, not measured in a run."
