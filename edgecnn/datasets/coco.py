"""A COCO json of annotated boxes, and the pictures it is about."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn import files
from edgecnn.calibration.folder import printable
from edgecnn.datasets.folders import listed, require_pillow
from edgecnn.datasets.pictures import PictureSet, chosen, open_named
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_HINT = "Name a COCO json: images, annotations with bbox [x, y, width, height], and categories."
_BOX = 4


@dataclass(frozen=True)
class Category:
    """A category: its number in the json, and its name."""

    id: int
    name: str


@dataclass(frozen=True)
class Box:
    """An annotated box.

    Attributes:
        image: place of its picture in the set.
        category: id.
        corner: x, y, width, height, pixels of the picture.
        crowd: whether it holds several objects: a detection inside of it is no mistake.
    """

    image: int
    category: int
    corner: tuple[float, float, float, float]
    crowd: bool = False


@dataclass(frozen=True, eq=False)
class DetectionSet:
    """Pictures with their annotated boxes.

    Attributes:
        pictures: those that are there.
        sizes: height and width of each as the json has it; None where it does not say.
        boxes: of all of them.
        categories: sorted by id.
    """

    pictures: PictureSet
    sizes: tuple[tuple[int, int] | None, ...]
    boxes: tuple[Box, ...]
    categories: tuple[Category, ...]


def open_coco(
    folder: Path, annotations: Path, *, limit: int | None = None, seed: int = 0
) -> DetectionSet:
    """Read the json, and find its pictures in the folder.

    Args:
        folder: an existing folder.
        annotations: the json.
        limit: at most so many pictures, drawn by the seed; None for all.
        seed: of that draw.

    Raises:
        InputError: the json is none of COCO's, or none of its pictures is in the folder.
        MissingPartError: Pillow is not installed.
    """
    require_pillow()
    json_ = _parsed(annotations)
    there = [number for number, image in json_.images.items() if _is_inside(folder, image.name)]
    if not there:
        names = [image.name for image in json_.images.values()]
        raise InputError(
            f"None of the {len(names)} pictures of {annotations.name} is in {folder}.",
            hint=f"It names {listed(names) or 'none'}; --data is the folder that holds them.",
        )
    places, notes = chosen(len(there), limit, seed)
    numbers = [there[place] for place in places]
    place_of = {number: place for place, number in enumerate(numbers)}
    pictures = open_named(
        folder, [json_.images[number].name for number in numbers], _missing(json_, there) + notes
    )
    boxes = (
        Box(place_of[box.image], box.category, box.corner, box.crowd)
        for box in json_.boxes
        if box.image in place_of
    )
    sizes = tuple(json_.images[number].size for number in numbers)
    return DetectionSet(pictures, sizes, tuple(boxes), json_.categories)


@dataclass(frozen=True)
class _Image:
    name: str
    size: tuple[int, int] | None


@dataclass(frozen=True)
class _Json:
    """What is used of the json; images by id, sorted, and boxes with their ids."""

    images: dict[int, _Image]
    boxes: tuple[Box, ...]
    categories: tuple[Category, ...]


def _parsed(path: Path) -> _Json:
    content = _read(path)
    try:
        images = {int(entry["id"]): _image(entry) for entry in content["images"]}
        pairs = ((int(entry["id"]), str(entry["name"])) for entry in content["categories"])
        categories = [Category(*pair) for pair in pairs]
        json_ = _Json(
            dict(sorted(images.items())),
            tuple(_box(entry) for entry in content["annotations"]),
            tuple(sorted(categories, key=lambda category: category.id)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path} is not a COCO json: {type(error).__name__} {error}.", hint=_HINT
        ) from error
    _check_ids(path, json_)
    return json_


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(files.read_text(path, files.MOST_COLLECTION_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"--annotations: {path} cannot be read: {error}.", hint=_HINT) from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is not a COCO json.", hint=_HINT)
    return content


def _box(entry: dict[str, Any]) -> Box:
    corner = tuple(float(value) for value in entry["bbox"])
    if len(corner) != _BOX or not all(map(math.isfinite, corner)) or min(corner[2:]) < 0:
        raise ValueError(f"bbox {list(entry['bbox'])} is not [x, y, width, height]")
    x, y, width, height = corner
    crowd = bool(entry.get("iscrowd", 0))
    return Box(int(entry["image_id"]), int(entry["category_id"]), (x, y, width, height), crowd)


def _image(entry: dict[str, Any]) -> _Image:
    height, width = entry.get("height"), entry.get("width")
    size = (int(height), int(width)) if height and width else None
    return _Image(str(entry["file_name"]), size)


def _is_inside(folder: Path, name: str) -> bool:
    path = folder / name
    try:
        return path.is_file() and path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):  # too long for a name, or with a null character
        return False


def _missing(json_: _Json, there: Sequence[int]) -> tuple[str, ...]:
    present = set(there)
    missing = [image.name for number, image in json_.images.items() if number not in present]
    if not missing:
        return ()
    which = f"{len(missing)} of {len(json_.images)} annotated pictures"
    return (f"{which} are not in the folder and do not count: {listed(missing)}.",)


def _check_ids(path: Path, json_: _Json) -> None:
    categories = {category.id for category in json_.categories}
    for box in json_.boxes:
        if box.category not in categories or box.image not in json_.images:
            wrong_category = box.category not in categories
            which = f"category {box.category}" if wrong_category else f"image {box.image}"
            raise InputError(
                f"{printable(path.name)} has a box of {which}, which it does not list.",
                hint=_HINT,
            )
