"""Fixes the open batch of a user's float .tflite at one image.

`TFLiteConverter.from_keras_model` leaves the batch open. The file then computes shapes while it
runs (SHAPE, STRIDED_SLICE, PACK before each RESHAPE), which no delegate takes and no quantizer can
do without. At a batch of 1 every such shape is a constant. Its value is what LiteRT computes for
it: the file is run once on zeros, on kernels that keep every tensor.

Runs in a child process: the file is anybody's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError
from edgecnn.formats.tflite_graph import Graph
from edgecnn.runtime import litert

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.formats.tflite_graph import Operator, Tensor

_INTEGERS = {"INT32", "INT64"}
_OPEN = -1


def is_open(graph: Graph) -> bool:
    """Whether any tensor of the graph has a size that the file leaves open."""
    return any(_has_open_size(tensor) for tensor in graph.tensors)


def fix(data: bytes) -> bytes:
    """The same network for one image, with no shape left to compute.

    Args:
        data: a float .tflite with an open batch.

    Raises:
        InputError: LiteRT refuses the file, or a size stays open at batch 1.
    """
    graph, values = Graph.read(data), litert.run_on_zeros(data)
    tensors = {graph.tensors[index]: value for index, value in values.items()
               if index < len(graph.tensors)}  # fmt: skip
    folded = _shape_operators(graph)
    for operator in folded:
        for tensor in operator.outputs:
            tensor.data = tensors[tensor]
    graph.remove(folded)
    _fix_shapes(graph, tensors)
    return graph.write()


def _shape_operators(graph: Graph) -> list[Operator]:
    """The operators that compute integers from nothing but shapes and constants, in their order."""
    known = {tensor for tensor in graph.tensors if tensor.is_constant}
    operators = []
    for operator in graph.operators:
        integers = all(tensor.dtype in _INTEGERS for tensor in operator.outputs)
        if integers and (operator.name == "SHAPE" or known.issuperset(operator.read)):
            known.update(operator.outputs)
            operators.append(operator)
    return operators


def _fix_shapes(graph: Graph, tensors: dict[Tensor, NDArray[Any]]) -> None:
    for tensor in graph.named_tensors():
        if not _has_open_size(tensor):
            continue
        if tensor not in tensors:
            raise InputError(
                f"The size of {tensor.name} stays open, also for one image.",
                hint="Convert the model again with a fixed input shape.",
            )
        tensor.shape, tensor.shape_signature = tensors[tensor].shape, None


def _has_open_size(tensor: Tensor) -> bool:
    return tensor.shape_signature is not None and _OPEN in tensor.shape_signature
