"""What an export must know of a network before it makes anything of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.inspection import inspect

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.records import GraphInfo

_IMAGE_RANK = 4
_BATCH = {1, -1}  # -1: open, to be fixed at 1


@dataclass(frozen=True)
class Network:
    """What the float stage found out about a network."""

    input_shape: tuple[int, int, int, int]
    classes: int
    parameters: int
    trainable_parameters: int


def read_foreign(path: Path) -> Network:
    """Look at a user's own .tflite, and refuse what cannot be quantized.

    Raises:
        InputError: it has several inputs or outputs, is not float, a size is open, or it has
            operators that are more than a function of tensors.
    """
    found = inspect(path)
    if len(found.inputs) != 1 or len(found.outputs) != 1:
        raise InputError(
            f"{path}: it has {len(found.inputs)} inputs and {len(found.outputs)} outputs;"
            " edgecnn quantizes networks with one of each.",
        )
    _refuse_operators(path, found.graph)
    image, output = found.inputs[0], found.outputs[0]
    if image.dtype != "float32" or set(found.graph.macs_by_dtype) - {"float32"}:
        raise InputError(
            f"{path} is not a float model: its input is {image.dtype}, its MACs are"
            f" {', '.join(found.graph.macs_by_dtype)}.",
            hint="Quantize the float .tflite it was made from.",
        )
    if len(image.shape) != _IMAGE_RANK or min(image.shape[1:]) < 1 or image.shape[0] not in _BATCH:
        raise InputError(
            f"{path}: its input is {image.shape}; (1, height, width, channels) is needed.",
            hint="Convert it again with a fixed height and width, and a batch that is 1 or open.",
        )
    if not output.shape or output.shape[-1] < 1:
        raise InputError(
            f"{path}: its output is {output.shape}; one value for each class is needed.",
            hint="Convert it again with a fixed output shape.",
        )
    count = sum(found.graph.parameters_by_dtype.values())
    height, width, channels = image.shape[1:]
    return Network((1, height, width, channels), output.shape[-1], count, count)


def _refuse_operators(path: Path, graph: GraphInfo) -> None:
    foreign = (*graph.variable_ops, *graph.flex_ops, *graph.custom_ops)
    if foreign:
        raise InputError(
            f"{path}: edgecnn cannot quantize {', '.join(foreign)}.",
            hint="Convert it again with TFLiteConverter.from_keras_model or from_saved_model, and"
            " without SELECT_TF_OPS.",
        )
