"""Mean average precision of boxes, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.errors import InputError, MissingPartError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.datasets.coco import Box, Category
    from edgecnn.tasks.boxes import Detections

_ALL_AREAS, _MOST_DETECTIONS = 0, -1  # places in pycocotools' table: every size, 100 boxes
_AT_50 = 0  # likewise: overlaps of 50, 55, ... 95 %
_FIRST_ID = 1  # COCO's own tools read the id 0 as "none" in places


@dataclass(frozen=True)
class Precision:
    """Average precision, 0..1.

    Attributes:
        map: mean over categories with boxes, and overlaps of 50 to 95 %.
        map50: at 50 %.
        map75: at 75 %.
        by_category: (ap, ap50) of each category; None without boxes.
    """

    map: float
    map50: float
    map75: float
    by_category: tuple[tuple[float, float] | None, ...]


def require() -> None:
    """Hold that pycocotools is there.

    Raises:
        MissingPartError: it is not.
    """
    import importlib.util

    if importlib.util.find_spec("pycocotools") is None:
        raise MissingPartError(
            "Mean average precision is computed by pycocotools, which is not installed.",
            hint="pip install 'edgecnn[evaluate]'",
        )


def average_precision(
    boxes: Sequence[Box],
    categories: Sequence[Category],
    detections: Sequence[Detections | None],
    category_of: Sequence[int],
) -> Precision:
    """Compare boxes with those that are right, as COCO does (Lin et al. 2014).

    The order of `detections` is that of the images, so the figures are the same to the last digit
    however the work was shared.

    Args:
        boxes: that are right.
        categories: all there are.
        detections: of each image, in its pixels; None for an image that does not count.
        category_of: the category's id for each class of the network.

    Raises:
        InputError: no box is right on any image that counts.
        MissingPartError: pycocotools is not installed.
    """
    require()
    from pycocotools.cocoeval import COCOeval

    images = [place for place, answer in enumerate(detections) if answer is not None]
    counting = [box for box in boxes if detections[box.image] is not None]
    if not any(not box.crowd for box in counting):
        raise InputError(
            "There is no annotated box on any picture that counts.",
            hint="Precision needs some; without annotations: --agreement.",
        )
    results = _results(detections, category_of)
    if not results:
        has = {box.category for box in counting if not box.crowd}
        nothing = [(0.0, 0.0) if category.id in has else None for category in categories]
        return Precision(0.0, 0.0, 0.0, tuple(nothing))
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress and a table
        truth = _coco(_dataset(images, counting, categories))
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    overall, at_50, at_75 = (max(0.0, _whole(value)) for value in evaluation.stats[:3])
    table = evaluation.eval["precision"][..., _ALL_AREAS, _MOST_DETECTIONS]
    return Precision(
        overall, at_50, at_75, tuple(_of_category(table[:, :, k]) for k in range(len(categories)))
    )


def _of_category(table: np.ndarray[Any, Any]) -> tuple[float, float] | None:
    """Means over recalls; -1 stands for a category without boxes."""
    if (table < 0).all():
        return None
    return _whole(table.mean()), _whole(table[_AT_50].mean())


def _whole(value: float) -> float:
    """Without the 1e-16 that pycocotools adds to a count before it divides by it."""
    return round(float(value), 12)


def _coco(dataset: dict[str, Any]) -> Any:  # noqa: ANN401 - pycocotools has no types
    from pycocotools.coco import COCO

    truth = COCO()
    truth.dataset = dataset
    truth.createIndex()
    return truth


def _dataset(
    images: Sequence[int], boxes: Sequence[Box], categories: Sequence[Category]
) -> dict[str, Any]:
    return {
        "info": {},
        "images": [{"id": place + _FIRST_ID} for place in images],
        "categories": [{"id": category.id, "name": category.name} for category in categories],
        "annotations": [
            {
                "id": number + _FIRST_ID,
                "image_id": box.image + _FIRST_ID,
                "category_id": box.category,
                "bbox": list(box.corner),
                "area": box.corner[2] * box.corner[3],
                "iscrowd": int(box.crowd),
            }
            for number, box in enumerate(boxes)
        ],
    }


def _results(
    detections: Sequence[Detections | None], category_of: Sequence[int]
) -> list[dict[str, Any]]:
    results = []
    for place, answer in enumerate(detections):
        if answer is None:
            continue
        corners = answer.boxes.astype(np.float64)
        sides = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
        results += [
            {
                "image_id": place + _FIRST_ID,
                "category_id": category_of[int(number)],
                "bbox": box,
                "score": score,
            }
            for box, score, number in zip(
                sides.tolist(), answer.scores.tolist(), answer.classes, strict=True
            )
        ]
    return results
