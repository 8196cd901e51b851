"""Fixes the open batch of a user's float .tflite at one image.

`TFLiteConverter.from_keras_model` leaves the batch open. The file then computes shapes while it
runs (SHAPE, STRIDED_SLICE, PACK before each RESHAPE), which no delegate takes and no quantizer can
do without. At a batch of 1 every such shape is a constant. Its value is what LiteRT computes for
it: the file is run once on zeros, on kernels that keep every tensor.

Runs in a child process: the file is anybody's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.errors import InputError
from edgecnn.formats import tflite_file as tfl
from edgecnn.runtime import litert

if TYPE_CHECKING:
    from numpy.typing import NDArray

_INTEGERS = {"INT32", "INT64"}
_OPEN = -1


def is_open(model: tfl.ModelT) -> bool:
    """Whether any tensor of the main graph has a size that the file leaves open."""
    return any(_has_open_size(tensor) for tensor in tfl.main_graph(model).tensors)


def fix(data: bytes) -> bytes:
    """The same network for one image, with no shape left to compute.

    Args:
        data: a float .tflite with an open batch.

    Raises:
        InputError: LiteRT refuses the file, or a size stays open at batch 1.
    """
    model = tfl.read(data)
    tensors = litert.run_on_zeros(data)
    graph = tfl.main_graph(model)
    folded = _shape_operators(model, graph)
    for operator in folded:
        for index in map(int, operator.outputs):
            tfl.set_constant(model, graph, index, tensors[index])
    gone = {id(operator) for operator in folded}
    graph.operators = [op for op in graph.operators if id(op) not in gone]
    _fix_shapes(graph, tensors)
    tfl.drop_unused(model)
    return tfl.write(model)


def _shape_operators(model: tfl.ModelT, graph: tfl.SubGraphT) -> list[tfl.OperatorT]:
    """The operators that compute integers from nothing but shapes and constants, in their order."""
    known = {i for i in range(len(graph.tensors)) if tfl.constant(model, graph, i) is not None}
    found = []
    for operator in graph.operators:
        needs = {int(i) for i in operator.inputs} - {tfl.NO_TENSOR}
        from_shape = tfl.operator_name(model, operator) == "SHAPE"
        integers = all(tfl.type_name(graph.tensors[int(i)]) in _INTEGERS for i in operator.outputs)
        if integers and (from_shape or needs <= known):
            known |= {int(i) for i in operator.outputs}
            found.append(operator)
    return found


def _fix_shapes(graph: tfl.SubGraphT, tensors: dict[int, NDArray[Any]]) -> None:
    for index, tensor in enumerate(graph.tensors):
        if not _has_open_size(tensor):
            continue
        if index not in tensors:
            raise InputError(
                f"The size of {tfl.tensor_name(tensor)} stays open, also for one image.",
                hint="Convert the model again with a fixed input shape.",
            )
        tensor.shape = np.asarray(tensors[index].shape, np.int32)
        tensor.shapeSignature = None


def _has_open_size(tensor: tfl.TensorT) -> bool:
    return tensor.shapeSignature is not None and _OPEN in list(tensor.shapeSignature)
