"""Xception beside its twins and beside other networks, under equal treatment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.claims.record import Detail
from edgecnn.claims.standings import FRAME_MS, of_contender, reaches
from edgecnn.latency.device_names import short_name
from edgecnn.text import threads_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edgecnn.claims.standings import Row
    from edgecnn.evidence.records import Contender, Devices

_XCEPTIONS = {"xception", "keras:Xception"}


def twin(
    twins: Sequence[Contender], full: Sequence[Contender], usable: Iterable[Row], reference: Row
) -> Iterator[Detail]:
    """The same network with normal convolutions, on the same device under the same recipe."""
    recipe, topic = reference.latency.recipe, "Normal twin"
    normal = next((net for net in twins if net.recipe == recipe), None)
    row = None if normal is None else _find_place(of_contender(usable, normal), reference)
    if normal is None or row is None:
        return
    xception = next(net for net in full if net.recipe == recipe)
    yield Detail(topic, "multiplications", normal.macs / xception.macs, "times", kind="counted")
    ratio = normal.parameters / xception.parameters
    yield Detail(topic, "parameters", ratio, "times", kind="counted")
    yield _time(topic, _place(reference), row)
    times = row.latency.latency_ms / reference.latency.latency_ms
    yield Detail(topic, "the time there", times, "times", kind=row.latency.provenance)


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
                yield from _small_twin(twin, net, record.header.machine.cpu)


def _small_twin(twin: Contender, net: Contender, cpu: str) -> Iterator[Detail]:
    topic, note = "Small twin", f"on {cpu}, one thread"
    for contender in (net, twin):
        label, value_ms = (
            f"{contender.label} in {contender.recipe}",
            contender.local_latency_ms or 0,
        )
        yield Detail(topic, label, value_ms, "ms", kind="measured", note=note)
    yield Detail(topic, "multiplications", twin.macs / net.macs, "times", kind="counted")


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
    topic = f"Others {_place(reference)}"
    rivals.sort(key=lambda pair: pair[1].latency.latency_ms)
    yield _time(topic, "Xception", reference, FRAME_MS[10])
    for net, row in rivals:
        yield _time(topic, net.label, row, FRAME_MS[10])
    known = {net.label: net.published_top1 for net, _ in rivals if net.published_top1 is not None}
    fast = [net.label for net, row in rivals if reaches(row.latency, FRAME_MS[10])]
    best = max(known.keys() & fast, key=known.__getitem__, default="")
    for label, top1 in known.items():
        note = "the most at 10 frames a second" if label == best else ""
        yield Detail(topic, f"{label}, top-1", top1, "1", kind="published", note=note)


def _time(topic: str, label: str, row: Row, limit_ms: float | None = None) -> Detail:
    time = row.latency
    ends = time.low_ms, time.high_ms
    return Detail(topic, label, time.latency_ms, "ms", *ends, time.provenance, limit_ms)


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
    where = f"on a {short_name(latency.device)} in {latency.recipe}"
    return f"{where} with {threads_text(latency.threads)}"
