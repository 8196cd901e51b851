"""`edgecnn sweep` through `run`: what it prints where, its exit codes, and how it goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tiny_tflite import float_net

from edgecnn.cli.app import run
from edgecnn.sweeping import journal, spec
from edgecnn.sweeping.records import Accuracy, Place, PointRecord, Run, Timing
from edgecnn.sweeping.tally import take_survey

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """
[axes]
model = "net.tflite"
recipe = ["float32", "int8", "int16x8"]
format = ["tflite", "onnx"]
[input]
input_range = [-1, 1]
[predict]
device = "raspberry-pi-5"
"""
PI = Place("raspberry-pi-5", 1)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a network and spec.toml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.tflite").write_bytes(float_net().to_bytes())
    (tmp_path / "spec.toml").write_text(SPEC)
    return tmp_path


def keep(here: Path, kept: dict[str, dict[str, Any]]) -> Path:
    """A sweep.jsonl with a record for each recipe that is named."""
    file = here / "artifacts" / "sweeps" / "spec" / "sweep.jsonl"
    asked = spec.read(here / "spec.toml")
    from edgecnn.sweeping import keys, points

    keyer = keys.Keys(asked)
    with journal.opened(file) as book:
        for planned in points.plan_all(asked):
            if isinstance(planned, points.Planned) and planned.point.recipe in kept:
                fields = {"status": "done", **kept[planned.point.recipe]}
                book.append(PointRecord(keyer.point(planned), planned.point, **fields))
    return file


def done(latency_ms: float, size_bytes: int, top1: float) -> dict[str, Any]:
    return {
        "size_bytes": size_bytes,
        "accuracy": Accuracy("top1", top1, None, None, 100, "images"),
        "timings": (Timing(PI, latency_ms, latency_ms, latency_ms),),
        "run": Run(seconds=60.0, disk_bytes=1000),
    }


ALL = {
    "float32": done(20.0, 4000, 0.9),
    "int8": done(10.0, 1000, 0.85),
    "int16x8": {"status": "failed", "message": "It died.", "hint": "Close other programs."},
}


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sweep", "spec.toml", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "3 points of 1 network: 0 done, 3 left." in printed
    assert "is known once the first have ended" in printed
    assert "net.tflite float32 .onnx" in printed
    assert sorted(path.name for path in here.iterdir()) == ["net.tflite", "spec.toml"]
    keep(here, {"float32": ALL["float32"]})
    assert run(["sweep", "spec.toml", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "1 done, 1 of them before, 2 left." in printed
    assert "about 2 min for one process, 2.00 kB on disk" in printed


def test_the_closing_tables(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(here, ALL)
    assert run(["sweep", "spec.toml", "--dry-run", "--size", "2kB"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "3 points of 1 network: 2 done, 2 of them before, 1 failed." in out
    assert "It died. Close other programs." in " ".join(out.split())
    assert "raspberry-pi-5, 1 thread, predicted for TFLite with XNNPACK" in out
    rows = [line.split() for line in out.splitlines() if "85.0%" in line or "90.0%" in line]
    assert [row[:2] for row in rows] == [["*", "net.tflite"], ["net.tflite", "float32"]]
    assert "It is the most accurate within the budget." in out


def test_budgets_decide_the_exit_code(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(here, {**ALL, "int16x8": done(30.0, 2000, 0.9)})
    assert run(["sweep", "spec.toml"]) == 0
    assert "* net.tflite float32 .tflite. It is the most accurate." in capsys.readouterr().out
    assert run(["sweep", "spec.toml", "--latency", "5ms"]) == 1
    assert "No point is within the budget." in capsys.readouterr().out


def test_plot_draws_the_front(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(here, ALL)
    assert run(["sweep", "spec.toml", "--dry-run", "--plot", "front.svg"]) == 0
    assert capsys.readouterr().out.endswith("Drew front.svg\n")
    drawn = (here / "front.svg").read_text()
    assert "spec: 2 of 2 points are on the front, on raspberry-pi-5, 1 thread" in drawn
    assert run(["sweep", "spec.toml", "--dry-run", "--plot", "front.txt"]) == 2


def test_json(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = keep(here, ALL)
    assert run(["sweep", "spec.toml", "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "done_keys" not in told
    assert (told["points"], told["done"], told["left"], told["networks"]) == (3, 2, 0, 1)
    assert here / told["file"] == file
    (front,) = told["fronts"]
    assert front["place"] == {"device": "raspberry-pi-5", "threads": 1, "measured": False}
    assert [each["point"]["recipe"] for each in front["records"]] == ["int8", "float32"]
    assert front["taken"]["point"]["recipe"] == "float32"
    assert [each["message"] for each in told["failed"]] == ["It died."]
    assert len(told["impossible"]) == 3


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--max-drop", "1"], "nothing is evaluated"),
        (["--ray", "auto"], "a place that all of them see"),
        (["--ray", "local", "--jobs", "2"], "--jobs is for this machine"),
        (["--latency", "soon"], "--latency takes a time"),
    ],
)
def test_options_that_do_not_fit(
    here: Path, args: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sweep", "spec.toml", *args]) == 2
    assert sentence in capsys.readouterr().err
    assert not (here / "artifacts").exists()


@pytest.mark.usefixtures("here")
def test_a_sweep_on_ray_measures_no_devices(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "spec.toml").write_text(SPEC + '[bench]\non = "local"\n')
    assert run(["sweep", "spec.toml", "--ray", "local"]) == 2
    assert "does not measure devices" in capsys.readouterr().err
    (here / "spec.toml").write_text(SPEC + '[bench]\non = "device:raspberry-pi-4b"\n')
    assert run(["sweep", "spec.toml"]) == 2
    assert "is what a node of a Ray cluster offers" in capsys.readouterr().err


def test_the_example_is_a_spec(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sweep", "--example"]) == 0
    (here / "example.toml").write_text(capsys.readouterr().out)
    assert spec.read(here / "example.toml").axes.model == ("xception-mini",)


def test_records_of_another_sweep_have_no_part_in_this_one(here: Path) -> None:
    keep(here, ALL)
    (here / "spec.toml").write_text(SPEC.replace("[-1, 1]", "[0, 1]"))
    before = take_survey(spec.read(here / "spec.toml")).keys
    file = here / "artifacts" / "sweeps" / "spec" / "sweep.jsonl"
    kept = {each.key for each in journal.read(file, pytest.fail)}
    assert len(kept) == 3
    assert not kept & before
