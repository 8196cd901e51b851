"""The text of TFLite's benchmark_model."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgecnn.devices import benchmark_model
from edgecnn.errors import DeviceError
from edgecnn.measurements import BenchPlan

QUICK = BenchPlan("quick", warmup_s=0.5, min_runs=64, min_s=1.0)
HEAD = """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Graph: [0.tflite]
INFO: Loaded model 0.tflite
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
INFO: The input model file size (MB): 8.45746
INFO: Initialized session in 207.799ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if \
exceeding 150 seconds.
"""
MEMORY = """\
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only \
APPROXIMATE to the actual memory footprint of the model at runtime.
INFO: Memory footprint delta from the start of the tool (MB): init=23.5938 overall=26.6797
INFO: Overall peak memory footprint (MB) via periodic monitoring: 93.2383
"""
TEXT = f"""\
{HEAD}INFO: count=11 first=90710 curr=42743 min=42209 max=90710 avg=48230.2 std=13845 p5=42209 \
median=42611 p95=90710

INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if \
exceeding 150 seconds.
INFO: count=50 first=1249964 curr=1240143 min=1238588 max=1252566 avg=1.24027e+06 std=2565 \
p5=1238753 median=1239807 p95=1247415

INFO: Inference timings in us: Init: 207799, First inference: 90710, Warmup (avg): 48230.2, \
Inference (avg): 1.24027e+06
{MEMORY}"""


def statistics_line(samples: list[int]) -> str:
    """As `StatWithPercentiles::OutputToStream` writes it: integers, and %g for the mean."""

    def percentile(percent: int) -> int:
        return sorted(samples)[len(samples) * percent // 100]

    tail = f" p5={percentile(5)} median={percentile(50)} p95={percentile(95)}"
    count, mean = len(samples), sum(samples) / len(samples)
    if min(samples) == max(samples):
        return f"count={count} curr={samples[-1]}{'(all same)' if count > 1 else ''}{tail}"
    return (
        f"count={count} first={samples[0]} curr={samples[-1]} min={min(samples)}"
        f" max={max(samples)} avg={mean:g} std=7{tail}"
    )


def printed(samples: list[int], init: int = 900, first: int = 100, newline: str = "\n") -> str:
    mean = sum(samples) / len(samples)
    text = (
        f"{HEAD}INFO: {statistics_line([first])}\n\nINFO: Running benchmark\n"
        f"INFO: {statistics_line(samples)}\n\nINFO: Inference timings in us: Init: {init}, First"
        f" inference: {first}, Warmup (avg): {float(first):g}, Inference (avg): {mean:g}\n{MEMORY}"
    )
    return text.replace("\n", newline)


def test_a_text_of_a_real_run_is_read() -> None:
    assert benchmark_model.parse(TEXT) == benchmark_model.Summary(
        init_ms=207.799,
        first_ms=90.71,
        runs=50,
        min_ms=1238.588,
        mean_ms=1240.27,
        max_ms=1252.566,
        p50_ms=1239.807,
        p95_ms=1247.415,
    )
    assert benchmark_model.parse_peak_bytes(TEXT) == round(93.2383 * 2**20)


TIMES = st.lists(st.integers(1, 10**8), min_size=1, max_size=200)


@given(TIMES, st.integers(0, 10**9), st.integers(1, 10**9), st.sampled_from(["\n", "\r\n"]))
def test_what_was_printed_is_read_back(
    samples: list[int], init: int, first: int, newline: str
) -> None:
    found = benchmark_model.parse(printed(samples, init, first, newline))
    assert found.runs == len(samples)
    assert found.init_ms == init / 1e3
    assert found.first_ms == first / 1e3
    assert found.min_ms == min(samples) / 1e3
    assert found.max_ms == max(samples) / 1e3
    assert found.mean_ms == pytest.approx(sum(samples) / len(samples) / 1e3, rel=1e-5)
    assert found.p50_ms == sorted(samples)[len(samples) // 2] / 1e3
    assert found.p95_ms == sorted(samples)[len(samples) * 95 // 100] / 1e3


@given(st.text())
def test_any_other_text_is_an_error_that_shows_it(text: str) -> None:
    with pytest.raises(DeviceError) as caught:
        benchmark_model.parse(text)
    assert caught.value.message.isprintable()
    assert caught.value.hint


@given(TIMES, st.data())
def test_a_text_that_was_cut_or_garbled_never_gives_other_figures(
    samples: list[int], data: st.DataObject
) -> None:
    text = printed(samples)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    garbled = text[:start] + data.draw(st.sampled_from(["", "\n", "x", "9", " = "])) + text[end:]
    # A digit more or less in a place of its own (an inner percentile, say) cannot be told.
    assume(re.sub(r"\d", "", garbled) != re.sub(r"\d", "", text))
    try:
        found = benchmark_model.parse(garbled)
    except DeviceError:
        return
    whole = benchmark_model.parse(text)
    assert dataclasses.replace(found, init_ms=0, first_ms=0) == dataclasses.replace(
        whole, init_ms=0, first_ms=0
    )


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (r" p5=1238753 median=1239807 p95=1247415", "", "prints no percentiles"),
        (r"min=1238588", "min=1239900", "contradict"),
        (r"max=1252566", "max=1247000", "contradict"),
        (r"Inference \(avg\): 1.24027e\+06", "Inference (avg): 1.3e+06", "contradict"),
        (r"min=1238588 ", "", "statistics are missing"),
        (r"count=50", "count=0", "no times"),
        (r"avg=1.24027e\+06", "avg=nan", "statistics are missing"),
        (r"avg=48230.2", "avg=58230.2", "contradict"),
        (r"INFO: Inference timings[^\n]*\n", "", "does not say how long"),
        (r"INFO: count=[^\n]*\n", "", "statistics are missing"),
        (r"$", TEXT.replace("\\", ""), "does not say how long"),
    ],
)
def test_figures_that_cannot_be_are_refused(old: str, new: str, why: str) -> None:
    text, count = re.subn(old, new, TEXT)
    assert count
    with pytest.raises(DeviceError, match=why):
        benchmark_model.parse(text)


def test_its_own_error_is_told() -> None:
    text = (
        f"{HEAD}ERROR: Node number 57 (BATCH_MATMUL) failed to prepare.\n"
        "ERROR: Failed to allocate tensors!\nERROR: Benchmarking failed.\n"
    )
    with pytest.raises(DeviceError, match=r"BATCH_MATMUL.*Benchmarking failed"):
        benchmark_model.parse(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (TEXT.replace("Overall peak", "Overall"), "does not tell its peak memory"),
        (TEXT.replace("93.2383", "-1"), "does not tell its peak memory"),
        (TEXT.replace("93.2383", "1e300"), "does not tell its peak memory"),
        ("", "gave no result"),
    ],
)
def test_memory_that_is_not_told_is_an_error(text: str, why: str) -> None:
    with pytest.raises(DeviceError, match=why):
        benchmark_model.parse_peak_bytes(text)


def test_a_plan_becomes_options() -> None:
    asked = benchmark_model.arguments("0.tflite", 2, QUICK)
    assert asked[:3] == ["--graph=0.tflite", "--num_threads=2", "--use_xnnpack=true"]
    assert {"--warmup_min_secs=0.5", "--num_runs=64", "--min_secs=1"} <= set(asked)


def test_memory_is_watched_in_a_run_of_its_own() -> None:
    watched = "--report_peak_memory_footprint=true"
    assert watched in benchmark_model.memory_arguments("0.tflite", 2)
    assert watched not in benchmark_model.arguments("0.tflite", 2, QUICK)
