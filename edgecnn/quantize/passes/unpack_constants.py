"""Stores packed weights as plain float32: half precision behind DEQUANTIZE, sparse behind DENSIFY.

A runtime does the same when it loads the file. float16 to float32 is exact, and a sparse constant
stands for zeros where it holds nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.formats import tflite_sparse
from edgecnn.quantize.passes import PassResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.formats.tflite_graph import Graph, Operator


def apply(graph: Graph) -> PassResult:
    """Unpack in place; counts constants."""
    unpacked: list[Operator] = []
    for operator in graph.operators:
        values = _unpacked(operator)
        if values is not None and operator.output not in graph.outputs:
            operator.output.data = values
            unpacked.append(operator)
    graph.remove(unpacked)
    graph.drop_unused()
    return PassResult(len(unpacked))


def _unpacked(operator: Operator) -> NDArray[Any] | None:
    """The constant an operator makes of a packed one; None where it does something else."""
    if operator.name not in {"DEQUANTIZE", "DENSIFY"} or operator.custom:
        return None
    source = operator.source
    if operator.name == "DENSIFY":
        return tflite_sparse.densified(source) if tflite_sparse.is_sparse(source) else source.data
    values = source.data
    return None if values is None or source.dtype != "FLOAT16" else values.astype(np.float32)
