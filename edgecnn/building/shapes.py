"""Fixes the sizes that a model leaves open: an edge file has every one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.records import Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgecnn.building.request import BuildRequest

_IMAGE_RANK = 4
_IMAGE_CHANNELS = {1, 3}
Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class OpenEnd:
    """An input as the model declares it; None in its shape where it is open."""

    name: str
    dtype: str
    shape: Shape


def fix_inputs(model: str, ends: Sequence[OpenEnd], request: BuildRequest) -> tuple[Endpoint, ...]:
    """Fix the inputs' open sizes: the batch at 1, height and width as asked, others by name.

    Args:
        model: its name, for the errors' sentences.
        ends: the inputs, in the model's order.
        request: whose `input_size` and `input_shapes` say what stays open in the model.

    Raises:
        InputError: a size stays open, or the user asks for another than the model's own.
    """
    shapes = _by_name(model, ends, request.input_shapes)
    if request.input_size is not None:
        _check_size_has_use(model, [end for end in ends if end.name not in shapes], request)
    return tuple(
        Endpoint(end.name, end.dtype, _fix(model, end, shapes.get(end.name), request), layout(end))
        for end in ends
    )


def layout(end: OpenEnd) -> str:
    """NHWC or NCHW for what has the rank of images, by where one or three channels stand."""
    if len(end.shape) != _IMAGE_RANK:
        return ""
    _, first, second, last = end.shape
    channels_first = first in _IMAGE_CHANNELS and last not in _IMAGE_CHANNELS and second == last
    return "NCHW" if channels_first else "NHWC"


def _by_name(
    model: str, ends: Sequence[OpenEnd], requested: Sequence[tuple[str, tuple[int, ...]]]
) -> Mapping[str, tuple[int, ...]]:
    names = [end.name for end in ends]
    shapes = {}
    for name, shape in requested:
        if name and name not in names:
            raise InputError(
                f"--input-shape {name}={_show(shape)}: {model} has no input of that name.",
                hint=f"Its inputs: {', '.join(names)}.",
            )
        if not name and len(names) != 1:
            raise InputError(
                f"--input-shape {_show(shape)}: {model} has {len(names)} inputs.",
                hint=f"Say which: --input-shape {names[0]}={_show(shape)}; its inputs:"
                f" {', '.join(names)}.",
            )
        shapes[name or names[0]] = shape
    return shapes


def _check_size_has_use(model: str, ends: Sequence[OpenEnd], request: BuildRequest) -> None:
    size = request.size
    assert size is not None  # noqa: S101 - for the type checker: the caller looked
    images = [end for end in ends if len(end.shape) == _IMAGE_RANK]
    if not images:
        raise InputError(
            f"--input-size: {model} has no input of the rank of images (N, height, width, C).",
            hint="Drop it; --input-shape [NAME=]1x128x3 fixes open sizes of other inputs.",
        )
    if any(None in _plane(end) for end in images):
        return
    fixed = next((end for end in images if _plane(end) != size), None)
    if fixed is not None:
        height, width = _plane(fixed)
        raise InputError(
            f"--input-size {_show(size)}: the input {fixed.name} of {model} is fixed at"
            f" {height}x{width}.",
            hint="Drop --input-size.",
        )


def _plane(end: OpenEnd) -> Shape:
    """Height and width."""
    return end.shape[2:] if layout(end) == "NCHW" else end.shape[1:3]


def _fix(
    model: str, end: OpenEnd, requested: tuple[int, ...] | None, request: BuildRequest
) -> tuple[int, ...]:
    if requested is not None:
        _check_agrees(model, end, requested)
        return requested
    shape = list(end.shape)
    if shape and shape[0] is None:
        shape[0] = 1
    if request.size is not None and len(shape) == _IMAGE_RANK:
        start = 2 if layout(end) == "NCHW" else 1
        for axis, size in enumerate(request.size, start):
            shape[axis] = shape[axis] or size
    fixed = tuple(size for size in shape if size is not None)
    if len(fixed) != len(shape):
        raise _still_open(model, end, shape)
    return fixed


def _still_open(model: str, end: OpenEnd, shape: Sequence[int | None]) -> InputError:
    example = "x".join(str(size or 128) for size in shape)
    by_size = len(shape) == _IMAGE_RANK and None not in (shape[0], shape[3])
    return InputError(
        f"{model}: the input {end.name} has the variable shape {show(end.shape)}, and an edge file"
        " needs a fixed one.",
        hint=f"Give --input-shape {end.name}={example}"
        + (", or --input-size HEIGHT,WIDTH." if by_size else "."),
    )


def _check_agrees(model: str, end: OpenEnd, shape: tuple[int, ...]) -> None:
    agrees = len(shape) == len(end.shape) and all(
        own in {None, size} for own, size in zip(end.shape, shape, strict=True)
    )
    if not agrees:
        raise InputError(
            f"--input-shape {end.name}={_show(shape)}: that input of {model} is {show(end.shape)}.",
            hint="Only sizes shown as ? can be chosen.",
        )


def _show(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def show(shape: Sequence[int | None]) -> str:
    """A shape with ? where it is open."""
    return f"({', '.join('?' if size is None else str(size) for size in shape)})"
