"""The points of a sweep: plain records, those that can be, and why the others cannot."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.building.request import BuildRequest, identify, is_name
from edgecnn.calibration.fashion_mnist import SOURCE
from edgecnn.errors import EdgeCnnError, InputError, MissingPartError
from edgecnn.exporting.options import ExportOptions
from edgecnn.exporting.plan import make_plan
from edgecnn.recipes import RECIPES
from edgecnn.sweeping.records import Impossible, Point

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgecnn.building.request import ModelIdentity
    from edgecnn.records import Preprocessing
    from edgecnn.sweeping.spec import Axes, Spec

# What decides a network before anything is quantized: points that share it share a float stage.
NETWORK = ("model", "input_size", "width", "convolution", "weights", "classes", "seed")
_CALIBRATING = ("calibration_samples", "calibration_method")


@dataclass(frozen=True)
class Planned:
    """A point that can be, and what its model turned out to mean."""

    point: Point
    identity: ModelIdentity


def every_point(axes: Axes) -> Iterator[Point]:
    """The product of the axes, each point once, a network's points one after the other.

    What has no part in a point takes the axis's first value: how ranges are calibrated where the
    recipe has none, the SNR to reach where it is not an int8 .tflite's.
    """
    names = [field.name for field in fields(Point)]
    points = set[Point]()
    for values in itertools.product(*(getattr(axes, name) for name in names)):
        point = _without_idle(Point(**dict(zip(names, values, strict=True))), axes)
        if point not in points:
            points.add(point)
            yield point


def _without_idle(point: Point, axes: Axes) -> Point:
    recipe = RECIPES.get(point.recipe)
    idle: dict[str, Any] = {}
    if recipe is not None and not recipe.calibrated:
        idle = {name: getattr(axes, name)[0] for name in _CALIBRATING}
    if point.min_snr_db is not None and (point.recipe, point.format) != ("int8", "tflite"):
        idle["min_snr_db"] = None
    return replace(point, **idle)


def plan_all(spec: Spec) -> Iterator[Planned | Impossible]:
    """Every point, made sure that it can be, or with the reason why it cannot.

    Raises:
        MissingPartError: a package that the sweep needs is not installed.
    """
    for point in every_point(spec.axes):
        yield _plan(point, spec)


def _plan(point: Point, spec: Spec) -> Planned | Impossible:
    scaling = preprocessing_of(point, spec.preprocessing)
    try:
        if spec.training is not None:
            _require_trainable(point)
        # Where nothing stands: what lies in the working folder has no part in it.
        options = ExportOptions(**export_options(point, scaling), out=Path(os.devnull, "sweep"))
        return Planned(point, make_plan(point.model, options).identity)
    except MissingPartError:
        raise
    except EdgeCnnError as error:
        return Impossible(point, error.message, error.hint)


def _require_trainable(point: Point) -> None:
    if point.weights is not None:
        raise InputError(
            f"weights {point.weights}: the networks of this sweep are trained.",
            hint="Leave weights out, or the table [train].",
        )
    if not is_name(point.model):
        raise InputError(
            f"{point.model} is a file with weights of its own, and is not trained in a sweep.",
            hint="Name a network of the zoo or keras:NAME, or leave the table [train] out.",
        )


def preprocessing_of(point: Point, scaling: Preprocessing | None) -> Preprocessing | None:
    """How the point's images are scaled: as was said, unless its model has a scaling of its own."""
    return None if is_name(point.model) else scaling


def export_options(point: Point, scaling: Preprocessing | None) -> dict[str, Any]:
    """A point as `ExportOptions` takes it, without folder and threads."""
    options: dict[str, Any] = {
        field.name: getattr(point, field.name)
        for field in fields(point)
        if field.name not in {"model", "recipe", "format"}
    }
    return {
        **options,
        "recipes": (point.recipe,),
        "formats": (point.format,),
        "preprocessing": scaling,
    }


def request_of(point: Point) -> BuildRequest:
    """The network that a point asks for."""
    return BuildRequest(
        point.model,
        classes=point.classes,
        input_size=point.input_size,
        width=point.width,
        convolution=point.convolution,
        weights=point.weights,
        seed=point.seed,
    )


def identity_of(point: Point) -> ModelIdentity:
    """What the point's model means; refused as `export` refuses it."""
    return identify(request_of(point))


def absolute(point: Point) -> Point:
    """The point with its files named from the root: a worker has another working folder."""
    return replace(
        point,
        model=point.model if is_name(point.model) else str(Path(point.model).absolute()),
        weights=absolute_path(point.weights),
        calibration=absolute_path(point.calibration),
    )


def absolute_path(name: str | None) -> str | None:
    """A file's name from the root; a name that is no file's as it is."""
    if name is None or name == SOURCE or not Path(name).exists():
        return name
    return str(Path(name).absolute())


def title(point: Point) -> str:
    """The point in a line: what of it is not as usual.

    >>> title(Point("xception", input_size=96, width=0.5))
    'xception 96 px width 0.5 int8 .tflite'
    """
    usual = Point(point.model)
    words = [point.model]
    for name, text in _WORDS.items():
        value = getattr(point, name)
        if value is not None and value != getattr(usual, name):
            words.append(text.format(value))
    return " ".join([*words, point.recipe, f".{point.format}"])


_WORDS = {
    "input_size": "{} px",
    "width": "width {:g}",
    "convolution": "{} convolutions",
    "weights": "weights {}",
    "classes": "{} classes",
    "seed": "seed {}",
    "calibration": "calibrated on {}",
    "calibration_samples": "{} samples",
    "calibration_method": "by {}",
    "min_snr_db": "{:g} dB at least",
}
