"""How an evaluation is shown."""

from __future__ import annotations

import doctest

import pytest

from edgecnn.evaluating import ClassAccuracy, Difference, EvaluateReport, Evaluation
from edgecnn.reporting import evaluation as shown
from edgecnn.reporting.json_objects import evaluate_object


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
        ([(-0.1, 0.1)], "No file's difference can be told from none on these images."),
        ([(-0.2, -0.1), (-0.1, 0.1)], "No other file's difference can be told from none"),
    ],
)
def test_what_the_differences_say(ends: list[tuple[float, float]], said: str) -> None:
    told = shown.difference_sentence(tuple(difference("int8", *each) for each in ends))
    assert said in told


def test_a_row_a_class() -> None:
    table = shown.classes_table(report())
    assert table.columns[2].title == "float32 tflite"
    assert table.rows == (("Coat", "9,000", "50.0%", "50.0%"), ("Bag", "0", "-", "-"))


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
