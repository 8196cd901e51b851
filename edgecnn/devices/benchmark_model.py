"""TFLite's `benchmark_model`: what it is asked, and what its text says; pure.

The text is that of `BenchmarkModel::Run` and `BenchmarkLoggingListener` in TensorFlow's
tensorflow/lite/tools/benchmark/benchmark_model.cc, and of `Stat::OutputToStream`
(stats_calculator.h): microseconds, printed with C++'s default six digits, so that a mean may read
"1.24027e+06". Percentiles are printed since 2023 only; a build without them is refused: means alone
are no latency.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.devices.facts import printable
from edgecnn.errors import DeviceError

if TYPE_CHECKING:
    from edgecnn.measurements import BenchPlan

_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?"
_TIMINGS = re.compile(
    rf"Inference timings in us: Init: (?P<init>{_NUMBER}), First inference: (?P<first>{_NUMBER}),"
    rf" Warmup \(avg\): (?P<warmup>{_NUMBER}), Inference \(avg\): (?P<mean>{_NUMBER})(?![\w.])"
)
_STATISTICS = re.compile(
    rf"\bcount=(?P<count>[0-9]+) (?:first=(?P<first>{_NUMBER}) )?curr=(?P<curr>{_NUMBER})"
    rf"(?:\(all same\)| min=(?P<min>{_NUMBER}) max=(?P<max>{_NUMBER}) avg=(?P<avg>{_NUMBER})"
    rf" std={_NUMBER})?(?P<percentiles> p5={_NUMBER} median=(?P<median>{_NUMBER})"
    rf" p95=(?P<p95>{_NUMBER}))?\s*$",
    re.MULTILINE,
)
_PEAK = re.compile(
    rf"Overall peak memory footprint \(MB\) via periodic monitoring: ({_NUMBER})(?![\w.])"
)
_FAILURES = re.compile(r"^(?:ERROR: |[^\n]*\berror\b)[^\n]*", re.MULTILINE | re.IGNORECASE)
_NEWER = "Build or download a benchmark_model of TensorFlow 2.16 or newer."
_MEBIBYTE = 1 << 20
# What a run may take: a network that needs longer than that for one inference is not measured.
_SECONDS_A_RUN = 10
_SPARE_S = 600
_MOST_RUNS = 10_000_000
_DIGITS = 12  # of a count; more are too many runs in any case
# Both the mean of the line of timings and that of the statistics have six digits.
_SAME_MEAN = 1e-4


@dataclass(frozen=True)
class Summary:
    """What one run of the program says. It keeps no samples: there is no 90th percentile.

    `init_ms` is from the file to a network that can run; `runs` are those after the warm-up.
    """

    init_ms: float
    first_ms: float
    runs: int
    min_ms: float
    mean_ms: float
    max_ms: float
    p50_ms: float
    p95_ms: float


def longest_s(plan: BenchPlan) -> float:
    """The seconds after which the program is asked to stop, whatever it has measured."""
    return _SPARE_S + max(plan.min_s, _SECONDS_A_RUN * plan.min_runs)


def arguments(graph: str, threads: int, plan: BenchPlan) -> list[str]:
    """The options for one repeat of a plan.

    XNNPACK is asked for: it is what `Interpreter` takes by itself, on every other device.
    """
    return [
        f"--graph={graph}",
        f"--num_threads={threads}",
        "--use_xnnpack=true",
        f"--warmup_min_secs={plan.warmup_s:g}",
        f"--num_runs={plan.min_runs}",
        f"--min_secs={plan.min_s:g}",
        f"--max_secs={longest_s(plan):g}",  # else it stops after 150 s, whatever is asked for
    ]


def memory_arguments(graph: str, threads: int) -> list[str]:
    """The options for one run that watches its memory, and so is not timed."""
    return [
        f"--graph={graph}",
        f"--num_threads={threads}",
        "--use_xnnpack=true",
        "--num_runs=1",
        "--min_secs=0",
        "--warmup_min_secs=0",
        "--report_peak_memory_footprint=true",
        "--memory_footprint_check_interval_ms=5",
    ]


def parse(text: str) -> Summary:
    """Read what one run printed (stdout and stderr).

    Raises:
        DeviceError: it does not say how long an inference takes, or what it says cannot be.
    """
    timings = list(_TIMINGS.finditer(text))
    if len(timings) != 1:
        raise _no_answer(text, "it does not say how long an inference takes")
    times = {key: float(value) for key, value in timings[0].groupdict().items()}
    matches = list(_STATISTICS.finditer(text, 0, timings[0].start()))
    if len(matches) != len(("warm-up", "inferences")):
        raise _no_answer(text, "its statistics are missing")
    if not all(match["percentiles"] for match in matches):
        raise DeviceError("This benchmark_model prints no percentiles.", hint=_NEWER)
    warmup, summary = (_summary(match, times) for match in matches)
    _check(warmup, times["warmup"] / 1e3, text)
    _check(summary, times["mean"] / 1e3, text)
    return summary


def _summary(match: re.Match[str], times: dict[str, float]) -> Summary:
    """One line of statistics; "curr" stands for all where all are alike, or there is but one."""
    alike = match["curr"]
    return Summary(
        init_ms=times["init"] / 1e3,
        first_ms=times["first"] / 1e3,
        runs=int(match["count"][:_DIGITS]),
        min_ms=float(match["min"] or alike) / 1e3,
        mean_ms=float(match["avg"] or alike) / 1e3,
        max_ms=float(match["max"] or alike) / 1e3,
        p50_ms=float(match["median"]) / 1e3,
        p95_ms=float(match["p95"]) / 1e3,
    )


def _check(summary: Summary, mean_ms: float, text: str) -> None:
    """Refuse figures that no run gives: a line was lost, or came from elsewhere."""
    ordered = (summary.min_ms, summary.p50_ms, summary.p95_ms, summary.max_ms)
    values = (*ordered, summary.mean_ms, summary.init_ms, summary.first_ms)
    if not all(map(math.isfinite, values)) or not 1 <= summary.runs <= _MOST_RUNS:
        raise _no_answer(text, "its figures are no times")
    slack = 1 + _SAME_MEAN
    in_order = all(a <= b for a, b in itertools.pairwise(ordered))
    between = summary.min_ms / slack <= summary.mean_ms <= summary.max_ms * slack
    same = math.isclose(summary.mean_ms, mean_ms, rel_tol=_SAME_MEAN)
    if not (in_order and between and same and summary.mean_ms > 0):
        raise _no_answer(text, "its figures contradict each other")


def parse_peak_bytes(text: str) -> int:
    """The peak memory that a run with `memory_arguments` printed, bytes.

    Raises:
        DeviceError: it does not say.
    """
    peaks = _PEAK.findall(text)
    if not peaks or not 0 < float(peaks[-1]) < _MEBIBYTE:
        if "Inference timings in us" in text:
            raise DeviceError("This benchmark_model does not tell its peak memory.", hint=_NEWER)
        raise _no_answer(text, "it does not tell its peak memory")
    return round(float(peaks[-1]) * _MEBIBYTE)


def _no_answer(text: str, why: str) -> DeviceError:
    failures = _FAILURES.findall(text)
    lines = failures or [line for line in text.splitlines() if line.strip()]
    output = "; ".join(printable(line) for line in lines[-3:]) or "nothing"
    return DeviceError(
        f"benchmark_model gave no result: {why}. It said: {output}",
        hint="Is it TFLite's benchmark_model, built for this device? Run it there by hand.",
    )
