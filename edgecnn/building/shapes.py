"""The one shape edgecnn exports: (1, height, width, channels), every axis known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

_IMAGE_RANK = 4
_IMAGE_CHANNELS = {1, 3}


def fix_input_shape(
    name: str, shape: Sequence[int | None], input_size: int | None
) -> tuple[int, int, int, int]:
    """Fix the batch at 1 and the spatial axes at the model's own size or at `input_size`.

    Args:
        name: the model, for the errors' sentences.
        shape: the model's input shape, None where it is variable.
        input_size: height and width the user asks for, pixels.

    Raises:
        InputError: it is no channels-last image, is variable and no size is given, or is fixed and
            another size is given.
    """
    if len(shape) != _IMAGE_RANK:
        raise InputError(
            f"{name}: its input has shape {_show(shape)}; edgecnn exports networks that take one"
            " image, (batch, height, width, channels)."
        )
    batch, height, width, channels = shape
    if batch not in {None, 1}:
        raise InputError(
            f"{name}: its batch is fixed at {batch}; an edge device runs one image at a time.",
            hint="Save the model with a variable batch, or with a batch of 1.",
        )
    _refuse_channels_first(name, shape)
    if channels is None:
        raise InputError(f"{name}: its number of channels is variable.")
    return (
        1,
        _fix_axis(name, "height", height, input_size),
        _fix_axis(name, "width", width, input_size),
        channels,
    )


def fix_classes(name: str, shape: Sequence[int | None]) -> int:
    """Return the size of the output's last axis.

    Raises:
        InputError: it is variable, or the output has no axis beside the batch.
    """
    classes = shape[-1] if len(shape) > 1 else None
    if classes is None:
        raise InputError(
            f"{name}: its output has shape {_show(shape)}; the last axis must be known."
        )
    return classes


def _refuse_channels_first(name: str, shape: Sequence[int | None]) -> None:
    _, first, second, last = shape
    if first in _IMAGE_CHANNELS and last not in _IMAGE_CHANNELS and second == last:
        raise InputError(
            f"{name}: its input {_show(shape)} is channels-first; TFLite is channels-last.",
            hint='Rebuild it with data_format="channels_last".',
        )


def _fix_axis(name: str, axis: str, own: int | None, asked: int | None) -> int:
    if own is None and asked is None:
        raise InputError(
            f"{name}: the {axis} of its input is variable, and an edge file needs a fixed one.",
            hint="Give --input-size PIXELS.",
        )
    if own is not None and asked not in {None, own}:
        raise InputError(
            f"--input-size {asked}: the {axis} of {name}'s input is fixed at {own}.",
            hint="Drop --input-size.",
        )
    size = own if own is not None else asked
    assert size is not None  # noqa: S101 - for the type checker: refused above
    return size


def _show(shape: Sequence[int | None]) -> str:
    return f"({', '.join('?' if axis is None else str(axis) for axis in shape)})"
