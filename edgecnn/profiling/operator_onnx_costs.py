"""What the nodes cost that onnxruntime runs: those of the graph as it optimized it.

A node's shapes stand in the profile. Convolutions in onnxruntime's own blocked layout (NCHWc) are
held in whole vectors, so their shapes are padded: what such a one multiplies is counted at the
convolution of the file that it was made from, which its name tells.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from edgecnn.inspection.onnx_ops import NodeView, Value, Values
from edgecnn.profiling.operator_costs import Cost, bytes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import GraphProto, ModelProto, NodeProto

Json = dict[str, Any]

KERNEL_TIME = "_kernel_time"
_CONVOLUTIONS = {"Conv", "FusedConv", "QLinearConv", "ConvInteger", "NhwcFusedConv"}
_DTYPES = {"float": "float32", "double": "float64"}
# onnxruntime's nchwc_transformer.cc names a node after the tensor it makes; "mul" where it turned a
# multiplication by channel into a depthwise convolution.
_BLOCKED = re.compile(r"(?P<tensor>.+?)(?P<mul>_mul)?_nchwc(_token_\d+)?$")
_LONGEST_FUSION = 3  # a convolution, what is added to it, and an activation


class _Graph(NamedTuple):
    """A graph, and what is known of its tensors."""

    nodes: dict[str, NodeProto]
    values: Values


def name_nodes(model: ModelProto) -> None:
    """Give every node a name of its own: it is all by which the profile names them."""
    counts = Counter(node.name for node in model.graph.node)
    for index, node in enumerate(model.graph.node):
        if not node.name or counts[node.name] > 1:
            node.name = f"{node.op_type}_{index}_{node.output[0] if node.output else ''}"


def node_name(event: Json) -> str:
    """The node an event of the profile is about."""
    return str(event["name"]).removesuffix(KERNEL_TIME)


def kernel(event: Json) -> str:
    """The operator that ran."""
    return str(event["args"].get("op_name", ""))


def onnx_costs(
    file: ModelProto, optimized: GraphProto, ran: Sequence[Json]
) -> tuple[tuple[Cost, ...], tuple[str, ...]]:
    """What each node that ran asks for, and what could not be counted.

    Args:
        file: the model as it was loaded.
        optimized: the graph that ran.
        ran: the profile's events of one run; a cost's index is a place among these.
    """
    graph = _graph(optimized)
    for event in ran:
        node = graph.nodes.get(node_name(event))
        for name, value in zip(node.output if node else (), _outputs(event), strict=False):
            graph.values.values[name] = value
    original = _graph(_at_batch_one(file))
    pairs = [_cost(index, event, graph, original) for index, event in enumerate(ran)]
    lost = sorted({cost.kind for cost, known in pairs if not known})
    notes = (f"MACs of some nodes are not counted: {', '.join(lost)}.",) if lost else ()
    return tuple(cost for cost, _ in pairs), notes


def _graph(graph: GraphProto) -> _Graph:
    named = Counter(node.name for node in graph.node)
    nodes = {node.name: node for node in graph.node if named[node.name] == 1}
    return _Graph(nodes, Values(graph, graph.node, [graph]))


def _at_batch_one(model: ModelProto) -> GraphProto:
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for value in (*copy.graph.input, *copy.graph.output):
        dims = value.type.tensor_type.shape.dim
        if dims and not dims[0].HasField("dim_value"):
            dims[0].dim_value = 1
    return onnx.shape_inference.infer_shapes(copy, data_prop=True).graph


def _outputs(event: Json) -> list[Value]:
    """Dtype and shape of what a node wrote, as the profile has them: [{"float": [1, 8]}, ...]."""
    return [
        Value(_DTYPES.get(dtype, dtype), tuple(shape))
        for entry in event["args"].get("output_type_shape", ())
        for dtype, shape in entry.items()
    ]


def _cost(index: int, event: Json, graph: _Graph, original: _Graph) -> tuple[Cost, bool]:
    """The cost, and whether its MACs are known."""
    node = graph.nodes.get(node_name(event))
    if node is None:
        return Cost(index, node_name(event), kernel(event), "none", 0, 0), False
    values = graph.values
    tensors = {name for name in (*node.input, *node.output) if name}
    moved = sum(bytes_of(value.dtype, value.shape or ()) for value in map(values.get, tensors))
    dtype = NodeView(node, values).operator().compute_dtype
    counted, known_as = _made_from(node, graph, original)
    macs = NodeView(counted, known_as.values).cost()
    kind = _kind(counted, known_as.values)
    return Cost(index, node.name, kind, dtype, macs or 0, moved), macs is not None


def _made_from(node: NodeProto, graph: _Graph, original: _Graph) -> tuple[NodeProto, _Graph]:
    """The node to count MACs at: the file's own where the node that ran is padded."""
    blocked = _BLOCKED.match(node.name) if "nchwc" in node.domain else None
    if blocked is None:
        return node, graph
    tensor = blocked["tensor"]
    for _ in range(_LONGEST_FUSION):
        maker = original.values.makers.get(tensor)
        if maker is None:
            break
        if blocked["mul"] or maker.op_type == node.op_type:
            return maker, original
        tensor = maker.input[0]
    return node, graph


def _kind(node: NodeProto, values: Values) -> str:
    """ONNX's operator; a convolution of every channel on its own is told from the others."""
    group = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    shape = values.get(node.output[0]).shape or ()
    deep = node.op_type in _CONVOLUTIONS and group > 1 and math.prod(shape) % group == 0
    return f"{node.op_type} (depthwise)" if deep and group in shape[1:] else node.op_type
