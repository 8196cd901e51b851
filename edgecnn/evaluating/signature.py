"""What a file takes and gives, as its manifest says, or as far as the file alone tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import layouts
from edgecnn.errors import InputError
from edgecnn.tasks.outputs import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.evaluating.subjects import KnownSignature
    from edgecnn.records import OutputKind, TensorInfo

_COLOURS = (1, 3)
_IMAGE_RANK = 4
_IMAGE = "NHWC"


@dataclass(frozen=True)
class InputSpec:
    """An input of the network.

    Attributes:
        name: the model's own.
        dtype: that the source model takes: "float32" where the file is quantized.
        shape: of the file; -1 for a batch that it leaves open.
        layout: of the source model; "" where it is not known.
        file_layout: of the file, likewise.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    layout: str
    file_layout: str

    @property
    def is_image(self) -> bool:
        """Whether pictures can be fed to it."""
        return sorted(self.file_layout) == sorted(_IMAGE) and self.channels in _COLOURS

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of an image input, pixels."""
        return self._along("H"), self._along("W")

    @property
    def channels(self) -> int:
        """Of an image input."""
        return self._along("C")

    def _along(self, axis: str) -> int:
        return self.shape[self.file_layout.index(axis)]


@dataclass(frozen=True)
class OutputSpec:
    """An output of the network.

    Attributes:
        name: the model's own.
        dtype: of its real numbers.
        shape: of one sample, its batch of one in front.
        layout: of the file; "" where it is not known.
        kind: what its numbers are.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    layout: str
    kind: OutputKind

    def zeros(self) -> Output:
        """It without its numbers, for what asks for shapes alone."""
        values = np.broadcast_to(np.zeros((), self.dtype), self.shape)
        return Output(self.name, values, self.kind, self.layout)

    def __str__(self) -> str:
        """For a list in a sentence."""
        return f"{self.name} {self.shape} {self.kind}"


@dataclass(frozen=True)
class Signature:
    """What a network takes and gives.

    Attributes:
        inputs: in its order.
        outputs: likewise.
        batch: samples of one run.
        runtime: that ran it, with its version.
    """

    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    batch: int
    runtime: str

    def image(self, name: str) -> InputSpec:
        """The one input, which takes pictures.

        Raises:
            InputError: there are several, or it takes none.
        """
        if len(self.inputs) == 1 and self.inputs[0].is_image:
            return self.inputs[0]
        shapes = ", ".join(f"{end.name} {end.shape}" for end in self.inputs)
        what = f"has {len(self.inputs)} inputs" if len(self.inputs) > 1 else "takes no pictures"
        raise InputError(
            f"{name} {what}: {shapes}. Pictures feed one input, (1, height, width, channels) with"
            " 3 channels or 1.",
            hint="Give arrays: --data FILE.npz with an array for each input by name, and labels.",
        )


def input_spec(info: TensorInfo, place: int, known: KnownSignature | None) -> InputSpec:
    """Describe an input of a file."""
    if known is not None:
        end = known.inputs[place]
        layout = known.input_layouts[place] or end.layout or guessed(info.shape)
        return InputSpec(end.name, end.dtype, info.shape, end.layout or layout, layout)
    layout = guessed(info.shape)
    dtype = info.dtype if info.scale is None else "float32"
    return InputSpec(info.name, dtype, info.shape, layout, layout)


def output_spec(
    info: TensorInfo,
    values: np.ndarray[Any, Any],
    place: int,
    known: KnownSignature | None,
    *,
    bounded: bool,
) -> OutputSpec:
    """Describe an output of a file.

    Args:
        info: of the file.
        values: of one sample.
        place: which output it is.
        known: of the manifest.
        bounded: whether it ends in a softmax or a sigmoid.
    """
    if known is not None:
        end = known.outputs[place]
        layout = known.output_layouts[place] or end.layout
        return OutputSpec(end.name, values.dtype.name, values.shape, layout, end.kind)
    kind: OutputKind = "probabilities" if bounded else "values"
    return OutputSpec(info.name, values.dtype.name, values.shape, "", kind)


def guessed(shape: Sequence[int]) -> str:
    """The layout of an image's shape: its channels are 3, or 1, last where both would fit."""
    if len(shape) != _IMAGE_RANK or min(shape[1:]) < 1:
        return ""
    if shape[3] in _COLOURS:
        return _IMAGE
    return "NCHW" if shape[1] in _COLOURS else ""


def check_count(name: str, inputs: int, outputs: int, known: KnownSignature | None) -> None:
    """Hold that a file has the ends that its manifest lists.

    Raises:
        InputError: it has others.
    """
    if known is not None and (inputs, outputs) != (len(known.inputs), len(known.outputs)):
        raise InputError(
            f"{name} has {inputs} inputs and {outputs} outputs, its manifest lists"
            f" {len(known.inputs)} and {len(known.outputs)}.",
            hint="Export again.",
        )


def batch_of(name: str, inputs: Sequence[TensorInfo]) -> int:
    """Samples of one run: the first axis of every input, 1 where it is open.

    Raises:
        InputError: the inputs have several, or sizes that are open.
    """
    batches = {1 if not info.shape or info.shape[0] < 0 else info.shape[0] for info in inputs}
    open_sizes = [info for info in inputs if -1 in info.shape[1:]]
    if open_sizes:
        raise InputError(
            f"{name}: its input {open_sizes[0].name} is {open_sizes[0].shape}, -1 being any size.",
            hint="Convert it again with fixed sizes, and a batch that is fixed or open.",
        )
    if len(batches) > 1:
        shapes = ", ".join(f"{info.name} {info.shape}" for info in inputs)
        raise InputError(
            f"{name}: its inputs have several batches: {shapes}.",
            hint="Export it with a batch of 1.",
        )
    return batches.pop()


def arranged(values: np.ndarray[Any, Any], end: InputSpec) -> np.ndarray[Any, Any]:
    """Samples in the source model's layout in the file's."""
    return layouts.convert(values, end.layout, end.file_layout)
