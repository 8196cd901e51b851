"""Each head: known boxes are written as the head writes them, and must come back."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.tasks import detect, mediapipe
from edgecnn.tasks.outputs import Output, TaskError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edgecnn.tasks.boxes import Detections

    Array = NDArray[np.float64]

SIZE = (64, 96)
CELLS = 12 * 8 + 6 * 4 + 3 * 2
CLASSES = 3


class Objects(NamedTuple):
    """What is in the picture: centres and sides in pixels, scores, classes, landmarks."""

    centres: Array
    sides: Array
    scores: Array
    classes: NDArray[np.int64]
    points: Array

    @property
    def boxes(self) -> Array:
        """Their corners."""
        return np.concatenate([self.centres - self.sides / 2, self.centres + self.sides / 2], 1)


@st.composite
def objects(draw: st.DrawFn) -> Objects:
    """Up to four that do not touch: one in each quarter of the input."""
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    quarters = np.array([[0, 0], [48, 0], [0, 32], [48, 32]])[: draw(st.integers(0, 4))]
    count = len(quarters)
    centres = quarters + random.uniform([18, 12], [30, 20], (count, 2))
    sides = random.uniform(4, 16, (count, 2))
    points = centres[:, np.newaxis] + random.uniform(-4, 4, (count, 6, 2))
    scores = random.permutation([0.6, 0.7, 0.8, 0.9])[:count]
    return Objects(centres, sides, scores, random.integers(0, CLASSES, count), points)


def rows_for(count: int, objects: Objects) -> list[int]:
    """Rows among the candidates, one for each object."""
    return list(np.random.default_rng(1).permutation(count)[: len(objects.scores)])


def one_hot(objects: Objects, scale: Array | float = 1.0) -> Array:
    scores = np.zeros((len(objects.scores), CLASSES))
    scores[np.arange(len(scores)), objects.classes] = objects.scores / scale
    return scores


def out(*arrays: Array, kind: str = "values") -> list[Output]:
    return [Output(f"y{k}", a.astype(np.float32), kind) for k, a in enumerate(arrays)]


def yolov5(objects: Objects) -> list[Output]:
    table = np.zeros((3 * CELLS, 5 + CLASSES))
    rows = rows_for(len(table), objects)
    table[rows, :2], table[rows, 2:4] = objects.centres, objects.sides
    table[rows, 4], table[rows, 5:] = 0.95, one_hot(objects, 0.95)
    table[-1, :2] = SIZE[::-1]  # the last cell's: so are pixels told from parts
    return out(table[np.newaxis])


def yolov8(objects: Objects) -> list[Output]:
    table = np.zeros((CELLS, 4 + CLASSES))
    rows = rows_for(len(table), objects)
    table[rows, :2], table[rows, 2:4], table[rows, 4:] = (
        objects.centres, objects.sides, one_hot(objects),
    )  # fmt: skip
    table[-1, :2] = SIZE[::-1] if len(table) - 1 not in rows else table[-1, :2]
    return out(table.T[np.newaxis])


def yolox(objects: Objects) -> list[Output]:
    table = np.full((CELLS, 5 + CLASSES), 0.0)
    for i, (centre, side) in enumerate(zip(objects.centres, objects.sides, strict=True)):
        column, row = (centre // 8).astype(int)  # of the grid of stride 8, the first
        at = row * (SIZE[1] // 8) + column
        table[at, :2], table[at, 2:4] = centre / 8 - [column, row], np.log(side / 8)
        table[at, 4], table[at, 5:] = 0.95, one_hot(objects, 0.95)[i]
    return out(table[np.newaxis])


def end_to_end(objects: Objects) -> list[Output]:
    table = np.zeros((20, 6))
    rows = rows_for(len(table) - 1, objects)
    table[rows, :4], table[rows, 4], table[rows, 5] = objects.boxes, objects.scores, objects.classes
    table[-1, :4] = [0, 0, *SIZE[::-1]]
    return out(table[np.newaxis])


ANCHORS = np.random.default_rng(2).uniform(0.1, 0.9, (50, 4))


def with_background(objects: Objects, rows: list[int], count: int) -> Array:
    scores = np.zeros((count, 1 + CLASSES))
    scores[rows, 1:] = one_hot(objects)
    scores[:, 0] = 1 - scores[:, 1:].sum(axis=1)
    return scores


def encoded(objects: Objects, rows: list[int], order: list[int]) -> Array:
    """SSD's encodings; ANCHORS are centre and sides in this order, x first where it is [0, ...]."""
    anchors = ANCHORS[:, order]
    parts = np.concatenate([objects.centres, objects.sides], 1) / (np.tile(SIZE[::-1], 2))
    centres = 10 * (parts[:, :2] - anchors[rows, :2]) / anchors[rows, 2:]
    sides = 5 * np.log(parts[:, 2:] / anchors[rows, 2:])
    table = np.zeros((len(ANCHORS), 4))
    table[rows] = np.concatenate([centres, sides], 1)[:, order]
    return table


def ssd(objects: Objects) -> list[Output]:
    rows = rows_for(len(ANCHORS), objects)
    boxes = encoded(objects, rows, [1, 0, 3, 2])
    return out(boxes[np.newaxis], with_background(objects, rows, len(boxes))[np.newaxis])


def ssd_xy_of_logits(objects: Objects) -> list[Output]:
    rows = rows_for(len(ANCHORS), objects)
    boxes = encoded(objects, rows, [0, 1, 2, 3])
    logits = np.log(np.maximum(with_background(objects, rows, len(boxes)), 1e-9))
    scores, places = out(logits[np.newaxis], boxes[np.newaxis])
    return [Output("class_logits", scores.values), places]


def corner_boxes(objects: Objects) -> list[Output]:
    rows = rows_for(40, objects)
    boxes = np.zeros((40, 4))
    boxes[rows] = objects.boxes / np.tile(SIZE[::-1], 2)
    scores, places = out(with_background(objects, rows, 40)[np.newaxis], boxes[np.newaxis])
    return [Output("y0", scores.values, "probabilities"), places]


def postprocess(objects: Objects) -> list[Output]:
    count = len(objects.scores)
    boxes, classes, scores = np.zeros((1, 10, 4)), np.zeros((1, 10)), np.zeros((1, 10))
    boxes[0, :count] = (objects.boxes / np.tile(SIZE[::-1], 2))[:, [1, 0, 3, 2]]
    classes[0, :count], scores[0, :count] = objects.classes, objects.scores
    scores[0, count:] = 0.99  # beyond the count nothing counts
    return out(boxes, classes, scores, np.array([float(count)]))


def postprocess_in_another_order(objects: Objects) -> list[Output]:
    boxes, classes, scores, count = postprocess(objects)
    return [count, scores, classes, boxes]


def one_class(encode: Callable[[Objects], list[Output]]) -> Callable[[Objects], list[Output]]:
    return lambda objects: encode(objects._replace(classes=objects.classes * 0))


def centernet(objects: Objects) -> list[Output]:
    heat, sides, offset = (np.zeros((n, SIZE[0] // 4, SIZE[1] // 4)) for n in (CLASSES, 2, 2))
    for i, centre in enumerate(objects.centres / 4):
        column, row = centre.astype(int)
        heat[objects.classes[i], row, column] = objects.scores[i]
        heat[objects.classes[i], row, column + 1] = objects.scores[i] - 0.01  # no peak
        sides[:, row, column] = objects.sides[i] / 4
        offset[:, row, column] = centre - [column, row]
    return out(heat[np.newaxis], sides[np.newaxis], offset[np.newaxis])


def channels_last(encode: Callable[[Objects], list[Output]]) -> Callable[[Objects], list[Output]]:
    return lambda objects: out(*(o.values.transpose(0, 2, 3, 1) for o in encode(objects)))


def centerface(objects: Objects) -> list[Output]:
    heat, logs, offset, points = (np.zeros((n, SIZE[0] // 4, SIZE[1] // 4)) for n in (1, 2, 2, 12))
    for i, centre in enumerate(objects.centres / 4 - 0.5):
        column, row = np.floor(centre).astype(int)
        heat[0, row, column] = objects.scores[i]
        logs[:, row, column] = np.log(objects.sides[i] / 4)[::-1]
        offset[:, row, column] = (centre - [column, row])[::-1]
        parts = (objects.points[i] - objects.boxes[i, :2]) / objects.sides[i]
        points[:, row, column] = parts[:, ::-1].reshape(-1)
    return out(*(each[np.newaxis] for each in (heat, logs, offset, points)))


CASES = {
    "yolov5": (yolov5, "yolov5"),
    "yolov8": (yolov8, "yolov8"),
    "yolox": (yolox, ""),
    "end2end": (end_to_end, "end2end"),
    "ssd": (ssd, ""),
    "ssd-xy": (ssd_xy_of_logits, ""),
    "corners": (corner_boxes, ""),
    "postprocess": (postprocess, "postprocess"),
    "postprocess, mixed up": (postprocess_in_another_order, "postprocess"),
    "centernet": (centernet, "centernet"),
    "centernet, channels last": (channels_last(centernet), "centernet"),
    "centerface": (one_class(centerface), "centerface"),
}


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=25, deadline=None)
@given(objects=objects())
def test_known_boxes_come_back(case: str, objects: Objects) -> None:
    encode, recognized = CASES[case]
    name = case.partition(",")[0]
    if name == "centerface":
        objects = objects._replace(classes=objects.classes * 0)
    outputs = encode(objects)
    if recognized:
        assert detect.recognized(outputs, SIZE).name == recognized
    found = detect.detect(outputs, SIZE, head=name, anchors=ANCHORS, above=0.5)
    check(found, objects)
    if found.landmarks.shape[1]:
        order = np.argsort(-objects.scores)
        np.testing.assert_allclose(found.landmarks, objects.points[order], atol=0.02)


def check(found: Detections, objects: Objects) -> None:
    order = np.argsort(-objects.scores)
    np.testing.assert_allclose(found.scores, objects.scores[order], atol=1e-3)
    np.testing.assert_array_equal(found.classes, objects.classes[order])
    np.testing.assert_allclose(found.boxes, objects.boxes[order], atol=0.02)


@pytest.mark.parametrize(
    ("size", "count"), [(128, 896), (192, 2016), (256, 896), (224, 2254), (192, 2304)]
)
def test_a_face_of_mediapipe(size: int, count: int) -> None:
    """Anchors of the published detectors: two or six in each cell, at its centre."""
    anchors = mediapipe.anchors(count, (size, size))
    assert anchors.shape == (count, 2)
    raw = np.zeros((1, count, 16))
    scores = np.full((1, count, 1), -50.0)
    centre, points = np.array([0.6, 0.4]) * size, np.linspace(1, size - 1, 12).reshape(6, 2)
    raw[0, 7, :2], raw[0, 7, 2:4] = centre - anchors[7], [30, 20]
    raw[0, 7, 4:] = (points - anchors[7]).reshape(-1)
    scores[0, 7] = np.log(0.9 / 0.1)
    outputs = out(scores, raw)
    assert detect.recognized(outputs, (size, size)).name == "mediapipe"
    found = detect.detect(outputs, (size, size))
    assert found.scores.tolist() == pytest.approx([0.9])
    x, y = centre
    np.testing.assert_allclose(found.boxes, [[x - 15, y - 10, x + 15, y + 10]], atol=1e-3)
    np.testing.assert_allclose(found.landmarks[0], points, atol=1e-3)


def test_the_first_anchors_of_the_short_range_face_detector() -> None:
    anchors = mediapipe.anchors(896, (128, 128))
    assert anchors[:3].tolist() == [[4, 4], [4, 4], [12, 4]]
    assert anchors[511].tolist() == [124, 124]
    assert anchors[512:518].tolist() == [[8, 8]] * 6
    assert anchors[-1].tolist() == [120, 120]


def test_parts_of_the_sides_are_as_good_as_pixels() -> None:
    table = np.zeros((1, 4 + CLASSES, CELLS))
    table[0, :, 5] = [0.5, 0.5, 0.25, 0.5, 0.0, 0.9, 0.0]
    found = detect.detect(out(table), SIZE)
    assert found.boxes.tolist() == [[36, 16, 60, 48]]
    assert found.classes.tolist() == [1]


def test_coefficients_of_masks_are_no_classes() -> None:
    table = np.zeros((1, 4 + CLASSES + 32, CELLS))
    table[0, :, 5] = [48, 32, 10, 10, 0.1, 0.1, 0.9, *[5.0] * 32]
    found = detect.detect(out(table, np.zeros((1, 32, 16, 24))), SIZE)
    assert (found.classes.tolist(), len(found)) == ([2], 1)
    assert found.scores[0] == pytest.approx(0.9)


def test_what_may_be_several_heads_or_none_asks_for_a_name() -> None:
    pair = out(np.zeros((1, 50, 4)), np.zeros((1, 50, 4)))
    with pytest.raises(TaskError, match="several heads: ssd, ssd-xy, corners") as caught:
        detect.detect(pair, SIZE)
    assert "--head" in caught.value.hint
    with pytest.raises(TaskError, match="no head that is known") as caught:
        detect.detect(out(np.zeros((1, 10))), SIZE)
    for head in detect.HEADS:
        assert head.name in caught.value.hint
    with pytest.raises(TaskError, match="There is no head 'yolo'"):
        detect.detect(pair, SIZE, head="yolo")


def test_encodings_need_their_anchors() -> None:
    pair = out(np.zeros((1, 50, 4)), np.zeros((1, 50, 2)))
    with pytest.raises(TaskError, match="none are given") as caught:
        detect.detect(pair, SIZE, head="ssd")
    assert "--anchors" in caught.value.hint
    with pytest.raises(TaskError, match=r"\(3, 4\) anchors"):
        detect.detect(pair, SIZE, head="ssd", anchors=np.zeros((3, 4)))


@pytest.mark.parametrize("head", [head.name for head in detect.HEADS])
@pytest.mark.parametrize(
    "shapes", [[(1, 10)], [(1, 3, 3)], [(1, 8, 8, 3), (1, 5)], [(1, 0, 6)], [(1, 2, 2, 2)] * 3]
)
def test_a_head_on_other_outputs_is_a_sentence_or_boxes(
    head: str, shapes: list[tuple[int, ...]]
) -> None:
    outputs = out(*(np.zeros(shape) for shape in shapes))
    with contextlib.suppress(TaskError):
        found = detect.detect(outputs, SIZE, head=head)
        assert found.boxes.shape == (len(found), 4)


@pytest.mark.parametrize("name", detect.NAMES)
def test_every_name_leads_to_a_head(name: str) -> None:
    assert detect.named(name) in detect.HEADS
