"""Document 000's main claim: Xception can be used in low-power devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.claims import beside, changing
from edgecnn.claims import low_power_text as text
from edgecnn.claims.record import Number, Verdict
from edgecnn.claims.sources import missing, number, untestable
from edgecnn.claims.standings import (
    FRAME_MS,
    MEMORY_BYTES,
    fastest,
    of_contender,
    of_predictor,
    order,
    reaches,
    rows,
    twins,
    xceptions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgecnn.claims.record import Detail, Outcome
    from edgecnn.claims.standings import Row
    from edgecnn.evidence.files import Evidence
    from edgecnn.evidence.records import Contender, Devices

_REFERENCES = ("raspberry-pi-4b", "raspberry-pi-5", "raspberry-pi-3b-plus", "raspberry-pi-zero-2w")
_REFERENCE_RECIPES = ("int8", "dynamic", "float32")


@dataclass(frozen=True)
class Standing:
    """Full xception on one device: what it can do there within which budgets.

    Attributes:
        device: the profile's name.
        rows: every recipe and number of threads, the fastest first.
        reached: frames a second to the rows that reach them.
        suited: the same of those within memory and power too.
    """

    device: str
    rows: tuple[Row, ...]
    reached: dict[int, tuple[Row, ...]]
    suited: dict[int, tuple[Row, ...]]


def judge(evidence: Evidence) -> Verdict:
    """On which devices, under which recipe, within which budgets; and what else there is."""
    record = evidence.devices
    if record is None:
        return missing("devices")
    full = xceptions(record)
    usable = rows(evidence)
    places = standings(full, usable)
    if not places:
        return untestable("devices.json has no latency of xception on a Pi or phone.", "devices")
    reference = pick_reference(full, usable)
    outcome = _outcome(places)
    return Verdict(
        outcome=outcome,
        summary=text.summary(places, full),
        conditions=tuple(text.conditions(places, full))
        if outcome == "holds with conditions"
        else (),
        numbers=tuple(_numbers(record, full, usable, reference)),
        caveats=tuple(text.caveats(record)),
        details=(
            *changing.details(places, full, usable, lambda rows: _outcome(standings(full, rows))),
            *changing.left_out(evidence.left_out),
            *_details(record, places, usable, reference),
        ),
        headline=text.headline(outcome, places, full),
        devices=tuple(text.device(place, full) for place in places),
    )


def standings(full: list[Contender], usable: tuple[Row, ...]) -> list[Standing]:
    """Full xception on every device there is a latency for, in the record's order."""
    memory = {net.recipe: net.memory_bytes for net in full}
    own = [row for net in full for row in of_contender(usable, net)]
    result = []
    for device in sorted(dict.fromkeys(row.latency.device for row in usable), key=order):
        here = sorted(
            (row for row in own if row.latency.device == device),
            key=lambda row: row.latency.latency_ms,
        )
        if here:
            reached = {
                frames: tuple(row for row in here if reaches(row.latency, budget_ms))
                for frames, budget_ms in FRAME_MS.items()
            }
            suited = {
                frames: tuple(
                    row
                    for row in able
                    if memory[row.latency.recipe] <= MEMORY_BYTES and row.within_power()
                )
                for frames, able in reached.items()
            }
            result.append(Standing(device, tuple(here), reached, suited))
    return result


def _outcome(places: list[Standing]) -> Outcome:
    """Holds where every device makes 10 frames a second in all budgets; fails where none makes 1.

    Between the two it holds with conditions, which name the budgets that are broken. A recipe of
    the user's choice is allowed: nobody would deploy another.
    """
    if all(place.suited[10] for place in places):
        return "holds"
    return "holds with conditions" if any(place.reached[1] for place in places) else "fails"


def pick_reference(full: list[Contender], usable: tuple[Row, ...]) -> Row | None:
    """Full xception's row that others are compared with: on a Pi 4 in int8 where there is one."""
    own = [row for net in full for row in of_contender(usable, net)]
    for device in _REFERENCES:
        for recipe in _REFERENCE_RECIPES:
            here = [
                row for row in own if (row.latency.device, row.latency.recipe) == (device, recipe)
            ]
            if here:
                return fastest(here)
    return fastest(own)


def _details(
    record: Devices, places: list[Standing], usable: tuple[Row, ...], reference: Row | None
) -> Iterator[Detail]:
    full = xceptions(record)
    yield from text.network(full, record)
    yield from text.basis(places)
    yield from text.sizes(full, record)
    if reference is not None:
        yield from beside.twin(twins(record), full, usable, reference)
        yield from beside.small_twins(record)
        yield from beside.others(record, usable, reference)
    yield from text.what_it_takes(record, places)
    yield from text.boards(full)


def _numbers(
    record: Devices, full: list[Contender], usable: tuple[Row, ...], reference: Row | None
) -> Iterator[Number]:
    """Xception and its twin everywhere; the others where they are compared."""
    own = {(net.label, net.recipe) for net in (*full, *twins(record))}
    for row in usable:
        key = row.latency.label, row.latency.recipe
        if key in own or beside.same_place(row, reference):
            yield from _row_numbers(row)
    for index, net in enumerate(record.contenders):
        yield from _contender_numbers(record, index, net)
    for index, fit in enumerate(record.fits):
        name = f"latency, xception x{fit.width:g} at {fit.input_size}, {fit.recipe}, {fit.device}"
        source = of_predictor(record, f"fits[{index}]")
        yield Number(name, fit.latency_ms, "ms", "predicted", source)


def _row_numbers(row: Row) -> Iterator[Number]:
    latency = row.latency
    name = f"{latency.label} {latency.recipe}, {latency.device}, {latency.threads} threads"
    values = latency.latency_ms, latency.low_ms, latency.high_ms
    for what, value in zip(("", ", low end", ", high end"), values, strict=True):
        yield Number(f"latency, {name}{what}", value, "ms", latency.provenance, row.source)
    if latency.energy_mj is not None:
        # What a device draws comes from its profile, also where the time was measured.
        yield Number(f"energy, {name}", latency.energy_mj, "mJ", "predicted", row.source)


def _contender_numbers(record: Devices, index: int, net: Contender) -> Iterator[Number]:
    header, entry, name = record.header, f"contenders[{index}]", f"{net.label} {net.recipe}"
    yield number(f"size, {name}", net.size_bytes, "bytes", net.size_provenance, header, entry)
    yield number(f"memory, {name}", net.memory_bytes, "bytes", net.memory_provenance, header, entry)
    yield number(f"MACs, {name}", net.macs, "MACs", "counted", header, entry)
    if net.published_top1 is not None:
        yield number(f"top-1, {name}", net.published_top1, "1", "published", header, entry)
    if net.local_latency_ms is not None:
        full = f"latency on this machine, {name}"
        yield number(full, net.local_latency_ms, "ms", "measured", header, entry)
