"""What `--plot` draws of each command's result, and where it refuses to."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sample_benches
import sample_experiments
from sample_results import export_result
from without_packages import run_without

from edgecnn.errors import InputError
from edgecnn.evaluating import (
    Agreement,
    ClassOverlap,
    Difference,
    EvaluateReport,
    Evaluation,
    Segmentation,
)
from edgecnn.measurements import Latency, Trust
from edgecnn.reporting.plots import bench, evaluate, export, files, sweep
from edgecnn.sweeping import journal
from edgecnn.sweeping.front import Fronts
from edgecnn.sweeping.records import Budget, Place, SweepReport

if TYPE_CHECKING:
    from edgecnn.sweeping.records import PointRecord

RAN = {
    "format": "tflite", "data": "fashion-mnist", "split": "test", "images": 1000, "unusable": 0,
    "runtime": "ai-edge-litert 2.3.0", "processes": 1, "seconds": 1.0,
}  # fmt: skip


def evaluation(recipe: str, top1: float, **changes: Any) -> Evaluation:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {**RAN, "file": f"{recipe}/model.tflite", "recipe": recipe, **changes}
    return Evaluation(**fields, top1=top1, low=top1 - 0.01, high=top1 + 0.01, top5=None, classes=())


def test_bench_draws_the_percentiles_of_each_file() -> None:
    samples = tuple(float(each) for each in range(200, -1, -1))
    long = sample_benches.result(
        file="b/float32/model.tflite", samples_ms=samples,
        latency_ms=Latency(0.0, 100.0, 100.5, 180.25, 198.0),
        trust=Trust("warned", ("the CPU was busy",)),
    )  # fmt: skip
    short = sample_benches.result(file="b/int8/model.tflite")
    (panel,) = bench.panels(sample_benches.report(short, long))
    rows = [row for row in panel.figure.rows if row["name"] == "float32"]
    assert [row["percent"] for row in rows] == list(range(101))
    latencies = [row["latency_ms"] for row in rows]
    assert (latencies[0], latencies[25], latencies[100]) == (0.0, 50.0, 200.0)
    assert (latencies[50], latencies[90]) == (100.5, 180.25)
    assert rows[0]["text"] == "p50 100 ms, p90 180 ms, suspect"
    assert panel.figure.title.startswith("Latency on ssh://pi@raspberrypi.local: Raspberry Pi 4")
    assert any("the CPU was busy" in note for note in panel.figure.notes)
    assert {row["provenance"] for row in rows} == {"measured"}


def test_bench_draws_a_figure_a_device_and_no_time_of_an_emulator() -> None:
    phone = sample_benches.result(target="adb://R58", threads=1)
    report = sample_benches.report(sample_benches.TRUSTED, sample_benches.EMULATED, phone)
    titles = [panel.figure.title for panel in bench.panels(report)]
    assert [title.partition(": ")[0] for title in titles] == [
        "Latency on ssh://pi@raspberrypi.local",
        "Latency on adb://R58",
    ]
    assert list(bench.panels(sample_benches.report(sample_benches.EMULATED))) == []


def test_bench_draws_what_a_program_without_samples_has_told() -> None:
    told = sample_benches.result(samples_ms=(), latency_at_most=("p90",))
    (panel,) = bench.panels(sample_benches.report(told))
    assert [row["percent"] for row in panel.figure.rows] == [0, 50, 90]
    assert panel.figure.rows[0]["text"] == "p50 38.0 ms, p90 <= 38.1 ms"


def test_export_draws_sizes_and_the_snrs_there_are() -> None:
    sizes, snrs = export.panels(export_result(Path("out"), "float32", "int8"))
    assert [(row["recipe"], row["format"]) for row in sizes.figure.rows] == [
        ("float32", ".tflite"), ("float32", ".onnx"), ("int8", ".tflite"), ("int8", ".onnx"),
    ]  # fmt: skip
    assert sizes.figure.title == "xception: 23.0 MB to 23.4 MB on disk"
    assert any("weights are random" in note for note in sizes.figure.notes)
    assert {row["format"] for row in snrs.figure.rows} == {".tflite"}
    assert snrs.figure.title == "SNR against the float model: 24.3 dB"
    assert snrs.figure.notes == (
        "Identical to float, so without a mark: float32 model.onnx and int8 model.onnx.",
    )


def test_evaluate_draws_accuracy_with_its_interval_and_differences() -> None:
    both = evaluation("float32", 0.8), evaluation("int8", 0.78)
    lost = Difference("int8/model.tflite", "int8", "float32/model.tflite", 1000, -0.02, -0.03,
                      -0.01, 25, 5)  # fmt: skip
    accuracy, differences = evaluate.panels(EvaluateReport(both, (lost,)))
    assert accuracy.figure.title == "Top-1 accuracy on fashion-mnist, test split: 1,000 images"
    (_, row) = accuracy.figure.rows
    assert (row["name"], row["value"], row["low"], row["high"], row["text"]) == (
        "int8", 0.78, 0.77, 0.79, "78.00%"
    )  # fmt: skip
    assert [row["text"] for row in differences.figure.rows] == ["-2.00 points"]
    assert "Less accurate than float32: int8/model.tflite." in differences.figure.reading


def test_evaluate_tells_files_of_one_recipe_by_their_names() -> None:
    files = [evaluation("int8", 0.8, file=f"{name}.tflite") for name in ("first", "second")]
    (panel,) = evaluate.panels(EvaluateReport(tuple(files)))
    assert [str(row["name"]).rpartition(" ")[2] for row in panel.figure.rows] == [
        "first.tflite",
        "second.tflite",
    ]


def test_evaluate_draws_masks_and_agreement_without_an_interval() -> None:
    run: dict[str, Any] = {**RAN, "file": "int8/model.tflite", "recipe": "int8"}
    masks = Segmentation(**run, miou=0.6, pixel_accuracy=0.9, pixels=1, unseen=0.0,
                         classes=(ClassOverlap("cat", 1, 0.6),))  # fmt: skip
    (panel,) = evaluate.panels(EvaluateReport(segmentations=(masks,), task="segment"))
    assert panel.figure.title.startswith("mIoU on fashion-mnist")
    assert panel.figure.reading == "Each mark is a file."
    same = Agreement(**run, against="float32/model.tflite", task="classify", top1=0.9, low=0.8,
                     high=0.95)  # fmt: skip
    (panel,) = evaluate.panels(EvaluateReport(agreements=(same,)))
    assert panel.figure.title.startswith("Same top-1 as float on")
    assert panel.figure.notes[0].startswith("Without labels")


def swept(path: Path, records: list[PointRecord], budget: Budget) -> SweepReport:
    fronts = Fronts((Place("raspberry-pi-4b", 4),))
    for each in records:
        fronts.add(each)
    keys = frozenset(each.key for each in records)
    return SweepReport(path, "storage", 3, 1, 3, 0, 0, (), (), (), fronts.under(budget), budget,
                       done_keys=keys)  # fmt: skip


def test_sweep_draws_the_points_of_this_sweep_with_the_one_to_take(tmp_path: Path) -> None:
    path = sample_experiments.write_sweep(tmp_path)
    records = [each for each in journal.read(path, pytest.fail) if each.status == "done"]
    with journal.opened(path) as book:
        book.append(dataclasses.replace(records[0], key="of another sweep"))
    (panel,) = sweep.panels(swept(path, records, Budget(latency_ms=10.0)))
    assert panel.figure.title == (
        "sizes: 2 of 3 points are on the front, on raspberry-pi-4b, 4 threads"
    )
    at = [row for row in panel.figure.rows if row["place"] == "raspberry-pi-4b, 4 threads"]
    assert {row["recipe"]: row["short"] for row in at} == {
        "int8": "* int8", "float32": "float32", "float16": ""
    }  # fmt: skip
    assert panel.figure.notes == (
        "Budget: 10.0 ms.",
        "* xception 96 px int8 .tflite. It is the most accurate within the budget.",
    )
    assert list(sweep.panels(swept(path, [], Budget()))) == []


@pytest.mark.parametrize("name", ["plot.svg", "plot.PNG"])
def test_the_ending_decides_on_the_format(name: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / name
    files.check(path)
    assert not path.parent.exists()
    assert files.draw("bench", sample_benches.report(), path)
    assert path.read_bytes().startswith(b"<svg" if name.endswith("svg") else b"\x89PNG")


def test_where_there_is_nothing_to_draw_nothing_is_written(tmp_path: Path) -> None:
    report = sample_benches.report(sample_benches.EMULATED)
    assert not files.draw("bench", report, tmp_path / "plot.svg")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.svg").mkdir()
    (tmp_path / "file").touch()
    for name, said in [
        ("plot.gif", "ends in .svg or .png"),
        ("plot", "ends in .svg or .png"),
        ("folder.svg", "this is a folder"),
        ("file/plot.svg", "nothing can be written in"),
    ]:
        with pytest.raises(InputError, match=said):
            files.check(tmp_path / name)
    with pytest.raises(InputError, match="nothing can be written in /proc"):
        files.check(Path("/proc/plot.svg"))


def test_without_the_charting_library_the_install_command_is_told(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    done = run_without(
        ["vl_convert"], packages, ["-m", "edgecnn", "bench", "none.tflite", "--plot", "p.svg"]
    )
    assert done.returncode == 4
    assert "vl_convert, which is not installed" in done.stderr
    assert "pip install 'edgecnn[report]'" in done.stderr
