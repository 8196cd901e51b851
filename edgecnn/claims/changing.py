"""How the low-power verdict would change: the intervals' ends, and what one measurement decides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.claims.record import Detail
from edgecnn.claims.standings import FRAME_MS, MEMORY_BYTES, POWER_W, is_phone
from edgecnn.latency.device_names import short_name
from edgecnn.text import threads_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from edgecnn.claims.low_power import Standing
    from edgecnn.claims.record import Outcome
    from edgecnn.claims.standings import Row
    from edgecnn.evidence.files import LeftOut
    from edgecnn.evidence.records import Contender, DeviceLatency

    Judge = Callable[[tuple[Row, ...]], Outcome]

_LOW, _HIGH = "low_ms", "high_ms"


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
    """Which latencies would give another verdict, and what else it would take to hold.

    Args:
        places: full xception on every device.
        full: its contenders.
        usable: every row.
        judge: from rows to the outcome.
    """
    topic = "Would change it"
    alone = list(_alone(places, usable, judge))
    if alone:
        yield from alone
        return
    for end, words in ((_LOW, "lower"), (_HIGH, "upper")):
        outcome = judge(at_end(usable, end))
        label = f"every latency at its {words} end"
        yield Detail(topic, label, outcome)
    if judge(at_end(usable, _LOW)) != "holds":
        yield from _barriers(places, full)


def _alone(places: Sequence[Standing], usable: tuple[Row, ...], judge: Judge) -> Iterator[Detail]:
    """Measurements within the intervals each of which would do by itself."""
    now = judge(usable)
    for place in places:
        best = place.rows[0].latency
        for end in (_LOW, _HIGH) if _is_open(best) else ():
            outcome = judge(at_end(usable, end, place.device))
            if outcome != now:
                label = f"{short_name(place.device)} alone, measured at"
                value_ms = getattr(best, end)
                yield Detail("Would change it", label, value_ms, "ms", note=f"it then {outcome}")


def _barriers(places: Sequence[Standing], full: Sequence[Contender]) -> Iterator[Detail]:
    """What keeps it from holding, whatever is measured within the intervals."""
    topic, least = "To hold", min(full, key=lambda net: net.memory_bytes)
    if least.memory_bytes > MEMORY_BYTES:
        label, kind = f"memory in {least.recipe}", least.memory_provenance
        yield Detail(topic, label, least.memory_bytes, "bytes", kind=kind, limit=MEMORY_BYTES)
    for place in places:
        if not _could_reach(place):
            row = min(place.rows, key=lambda row: row.latency.low_ms).latency
            label = f"{short_name(place.device)}, lower end"
            yield Detail(topic, label, row.low_ms, "ms", kind=row.provenance, limit=FRAME_MS[10])
        elif not place.rows[0].within_power() and (watts := place.rows[0].latency.power_w):
            label = f"{short_name(place.device)}, power"
            yield Detail(topic, label, watts, "W", kind="published", limit=POWER_W)


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
    """Results of `bench` that decide nothing, with the reason; of alike ones the latest."""
    latest = {
        (result.device, result.why, result.what, result.threads): result for result in results
    }
    for result in sorted(latest.values(), key=lambda result: (result.device, result.why)):
        label = f"{result.device}: {result.what}, {threads_text(result.threads)}"
        yield Detail("Left out", label, result.latency_ms, "ms", kind="measured", note=result.why)
