"""The latency of a network on a device, with an interval, and what the answer rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgecnn.errors import InputError
from edgecnn.latency import energy, fitted, work
from edgecnn.latency.nearness import resembles
from edgecnn.recipes import RECIPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.latency.cost import Kind, NetCost, OperatorCost
    from edgecnn.latency.fitted import Fitted, Interval, Speed
    from edgecnn.latency.profiles import DeviceProfile
    from edgecnn.latency.work import Resource

Basis = Literal["interpolated", "extrapolated", "calibrated", "no rows"]
# The share of measurements that the stated interval holds.
INTERVAL = 0.8
# What the published rows that speeds rest on have in common, as far as their sources say.
CONDITIONS = (
    "TFLite 2.x with XNNPACK on 64-bit Arm, batch 1, warmed up, the fastest cores at their highest"
    " clock (performance governor), cooled, nothing else running"
)

_COMPUTE, _MEMORY, _OVERHEAD = 0, 1, 2
_RESOURCES = {"compute": _COMPUTE, "memory": _MEMORY, "overhead": _OVERHEAD}
# Products with int8 weights and float activations run between float and int8. No published ARM row
# says where; TFLite on x86-64 takes 0.67 times float32, int8 a third, for Xception (one thread).
_DYNAMIC_INT8_SHARE = 1 / 3
# Each share of operators nobody knows the cost of widens the interval by as much, this many times.
_UNKNOWN_WEIGHT = 3.0
_REFERENCE_SHARE = 0.05
# Beyond, what is not known may be most of the time: no interval would hold it.
_MOST_UNKNOWN = 0.25


@dataclass(frozen=True)
class KindTime:
    """Where the time of one kind of operator goes, milliseconds.

    Attributes:
        kind: of `edgecnn.latency.cost.Kind`.
        compute_ms: multiplications and other arithmetic.
        memory_ms: moving bytes.
        overhead_ms: starting operators.
    """

    kind: Kind
    compute_ms: float
    memory_ms: float
    overhead_ms: float

    @property
    def time_ms(self) -> float:
        """All of it."""
        return self.compute_ms + self.memory_ms + self.overhead_ms

    @property
    def bound(self) -> Resource:
        """What takes most of it."""
        parts: dict[Resource, float] = {
            "compute": self.compute_ms,
            "memory": self.memory_ms,
            "overhead": self.overhead_ms,
        }
        return max(parts, key=lambda name: parts[name])


@dataclass(frozen=True)
class Prediction:
    """What `predict_latency` says.

    Attributes:
        device: the profile's name.
        threads: of the inference.
        recipe: one of `edgecnn.recipes.RECIPES`.
        latency_ms: the median expected, TFLite with XNNPACK.
        low_ms: lower end of the interval that holds 80% of measurements.
        high_ms: its upper end.
        energy_mj: of the whole device, its rest included: an estimate; None where not known.
        basis: "interpolated" (TFLite with XNNPACK ran networks like it on this device, at this
            precision), "extrapolated" (it did, but none like it), "calibrated" (the user measured
            probe networks on it), or "no rows" (none was published for this build; the speed is
            that of its cores elsewhere, of similar cores, or under another build).
        conditions: what the answer is for.
        warnings: what else to know; one sentence each.
        by_kind: where the time goes, by kind of operator, the longest first.
    """

    device: str
    threads: int
    recipe: str
    latency_ms: float
    low_ms: float
    high_ms: float
    energy_mj: float | None
    basis: Basis
    warnings: tuple[str, ...]
    by_kind: tuple[KindTime, ...]
    conditions: str = CONDITIONS


def predict_latency(
    cost: NetCost,
    profile: DeviceProfile,
    recipe: str,
    threads: int,
    *,
    speeds: Fitted | None = None,
) -> Prediction:
    """Predict one inference at batch 1.

    Args:
        cost: of the network, operators at their precision (`edgecnn.latency.precision.for_recipe`).
        profile: of the device.
        recipe: what the network was costed under.
        threads: cores that share the inference, the fastest of the device.
        speeds: fitted speeds; those that come with edgecnn when left out.

    Raises:
        InputError: no such recipe, not so many cores, or too many operators of unknown cost.
    """
    _check(profile, recipe, threads)
    _check_known(cost)
    speeds = speeds or fitted.load()
    precision = work.dynamic_mix(RECIPES[recipe].name)[-1]
    basis = _basis(cost, profile, precision, speeds)
    by_kind = _by_kind(cost, Machine(profile, threads, speeds))
    latency = sum(time.time_ms for time in by_kind)
    low, high = _interval(speeds.intervals[basis], recipe, _unknown_share(cost))
    return Prediction(
        device=profile.name,
        threads=threads,
        recipe=recipe,
        latency_ms=latency,
        low_ms=latency * low,
        high_ms=latency * high,
        energy_mj=energy.energy_mj(profile, threads, latency),
        basis=basis,
        warnings=tuple(_warnings(cost, profile, recipe, speeds, by_kind)),
        by_kind=by_kind,
    )


def _check(profile: DeviceProfile, recipe: str, threads: int) -> None:
    if recipe not in RECIPES:
        raise InputError(f"There is no recipe {recipe!r}.", hint=f"Recipes: {', '.join(RECIPES)}.")
    if not 1 <= threads <= profile.cores:
        raise InputError(
            f"{profile.title} has {profile.cores} cores; {threads} threads cannot be predicted.",
            hint=f"Name 1 to {profile.cores} threads.",
        )


def _check_known(cost: NetCost) -> None:
    share = _unknown_share(cost)
    if share > _MOST_UNKNOWN:
        raise InputError(
            f"{cost.name} cannot be predicted: no cost is known for {_listed(cost.unknown)},"
            f" {share:.0%} of what it does.",
            hint="Measure it: `edgecnn bench`; or cut these operators off, and name the rest.",
        )


def _listed(unknown: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(unknown.items()))


def _basis(cost: NetCost, profile: DeviceProfile, precision: str, speeds: Fitted) -> Basis:
    if precision in profile.units:
        return "calibrated"
    references = speeds.references.get(profile.name, {}).get(precision)
    if not references:
        return "no rows"
    return "interpolated" if resembles(cost, references) else "extrapolated"


def _by_kind(cost: NetCost, machine: Machine) -> tuple[KindTime, ...]:
    sums: dict[Kind, list[float]] = {}
    for operator in cost.operators:
        parts = sums.setdefault(operator.kind, [0.0, 0.0, 0.0])
        for place, part in enumerate(machine.parts_ms(operator)):
            parts[place] += part
    times = [KindTime(kind, *parts) for kind, parts in sums.items()]
    return tuple(sorted(times, key=lambda time: -time.time_ms))


class Machine:
    """A device with a number of threads: what each unit of work takes on it.

    Args:
        profile: of the device.
        threads: at most its cores.
        speeds: fitted ones.
    """

    def __init__(self, profile: DeviceProfile, threads: int, speeds: Fitted) -> None:
        self._clusters = profile.fastest(threads)
        self._l2_bytes = self._clusters[0].l2_kib * 1024
        self._milliseconds = {
            precision: self._unit_ms(profile, precision, speeds) for precision in speeds.sharing
        }

    def _unit_ms(self, profile: DeviceProfile, precision: str, speeds: Fitted) -> list[float]:
        sharing = speeds.on(profile.name, precision)
        factor = speeds.factors.get(profile.name, {}).get(precision, 1.0)
        factor *= profile.scale.get(precision, 1.0) * 1e3
        by_cluster = [speeds.seconds(c, precision, profile.dram_gbps) for c in self._clusters]
        own = profile.units.get(precision, {})
        return [
            factor
            * own.get(unit.name, 1.0)
            * sharing.seconds(unit.parallel, self._speeds([core[i] for core in by_cluster]))
            for i, unit in enumerate(work.UNITS)
        ]

    def unit_ms(self, cost: NetCost) -> list[float]:
        """What each unit of work takes in a whole network of one precision, milliseconds."""
        total = [0.0] * len(work.UNITS)
        for operator in cost.operators:
            own = self._milliseconds[work.dynamic_mix(operator.precision)[-1]]
            for i, amount in enumerate(work.amounts(operator, self._l2_bytes)):
                total[i] += amount * own[i]
        return total

    def _speeds(self, seconds: Sequence[float]) -> list[Speed]:
        return [
            fitted.Speed(own, cluster.count)
            for own, cluster in zip(seconds, self._clusters, strict=True)
        ]

    def parts_ms(self, operator: OperatorCost) -> list[float]:
        """Compute, memory and overhead of an operator, milliseconds."""
        mix = work.dynamic_mix(operator.precision)
        amounts = work.amounts(operator, self._l2_bytes)
        by_precision = [self._parts(amounts, self._milliseconds[precision]) for precision in mix]
        if len(by_precision) == 1:
            return by_precision[0]
        share = _DYNAMIC_INT8_SHARE
        pairs = zip(*by_precision, strict=True)
        return [_between(float_ms, int8_ms, share) for float_ms, int8_ms in pairs]

    @staticmethod
    def _parts(amounts: Sequence[float], unit_ms: Sequence[float]) -> list[float]:
        parts = [0.0, 0.0, 0.0]
        for unit, amount, ms in zip(work.UNITS, amounts, unit_ms, strict=True):
            parts[_RESOURCES[unit.resource]] += amount * ms
        return parts


def _between(float_ms: float, int8_ms: float, share: float) -> float:
    """The geometric mean of two times, weighted; nothing where either is nothing."""
    return float_ms ** (1.0 - share) * int8_ms**share if float_ms and int8_ms else 0.0


def _unknown_share(cost: NetCost) -> float:
    """The share of operators whose cost nobody knows, or of the data they read and write."""
    if not cost.unknown:
        return 0.0
    count = sum(cost.unknown.values()) / max(1, len(cost.operators))
    strange, every = 0, 1
    for operator in cost.operators:
        moved = operator.input_elements + operator.output_elements
        every += moved
        strange += moved if operator.kind == "unknown" else 0
    return max(count, strange / every)


def _interval(common: Interval, recipe: str, unknown: float) -> tuple[float, float]:
    """The ends over the prediction; wider for a recipe between two."""
    several = len(work.dynamic_mix(RECIPES[recipe].name)) > 1
    spread = math.sqrt(2.0) if several else 1.0
    low, high = common.low**spread, common.high**spread
    return low / (1.0 + unknown), high * (1.0 + _UNKNOWN_WEIGHT * unknown)


def _warnings(
    cost: NetCost,
    profile: DeviceProfile,
    recipe: str,
    speeds: Fitted,
    by_kind: Sequence[KindTime],
) -> list[str]:
    warnings = []
    if cost.unknown:
        warnings.append(
            f"No cost is known for {_listed(cost.unknown)}: they count as nothing, the interval is"
            " wider."
        )
    unmeasured = sorted({c.core for c in profile.clusters if not speeds.measured(c.core)})
    if unmeasured:
        warnings.append(f"{', '.join(unmeasured)} was never measured; similar cores stand for it.")
    warnings += _other_build(profile, recipe, speeds)
    if recipe == "dynamic":
        warnings.append("No dynamic latency was published for ARM: a mean of float32 and int8.")
    grouped = sum(time.time_ms for time in by_kind if time.kind == "grouped")
    if grouped > _REFERENCE_SHARE * sum(time.time_ms for time in by_kind):
        warnings.append(
            "Convolutions in groups cost what TFLite 2.10 took: one thread, no SIMD. Newer runtimes"
            " may be much faster."
        )
    return warnings


def _other_build(profile: DeviceProfile, recipe: str, speeds: Fitted) -> list[str]:
    """Said where a device was measured, but not with what the answer is for."""
    runtimes = speeds.runtimes.get(profile.name)
    if not runtimes:
        return []
    if "xnnpack" not in runtimes:
        return [f"{profile.title} was measured with TFLite builds without XNNPACK only."]
    precision = work.dynamic_mix(RECIPES[recipe].name)[-1]
    if precision not in speeds.references.get(profile.name, {}):
        return [f"{profile.title} was measured in {precision} without TFLite's XNNPACK only."]
    return []
