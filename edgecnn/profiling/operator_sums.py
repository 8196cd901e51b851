"""From what profiled runs took to the time of each operator, and of each kind of operator."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgecnn.profiling import roofline
from edgecnn.profiling.operator_align import align
from edgecnn.profiling.operator_record import KindTime, LayerTime

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgecnn.profiling.operator_costs import Cost
    from edgecnn.profiling.operator_litert import Event, Run
    from edgecnn.profiling.operator_record import Bound, Ceilings

_US_PER_MS = 1e3
# Profilers count whole microseconds: the rate of an operator shorter than this is mostly rounding.
_SHORTEST_RATED_MS = 0.05


@dataclass(frozen=True)
class TimedOperator:
    """An operator's cost, what the runtime ran for it, and how long that took."""

    cost: Cost
    kernel: str
    time_ms: float


def typical(runs: Sequence[Run]) -> tuple[float, tuple[Event, ...]]:
    """Wall time in milliseconds, and the events with their mean time.

    The mean over the faster half of the runs: the parts add up, and what other programs took of a
    slow run is not the network's. Runs not made of the same operators as most are left out.
    """
    usual, _ = Counter(_makeup(run) for run in runs).most_common(1)[0]
    alike = sorted((run for run in runs if _makeup(run) == usual), key=lambda run: run.wall_us)
    faster = alike[: -(-len(alike) // 2)]
    events = tuple(
        replace(events[0], elapsed_us=statistics.fmean(event.elapsed_us for event in events))
        for events in zip(*(run.events for run in faster), strict=True)
    )
    return statistics.fmean(run.wall_us for run in faster) / _US_PER_MS, events


def explained(runs: Sequence[Run]) -> float:
    """The share of its time that a run's events account for, in the least disturbed run."""
    fastest = min(runs, key=lambda run: run.wall_us)
    return sum(event.elapsed_us for event in fastest.events) / max(fastest.wall_us, 1e-3)


def _makeup(run: Run) -> tuple[str, ...]:
    return tuple(event.kernel for event in run.events)


def attribute(events: Sequence[Event], costs: Sequence[Cost]) -> list[TimedOperator]:
    """The graph's operators that took time, in order, each with all the events that are its own.

    An event that names its operator is believed where the kinds agree; the others are aligned.
    """
    kinds = [cost.kind for cost in costs]
    anchors = [_anchor(event, kinds) for event in events]
    owners, direct = align([event.kernel for event in events], anchors, kinds)
    times: dict[int, float] = defaultdict(float)
    kernels: dict[int, str] = {}
    for place, (event, owner) in enumerate(zip(events, owners, strict=bool(owners))):
        times[owner] += event.elapsed_us / _US_PER_MS
        if place in direct or owner not in kernels:
            kernels[owner] = event.kernel
    return [TimedOperator(costs[i], kernels[i], times[i]) for i in sorted(times)]


def _anchor(event: Event, kinds: Sequence[str]) -> int | None:
    named = event.node is not None and 0 <= event.node < len(kinds)
    return event.node if named and kinds[event.node or 0] == event.kernel else None


def by_node(events: Sequence[Event], costs: Sequence[Cost]) -> list[TimedOperator]:
    """As `attribute`, where every event names its operator for certain."""
    return [
        TimedOperator(costs[event.node], event.kernel, event.elapsed_us / _US_PER_MS)
        for event in events
        if event.node is not None
    ]


def raised(ceilings: Ceilings, timed: Iterable[TimedOperator]) -> Ceilings:
    """The ceilings, no lower than what the net's own operators reached.

    A busy machine may slow the measurement of a ceiling, and a ceiling that was passed is none.
    """
    rates = dict(ceilings.macs_per_s)
    for operator in timed:
        dtype = roofline.ceiling_dtype(operator.cost.compute_dtype)
        if dtype in rates and operator.time_ms >= _SHORTEST_RATED_MS:
            reached = operator.cost.macs / operator.time_ms * _US_PER_MS
            rates[dtype] = max(rates[dtype], reached)
    return replace(ceilings, macs_per_s=rates)


def layer_times(timed: Iterable[TimedOperator], ceilings: Ceilings) -> tuple[LayerTime, ...]:
    """Each operator beside what the ceilings allow it."""
    return tuple(_layer(operator, ceilings) for operator in timed)


def _layer(operator: TimedOperator, ceilings: Ceilings) -> LayerTime:
    cost = operator.cost
    least, bound = roofline.ceiling_ms(cost.macs, cost.bytes_moved, cost.compute_dtype, ceilings)
    return LayerTime(
        index=cost.index,
        name=cost.name,
        kind=cost.kind,
        compute_dtype=cost.compute_dtype,
        kernel=operator.kernel,
        time_ms=operator.time_ms,
        macs=cost.macs,
        bytes_moved=cost.bytes_moved,
        ceiling_ms=least,
        bound=bound,
    )


def kind_times(layers: Iterable[LayerTime]) -> tuple[KindTime, ...]:
    """The layers by kind and dtype, the costliest first."""
    groups: dict[tuple[str, str], list[LayerTime]] = defaultdict(list)
    for layer in layers:
        groups[layer.kind, layer.compute_dtype].append(layer)
    time_ms = sum(layer.time_ms for group in groups.values() for layer in group)
    macs = sum(layer.macs for group in groups.values() for layer in group)
    kinds = [_kind(kind, group, time_ms, macs) for kind, group in groups.items()]
    return tuple(sorted(kinds, key=lambda kind: -kind.time_ms))


def _kind(
    kind: tuple[str, str], group: Sequence[LayerTime], all_ms: float, all_macs: int
) -> KindTime:
    time_ms, macs = sum(layer.time_ms for layer in group), sum(layer.macs for layer in group)
    least = [layer.ceiling_ms for layer in group if layer.ceiling_ms is not None]
    known = len(least) == len(group) and time_ms > 0
    return KindTime(
        kind=kind[0],
        compute_dtype=kind[1],
        count=len(group),
        time_ms=time_ms,
        time_share=time_ms / all_ms if all_ms else 0.0,
        macs=macs,
        macs_share=macs / all_macs if all_macs else 0.0,
        bytes_moved=sum(layer.bytes_moved for layer in group),
        ceiling_share=sum(least) / time_ms if known else None,
        bound=_bound(group) if known else None,
    )


def _bound(group: Sequence[LayerTime]) -> Bound:
    computing = sum(layer.ceiling_ms or 0.0 for layer in group if layer.bound == "compute")
    moving = sum(layer.ceiling_ms or 0.0 for layer in group if layer.bound == "memory")
    return "compute" if computing >= moving else "memory"
