"""The shapes of a file's inputs: what it leaves open, and what the user says of that."""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgecnn.records import TensorInfo

    Shape = tuple[int, ...]

OPEN = -1
# A gigabyte of float32: far beyond what an edge device is fed, and safe to compute with.
_MOST_ELEMENTS = 1 << 28
_IMAGE_RANK = 4
_COLOURS = (1, 3, 4)
_EXAMPLE = 320


@dataclass(frozen=True)
class InputSizes:
    """What the user says of a file's inputs.

    Attributes:
        shapes: by input name, or under "" for the only input.
        size: height and width of the image inputs, pixels; one number for a square.
    """

    shapes: Mapping[str, Shape] = field(default_factory=dict)
    size: int | tuple[int, int] | None = None

    def __bool__(self) -> bool:
        """Whether anything is said."""
        return bool(self.shapes) or self.size is not None

    @property
    def words(self) -> str:
        """The options of the command line that say so, each with a space before it, to paste."""
        size = (self.size,) if isinstance(self.size, int) else self.size or ()
        texts = [f"--input-size {','.join(map(str, size))}"] if size else []
        texts += [_option(name, shape) for name, shape in self.shapes.items()]
        return "".join(f" {text}" for text in texts)

    @property
    def option(self) -> str:
        """The option of the command line that was used."""
        return "--input-shape" if self.shapes else "--input-size"


def is_open(tensor: TensorInfo) -> bool:
    """Whether a size is open that is not the batch, which is 1 where nobody says otherwise."""
    return OPEN in tensor.shape[1:]


def leaves_open(inputs: Sequence[TensorInfo]) -> bool:
    """Whether any size is open, the batch as well."""
    return any(OPEN in tensor.shape for tensor in inputs)


def resolve(
    inputs: Sequence[TensorInfo],
    request: InputSizes,
    file_format: str,
    what: str,
    *,
    overrides: bool = False,
) -> tuple[Shape, ...]:
    """A fixed shape for every input; as a rule, only what the file leaves open can be said.

    Args:
        inputs: of the file, -1 for open sizes.
        request: what the user says.
        file_format: "tflite" or "onnx".
        what: what errors call the file.
        overrides: whether `request.shapes` may also change what the file fixes, as when an .onnx is
            read to be converted. A runtime takes a file as it is.

    Raises:
        InputError: a name or rank that the file has not, a size that cannot be or that the file
            fixes, or one that stays open.
    """
    if not (overrides and request.shapes):
        _refuse_needless(inputs, request, what)
    shapes = {tensor.name: tensor.shape for tensor in inputs}
    for tensor, shape in _named(inputs, request, what):
        _check_axes(tensor, shape, what)
        if not overrides:
            _check_fits(tensor, shape, what)
        shapes[tensor.name] = shape
    if request.size is not None:
        shapes |= _sized(inputs, request, file_format, what)
    closed = tuple(_with_batch(shapes[tensor.name]) for tensor in inputs)
    if any(OPEN in shape for shape in closed):
        raise _ask(inputs, shapes, what)
    return closed


def _refuse_needless(inputs: Sequence[TensorInfo], request: InputSizes, what: str) -> None:
    if request and not leaves_open(inputs):
        raise InputError(
            f"{request.option} cannot change {what}: it fixes the sizes of its inputs,"
            f" {', '.join(_text(tensor.shape) for tensor in inputs)}.",
            hint="Leave the option out, or name the model the file was made from.",
        )


def _named(
    inputs: Sequence[TensorInfo], sizes: InputSizes, what: str
) -> list[tuple[TensorInfo, Shape]]:
    by_name = {tensor.name: tensor for tensor in inputs}
    if "" in sizes.shapes and "" not in by_name:
        if len(inputs) != 1:
            raise InputError(
                f"{what} has {len(inputs)} inputs ({', '.join(by_name)}): a shape needs a name.",
                hint=_example(inputs[0].name, inputs[0].shape) if inputs else "",
            )
        by_name[""] = inputs[0]
    for name in sizes.shapes:
        if name not in by_name:
            raise InputError(
                f"{what} has no input {name!r}.", hint=f"Its inputs: {', '.join(by_name)}."
            )
    return [(by_name[name], tuple(shape)) for name, shape in sizes.shapes.items()]


def _check_axes(tensor: TensorInfo, shape: Shape, what: str) -> None:
    if len(shape) != len(tensor.shape):
        raise InputError(
            f"Input {tensor.name!r} of {what} has {len(tensor.shape)} axes,"
            f" {_text(tensor.shape)}; {_text(shape)} has {len(shape)}.",
            hint=_example(tensor.name, tensor.shape),
        )
    _check_sizes(tensor.name, shape)


def _check_fits(tensor: TensorInfo, shape: Shape, what: str) -> None:
    if any(own not in {OPEN, size} for own, size in zip(tensor.shape, shape, strict=True)):
        raise InputError(
            f"Input {tensor.name!r} of {what} is {_text(tensor.shape)}, which cannot become"
            f" {_text(shape)}: only what is open (?) can be said.",
            hint=_example(tensor.name, tensor.shape),
        )


def _check_sizes(name: str, shape: Shape) -> None:
    if any(size < 1 for size in shape):
        raise InputError(
            f"The shape {_text(shape)} for input {name!r} has a size below 1.",
            hint="Every size is 1 or more.",
        )
    if math.prod(shape) > _MOST_ELEMENTS:
        raise InputError(
            f"The shape {_text(shape)} for input {name!r} has {math.prod(shape):,} elements, more"
            f" than {_MOST_ELEMENTS:,}.",
            hint="Give the size that the device is to work on.",
        )


def _sized(
    inputs: Sequence[TensorInfo], request: InputSizes, file_format: str, what: str
) -> dict[str, Shape]:
    """Shapes of the image inputs that leave height and width open."""
    assert request.size is not None  # noqa: S101 - for the type checker
    height, width = (request.size, request.size) if isinstance(request.size, int) else request.size
    named = {tensor.name for tensor, _ in _named(inputs, request, what)}
    sized: dict[str, Shape] = {}
    for tensor in inputs:
        first = _first_spatial(tensor.shape, file_format)
        if tensor.name in named or first is None or not is_open(tensor):
            continue
        shape = (*tensor.shape[:first], height, width, *tensor.shape[first + 2 :])
        _check_axes(tensor, _with_batch(shape), what)
        _check_fits(tensor, _with_batch(shape), what)
        sized[tensor.name] = shape
    if not sized:
        raise InputError(
            f"{what} has no image input with an open height and width.",
            hint=_example(inputs[0].name, inputs[0].shape) if inputs else "",
        )
    return sized


def _first_spatial(shape: Shape, file_format: str) -> int | None:
    """Where height and width begin in an image's shape; None where it is none."""
    if len(shape) != _IMAGE_RANK:
        return None
    if file_format == "tflite" or (shape[-1] in _COLOURS and shape[1] not in _COLOURS):
        return 1
    return 2


def _with_batch(shape: Shape) -> Shape:
    return (1, *shape[1:]) if shape[:1] == (OPEN,) else shape


def _ask(inputs: Sequence[TensorInfo], shapes: Mapping[str, Shape], what: str) -> InputError:
    left = [t for t in inputs if OPEN in _with_batch(shapes[t.name])]
    listed = ", ".join(f"{tensor.name} {_text(shapes[tensor.name])}" for tensor in left)
    examples = " ".join(_example(tensor.name, shapes[tensor.name]) for tensor in left)
    return InputError(
        f"{what} leaves sizes of its inputs open: {listed}. What it costs depends on them.",
        hint=f"Say them, for example: {examples}",
    )


def _example(name: str, shape: Shape) -> str:
    """An option that would do."""
    sizes = (_EXAMPLE if size < 0 else size for size in _with_batch(shape))
    return _option(name, tuple(sizes))


def _option(name: str, shape: Shape) -> str:
    """A shape as the command line takes it, whatever the name."""
    sizes = "x".join(map(str, shape))
    plain = re.fullmatch(r"[\w.:/-]*", name, re.ASCII) is not None
    word = f"{name}={sizes}" if name else sizes
    return f"--input-shape {word if plain else shlex.quote(word)}"


def _text(shape: Shape) -> str:
    return "x".join("?" if size < 0 else str(size) for size in shape) or "a scalar"
