"""Whether a measurement may be believed: its grade, and the reasons with their figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.benchmark import statistics
from edgecnn.measurements import Trust

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgecnn.measurements import BenchPlan, BenchResult

# A latency follows the clock: a clock that fell by this much moved the latency as far as repeats
# may differ.
CLOCK_FALL_VOID = 0.05
# Turbo clocks are seldom reached; so far below the highest, something holds the clock down.
CLOCK_SHARE_WARNED = 0.75
# CPU time that other programs took, as a share of all cores. 5% of a Raspberry Pi's four cores is a
# fifth of one; an idle system's own services stay below 2% (1% was seen).
BUSY_VOID = 0.05
BUSY_WARNED = 0.02
# With 64 samples the 95% interval of the 90th percentile lies inside of them (order statistics 53
# to 62); with far fewer, p90 is hardly more than the slowest run.
FEWEST_SAMPLES = 64

# Bits of `vcgencmd get_throttled`; 16 higher is "has occurred since boot".
_BITS = {
    0: "under-voltage",
    1: "clock capped",
    2: "throttled",
    3: "soft temperature limit",
}
_SINCE_BOOT = 16
_POWER_BITS = 1 | 1 << _SINCE_BOOT
_NOW_BITS = 0xF


def grade(result: BenchResult, plan: BenchPlan) -> Trust:
    """Grade a result; `result.trust` is not looked at.

    A sustained plan is there to show how heat slows a device: what would void another plan's
    result is a warning there, that its percentiles mix several speeds.

    Args:
        result: everything that was measured.
        plan: what was asked for.
    """
    void, warned = list(_void(result, plan)), list(_warned(result, plan))
    heat = list(_heat(result))
    if plan.interval_s is None:
        void += heat
    else:
        warned += [f"{reason}; the percentiles mix several speeds" for reason in heat]
    reasons = (*void, *warned)
    return Trust("void" if void else "warned" if warned else "trusted", reasons)


def _void(result: BenchResult, plan: BenchPlan) -> Iterator[str]:
    if result.outputs_match is False:
        yield "its outputs differ from this machine's"
    bits = _bits_that_count(result) & _POWER_BITS
    if bits:
        yield f"the power supply failed: {_bit_names(bits)}"
    busy = result.after.busy_share
    if busy is not None and busy > BUSY_VOID:
        yield f"other programs used {busy:.1%} of the CPU (at most {BUSY_VOID:.0%} is allowed)"
    if plan.agree_within is not None and len(result.repeat_p50_ms) > 1:
        spread = statistics.spread(result.repeat_p50_ms)
        if spread > plan.agree_within:
            yield f"the repeats' medians differ by {spread:.1%} (at most {plan.agree_within:.0%})"


def _heat(result: BenchResult) -> Iterator[str]:
    """What slows a device down that works for long."""
    bits = _bits_that_count(result) & ~_POWER_BITS
    if bits:
        yield f"the device throttled: {_bit_names(bits)}"
    before, after = result.before.clock_mhz, result.after.clock_mhz
    if before and after is not None and after < (1 - CLOCK_FALL_VOID) * before:
        fall = 1 - after / before
        yield f"the clock fell by {fall:.0%}, from {before:.0f} to {after:.0f} MHz"


def _warned(result: BenchResult, plan: BenchPlan) -> Iterator[str]:
    if result.emulated:
        name = result.device.emulator or "an emulator"
        yield f"{name} emulates the device: emulated timings are not representative"
    governor = result.before.governor
    if governor is not None and governor != "performance":
        yield f"the frequency governor is {governor}, not performance"
    clock, highest = result.before.clock_mhz, result.before.max_clock_mhz
    if clock and highest and clock < CLOCK_SHARE_WARNED * highest:
        yield f"the clock was {clock:.0f} MHz of {highest:.0f} MHz while measuring"
    busy = result.after.busy_share
    if busy is None:
        yield "whether other programs were running is unknown"
    elif BUSY_WARNED < busy <= BUSY_VOID:
        yield f"other programs used {busy:.1%} of the CPU"
    yield from _too_few(result, plan)


def _too_few(result: BenchResult, plan: BenchPlan) -> Iterator[str]:
    repeats, count = len(result.repeat_p50_ms), len(result.samples_ms)
    if repeats < plan.repeats:
        yield f"only {repeats} of {plan.repeats} repeats were completed"
    needed = max(FEWEST_SAMPLES, plan.min_runs * plan.repeats)
    if count < needed:
        yield f"there are only {count} samples (at least {needed} are needed)"
    seconds, wanted_s = sum(result.samples_ms) / 1e3, plan.min_s * plan.repeats
    if seconds < wanted_s and result.samples_every == 1:
        yield f"the samples last only {seconds:.1f} s (at least {wanted_s:g} s are needed)"


def _bits_that_count(result: BenchResult) -> int:
    """Throttle bits that came while measuring, and those that were in force at either end."""
    before, after = result.before.throttled or 0, result.after.throttled or 0
    return (after & ~before) | ((before | after) & _NOW_BITS)


def _bit_names(bits: int) -> str:
    names = [name for bit, name in _BITS.items() if bits & (1 << bit | 1 << (bit + _SINCE_BOOT))]
    return f"{', '.join(names) or 'unknown bits'} (bits {bits:#x})"
