"""Xception beside its twins and beside other networks, under equal treatment, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.claims.low_power_text import interval, ms
from edgecnn.claims.record import Detail
from edgecnn.claims.standings import FRAME_MS, grade, of_contender, reaches
from edgecnn.latency.device_names import short_name
from edgecnn.text import milliseconds_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edgecnn.claims.standings import Grade, Row
    from edgecnn.evidence.records import Contender, Devices

_XCEPTIONS = {"xception", "keras:Xception"}

_MAKES: dict[Grade, str] = {
    "meets": "does too",
    "likely": "likely does too",
    "unlikely": "probably does not",
    "misses": "does not",
}


def twin(
    twins: Sequence[Contender], full: Sequence[Contender], usable: Iterable[Row], reference: Row
) -> Iterator[Detail]:
    """The same network with normal convolutions, on the same device under the same recipe."""
    usable = tuple(usable)
    recipe = reference.latency.recipe
    other = next((net for net in twins if net.recipe == recipe), None)
    row = None if other is None else _find_place(of_contender(usable, other), reference)
    if other is None or row is None:
        return
    xception = next(net for net in full if net.recipe == recipe)
    times = row.latency.latency_ms / reference.latency.latency_ms
    yield Detail(
        "Twin",
        f"with normal convolutions of the same widths it has {other.macs / xception.macs:.1f} times"
        f" the multiplications and {other.parameters / xception.parameters:.1f} times the"
        f" parameters; {_place(reference)} it takes {ms(row.latency)} ms ({row.latency.provenance},"
        f" {interval(row.latency)}), {times:.1f} times as long.",
    )


def small_twins(record: Devices) -> Iterator[Detail]:
    """Narrower twins whose files were both run on the record's machine."""
    normal = [
        net
        for net in record.contenders
        if net.convolution == "normal" and net.local_latency_ms is not None
    ]
    for twin in normal:
        key = twin.model, twin.width, twin.input_size, twin.recipe
        for net in record.contenders:
            same = (net.model, net.width, net.input_size, net.recipe) == key
            if same and net.convolution != "normal" and net.local_latency_ms is not None:
                ratio = (twin.local_latency_ms or 0) / net.local_latency_ms
                cpu = record.header.machine.cpu
                yield Detail(
                    "Small twin",
                    f"measured on {cpu}, one thread, {net.recipe}:"
                    f" {net.label} {milliseconds_text(net.local_latency_ms)} ms; its twin with"
                    f" normal convolutions takes {ratio:.1f} times as long for"
                    f" {twin.macs / net.macs:.1f} times the multiplications.",
                )


def others(record: Devices, usable: Iterable[Row], reference: Row) -> Iterator[Detail]:
    """Other networks under equal treatment: time and published accuracy beside Xception's."""
    usable = tuple(usable)
    rivals = [
        (net, row)
        for net in record.contenders
        if net.model not in _XCEPTIONS
        and net.recipe == reference.latency.recipe
        and (row := _find_place(of_contender(usable, net), reference)) is not None
    ]
    if not rivals:
        return
    rivals.sort(key=lambda pair: pair[1].latency.latency_ms)
    parts = [_rival(net, row, reference) for net, row in rivals]
    yield Detail(
        "Others",
        f"under equal treatment ({_place(reference)}, each at its own input size; Xception"
        f" {ms(reference.latency)} ms): {'; '.join(parts)}.",
    )
    yield from _best(rivals, reference)


def _rival(net: Contender, row: Row, reference: Row) -> str:
    top1 = "" if net.published_top1 is None else f", {net.published_top1:.3f} top-1 published"
    share = row.latency.latency_ms / reference.latency.latency_ms
    source = row.latency.provenance
    return f"{net.label} {share:.2f} of the time ({source} {ms(row.latency)} ms){top1}"


def _best(rivals: Sequence[tuple[Contender, Row]], reference: Row) -> Iterator[Detail]:
    """The most accurate of those that make 10 frames a second where Xception is compared."""
    candidates = [
        (net.published_top1, net.label)
        for net, row in rivals
        if net.published_top1 is not None and reaches(row.latency, FRAME_MS[10])
    ]
    does = _MAKES[grade(reference.latency, FRAME_MS[10])]
    if candidates:
        top1, label = max(candidates)
        yield Detail(
            "Best",
            f"of the networks that make 10 frames a second there, {label} has the highest published"
            f" top-1, {top1:.3f}; Xception itself {does}.",
        )


def same_place(row: Row, reference: Row | None) -> bool:
    """Whether a row is on the device, recipe and threads that others are compared on."""
    if reference is None:
        return False
    latency, base = row.latency, reference.latency
    return (latency.device, latency.recipe, latency.threads) == (
        base.device, base.recipe, base.threads
    )  # fmt: skip


def _find_place(rows: Iterable[Row], reference: Row) -> Row | None:
    return next((row for row in rows if same_place(row, reference)), None)


def _place(reference: Row) -> str:
    latency = reference.latency
    threads = f"{latency.threads} thread{'s' if latency.threads > 1 else ''}"
    return f"on a {short_name(latency.device)} in {latency.recipe} with {threads}"
