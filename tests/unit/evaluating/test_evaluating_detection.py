"""Mean average precision, against figures that were worked out by hand."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from task_nets import boxes_in_pixels, save, spelt, write_folder

import edgecnn
from edgecnn.datasets.coco import Box, Category, open_coco
from edgecnn.errors import InputError, MissingPartError
from edgecnn.evaluating import pool, precision
from edgecnn.evaluating.detection import category_numbers
from edgecnn.evaluating.options import EvaluateOptions
from edgecnn.evaluating.running import Runner
from edgecnn.progress import Recorder, Silent
from edgecnn.records import OutputInfo
from edgecnn.tasks import detect
from edgecnn.tasks.boxes import detections
from edgecnn.tasks.outputs import Output

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.evaluating import Detection

pytestmark = pytest.mark.usefixtures("warm_children")

ROWS = (OutputInfo("rows", "float32", (1, 32, 6)),)
CATS, DOGS = Category(3, "cat"), Category(7, "dog")
# A cat that is found, one that is found half (IoU 0.5), and a dog that is not.
TRUTH = [Box(0, 3, (0, 0, 4, 4)), Box(1, 3, (0, 0, 4, 4)), Box(1, 7, (4, 4, 4, 4))]
# Of overlaps above 50 % the first cat alone is right: recalls 0, 0.01 ... 0.50 of 101 are reached.
HALF = 51 / 101
CATS_AP, CATS_AP50 = (1 + 9 * HALF) / 10, 1.0


def coco(images: dict[str, tuple[int, int]], boxes: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "images": [
            {"id": 10 + k, "file_name": name, "height": height, "width": width}
            for k, (name, (height, width)) in enumerate(images.items())
        ],
        "annotations": [{"id": k, **box} for k, box in enumerate(boxes)],
        "categories": [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}],
    }


def write(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """net/float32 and net/int8, whose boxes are half as wide; photos/ and truth.json."""
    folder = tmp_path_factory.mktemp("detect")
    write_folder(folder / "net" / "float32", boxes_in_pixels(), ROWS)
    narrow = boxes_in_pixels((1, 1, 0.5, 1, 0.01, 1))
    write_folder(folder / "net" / "int8", narrow, ROWS, recipe="int8")
    save(folder / "photos" / "a.png", spelt((0, 0, 4, 4, 90, 0)))
    save(folder / "photos" / "b.png", spelt((0, 0, 4, 8, 80, 0)))
    save(folder / "photos" / "not-annotated.png", spelt((0, 0, 8, 8, 99, 1)))
    boxes = [
        {"image_id": 10, "category_id": 3, "bbox": [0, 0, 4, 4]},
        {"image_id": 11, "category_id": 3, "bbox": [0, 0, 4, 4]},
        {"image_id": 11, "category_id": 7, "bbox": [4, 4, 4, 4], "iscrowd": 0, "area": 16},
    ]
    content = coco({"a.png": (8, 8), "b.png": (8, 8), "elsewhere.png": (8, 8)}, boxes)
    write(folder / "truth.json", content)
    return folder


def figures(found: Detection) -> Any:  # noqa: ANN401 - whatever does not depend on time
    return replace(found, processes=0, seconds=0.0)


def test_as_worked_out_by_hand_and_whatever_the_processes(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "FEWEST_IMAGES", 1)
    one, two = (
        edgecnn.evaluate(
            here / "net" / "float32",
            data=str(here / "photos"),
            annotations=here / "truth.json",
            head="end2end",
            threads=threads,
        )
        for threads in (1, 2)
    )
    found = one.detections[0]
    assert [each.processes for each in (*one.detections, *two.detections)] == [1, 2]
    assert figures(found) == figures(two.detections[0])
    assert (found.images, found.boxes, found.found, found.head) == (2, 3, 2, "end2end")
    assert found.map == pytest.approx(CATS_AP / 2)
    assert found.map50 == pytest.approx(0.5)
    assert found.map75 == pytest.approx(HALF / 2)
    cats, dogs = found.categories
    assert (cats.name, cats.boxes, cats.ap50) == ("cat", 2, 1.0)
    assert cats.ap == pytest.approx(CATS_AP)
    assert (dogs.name, dogs.boxes, dogs.ap, dogs.ap50) == ("dog", 1, 0.0, 0.0)
    assert one.notes == (
        "1 of 3 annotated pictures are not in the folder and do not count: elsewhere.png.",
    )
    assert "class 0 is cat, class 1 dog" in one.warnings[0]


def test_boxes_are_of_the_pictures_own_pixels(tmp_path: Path) -> None:
    # 16x8 pixels lie in rows 2 to 6 of the input, at half their size.
    net = boxes_in_pixels((0, 0, 0, 0, 0, 0), (0, 2, 4, 6, 0.9, 0))
    (tmp_path / "net.tflite").write_bytes(net)
    save(tmp_path / "photos" / "wide.png", np.full((8, 16, 3), 9))
    truth = coco({"wide.png": (8, 16)}, [{"image_id": 10, "category_id": 3, "bbox": [0, 0, 8, 8]}])
    report = edgecnn.evaluate(
        tmp_path / "net.tflite",
        data=str(tmp_path / "photos"),
        annotations=write(tmp_path / "truth.json", truth),
        head="end2end",
        preprocessing=edgecnn.Preprocessing(),
    )
    assert report.detections[0].map == 1.0


def test_agreement_with_the_float_boxes(here: Path) -> None:
    report = edgecnn.evaluate(
        here / "net", data=str(here / "photos"), task="detect", head="end2end"
    )
    (found,) = report.agreements
    assert (found.file, found.against) == ("int8/model.tflite", "float32/model.tflite")
    assert (found.images, found.boxes) == (3, 3)
    # Every box covers half of the float model's: right at an overlap of 50 %, and no other.
    assert found.map50 == 1.0
    assert found.map == pytest.approx(0.1)
    assert found.map75 == 0.0
    assert report.detections == ()


def test_a_folder_of_one_recipe_is_compared_with_the_float_folder_beside(here: Path) -> None:
    report = edgecnn.evaluate(
        here / "net" / "int8", data=str(here / "photos"), task="detect", head="end2end", limit=2
    )
    assert report.agreements[0].against == "float32/model.tflite"
    assert report.notes == ("2 of the 3 pictures, drawn by seed 0.",)


def test_pictures_of_another_size_do_not_count(here: Path, tmp_path: Path) -> None:
    content = json.loads((here / "truth.json").read_text())
    content["images"][1]["width"] = 9
    report = edgecnn.evaluate(
        here / "net" / "float32",
        data=str(here / "photos"),
        annotations=write(tmp_path / "truth.json", content),
        head="end2end",
    )
    assert report.detections[0].images == 1
    assert any("b.png (it is 8x8, the annotations say 9x8)" in each for each in report.warnings)
    assert report.detections[0].map == 1.0


def test_precision_without_any_box_found() -> None:
    found = precision.average_precision(TRUTH, [CATS, DOGS], [detections(*EMPTY)] * 2, [3, 7])
    assert (found.map, found.by_category) == (0.0, ((0.0, 0.0), (0.0, 0.0)))
    with pytest.raises(InputError, match="no annotated box"):
        precision.average_precision(TRUTH, [CATS, DOGS], [None, None], [3, 7])


EMPTY = (np.zeros((0, 4)), np.zeros(0))


def test_a_crowd_excuses_what_lies_inside(capsys: pytest.CaptureFixture[str]) -> None:
    truth = [Box(0, 3, (0, 0, 4, 4)), Box(0, 3, (4, 4, 4, 4), crowd=True)]
    boxes = np.array([[0, 0, 4, 4], [5, 5, 7, 7]])
    found = precision.average_precision(truth, [CATS], [detections(boxes, np.ones(2))], [3])
    assert found.map == 1.0
    assert capsys.readouterr().out == ""


def test_pycocotools_is_asked_for(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    for name in [each for each in sys.modules if each.startswith("pycocotools")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingPartError) as caught:
        edgecnn.evaluate(here / "net", data=str(here / "photos"), annotations=here / "truth.json")
    assert caught.value.hint == "pip install 'edgecnn[evaluate]'"


@pytest.mark.parametrize(
    ("classes", "head", "ids", "expected"),
    [
        (2, "yolov8", (3, 7), [3, 7]),
        (None, "end2end", (3, 7), [3, 7]),
        (7, "ssd", (3, 7), [1, 2, 3, 4, 5, 6, 7]),
        (None, "postprocess", (3, 7), [1, 2, 3, 4, 5, 6, 7]),
        (None, "postprocess", (1, 2), [1, 2]),
    ],
)
def test_how_classes_meet_categories(
    classes: int | None, head: str, ids: tuple[int, ...], expected: list[int], tmp_path: Path
) -> None:
    categories = [Category(number, f"name {number}") for number in ids]
    runner = Runner(EvaluateOptions(data="x"), tmp_path, Recorder(Silent()))
    assert category_numbers("net", detect.named(head), classes, categories, runner) == expected


def test_classes_by_name(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("dog\nhorse\ncat\n")
    options = EvaluateOptions(data="x", task="detect", labels=tmp_path / "labels.txt")
    runner = Runner(options, tmp_path, Recorder(Silent()))
    head = detect.named("yolov8")
    assert category_numbers("net", head, 3, [CATS, DOGS], runner) == [7, 8, 3]
    with pytest.raises(InputError, match="no line says 'cow'"):
        category_numbers("net", head, 3, [CATS, Category(4, "cow")], runner)


def test_other_numbers_of_classes_are_refused(tmp_path: Path) -> None:
    runner = Runner(EvaluateOptions(data="x"), tmp_path, Recorder(Silent()))
    with pytest.raises(InputError, match="tells 5 classes apart") as caught:
        category_numbers("net", detect.named("yolov8"), 5, [CATS, DOGS], runner)
    assert "--labels" in caught.value.hint


@pytest.mark.parametrize(
    ("head", "shapes", "count"),
    [
        ("yolov8", [(1, 84, 1344)], 80),
        ("yolov8", [(1, 116, 1344), (1, 32, 64, 64)], 80),
        ("yolov5", [(1, 4032, 85)], 80),
        ("yolox", [(1, 1344, 7)], 2),
        ("ssd", [(1, 30, 4), (1, 30, 91)], 90),
        ("corners", [(1, 30, 1), (1, 30, 4)], 1),
        ("centernet", [(1, 16, 16, 5), (1, 16, 16, 2), (1, 16, 16, 2)], 5),
        ("mediapipe", [(1, 896, 16), (1, 896, 1)], 1),
        ("end2end", [(1, 300, 6)], None),
    ],
)
def test_how_many_classes_a_head_tells_apart(
    head: str, shapes: list[tuple[int, ...]], count: int | None
) -> None:
    outputs = [Output(str(k), np.zeros(shape)) for k, shape in enumerate(shapes)]
    assert detect.class_count(detect.named(head), outputs, (256, 256)) == count


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.pop("categories"), "KeyError 'categories'"),
        (lambda content: content["annotations"][0].update(bbox=[1, 2]), "not a COCO json"),
        (lambda content: content["annotations"][0].update(category_id=99), "category 99"),
        (lambda content: content["annotations"][0].update(image_id=99), "image 99"),
        (lambda content: content["images"].clear(), "has a box of image 10"),
        (
            lambda content: [each.update(file_name="../truth.json") for each in content["images"]],
            "None of the 3 pictures",
        ),
    ],
)
def test_jsons_that_are_none_of_cocos(here: Path, tmp_path: Path, change: Any, said: str) -> None:  # noqa: ANN401 - a function
    content = json.loads((here / "truth.json").read_text())
    change(content)
    with pytest.raises(InputError, match=said):
        open_coco(here / "photos", write(tmp_path / "truth.json", content))
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        open_coco(here / "photos", tmp_path / "bad.json")
