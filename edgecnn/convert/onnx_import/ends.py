"""Inputs and outputs: names that TensorFlow takes, and which of them are images."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.convert.onnx_import.node import attributes_of
from edgecnn.records import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import onnx

FIRST = {3: "NCW", 4: "NCHW", 5: "NCDHW"}
LAST = {3: "NWC", 4: "NHWC", 5: "NDHWC"}
# Operators that say which axis the channels are: ONNX has them first.
_CHANNELS_FIRST = {
    "AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "DepthToSpace",
    "GlobalAveragePool", "GlobalMaxPool", "GroupNormalization", "InstanceNormalization", "LRN",
    "MaxPool", "PRelu", "Resize", "SpaceToDepth", "Upsample",
}  # fmt: skip
# Operators that say nothing of the kind, and leave the axes where they are.
_AXES_STAY = {
    "Abs", "Add", "Cast", "Clip", "Concat", "Div", "Dropout", "Exp", "Identity", "LeakyRelu", "Log",
    "Max", "Min", "Mul", "Neg", "Pad", "Pow", "Relu", "Sigmoid", "Slice", "Split", "Sqrt", "Sub",
    "Sum", "Tanh", "Where",
}  # fmt: skip


@dataclass(frozen=True)
class End:
    """An input or output of a lowered model.

    Attributes:
        endpoint: as the model has it.
        name: in TensorFlow's graph and in the .tflite.
        layout: in the .tflite; the same as the endpoint's where the axes are.
    """

    endpoint: Endpoint
    name: str
    layout: str


def tensorflow_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Names with what TensorFlow does not take replaced, each another."""
    used, result = {name.lower() for name in taken}, []
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_./>-]", "_", name) or "tensor"
        plain = re.sub(r"^[^A-Za-z0-9.]+", "", plain) or f"t{plain.strip('/')}"
        plain = re.sub(r"/+", "/", plain).rstrip("/")
        unique, count = plain, 1
        while unique.lower() in used:  # TensorFlow's names differ by more than their case
            unique, count = f"{plain}_{count}", count + 1
        used.add(unique.lower())
        result.append(unique)
    return result


def endpoint(info: onnx.ValueInfoProto, layout: str) -> Endpoint:
    """What the model says of one of its ends; every size is fixed."""
    import onnx

    tensor = info.type.tensor_type
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
    return Endpoint(info.name, dtype, tuple(d.dim_value for d in tensor.shape.dim), layout)


def input_layout(name: str, rank: int, nodes: Sequence[onnx.NodeProto]) -> str:
    """Which axes an input has, told by the first operators that know; "" where none does."""
    if rank not in FIRST:
        return ""
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in nodes:
        for operand in node.input:
            consumers.setdefault(operand, []).append(node)
    waiting, seen = deque([name]), {name}
    while waiting:
        tensor = waiting.popleft()
        for node in consumers.get(tensor, []):
            if node.op_type in _CHANNELS_FIRST and node.input[0] == tensor:
                return FIRST[rank]
            if node.op_type == "Transpose" and _to_channels_first(node, rank):
                return LAST[rank]
            if node.op_type in _AXES_STAY:
                waiting.extend(output for output in node.output if output not in seen)
                seen.update(node.output)
    return ""


def _to_channels_first(node: onnx.NodeProto, rank: int) -> bool:
    axes = attributes_of(node).get("perm")
    return axes == [0, rank - 1, *range(1, rank - 1)]
