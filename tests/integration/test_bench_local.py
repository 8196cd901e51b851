"""bench, compare and check on this machine, all the way: guard, runner, results, exit codes.

What a time must be is asserted nowhere: only what every measurement has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from command_line import forked, forked_json
from tiny_artifact import write_artifact
from tiny_tflite import int8_net

import edgecnn
from edgecnn.benchmark import session
from edgecnn.benchmark.files import collect
from edgecnn.devices import open_device
from edgecnn.evidence import results
from edgecnn.measurements import BenchPlan
from edgecnn.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from command_line import Here

    from edgecnn.measurements import BenchResult, DeviceFailure

pytestmark = pytest.mark.usefixtures("warm_children")
NOBODY = "ssh://nobody@127.0.0.1:1"


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return write_artifact(tmp_path / "tiny" / "float32")


@pytest.fixture
def int8(tmp_path: Path) -> Path:
    path = tmp_path / "a $(touch pwned) 'q\" net.tflite"
    path.write_bytes(int8_net().to_bytes())
    return path


def kept(tmp_path: Path) -> tuple[BenchResult, ...]:
    """What was appended; every line holds a result."""
    found, problems = results.read(tmp_path / "r.jsonl")
    assert problems == ()
    return found


def test_both_formats_at_two_numbers_of_threads(artifact: Path, tmp_path: Path) -> None:
    where = ("--results", str(tmp_path / "r.jsonl"))
    shown = forked_json("bench", artifact, "--format", "both", "--threads", "1,2", *where)
    found = [(one["file"].rpartition("/")[2], one["threads"]) for one in shown["results"]]
    assert sorted(found) == [
        ("model.onnx", 1), ("model.onnx", 2), ("model.tflite", 1), ("model.tflite", 2),
    ]  # fmt: skip
    for one in shown["results"]:
        _hold(one)
    assert shown["failures"] == []
    assert len(shown["comparisons"]) == 2
    assert [each.file for each in kept(tmp_path)] == [one["file"] for one in shown["results"]]


def _hold(one: dict[str, Any]) -> None:
    assert one["target"] == "local"
    assert one["emulated"] is False
    assert one["model"] == "tiny"
    assert one["inputs"] == "reference"
    assert one["outputs_match"] is True
    assert len(one["samples_ms"]) >= 64
    latency = one["latency_ms"]
    assert 0 < latency["min"] <= latency["p50"] <= latency["p90"] <= latency["p99"]
    assert one["peak_rss_bytes"] > 10_000_000
    assert one["trust"]["grade"] in {"trusted", "warned", "void"}
    assert bool(one["trust"]["reasons"]) == (one["trust"]["grade"] != "trusted")
    assert one["device"]["python"]


@pytest.mark.usefixtures("short_plan")
def test_a_hostile_name_is_a_name(int8: Path, tmp_path: Path) -> None:
    report = edgecnn.bench(int8, results=tmp_path / "r.jsonl")
    (made,) = report.results
    assert made.file == str(int8)
    assert made.inputs == "seeded"
    assert made.outputs_match is True
    assert sorted(path.name for path in tmp_path.iterdir()) == [int8.name, "r.jsonl"]


@pytest.mark.usefixtures("short_plan")
def test_a_file_and_a_device_that_fail_stop_nobody(here: Here, int8: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(int8.read_bytes()[:300])
    where = ("--on", NOBODY, "--on", "local", "--results", tmp_path / "r.jsonl")
    shown = here("bench", broken, int8, *where, code=3)
    assert [one["file"] for one in shown["results"]] == [str(int8)]
    assert {one["target"] for one in shown["failures"]} == {NOBODY, "local"}
    assert any("broken.tflite" in one["message"] for one in shown["failures"])
    assert len(kept(tmp_path)) == 1


def test_where_nothing_could_be_measured_it_is_3_and_no_table(int8: Path, tmp_path: Path) -> None:
    done = forked("bench", int8, "--on", NOBODY, "--results", tmp_path / "r.jsonl")
    assert done.returncode == 3
    assert done.stdout == ""
    assert NOBODY in done.stderr


def test_a_wrong_target_is_2_before_anything_is_measured(
    here: Here, int8: Path, tmp_path: Path
) -> None:
    where = ("--on", "local", "--on", "raspberrypi", "--results", tmp_path / "r.jsonl")
    shown = here("bench", int8, *where, code=2)
    assert "raspberrypi" in shown["error"]["message"]
    assert not (tmp_path / "r.jsonl").exists()


def test_results_that_cannot_be_kept_are_2_before_anything_is_measured(
    here: Here, int8: Path
) -> None:
    shown = here("bench", int8, "--results", int8 / "r.jsonl", code=2)
    assert "--no-results" in shown["error"]["hint"]


@pytest.mark.usefixtures("short_plan")
def test_two_benches_on_one_device_the_second_is_told(int8: Path, tmp_path: Path) -> None:
    device = open_device("local")
    with device.workspace():
        report = edgecnn.bench(int8, results=tmp_path / "r.jsonl")
    assert report.results == ()
    (failure,) = report.failures
    assert "local" in failure.message
    assert edgecnn.bench(int8, results=None).failures == ()


def test_what_the_runtime_here_refuses_gets_no_worker(int8: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(int8.read_bytes()[:300])
    with open_device("local").workspace():  # whoever measured now would be told so
        report = edgecnn.bench(broken, results=None)
    (failure,) = report.failures
    assert failure.message.startswith(f"local: {broken}: The runtime refuses the file")


class _Interrupting(Silent):
    """A user who presses Ctrl-C when half is done."""

    def __init__(self) -> None:
        super().__init__()
        self.percent = 0

    def advance(self, steps: int = 1) -> None:
        """Count, and interrupt."""
        self.percent += steps
        if self.percent >= 50:
            raise KeyboardInterrupt


def test_what_was_measured_before_an_interrupt_is_kept_and_graded(int8: Path) -> None:
    taken: list[tuple[Sequence[BenchResult], Sequence[DeviceFailure]]] = []
    plan = BenchPlan("publish", warmup_s=0.0, min_runs=5, min_s=0.2, repeats=8)
    job = session.Job(collect([int8]), (1,), plan, keep=False)

    def take(found: Sequence[BenchResult], failed: Sequence[DeviceFailure]) -> None:
        taken.append((found, failed))

    with pytest.raises(KeyboardInterrupt):
        session.measure(open_device("local"), job, take, _Interrupting())
    (((made,), failures),) = taken
    assert 1 <= len(made.repeat_p50_ms) < 8
    assert made.trust.grade == "void"
    assert "it was cut off: interrupted" in made.trust.reasons
    assert list(failures) == []


@pytest.mark.usefixtures("short_plan")
def test_comparing_a_file_with_itself_gives_a_ratio_with_its_interval(
    here: Here, int8: Path, tmp_path: Path
) -> None:
    where = ("--results", tmp_path / "r.jsonl")
    shown = here("compare", int8, int8, *where)
    (found,) = shown["comparisons"]
    assert found["low"] < found["ratio"] < found["high"]
    assert found["differ"] == (not found["low"] <= 1 <= found["high"])
    assert len(kept(tmp_path)) == 2


@pytest.mark.usefixtures("short_plan")
def test_a_budget_that_holds_and_one_that_does_not(
    here: Here, artifact: Path, tmp_path: Path
) -> None:
    where = ("--results", tmp_path / "r.jsonl")
    assert here("check", artifact, "--p90", "60s", "--snr", "20dB", *where)["ok"]
    junit = tmp_path / "junit.xml"
    shown = here("check", artifact, "--p90", "0.001us", "--junit", junit, *where, code=1)
    assert shown["broken"]
    assert {each["budget"]: each["outcome"] for each in shown["checks"]} == {
        "p90": "broken", "outputs": "holds",
    }  # fmt: skip
    assert ET.parse(junit).getroot().get("failures") == "1"  # noqa: S314 - our own


def test_budgets_of_the_file_alone_measure_nothing(
    here: Here, artifact: Path, tmp_path: Path
) -> None:
    where = ("--results", tmp_path / "r.jsonl")
    shown = here("check", artifact, "--size", "1kB", *where, code=1)
    assert shown["results"] == []
    assert not (tmp_path / "r.jsonl").exists()


def test_devices_are_asked_and_nothing_stays(here: Here) -> None:
    shown = here("devices", "local", NOBODY, code=3)
    (device,) = shown["devices"]
    assert device["facts"]["cores"] >= 1
    assert device["state"]["load_average"] is not None
    assert device["problem"] == ""
    assert shown["failures"][0]["target"] == NOBODY


@pytest.mark.usefixtures("short_plan")
def test_the_time_of_each_operator_beside_the_latency(
    here: Here, artifact: Path, tmp_path: Path
) -> None:
    shown = here("bench", artifact, "--operators", "--results", tmp_path / "r.jsonl")
    (profile,) = shown["operators"]
    assert {layer["kind"] for layer in profile["layers"]} >= {"CONV_2D", "FULLY_CONNECTED"}
    assert profile["file"] == shown["results"][0]["file"]
