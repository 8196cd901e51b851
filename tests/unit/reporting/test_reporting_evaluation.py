"""How an evaluation is shown."""

from __future__ import annotations

import doctest
from typing import TYPE_CHECKING, Any

import pytest

from edgecnn.evaluating import (
    Agreement,
    CategoryPrecision,
    ClassAccuracy,
    ClassOverlap,
    Detection,
    Difference,
    EvaluateReport,
    Evaluation,
    Segmentation,
)
from edgecnn.reporting import evaluation as shown
from edgecnn.reporting.json_objects import evaluate_object

if TYPE_CHECKING:
    from edgecnn.evaluating.options import Task


def one(recipe: str, top1: float, **changes: object) -> Evaluation:
    fields = {
        "file": f"{recipe}/model.tflite",
        "recipe": recipe,
        "format": "tflite",
        "data": "fashion-mnist",
        "split": "test",
        "images": 10_000,
        "unusable": 0,
        "top1": top1,
        "low": top1 - 0.01,
        "high": top1 + 0.01,
        "top5": 0.99,
        "classes": (ClassAccuracy("Coat", 9_000, 0.5), ClassAccuracy("Bag", 0, None)),
        "runtime": "ai-edge-litert 2.3.0",
        "processes": 2,
        "seconds": 10.0,
    }
    return Evaluation(**{**fields, **changes})  # type: ignore[arg-type] # of those types


def difference(recipe: str, low: float, high: float, lost: float = 12) -> Difference:
    middle = (low + high) / 2
    file = f"{recipe}/model.tflite"
    return Difference(file, recipe, "float32/model.tflite", 10_000, middle, low, high, lost, 3)


def report(*differences: Difference) -> EvaluateReport:
    both = (one("float32", 0.9), one("int8", 0.89))
    return EvaluateReport(both, differences, (), ())


def test_a_row_a_file() -> None:
    table = shown.evaluation_table(report())
    assert [column.title for column in table.columns] == [
        "recipe", "file", "top-1", "95 % interval", "top-5", "images/s",
    ]  # fmt: skip
    expected = ("int8", "model.tflite", "89.00%", "88.00% to 90.00%", "99.00%", "1,000")
    assert table.rows[1] == expected
    assert shown.heading(report()) == (
        "fashion-mnist, test split: 10,000 images; ai-edge-litert 2.3.0; 2 processes"
    )


def test_a_file_alone_with_few_classes() -> None:
    alone = one("int8", 0.5, file="/far/away/\x1b[31m.tflite", top5=None, seconds=4000.0)
    table = shown.evaluation_table(EvaluateReport((alone,), (), (), ()))
    assert table.rows == (("\\x1b[31m.tflite", "50.00%", "49.00% to 51.00%", "2.5"),)
    assert len(table.columns) == 4


def test_differences_in_points_and_images() -> None:
    found = report(difference("int8", -0.0123, -0.0023), difference("dynamic", -0.001, 0.001, 0.5))
    rows = shown.difference_table(found).rows
    assert rows[0] == ("int8", "model.tflite", "-0.73", "-1.23 to -0.23", "12", "3")
    assert rows[1][2:] == ("+0.00", "-0.10 to +0.10", "0.5", "3")


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ([(-0.2, -0.1)], "Less accurate than float32: int8/model.tflite."),
        ([(0.1, 0.2)], "More accurate than float32: int8/model.tflite."),
        ([(-0.1, 0.1)], "No file's accuracy differs significantly on these images."),
        ([(-0.2, -0.1), (-0.1, 0.1)], "No other file's accuracy differs significantly"),
    ],
)
def test_what_the_differences_say(ends: list[tuple[float, float]], said: str) -> None:
    told = shown.difference_sentence(tuple(difference("int8", *each) for each in ends))
    assert said in told


def test_a_row_a_class() -> None:
    table = shown.classes_table(report())
    assert table is not None
    assert table.columns[2].title == "float32 tflite"
    assert table.rows == (("Coat", "9,000", "50.0%", "50.0%"), ("Bag", "0", "-", "-"))


RUN: dict[str, Any] = {
    "file": "int8/model.tflite",
    "recipe": "int8",
    "format": "tflite",
    "data": "photos",
    "split": "",
    "images": 40,
    "unusable": 0,
    "runtime": "ai-edge-litert 2.3.0",
    "processes": 1,
    "seconds": 2.0,
}
CATS, DOGS = CategoryPrecision("cat", 1234, 0.5, 0.75), CategoryPrecision("dog", 0, None, None)
BOXES = Detection(
    **RUN,
    map=0.5,
    map50=0.75,
    map75=0.25,
    boxes=1234,
    found=9,
    head="yolov8",
    categories=(CATS, DOGS),
)
MASKS = Segmentation(
    **RUN,
    miou=0.5,
    pixel_accuracy=0.9,
    pixels=100,
    unseen=0.0,
    classes=(ClassOverlap("sky", 100, 1.0), ClassOverlap("class 1", 0, None)),
)


def test_boxes_and_masks() -> None:
    boxes = EvaluateReport(task="detect", detections=(BOXES,))
    (table,) = shown.tables(boxes)
    expected = ("int8", "model.tflite", "50.00%", "75.00%", "25.00%", "yolov8", "20")
    assert table.rows == (expected,)
    assert shown.heading(boxes) == (
        "photos: 40 images, 1,234 boxes; ai-edge-litert 2.3.0; 1 process"
    )
    by_class = shown.classes_table(boxes)
    assert by_class is not None
    assert by_class.rows == (("cat", "1,234", "50.0%"), ("dog", "0", "-"))
    masks = EvaluateReport(task="segment", segmentations=(MASKS,))
    assert shown.tables(masks)[0].rows == (("int8", "model.tflite", "50.00%", "90.00%", "20"),)
    by_class = shown.classes_table(masks)
    assert by_class is not None
    assert by_class.rows == (("sky", "100", "100%"), ("class 1", "0", "-"))


@pytest.mark.parametrize(
    ("task", "figures", "cells"),
    [
        ("classify", {"top1": 0.9, "low": 0.8, "high": 0.95}, ("90.00%", "80.00% to 95.00%")),
        ("segment", {"miou": 0.7, "pixels": 0.99}, ("70.00%", "99.00%")),
        (
            "detect",
            {"map": 0.7, "map50": 1.0, "map75": 0.8, "boxes": 5},
            ("70.00%", "100.00%", "80.00%"),
        ),
    ],
)
def test_agreement_says_what_it_is_not(
    task: Task, figures: dict[str, Any], cells: tuple[str, ...]
) -> None:
    found = Agreement(**RUN, against="float32/model.tflite", task=task, **figures)
    agreed = EvaluateReport(task=task, agreements=(found,))
    (table,) = shown.tables(agreed)
    assert table.rows == (("int8", "model.tflite", *cells, "20"),)
    assert "float" in table.columns[2].title
    said = shown.agreement_sentence(agreed)
    assert said.startswith("Without labels: compared with the answers of float32/model.tflite")
    assert ("and its 5 boxes" in said) == (task == "detect")
    assert shown.classes_table(agreed) is None
    assert evaluate_object(agreed)["agreements"][0]["images_per_second"] == 20


def test_json_has_every_field() -> None:
    found = evaluate_object(report(difference("int8", -0.2, -0.1)))
    assert found["schema"] == 1
    assert found["evaluations"][0]["images_per_second"] == 1000
    assert found["evaluations"][1]["classes"][1] == {"name": "Bag", "images": 0, "accuracy": None}
    assert found["differences"][0]["against"] == "float32/model.tflite"


def test_the_examples_in_the_documentation() -> None:
    tried = doctest.testmod(shown)
    assert tried.attempted > 0
    assert tried.failed == 0


def test_bars_show_the_accuracy_itself() -> None:
    (table,) = shown.tables(report())
    assert table.bars is not None
    assert table.columns[table.bars.column].title == "top-1"
    assert table.bars.shares == (0.9, 0.89)
