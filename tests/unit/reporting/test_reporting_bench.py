"""What bench, compare, check and devices show: tables, sentences, JSON, JUnit."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from sample_benches import EMULATED, FAILURE, PI, STATE, TRUSTED, comparison, report, result

from edgecnn.benchmark.report import BudgetCheck, CheckReport, DeviceProbe
from edgecnn.measurements import DeviceFailure, DeviceState, Interval, Trust
from edgecnn.reporting import bench, check, compare, devices, farm, json_objects, junit
from edgecnn.reporting.table import Table, draw
from edgecnn.text import milliseconds_text

if TYPE_CHECKING:
    from edgecnn.benchmark.report import BenchReport
    from edgecnn.measurements import BenchResult

P90 = BudgetCheck("p90", 40.0, 38.09, "ms", "m.tflite", "local", 4, "holds", "p90 is 38.1 ms")


def rendered(table: Table, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(draw(table))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def all_text(shown: BenchReport) -> str:
    """Everything `edgecnn bench` prints of a report."""
    names = bench.short_names(each.file for each in shown.results)
    lines = [bench.legend(shown), *bench.name_lines(shown), *bench.mismatch_lines(shown)]
    for results in bench.by_target(shown).values():
        lines += [bench.heading(results), *rendered(bench.bench_table(results, names), 200)]
        lines += bench.reason_lines(results)
        for each in results:
            lines += rendered(bench.timeline_table(each), 200)
    return "\n".join([*lines, *compare.comparison_lines(shown.comparisons),
                      *bench.next_commands(shown)])  # fmt: skip


def test_the_table_has_p90_in_front_and_fits_80_columns() -> None:
    lines = rendered(bench.bench_table([TRUSTED], {TRUSTED.file: "model.tflite"}))
    assert lines[0].split()[:4] == ["file", "threads", "p90", "ms"]
    assert lines[2].split() == [
        "model.tflite", "4", "38.1", "38.0", "38.0", "61.5", "71.0", "MB", "match", "valid",
    ]  # fmt: skip
    assert len(lines) == 3


def test_the_heading_says_where_and_that_it_was_measured() -> None:
    heading = bench.heading((TRUSTED,))
    assert "4 x Cortex-A72" in heading
    assert "ai-edge-litert 2.3.0; measured" in heading


def test_no_millisecond_of_an_emulator_is_printed() -> None:
    # Figures that occur nowhere else.
    latency = replace(TRUSTED.latency_ms, min=7771.0, p50=7772.0, p90=7773.0)
    interval = Interval(0.0, 10, 7774.0, 7775.0, STATE)
    emulated = replace(EMULATED, latency_ms=latency, load_ms=7776.0, first_ms=7777.0,
                       timeline=(interval,))  # fmt: skip
    ratio = comparison(ratio=7.778, low=7.771, high=7.779, emulated=True)
    text = all_text(report(emulated, comparisons=(ratio,)))
    assert "777" not in text.replace("7,", "")
    assert "7.77" not in text
    assert "emulated by qemu-user" in text
    assert "match" in text
    shown = json_objects.bench_object(report(emulated))["results"][0]
    assert shown["emulated"] is True
    assert shown["latency_ms"]["p90"] == 7773.0


def sustained_result(*p50_ms: float, emulated: bool = False) -> BenchResult:
    timeline = tuple(
        Interval(60.0 * i, 100, value, value * 1.1, STATE) for i, value in enumerate(p50_ms)
    )
    return result(timeline=timeline, plan="sustained", emulated=emulated)


def test_a_sustained_measurement_tells_when_throttling_set_in_and_what_remains() -> None:
    slowed = sustained_result(30, 30, 40, 40, 40, 40, 40)
    assert bench.sustained_lines(slowed) == (
        "Throttling started after 120 s.",
        "Steady from 120 s: p90 44.0 ms, p50 40.0 ms, 1.33 times the fastest minute's.",
    )
    assert bench.sustained_lines(sustained_result(*[30.0] * 6))[0] == "No throttling."
    assert "still changing" in bench.sustained_lines(sustained_result(30, 40, 50))[1]
    assert bench.sustained_lines(TRUSTED) == ()
    assert bench.sustained_lines(sustained_result(30, 40, 50, emulated=True)) == ()
    (shown,) = json_objects.bench_object(report(slowed))["results"]
    assert (shown["sustained"]["onset_s"], shown["sustained"]["steady_p50_ms"]) == (120.0, 40.0)


def test_files_are_called_by_what_tells_them_apart() -> None:
    a, b = "out/x/int8/model.tflite", "out/x/float32/model.onnx"
    assert bench.short_names([a, b, a]) == {a: "int8/model.tflite", b: "float32/model.onnx"}
    assert bench.short_names(["m.tflite", "d/m.tflite"]) == {
        "m.tflite": "m.tflite", "d/m.tflite": "d/m.tflite",
    }  # fmt: skip


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), min_size=1, max_size=5))
def test_short_names_are_never_empty_nor_the_same(paths: list[list[str]]) -> None:
    names = {"/".join(parts) for parts in paths}
    short = bench.short_names(names)
    assert short.keys() == names
    assert all(short.values())
    assert len(set(short.values())) == len(names)
    assert all(each in name for name, each in short.items())


def test_a_reason_is_told_once_and_names_its_rows_where_it_is_not_for_all() -> None:
    load = Trust("void", ("other programs took 40% of the CPU",))
    one, other = result(trust=load), result(trust=load, threads=1)
    assert bench.reason_lines([one, other]) == ("invalid: other programs took 40% of the CPU.",)
    (line,) = bench.reason_lines([one, TRUSTED])
    assert line == f"invalid: {TRUSTED.file} at 4 threads: other programs took 40% of the CPU."


def test_a_device_that_computes_something_else_is_told() -> None:
    (line,) = bench.mismatch_lines(report(result(outputs_match=False)))
    assert "differ from this machine's" in line
    assert bench.mismatch_lines(report()) == ()


def test_next_commands_quote_what_a_shell_would_take() -> None:
    commands = bench.next_commands(report(result(file="my $(net).tflite")))
    assert commands == (
        "edgecnn check 'my $(net).tflite' --on ssh://pi@raspberrypi.local --threads 4 --p90 41.9ms",
        "edgecnn bench 'my $(net).tflite' --on ssh://pi@raspberrypi.local --plan publish",
        "edgecnn deploy . ssh://pi@raspberrypi.local",
    )
    last = bench.next_commands(report(EMULATED))[-1]
    assert last == "edgecnn deploy artifacts/xception/int8 ssh://pi@localhost:2222"
    assert bench.next_commands(report(results=())) == ()


def test_an_emulated_device_is_not_offered_a_latency_budget() -> None:
    assert not any("--p90" in each for each in bench.next_commands(report(EMULATED)))


@pytest.mark.parametrize(("changes", "said"), [
    ({}, "b takes 2.410 times as long as a (95% interval 2.380 to 2.450)."),
    ({"ratio": 0.5, "low": 0.4, "high": 0.8},
     "a takes 2.000 times as long as b (95% interval 1.250 to 2.500)."),
    ({"ratio": 1.01, "low": 0.99, "high": 1.03, "differ": False},
     "no difference between a and b (ratio 1.010, 95% interval 0.990 to 1.030)."),
    ({"emulated": True}, "emulated: its timings do not show which of a and b is faster."),
])  # fmt: skip
def test_comparisons_are_sentences(changes: dict[str, object], said: str) -> None:
    line = compare.comparison_line(comparison(a="a", b="b", **changes))
    assert line == f"{TRUSTED.target}, 4 threads: {said}"


@given(st.floats(min_value=1e-4, max_value=1e6))
def test_milliseconds_have_three_digits(value: float) -> None:
    shown = milliseconds_text(value)
    assert "e" not in shown
    assert math.isclose(float(shown), value, rel_tol=0.006, abs_tol=6e-5)
    assert len(shown) <= 7


def test_json_of_a_bench_keeps_the_contract() -> None:
    shown = json.loads(json.dumps(json_objects.bench_object(report(failures=(FAILURE,)))))
    assert shown["schema"] == 1
    assert shown["failures"][0]["hint"] == "Run `adb devices`."
    (one,) = shown["results"]
    contract = {"target", "device", "file_sha256", "runtime", "threads", "load_ms", "first_ms",
                "latency_ms", "samples_ms", "peak_rss_bytes", "trust", "emulated"}  # fmt: skip
    assert contract <= one.keys()
    assert one["latency_ms"].keys() == {"min", "mean", "p50", "p90", "p99"}
    assert one["trust"] == {"grade": "trusted", "reasons": []}
    assert one["device"]["machine"] == "aarch64"


def test_a_check_is_a_table_and_its_reasons() -> None:
    broken = replace(P90, outcome="broken", reason="p90 is 38.1 ms, above 30 ms", limit=30.0)
    shown = CheckReport((P90, broken))
    lines = rendered(check.check_table(shown))
    assert lines[2].split() == ["p90", "<=", "40.0", "ms", "OK", "38.1", "ms", "m.tflite", "local",
                                "4"]  # fmt: skip
    assert "FAILED" in lines[3]
    assert check.reason_lines(shown, "broken") == (
        "p90 <= 30.0 ms: m.tflite: p90 is 38.1 ms, above 30 ms.",
    )
    assert json_objects.check_object(shown)["ok"] is False
    assert json_objects.check_object(CheckReport((P90,)))["ok"] is True


def test_a_budget_that_holds_by_a_hair_is_warned_of() -> None:
    close = replace(P90, warning="measure longer")
    assert check.warning_lines(CheckReport((close, P90))) == (
        "p90 <= 40.0 ms: p90 is 38.1 ms; measure longer.",
    )


def test_snr_is_asked_for_from_below() -> None:
    snr = BudgetCheck("snr", 20.0, 24.31, "dB", "m.tflite", "", None, "holds", "")
    assert check.budget_text(snr) == "snr >= 20.0 dB"
    assert check.verdict(CheckReport((snr,))) == "OK: the budget is met."


def test_junit_counts_and_tells_each_case() -> None:
    broken = replace(P90, outcome="broken", reason="too slow & <late>")
    unknown = replace(P90, outcome="undecided", reason="emulated")
    failed = DeviceFailure("ssh://pi@x", "It does not answer.", "Is it on?")
    made = junit.junit_xml(CheckReport((P90, broken, unknown), failures=(failed,)), "d")
    root = ET.fromstring(made)  # noqa: S314 - our own
    assert root.attrib == {"tests": "4", "failures": "1", "errors": "2"}
    cases = root.findall("testsuite/testcase")
    assert [[child.tag for child in case] for case in cases] == [
        ["system-out"], ["failure", "system-out"], ["error", "system-out"], ["error"],
    ]  # fmt: skip
    failure = cases[1].find("failure")
    assert failure is not None
    assert failure.get("message") == "too slow & <late>"


@given(st.text(), st.text())
def test_junit_is_xml_whatever_the_names(file: str, reason: str) -> None:
    checks = (replace(P90, file=file, reason=reason, outcome="broken"),)
    root = ET.fromstring(junit.junit_xml(CheckReport(checks), file))  # noqa: S314 - our own
    assert root.get("failures") == "1"


def test_a_device_is_shown_with_how_it_fares() -> None:
    shown = dict(devices.device_pairs(DeviceProbe("t", PI, "ai-edge-litert 2.3.0", STATE)))
    assert shown["CPU"] == "4 x Cortex-A72 (aarch64)"
    assert shown["now"] == (
        "1800 of 1800 MHz, governor performance, 51.2 degrees C, not throttled, load 0.12,"
        " 3.10 GB free"
    )
    assert "emulated" not in shown
    assert devices.state_text(DeviceState()) == "-"
    assert "0x50005" in devices.state_text(DeviceState(throttled=0x50005))


def test_a_device_that_nothing_fits_says_so() -> None:
    probe = DeviceProbe("t", replace(PI, emulator="qemu-user"), "", None, "its CPU is armv6l")
    shown = dict(devices.device_pairs(probe))
    assert shown["runtime"] == "none available"
    assert "qemu-user" in shown["emulated"]


def test_bars_compare_p90_and_show_no_emulated_time() -> None:
    half = result(latency_ms=replace(TRUSTED.latency_ms, p90=TRUSTED.latency_ms.p90 / 2))
    table = bench.bench_table((TRUSTED, half, EMULATED), {})
    assert table.bars is not None
    assert table.columns[table.bars.column].title == "p90 ms"
    assert table.bars.shares == (1.0, 0.5, None)


def test_bars_of_several_devices_leave_out_those_that_failed() -> None:
    silent = replace(report(TRUSTED), targets=("adb://R58M123", TRUSTED.target))
    table = farm.bench_table(silent, {})
    assert table.bars is not None
    assert table.columns[table.bars.column].title == "p90 ms"
    assert table.bars.shares == (None, 1.0)
    assert [row[0] for row in table.rows] == ["adb://R58M123", TRUSTED.target]
