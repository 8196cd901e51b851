"""Inputs and outputs: what they are called and how their axes lie in the .tflite."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.convert.onnx_import.value import channels_last

if TYPE_CHECKING:
    from edgecnn.convert.onnx_import.value import Axes, Value
    from edgecnn.records import Endpoint

# Pictures, as ONNX's convolutions have them and as TFLite's do. Signals and volumes keep their
# axes: everybody feeds a .tflite NHWC pictures, and nobody expects a signal turned.
_IMAGE, _IMAGE_LAST = "NCHW", "NHWC"


@dataclass(frozen=True)
class End:
    """An input or output of a lowered model.

    Attributes:
        endpoint: as the model has it; an output whose layout nobody knew, and that leaves channels
            last, is known now to be "NCHW".
        name: in TensorFlow's graph and in the .tflite.
        layout: in the .tflite; as the endpoint's where the axes are where the model has them.
    """

    endpoint: Endpoint
    name: str
    layout: str


def scope_name(label: str) -> str:
    """A node's name in letters that TensorFlow takes for a scope."""
    plain = re.sub(r"[^A-Za-z0-9_.\\/>-]", "_", label).strip("/_-") or "node"
    return re.sub(r"/+", "/", plain)


def input_layout(endpoint: Endpoint) -> tuple[str, Axes]:
    """An input's layout in the .tflite, and the order it is stored in."""
    rank = len(endpoint.shape)
    if endpoint.layout == _IMAGE:
        return _IMAGE_LAST, channels_last(rank)
    return endpoint.layout, tuple(range(rank))


def output_layouts(endpoint: Endpoint, value: Value) -> tuple[str, str, Axes]:
    """An output's layout in the model and in the .tflite, and the order it leaves in.

    An image that is stored channels last leaves so. Everything else has the model's own axes: what
    a detector's head means is known by them.
    """
    image = endpoint.layout in {"", _IMAGE} and value.rank == len(_IMAGE)
    if image and value.array is None and value.order == channels_last(value.rank):
        return _IMAGE, _IMAGE_LAST, value.order
    return endpoint.layout, endpoint.layout, tuple(range(value.rank))
