"""Stores a float model's constants in half precision, each behind a DEQUANTIZE.

XNNPACK and the GPU delegates fold the DEQUANTIZE away when they load the file; a plain interpreter
runs it once. What does not fit half precision (beyond 65504, or so small that its digits are lost)
stays float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.formats.tflite_graph import Operator
from edgecnn.quantize.passes import PassResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.formats.tflite_graph import Graph, Tensor

# Of the constant's power; rounding to half precision's 11 bits makes less than 1e-7.
_LARGEST_ERROR = 1e-6
# Scalars and the like: a DEQUANTIZE would cost more than it saves.
_FEWEST_ELEMENTS = 8


def apply(graph: Graph) -> PassResult:
    """Halve a graph's constants; counts them."""
    read = {tensor for operator in graph.operators for tensor in operator.read}
    halved = 0
    for tensor in [constant for constant in graph.tensors if constant in read]:
        values = tensor.data
        if values is not None and _fits(values):
            _halve(graph, tensor, values)
            halved += 1
    graph.drop_unused()
    return PassResult(halved)


def _fits(values: NDArray[Any]) -> bool:
    if values.dtype != np.float32 or values.size < _FEWEST_ELEMENTS:
        return False
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows does not fit
        error = np.square(values.astype(np.float16) - values, dtype=np.float64).sum()
    return bool(error <= _LARGEST_ERROR * np.square(values, dtype=np.float64).sum())


def _halve(graph: Graph, tensor: Tensor, values: NDArray[np.float32]) -> None:
    half = graph.add_like(tensor, f"{tensor.name}/float16")
    half.data = values.astype(np.float16)
    tensor.data = None
    graph.operators.insert(0, Operator("DEQUANTIZE", [half], [tensor], version=3))
