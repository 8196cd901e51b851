"""Stores a float model's constants in half precision, each behind a DEQUANTIZE.

XNNPACK and the GPU delegates fold the DEQUANTIZE away when they load the file; a plain interpreter
runs it once. What does not fit half precision (beyond 65504, or so small that its digits are lost)
stays float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.formats import tflite_file as tfl

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of the constant's power; rounding to half precision's 11 bits makes less than 1e-7.
_LARGEST_ERROR = 1e-6
# Scalars and the like: a DEQUANTIZE would cost more than it saves.
_FEWEST_ELEMENTS = 8


def apply(model: tfl.ModelT) -> int:
    """Halve in place; returns how many constants were halved."""
    graph = tfl.main_graph(model)
    halved = 0
    for index in sorted({int(t) for operator in graph.operators for t in operator.inputs}):
        values = tfl.constant(model, graph, index)
        if values is not None and _fits(values):
            _halve(model, graph, index, values)
            halved += 1
    tfl.drop_unused(model)
    return halved


def _fits(values: NDArray[Any]) -> bool:
    if values.dtype != np.float32 or values.size < _FEWEST_ELEMENTS:
        return False
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows does not fit
        error = np.square(values.astype(np.float16) - values, dtype=np.float64).sum()
    return bool(error <= _LARGEST_ERROR * np.square(values, dtype=np.float64).sum())


def _halve(
    model: tfl.ModelT,
    graph: tfl.SubGraphT,
    index: int,
    values: NDArray[np.float32],
) -> None:
    tensor = graph.tensors[index]
    half = tfl.add_tensor(graph, tensor, f"{tfl.tensor_name(tensor)}/float16")
    graph.tensors[half].type = tfl.tensor_type("FLOAT16")
    tfl.set_constant(model, graph, half, values.astype(np.float16))
    tensor.buffer = 0
    graph.operators.insert(0, tfl.add_operator(model, "DEQUANTIZE", [half], [index], version=3))
