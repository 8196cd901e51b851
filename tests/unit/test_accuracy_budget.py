"""What counts as a loss, and when it is told to be within a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from small_sources import onnx_source
from without_packages import lacking

from edgecnn.accuracy_budget import Loss, Search, Trial, export_within, losses_of
from edgecnn.errors import CheckFailedError, InputError
from edgecnn.evaluating import Agreement, Detection, EvaluateReport, Evaluation
from edgecnn.evaluating.records import Difference
from edgecnn.exporting import ExportOptions, ExportResult, export
from edgecnn.progress import Silent

if TYPE_CHECKING:
    from pathlib import Path


def run(file: str, recipe: str) -> dict[str, Any]:
    return {
        "file": file, "recipe": recipe, "format": file.rpartition(".")[2], "data": "photos",
        "split": "", "images": 200, "unusable": 0, "runtime": "LiteRT", "processes": 1,
        "seconds": 1.0,
    }  # fmt: skip


def test_a_loss_of_accuracy_is_the_difference_with_its_interval() -> None:
    file = "int8/model.tflite"
    accuracy: dict[str, Any] = {"top1": 0.9, "low": 0.8, "high": 0.95, "top5": None, "classes": ()}
    report = EvaluateReport(
        (Evaluation(**run("float32/model.tflite", "float32"), **accuracy),
         Evaluation(**run(file, "int8"), **accuracy)),
        (Difference(file, "int8", "float32/model.tflite", 200, -0.01, -0.03, 0.005, 3, 1),),
    )  # fmt: skip
    (loss,) = losses_of(report)
    assert (loss.format, loss.metric, loss.images) == ("tflite", "top-1", 200)
    assert (loss.points, loss.low, loss.high) == pytest.approx((1.0, -0.5, 3.0))


def test_without_labels_it_is_the_answers_that_differ_from_floats() -> None:
    shares: dict[str, Any] = {"top1": 0.97, "low": 0.94, "high": 0.99}
    file = run("int8/model.onnx", "int8")
    report = EvaluateReport(agreements=(Agreement(**file, against="f", task="classify", **shares),))
    (loss,) = losses_of(report)
    assert (loss.format, loss.metric) == ("onnx", "agreement")
    assert (loss.points, loss.low, loss.high) == pytest.approx((3.0, 1.0, 6.0))


def test_of_boxes_it_is_the_precision_of_the_float_file_less_its_own() -> None:
    def boxes(recipe: str, precision: float) -> Detection:
        of_run = run(f"{recipe}/model.tflite", recipe)
        return Detection(**of_run, map=precision, map50=0, map75=0, boxes=9, found=9, head="ssd",
                         categories=())  # fmt: skip

    (loss,) = losses_of(EvaluateReport(detections=(boxes("float32", 0.5), boxes("int8", 0.48))))
    assert (loss.metric, loss.low, loss.high) == ("mAP", None, None)
    assert loss.points == pytest.approx(2.0)
    assert loss.is_within(2.1)
    assert not loss.is_within(1.9)


def test_it_is_within_when_the_whole_interval_is() -> None:
    loss = Loss("tflite", "top-1", 0.3, -0.3, 0.9, 400)
    assert loss.is_within(0.9)
    assert not loss.is_within(0.5)
    # The interval shrinks with the square root of the images: a third of its half, nine times.
    assert loss.images_to_tell(0.5) == pytest.approx(400 * 9, rel=0.05)
    assert loss.images_to_tell(0.2) is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_drop_points": 0.0}, "points above 0"),
        ({"recipes": ("float16",)}, "int8 recipe"),
        ({"min_snr_db": 20.0}, "both decide"),
        ({"calibration": "photos"}, "calibrated on"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_work(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        export_within("xception", **{"max_drop_points": 1.0, "data": "photos", **options})


POOR = Loss("tflite", "top-1", 3.0, 2.0, 4.0, 500)


def test_where_both_lose_more_nothing_is_written(tmp_path: Path) -> None:
    other = Loss("onnx", "top-1", 1.2, 0.9, 1.5, 500)
    trial = Trial(ExportResult((), (), {}), {"tflite": POOR, "onnx": other}, None)
    search = Search("net.onnx", ExportOptions(), 0.5, "photos", {}, tmp_path, Silent())
    with pytest.raises(CheckFailedError, match=r"the \.tflite loses 3\.00 points"):
        search.written([trial])


def test_an_onnx_is_taken_without_the_tflite_that_loses_more(tmp_path: Path) -> None:
    source = onnx_source(tmp_path)
    given: dict[str, Any] = {
        "input_shapes": {"image": (1, 3, 12, 16)}, "calibration_samples": 20,
        "calibration": str(source.calibration),
    }  # fmt: skip
    good = Loss("onnx", "top-1", 0.1, -0.2, 0.4, 500)
    with lacking("tensorflow"):  # its seconds decide nothing that is tested here
        measured = export(str(source.path), formats=("onnx",), out=tmp_path / "measured", **given)
        trial = Trial(measured, {"tflite": POOR, "onnx": good}, min_snr_db=25.0)
        options = ExportOptions(out=tmp_path / "net", **given)
        search = Search(str(source.path), options, 0.5, "photos", {}, tmp_path, Silent())
        written = search.written([trial])
    assert written.losses == (good,)
    assert [refusal.format for refusal in written.result.refused] == ["tflite"]
    names = {path.name for path in (tmp_path / "net" / "int8").iterdir()}
    assert names == {"model.onnx", "manifest.json", "reference.npz"}
