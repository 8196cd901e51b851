"""Classes out of one logit, of several outputs, of several inputs; and agreement without labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from task_nets import (
    IMAGE,
    RAW,
    boxes_in_pixels,
    channel_of_most,
    one_logit,
    picture_and_numbers,
    save,
    two_outputs,
    write_folder,
)

import edgecnn
from edgecnn.errors import InputError
from edgecnn.evaluating.choosing import Choice, class_output
from edgecnn.evaluating.judging import class_scores
from edgecnn.evaluating.options import EvaluateOptions, parse_output
from edgecnn.evaluating.signature import OutputSpec, Signature
from edgecnn.records import Endpoint, OutputInfo
from edgecnn.tasks.outputs import Output

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("warm_children")

LEVELS = (20, 90, 120, 140, 180, 250)
SHADE = OutputInfo("shade", "float32", (1, 2), kind="probabilities")
MEANS = OutputInfo("means", "float32", (1, 3), kind="values")


def logit(kind: Any) -> tuple[OutputInfo, ...]:  # noqa: ANN401 - a kind
    return (OutputInfo("logit", "float32", (1, 1), kind=kind),)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """test/dark and test/light, of which two are in the wrong folder; and all loose in loose/."""
    folder = tmp_path_factory.mktemp("photos")
    for level in LEVELS:
        name = "light" if level > 127 else "dark"
        if level in {120, 140}:
            name = {"dark": "light", "light": "dark"}[name]
        save(folder / "labelled" / "test" / name / f"{level}.png", np.full((8, 8, 3), level))
        save(folder / "loose" / f"{level}.png", np.full((8, 8, 3), level))
    return folder


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_one_number_is_two_classes(tmp_path: Path, photos: Path, kind: Any) -> None:  # noqa: ANN401 - a kind
    net = one_logit(sigmoid=kind == "probabilities")
    folder = write_folder(tmp_path / "net", net, logit(kind))
    report = edgecnn.evaluate(folder, data=str(photos / "labelled"))
    (found,) = report.evaluations
    assert found.top1 == pytest.approx(4 / 6)
    assert [each.name for each in found.classes] == ["dark", "light"]
    assert [each.accuracy for each in found.classes] == [pytest.approx(2 / 3)] * 2
    assert found.top5 is None


def test_what_one_number_is_must_be_known(tmp_path: Path, photos: Path) -> None:
    folder = write_folder(tmp_path / "net", one_logit(), logit("values"))
    with pytest.raises(InputError, match="its output logit is one number") as caught:
        edgecnn.evaluate(folder, data=str(photos / "labelled"))
    assert "--output logits" in caught.value.hint
    report = edgecnn.evaluate(folder, data=str(photos / "labelled"), output="logits")
    assert report.evaluations[0].top1 == pytest.approx(4 / 6)


def test_the_output_with_scores_is_scored_or_the_one_that_is_named(
    tmp_path: Path, photos: Path
) -> None:
    folder = write_folder(tmp_path / "net", two_outputs(), (SHADE, MEANS))
    report = edgecnn.evaluate(folder, data=str(photos / "labelled"))
    assert report.evaluations[0].top1 == pytest.approx(4 / 6)
    with pytest.raises(InputError, match="tells 3 classes apart, labelled has 2"):
        edgecnn.evaluate(folder, data=str(photos / "labelled"), output="means")
    lonely = tmp_path / "lonely.tflite"
    lonely.write_bytes(two_outputs())
    report = edgecnn.evaluate(lonely, data=str(photos / "labelled"), preprocessing=RAW)
    assert report.evaluations[0].top1 == pytest.approx(4 / 6)


def ends(*outputs: tuple[str, tuple[int, ...], Any]) -> Signature:
    made = (OutputSpec(name, "float32", shape, "", kind) for name, shape, kind in outputs)
    return Signature((), tuple(made), 1, "")


def test_which_output_tells_the_class() -> None:
    scores = ("scores", (1, 5), "logits")
    values, mask = ("boxes", (1, 9, 4), "values"), ("mask", (1, 8, 8, 5), "probabilities")
    assert class_output("net", ends(values, scores, mask), None) == Choice("scores", "logits", 5)
    assert class_output("net", ends(("only", (1, 5), "values")), None).classes == 5
    assert class_output("net", ends(("pooled", (1, 1, 1, 5), "values")), None).classes == 5
    assert class_output("net", ends(values, ("a", (1, 2), "values")), "a=logits").kind == "logits"
    two = ends(scores, ("others", (1, 3), "probabilities"))
    with pytest.raises(InputError, match="several outputs that may tell the class") as caught:
        class_output("net", two, None)
    assert "scores (1, 5) logits, others (1, 3) probabilities" in caught.value.message
    with pytest.raises(InputError, match="no output of class scores: boxes"):
        class_output("net", ends(values, ("more", (1, 4), "values")), None)
    with pytest.raises(InputError, match="is no row of class scores"):
        class_output("net", ends(mask), None)


def test_what_output_takes() -> None:
    names = ("a", "logits")
    assert parse_output("a", names) == ("a", None)
    assert parse_output("logits", names) == ("logits", None)
    assert parse_output("logits", ("a",)) == (None, "logits")
    assert parse_output("a=probabilities", names) == ("a", "probabilities")
    for text in ("b", "a=classes", "b=logits"):
        with pytest.raises(InputError, match=r"has no output '[ab]"):
            parse_output(text, names)


def test_values_are_ranked_and_never_put_through_a_softmax() -> None:
    outputs = [Output("v", np.array([[3.0, -1.0, 1000.0]]))]
    assert class_scores(outputs, Choice("v", "values", 3)).tolist() == [3, -1, 1000]


def test_several_inputs_are_fed_from_arrays(tmp_path: Path, photos: Path) -> None:
    net, of_image, of_numbers = picture_and_numbers()
    inputs = (IMAGE, Endpoint("numbers", "float32", (1, 4)))
    outputs = (OutputInfo("scores", "float32", (1, 3), kind="logits"),)
    folder = write_folder(tmp_path / "net", net, outputs, inputs=inputs, file_inputs=("NHWC", ""))
    random = np.random.default_rng(1)
    image = random.random((40, 8, 8, 3), np.float32)
    numbers = random.random((40, 4), np.float32)
    right = (image.reshape(40, -1) @ of_image.T + numbers @ of_numbers.T).argmax(axis=1)
    labels = np.where(np.arange(40) % 4, right, (right + 1) % 3)
    np.savez(tmp_path / "data.npz", numbers=numbers, image=image, labels=labels)
    report = edgecnn.evaluate(folder, data=str(tmp_path / "data.npz"))
    (found,) = report.evaluations
    assert (found.top1, found.images, found.split) == (0.75, 40, "")
    assert sum(each.images for each in found.classes) == 40
    with pytest.raises(InputError, match="has 2 inputs: image") as caught:
        edgecnn.evaluate(folder, data=str(photos / "labelled"))
    assert "FILE.npz" in caught.value.hint
    np.savez(tmp_path / "less.npz", image=image, labels=labels)
    with pytest.raises(InputError, match="no array for the input 'numbers'"):
        edgecnn.evaluate(folder, data=str(tmp_path / "less.npz"))
    np.savez(tmp_path / "more.npz", numbers=numbers, image=image, labels=labels + 1)
    with pytest.raises(InputError, match="has labels from 1 to 3"):
        edgecnn.evaluate(folder, data=str(tmp_path / "more.npz"))


def test_agreement_on_pictures_that_nobody_labelled(tmp_path: Path, photos: Path) -> None:
    write_folder(tmp_path / "net" / "float32", one_logit(), logit("logits"))
    write_folder(tmp_path / "net" / "int8", one_logit(100), logit("logits"), recipe="int8")
    report = edgecnn.evaluate(tmp_path / "net", data=str(photos / "loose"))
    (found,) = report.agreements
    # The border moved from 127.5 to 100: one picture of six changes sides.
    assert found.top1 == pytest.approx(5 / 6)
    assert found.low is not None
    assert found.low < 5 / 6
    assert (found.task, found.images, report.evaluations) == ("classify", 6, ())
    labelled = edgecnn.evaluate(
        tmp_path / "net", data=str(photos / "labelled"), agreement=True, limit=3
    )
    assert labelled.agreements[0].images == 3


def test_a_batch_that_the_network_fixes(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "two.tflite").write_bytes(one_logit(batch=2))
    report = edgecnn.evaluate(
        tmp_path / "two.tflite",
        data=str(photos / "labelled"),
        limit=5,
        output="logits",
        preprocessing=RAW,
    )
    (one,) = edgecnn.evaluate(
        write_folder(tmp_path / "net", one_logit(), logit("logits")),
        data=str(photos / "labelled"),
        limit=5,
    ).evaluations
    assert (report.evaluations[0].images, report.evaluations[0].classes) == (5, one.classes)


def test_an_input_of_bytes_gets_the_pixels_and_no_scaling_is_asked_for(
    tmp_path: Path, photos: Path
) -> None:
    (tmp_path / "bytes.tflite").write_bytes(one_logit(pixels=True))
    report = edgecnn.evaluate(
        tmp_path / "bytes.tflite", data=str(photos / "labelled"), output="logits"
    )
    assert report.evaluations[0].top1 == pytest.approx(4 / 6)


def test_files_alone_are_compared_with_the_one_that_is_named(tmp_path: Path, photos: Path) -> None:
    for name, border in (("a", 127.5), ("b", 130)):
        (tmp_path / f"{name}.tflite").write_bytes(one_logit(border))
    asked: dict[str, Any] = {
        "data": str(photos / "loose"),
        "output": "logits",
        "preprocessing": RAW,
    }
    report = edgecnn.evaluate(tmp_path / "b.tflite", against=tmp_path / "a.tflite", **asked)
    assert report.agreements[0].top1 == 1.0
    with pytest.raises(InputError, match="nothing to compare with"):
        edgecnn.evaluate(tmp_path / "b.tflite", against=tmp_path / "b.tflite", **asked)


def test_without_a_float_file_there_is_nothing_to_agree_with(tmp_path: Path, photos: Path) -> None:
    folder = write_folder(tmp_path / "x" / "int8", one_logit(), logit("logits"), recipe="int8")
    with pytest.raises(InputError, match="no float32 file of its network") as caught:
        edgecnn.evaluate(folder, data=str(photos / "loose"))
    assert "--against" in caught.value.hint
    alone = write_folder(tmp_path / "y" / "float32", one_logit(), logit("logits"))
    with pytest.raises(InputError, match="but itself"):
        edgecnn.evaluate(alone, data=str(photos / "loose"))


@pytest.mark.parametrize(
    ("net", "output"),
    [
        (channel_of_most, OutputInfo("scores", "float32", (1, 8, 8, 3), "NHWC")),
        (boxes_in_pixels, OutputInfo("rows", "float32", (1, 32, 6))),
    ],
)
def test_maps_and_boxes_are_no_classes(
    tmp_path: Path,
    photos: Path,
    net: Any,  # noqa: ANN401 - a function
    output: OutputInfo,
) -> None:
    folder = write_folder(tmp_path / "net", net(), (output,))
    with pytest.raises(InputError, match="no row of class scores") as caught:
        edgecnn.evaluate(folder, data=str(photos / "labelled"))
    assert "--task" in caught.value.hint


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"labels": np.zeros(3, int)}, "it holds labels 3"),
        ({"x": np.zeros((3, 1)), "labels": np.zeros(2, int)}, "it holds x 3, labels 2"),
        ({"x": np.zeros((3, 1)), "labels": np.zeros(3)}, "labels are float64"),
        ({"x": np.array([None], object)}, "no .npz, or damaged"),
    ],
)
def test_arrays_that_are_none(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    folder = write_folder(tmp_path / "net", one_logit(), logit("logits"))
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(InputError, match=said):
        edgecnn.evaluate(folder, data=str(tmp_path / "data.npz"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"task": "count"}, "no task 'count'"),
        ({"task": "classify", "masks": "m"}, "--masks is for --task segment"),
        ({"annotations": "a", "masks": "m"}, "of two tasks"),
        ({"head": "yolov8"}, "--head is for networks that find boxes"),
        ({"task": "segment", "above": 0.5}, "--above is for"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        EvaluateOptions(data="photos", **options)


def test_a_folder_of_an_older_edgecnn(tmp_path: Path, photos: Path) -> None:
    folder = write_folder(tmp_path / "net", one_logit(), (), inputs=(), file_inputs=())
    with pytest.raises(InputError, match="older edgecnn") as caught:
        edgecnn.evaluate(folder, data=str(photos / "labelled"))
    assert caught.value.hint == "Export again."
