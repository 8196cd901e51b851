"""How the low-power verdict would change: the intervals' ends, and what one measurement decides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.claims.record import Detail
from edgecnn.claims.sources import listed
from edgecnn.claims.standings import FRAME_MS, MEMORY_BYTES, POWER_W, devices_text, is_phone
from edgecnn.latency.device_names import short_name
from edgecnn.text import milliseconds_text, size_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from edgecnn.claims.low_power import Standing
    from edgecnn.claims.record import Outcome
    from edgecnn.claims.standings import Row
    from edgecnn.evidence.files import LeftOut
    from edgecnn.evidence.records import Contender, DeviceLatency

    Judge = Callable[[tuple[Row, ...]], Outcome]

_LOW, _HIGH = "low_ms", "high_ms"
_NAMED = 5


def rate_at(latency_ms: float) -> str:
    """The highest rate that is asked for and that a latency leaves room for.

    >>> rate_at(99.0), rate_at(300.0), rate_at(1001.0)
    ('10/s', '1/s', 'below 1/s')
    """
    fitting = [frames for frames, budget_ms in FRAME_MS.items() if latency_ms <= budget_ms]
    return f"{max(fitting)}/s" if fitting else "below 1/s"


def deciding(place: Standing) -> str:
    """The measurement that settles a device's rate; "" where both ends of its interval agree."""
    best = place.rows[0].latency
    if not _is_open(best):
        return ""
    target = "adb://SERIAL" if is_phone(place.device) else "ssh://pi@HOST"
    return f"edgecnn bench artifacts/xception/{best.recipe} --on {target} --threads {best.threads}"


def _is_open(best: DeviceLatency) -> bool:
    return best.provenance == "predicted" and rate_at(best.low_ms) != rate_at(best.high_ms)


def details(
    places: Sequence[Standing], full: Sequence[Contender], usable: tuple[Row, ...], judge: Judge
) -> Iterator[Detail]:
    """Which devices are open, which are settled, and what would give another verdict.

    Args:
        places: full xception on every device.
        full: its contenders.
        usable: every row.
        judge: from rows to the outcome.
    """
    unsettled = [place for place in places if _is_open(place.rows[0].latency)]
    if unsettled:
        yield Detail(
            "Open",
            f"by the ends of its interval Xception makes {'; '.join(_open(places))}. One"
            f" measurement settles each: `{deciding(unsettled[0])}`.",
        )
    if len(unsettled) < len(places):
        yield Detail("Settled", f"{'; '.join(_settled(places))}, at both ends of the interval.")
    yield Detail("Would change it", _change(places, full, usable, judge))


def _open(places: Sequence[Standing]) -> Iterator[str]:
    rates: dict[str, list[str]] = {}
    for place in places:
        best = place.rows[0].latency
        if _is_open(best):
            ends = f"{rate_at(best.low_ms)} or {rate_at(best.high_ms)}"
            rates.setdefault(ends, []).append(short_name(place.device))
    for ends, devices in rates.items():
        yield f"{ends} on {listed(devices)}"


def _settled(places: Sequence[Standing]) -> Iterator[str]:
    rates: dict[str, list[str]] = {}
    for place in places:
        best = place.rows[0].latency
        if not _is_open(best):
            rates.setdefault(rate_at(best.latency_ms), []).append(place.device)
    every = [place.device for place in places]
    for rate, devices in rates.items():
        yield f"{rate} on {devices_text(devices, every)}"


def _change(
    places: Sequence[Standing], full: Sequence[Contender], usable: tuple[Row, ...], judge: Judge
) -> str:
    now = judge(usable)
    alone = [
        f"{short_name(place.device)} at {milliseconds_text(value)} ms ({outcome})"
        for place in places
        if _is_open(place.rows[0].latency)
        for end in (_LOW, _HIGH)
        if (outcome := judge(at_end(usable, end, place.device))) != now
        for value in (getattr(place.rows[0].latency, end),)
    ]
    if alone:
        return f"one measurement can: {listed(alone)}."
    best, worst = judge(at_end(usable, _LOW)), judge(at_end(usable, _HIGH))
    if best == worst == now:
        return f"no latency within these intervals does. {_barriers(places, full)}"
    ends = [f"{end}: {outcome}" for end, outcome in
            (("all at their lower ends", best), ("all at their upper ends", worst))
            if outcome != now]  # fmt: skip
    return f"no single measurement does; together they can ({listed(ends)})."


def _barriers(places: Sequence[Standing], full: Sequence[Contender]) -> str:
    """What keeps it from holding, whatever is measured within the intervals."""
    every = [place.device for place in places]
    parts = []
    least = min(full, key=lambda net: net.memory_bytes)
    if least.memory_bytes > MEMORY_BYTES:
        needed = size_text(least.memory_bytes)
        parts.append(f"no more than {MEMORY_BYTES / 1e6:g} MB ({least.recipe} takes {needed})")
    fast = [place for place in places if _could_reach(place)]
    slow = [place.device for place in places if place not in fast]
    if slow:
        where = devices_text(slow, every)
        parts.append(f"10 frames a second on {where} (even the lower ends are slower)")
    hungry = [place.device for place in fast if not place.rows[0].within_power()]
    if hungry:
        parts.append(f"that rate within {POWER_W:g} W on {devices_text(hungry, every)}")
    return f"To hold it would have to take {listed(parts)}." if parts else ""


def _could_reach(place: Standing) -> bool:
    return min(row.latency.low_ms for row in place.rows) <= FRAME_MS[10]


def at_end(rows: tuple[Row, ...], end: str, device: str = "") -> tuple[Row, ...]:
    """Every prediction (of one device) as if it had been measured at an end of its interval.

    Args:
        rows: as they are.
        end: "low_ms" or "high_ms".
        device: whose; "" for all.
    """
    return tuple(
        _measured_at(row, getattr(row.latency, end))
        if row.latency.provenance == "predicted" and device in {"", row.latency.device}
        else row
        for row in rows
    )


def _measured_at(row: Row, value_ms: float) -> Row:
    ends = replace(row.latency, latency_ms=value_ms, low_ms=value_ms, high_ms=value_ms)
    return replace(row, latency=ends)


def left_out(results: Sequence[LeftOut]) -> Iterator[Detail]:
    """Results of `bench` that decide nothing, with the reason, alike ones in one clause."""
    grouped: dict[tuple[str, str], list[LeftOut]] = {}
    for result in results:
        grouped.setdefault((result.device, result.why), []).append(result)
    parts = [_clause(device, why, alike) for (device, why), alike in grouped.items()]
    if len(parts) > _NAMED:
        parts[_NAMED:] = [f"and {len(parts) - _NAMED} more devices or reasons"]
    if parts:
        files = listed(list(dict.fromkeys(result.source.file for result in results)))
        yield Detail(
            "Left out", f"measurements in {files} that decide nothing: {'; '.join(parts)}."
        )


def _clause(device: str, why: str, alike: Sequence[LeftOut]) -> str:
    latest = {(result.what, result.threads): result for result in alike}
    texts = [
        f"{result.what} {milliseconds_text(result.latency_ms)} ms with {result.threads}"
        f" thread{'s' if result.threads > 1 else ''}"
        for result in latest.values()
    ]
    if len(texts) > _NAMED:
        texts[_NAMED:] = [f"{len(texts) - _NAMED} more"]
    return f"{device}: {listed(texts)} ({why})"
