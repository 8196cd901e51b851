"""bench, compare, check and devices through `run`: options, output, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sample_benches import EMULATED, FAILURE, PI, STATE, TRUSTED, comparison, report, result

import edgecnn
from edgecnn.benchmark.report import BudgetCheck, CheckReport, DeviceProbe, DevicesReport
from edgecnn.cli.app import run
from edgecnn.errors import MissingPartError

HOLDS = BudgetCheck("p90", 40.0, 38.09, "ms", "m.tflite", "local", 1, "holds", "p90 is 38 ms")
BROKEN = BudgetCheck("size", 10, 11, "B", "m.tflite", "", None, "broken", "the file has 11 bytes")
UNKNOWN = BudgetCheck("p90", 40.0, None, "ms", "m.tflite", "t", 1, "undecided", "t is emulated")


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Put results or exceptions here: the verbs answer with them, and say how they were called."""
    prepared: dict[str, Any] = {
        "bench": report(), "compare": report(comparisons=(comparison(),)),
        "check": CheckReport((HOLDS,)),
        "list_devices": DevicesReport((DeviceProbe("local", PI, "its own", STATE),)),
    }  # fmt: skip

    def stand_in(verb: str) -> Any:  # noqa: ANN401 - a function of any arguments
        def function(*args: object, progress: Any, **options: object) -> Any:  # noqa: ANN401
            prepared["called"] = (*args, options)
            progress.stage("measuring", 2)
            progress.advance()
            if isinstance(prepared[verb], BaseException):
                raise prepared[verb]
            return prepared[verb]

        return function

    for verb in ("bench", "compare", "check", "list_devices"):
        monkeypatch.setitem(vars(edgecnn), verb, stand_in(verb))
    return prepared


def options(answers: dict[str, Any]) -> dict[str, Any]:
    """The keywords the verb was called with."""
    found: dict[str, Any] = answers["called"][-1]
    return found


def test_bench_prints_a_table_and_what_is_next(
    answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", "artifacts/xception/int8"]) == 0
    shown = capsys.readouterr()
    assert "p90 ms" in shown.out
    assert "38.1" in shown.out
    assert "Next:" in shown.out
    assert "measuring (2)" in shown.err
    assert answers["called"][0] == (Path("artifacts/xception/int8"),)


def test_what_is_not_given_is_left_to_the_api(answers: dict[str, Any]) -> None:
    assert run(["bench", "a.tflite", "-q"]) == 0
    assert options(answers) == {
        "threads": (1,), "profile": "quick", "formats": ("tflite",), "keep": False,
        "operators": False, "benchmark_model": None,
    }  # fmt: skip


def test_bench_hands_every_option_over(answers: dict[str, Any]) -> None:
    assert run([
        "bench", "a", "b", "--on", "local", "--on", "ssh://pi@h", "--threads", "1,2, 4,2",
        "--profile", "publish", "--format", "both", "--keep", "--operators", "--results", "r.jsonl",
        "--benchmark-model", "bm",
    ]) == 0  # fmt: skip
    assert answers["called"][0] == (Path("a"), Path("b"))
    assert options(answers) == {
        "on": ("local", "ssh://pi@h"), "threads": (1, 2, 4), "profile": "publish",
        "formats": ("tflite", "onnx"), "keep": True, "operators": True,
        "benchmark_model": Path("bm"), "results": Path("r.jsonl"),
    }  # fmt: skip


def test_shapes_are_handed_over(answers: dict[str, Any]) -> None:
    words = ["--input-size", "320,416", "--input-shape", "ids=1x7", "--input-shape", "a=b=1x3x8x8"]
    assert run(["compare", "a.onnx", "b.onnx", *words]) == 0
    assert options(answers)["input_size"] == (320, 416)
    assert options(answers)["input_shapes"] == {"ids": (1, 7), "a=b": (1, 3, 8, 8)}


def test_results_can_be_kept_nowhere(answers: dict[str, Any]) -> None:
    assert run(["compare", "a", "b", "--no-results"]) == 0
    assert options(answers)["results"] is None


def test_the_options_name_what_the_api_takes(answers: dict[str, Any]) -> None:
    assert run(["bench", "a", "--on", "local", "--results", "r"]) == 0
    assert edgecnn.BenchOptions(**options(answers)).targets == ("local",)


@pytest.mark.parametrize("threads", ["", "0", "1,,2", "two", "-1", "1.5", "9999999", "1;2"])
def test_threads_that_are_none_are_refused(
    threads: str, answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", "a", f"--threads={threads}"]) == 2
    assert "--threads takes positive numbers" in capsys.readouterr().err
    assert "called" not in answers


@pytest.mark.parametrize(
    "args",
    [["bench"], ["compare", "a"], ["bench", "a", "--results", "r", "--no-results"],
     ["bench", "a", "--profile", "slow"], ["check", "a", "--p90", "40"],
     ["check", "a", "--size", "6 apples"], ["check", "a", "--snr", "20MB"]],
)  # fmt: skip
def test_wrong_usage_is_2_and_measures_nothing(args: list[str], answers: dict[str, Any]) -> None:
    assert run(args) == 2
    assert "called" not in answers


def test_a_failed_device_is_3_and_the_others_are_printed(
    answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers["bench"] = report(failures=(FAILURE,))
    assert run(["bench", "a"]) == 3
    shown = capsys.readouterr()
    assert "38.1" in shown.out
    assert "error: adb://R58M123 is not attached." in shown.err
    assert "Run `adb devices`." in shown.err


def test_bench_as_json_is_one_object_also_when_a_device_failed(
    answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers["bench"] = report(failures=(FAILURE,))
    assert run(["bench", "a", "--json"]) == 3
    shown = json.loads(capsys.readouterr().out)
    assert shown["results"][0]["samples_ms"] == list(TRUSTED.samples_ms)
    assert shown["failures"][0]["target"] == "adb://R58M123"


def test_a_part_that_is_missing_is_4(answers: dict[str, Any]) -> None:
    answers["bench"] = MissingPartError("No runtime.", hint="pip install 'edgecnn[onnx]'")
    assert run(["bench", "a.onnx"]) == 4


def test_quiet_prints_failures_alone(
    answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers["bench"] = report(failures=(FAILURE,))
    assert run(["bench", "a", "-q"]) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")


def test_an_emulators_milliseconds_are_not_printed(
    answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers["bench"] = report(EMULATED)
    assert run(["bench", "a"]) == 0
    shown = capsys.readouterr().out
    assert "emulated" in shown
    assert "38." not in shown
    assert "61.5" not in shown


def test_compare_says_the_ratio(
    answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", "a", "b", "-q"]) == 0
    assert answers["called"][:2] == (Path("a"), Path("b"))
    assert "takes 2.410 times as long" in capsys.readouterr().out


def test_compare_as_json(answers: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", "a", "b", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert (found["ratio"], found["low"], found["differ"]) == (2.41, 2.38, True)
    assert "called" in answers


def test_check_reads_budgets_with_their_units(answers: dict[str, Any]) -> None:
    budgets = ["--p90", "40ms", "--size", "6MB", "--memory", "64MiB", "--snr", "20dB"]
    assert run(["check", "a", *budgets, "--on", "local"]) == 0
    given = options(answers)
    assert given["p90_ms"] == 40.0
    assert given["size_bytes"] == 6_000_000
    assert given["memory_bytes"] == 64 << 20
    assert given["snr_db"] == 20.0
    assert given["on"] == ("local",)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (CheckReport((HOLDS,)), 0),
        (CheckReport((HOLDS, BROKEN)), 1),
        (CheckReport((HOLDS, UNKNOWN)), 3),
        (CheckReport((HOLDS,), failures=(FAILURE,)), 3),
        (CheckReport((BROKEN, UNKNOWN), failures=(FAILURE,)), 1),
    ],
)
def test_checks_exit_code(found: CheckReport, code: int, answers: dict[str, Any]) -> None:
    answers["check"] = found
    assert run(["check", "a", "--size", "6MB"]) == code


def test_check_tells_what_is_broken_also_when_quiet(
    answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers["check"] = CheckReport((HOLDS, BROKEN, UNKNOWN))
    assert run(["check", "a", "--size", "6MB", "-q"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "FAILED: size <= 10 B: m.tflite: the file has 11 bytes." in shown.err
    assert "undecided: p90 <= 40.0 ms: m.tflite: t is emulated." in shown.err


def test_check_writes_junit_whatever_the_outcome(answers: dict[str, Any], tmp_path: Path) -> None:
    answers["check"] = CheckReport((HOLDS, BROKEN))
    path = tmp_path / "new" / "junit.xml"
    assert run(["check", "a", "--size", "10B", "--junit", str(path)]) == 1
    assert b'failures="1"' in path.read_bytes()


def test_check_as_json(answers: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    answers["check"] = CheckReport((BROKEN,), (TRUSTED,))
    assert run(["check", "a", "--size", "10B", "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert (shown["ok"], shown["checks"][0]["outcome"]) == (False, "broken")
    assert shown["results"][0]["latency_ms"]["p90"] == 38.09


def test_check_without_a_budget_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "a"]) == 2
    assert "nothing to check" in capsys.readouterr().err


def test_devices(answers: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "ssh://pi@h"]) == 0
    assert answers["called"][0] == ("ssh://pi@h",)
    assert "Raspberry Pi 4" in capsys.readouterr().out
    answers["list_devices"] = DevicesReport((), (FAILURE,))
    assert run(["devices", "adb://R58M123", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["failures"][0]["target"] == "adb://R58M123"


def test_a_file_name_cannot_write_to_the_terminal(
    answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers["bench"] = report(result(file="a\x1b[2J.tflite"), result(file="b.tflite"))
    assert run(["bench", "a"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_plot_draws_what_was_measured(
    answers: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plot.svg"
    assert run(["bench", "a.tflite", "--plot", str(path)]) == 0
    assert "p50 38.0 ms, p90 38.1 ms" in path.read_text()
    assert capsys.readouterr().out.endswith(f"Drew {path}\n")
    answers["bench"] = report(EMULATED)
    assert run(["bench", "a.tflite", "--plot", str(tmp_path / "none.svg"), "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["results"][0]["emulated"] is True
    assert "none.svg was not written: there is nothing to draw" in shown.err


def test_a_wrong_plot_is_refused_before_anything_is_measured(
    answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", "a.tflite", "--plot", "plot.pdf"]) == 2
    assert "--plot plot.pdf: a picture's name ends in .svg or .png." in capsys.readouterr().err
    assert "called" not in answers
