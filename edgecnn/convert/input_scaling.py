"""What a network does to its input first: whether it scales pixels by itself.

Many networks divide by 255, or take 127.5 away, inside their graph. Pictures that were scaled
outside too would reach the first convolution as nearly nothing, and no later step would notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import onnx
    from numpy.typing import NDArray

    from edgecnn.convert.tflite_float import Traced
    from edgecnn.formats.tflite_graph import Graph

# 1/255, 1/127.5 and the reciprocals of usual deviations (about 58) are below it, 1 is not.
_PIXEL_SCALE = 0.03
# Means of pixels that are taken away lie between 90 and 130.
_PIXEL_MEAN = 60.0
_LONGEST = 8


@dataclass(frozen=True)
class Step:
    """An operator at the head of a network: x * scale + shift, element by element."""

    scale: float = 1.0
    shift: float = 0.0


def describe(steps: Iterable[Step]) -> str:
    """In words, what a chain of steps makes of a pixel; "" where it does not scale pixels."""
    scale, shift = 1.0, 0.0
    for step in steps:
        scale, shift = scale * step.scale, shift * step.scale + step.shift
    if scale == 0 or not np.isfinite([scale, shift]).all():
        return ""
    mean = -shift / scale
    if abs(scale) >= _PIXEL_SCALE and abs(mean) < _PIXEL_MEAN:
        return ""
    taken = f"takes {mean:.4g} from its input" if abs(mean) > 1e-6 else ""  # noqa: PLR2004 - rounding
    divided = f"divides it by {1 / scale:.4g}" if abs(scale - 1) > 1e-6 else ""  # noqa: PLR2004 - likewise
    return " and ".join(part for part in (taken, divided) if part).replace(
        "divides it", "divides it" if taken else "divides its input"
    )


def _step(kind: str, value: NDArray[Any] | None, *, constant_first: bool) -> Step | None:
    """One operator with a constant; None where it is none of these."""
    if value is None or value.dtype.kind != "f":
        return None
    number = float(np.mean(value))
    if kind == "Mul":
        return Step(scale=number)
    if kind == "Div" and not constant_first and number:
        return Step(scale=1 / number)
    if kind == "Sub":
        return Step(-1.0, number) if constant_first else Step(shift=-number)
    return Step(shift=number) if kind == "Add" else None


_TF_KINDS = {"Mul": "Mul", "RealDiv": "Div", "Div": "Div", "Sub": "Sub", "AddV2": "Add",
             "Add": "Add"}  # fmt: skip
_TF_MOVES = {"Identity", "Cast", "Transpose", "Pad", "Reshape"}


def of_tensorflow(traced: Traced) -> str:
    """What the only input of a traced graph meets first; "" for several inputs."""
    if len(traced.inputs) != 1:
        return ""
    return describe(_tensorflow_steps(traced.inputs[0]))


def _tensorflow_steps(tensor: Any) -> Iterable[Step]:  # noqa: ANN401 - a tf.Tensor
    import tensorflow as tf

    for _ in range(_LONGEST):
        readers = tensor.consumers()
        if len(readers) != 1:
            return
        operation = readers[0]
        if operation.type in _TF_KINDS:
            first = operation.inputs[0] is tensor
            value = tf.get_static_value(operation.inputs[1 if first else 0])
            step = _step(_TF_KINDS[operation.type], value, constant_first=not first)
            if step is None:
                return
            yield step
        elif operation.type not in _TF_MOVES:
            return
        tensor = operation.outputs[0]


def of_onnx(model: onnx.ModelProto) -> str:
    """What the only input of an ONNX graph meets first; "" for several inputs."""
    constants = {item.name: item for item in model.graph.initializer}
    inputs = [item.name for item in model.graph.input if item.name not in constants]
    return describe(_onnx_steps(model, inputs[0], constants)) if len(inputs) == 1 else ""


def _onnx_steps(model: onnx.ModelProto, tensor: str, constants: dict[str, Any]) -> Iterable[Step]:
    from onnx import numpy_helper

    for _ in range(_LONGEST):
        readers = [node for node in model.graph.node if tensor in node.input]
        if len(readers) != 1:
            return
        node = readers[0]
        if node.op_type in {"Mul", "Div", "Sub", "Add"}:
            first = node.input[0] == tensor
            other = constants.get(node.input[1 if first else 0])
            value = None if other is None else numpy_helper.to_array(other)
            step = _step(node.op_type, value, constant_first=not first)
            if step is None:
                return
            yield step
        elif node.op_type not in {"Identity", "Cast", "Transpose", "Pad", "Reshape"}:
            return
        tensor = node.output[0]


_TFLITE_KINDS = {"MUL": "Mul", "DIV": "Div", "SUB": "Sub", "ADD": "Add"}


def of_tflite(graph: Graph) -> str:
    """What the only input of a .tflite meets first; "" for several inputs."""
    return describe(_tflite_steps(graph)) if len(graph.inputs) == 1 else ""


def _tflite_steps(graph: Graph) -> Iterable[Step]:
    tensor = graph.inputs[0]
    for _ in range(_LONGEST):
        readers = graph.consumers(tensor)
        if len(readers) != 1:
            return
        operator = readers[0]
        if operator.name in _TFLITE_KINDS:
            first = operator.inputs[0] is tensor
            other = operator.inputs[1 if first else 0]
            value = None if other is None else other.data
            step = _step(_TFLITE_KINDS[operator.name], value, constant_first=not first)
            if step is None:
                return
            yield step
        elif operator.name not in {"CAST", "TRANSPOSE", "PAD", "RESHAPE"}:
            return
        tensor = operator.outputs[0]
