"""What each operator of a .tflite file asks of the machine: multiply-accumulates and bytes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.inspection import flatbuffer
from edgecnn.inspection.tflite_ops import GraphView

if TYPE_CHECKING:
    from edgecnn.inspection.tflite_graph import Graph, Node

_BITS = re.compile(r"\d+$")
_BITS_A_BYTE = 8


@dataclass(frozen=True)
class Cost:
    """One operator, and what it asks for; fields as in `operator_record.LayerTime`."""

    index: int
    name: str
    kind: str
    compute_dtype: str
    macs: int
    bytes_moved: int


def tflite_costs(data: bytes, name: str) -> tuple[Cost, ...]:
    """The operators of a .tflite file's main graph, in the file's order.

    Args:
        data: the whole file; hostile bytes are safe, no native code sees them.
        name: what errors call it.

    Raises:
        InputError: not a TFLite model, or a damaged one.
        MissingPartError: the package that holds the schema is not installed.
    """
    graph = flatbuffer.parse(data, name).graphs[0]
    view = GraphView(graph, name)
    return tuple(_cost(index, node, view) for index, node in enumerate(graph.nodes))


def _cost(index: int, node: Node, view: GraphView) -> Cost:
    operator, _ = view.count(node)
    graph = view.graph
    return Cost(
        index=index,
        name=graph.tensors[node.outputs[0]].name if node.outputs else "",
        kind=operator.name,
        compute_dtype=operator.compute_dtype,
        macs=operator.macs,
        bytes_moved=_bytes_moved(node, graph),
    )


def _bytes_moved(node: Node, graph: Graph) -> int:
    """All that it reads and writes, each tensor once.

    Weights that a DEQUANTIZE unpacks are counted as it leaves them: XNNPACK unpacks when it loads.
    """
    tensors = {index for index in (*node.inputs, *node.outputs) if index >= 0}
    return sum(bytes_of(graph.tensors[i].dtype, graph.tensors[i].shape) for i in tensors)


def bytes_of(dtype: str, shape: tuple[int, ...]) -> int:
    """Size of a tensor; an open size is taken as 1, an element without a width as a byte."""
    elements = math.prod(abs(size) for size in shape)
    match = _BITS.search(dtype)
    bits = int(match[0]) if match else _BITS_A_BYTE
    return -(-elements * bits // _BITS_A_BYTE)
