"""Constants and shape arithmetic of a foreign graph, computed once its input shapes are fixed.

A node all of whose inputs are constant is run by onnxruntime and becomes a constant of the same
name; `Shape` and `Size` of a tensor whose shape is known are constants too. Both reveal shapes to
ONNX's shape inference, which reveals more of them, so the two take turns. An `If` whose condition
has become constant gives way to the branch that would run, a `Loop` of a known number of rounds to
these, and a list of tensors to the tensors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert import onnx_loops, onnx_sequences
from edgecnn.errors import InputError
from edgecnn.formats.onnx_graph import array_of, freeze, inner_graphs, lift_constants, name_of
from edgecnn.formats.onnx_inference import encoded, infer_shapes
from edgecnn.formats.onnx_rewrites import taken_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx
    import onnx_ir as ir
    from numpy.typing import NDArray

    Array = NDArray[Any]

DATA_DEPENDENT = {"Compress", "NonMaxSuppression", "NonZero", "TopK", "Unique"}
_RANDOM = {
    "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
    "RandomUniformLike",
}  # fmt: skip
# A constant may grow by folding (Expand, Tile) up to here, or up to what it was computed from.
_MOST_BYTES = 16 << 20
# A node's result may have an unknown shape if what it is computed from is this small (NonZero).
_SMALL_BYTES = 1 << 16
_MOST_ROUNDS = 200


def fold(model: ir.Model) -> None:
    """Compute what does not depend on the inputs' values; edits the model.

    Raises:
        InputError: shapes that contradict each other, or a node onnxruntime cannot compute.
    """
    for _ in range(_MOST_ROUNDS):
        lift_constants(model.graph)
        infer_shapes(model, strict=False)
        opset = model.opset_imports[""]
        if not (
            _fold_nodes(model)
            | _choose_branches(model.graph)
            | onnx_loops.write_out(model.graph, opset)
            | onnx_sequences.resolve(model.graph, opset)
        ):
            return
    raise InputError("The ONNX model's shape arithmetic does not come to an end.")


def _fold_nodes(model: ir.Model) -> bool:
    constants = model.graph.initializers.values()
    sizes = {value: _bytes(value.shape) or 0 for value in constants}
    measured: list[ir.Node] = []
    chosen: list[ir.Node] = []
    for node in model.graph:
        if any(value.is_graph_output() for value in node.outputs):
            continue
        if node.op_type in {"Shape", "Size"} and _bytes(_source_shape(node)) is not None:
            measured.append(node)
        elif _foldable(node, sizes):
            chosen.append(node)
            for value in node.outputs:
                known = _bytes(value.shape)
                sizes[value] = _SMALL_BYTES if known is None else known
    folded = {node.outputs[0]: _shape_value(node) for node in measured} | _computed(model, chosen)
    for value, array in folded.items():
        freeze(model.graph, value, array)
    model.graph.remove([*measured, *chosen], safe=True)
    return bool(measured or chosen)


def _source_shape(node: ir.Node) -> ir.Shape | None:
    source = node.inputs[0] if node.inputs else None
    return None if source is None else source.shape


def _bytes(shape: ir.Shape | None) -> int | None:
    """At 8 a value; None where the shape is not known."""
    if shape is None or not shape.is_static():
        return None
    return int(np.prod(shape.numpy(), dtype=np.float64)) * 8


def _foldable(node: ir.Node, sizes: dict[ir.Value, int]) -> bool:
    sources = [value for value in node.inputs if value is not None]
    if node.domain or node.op_type in _RANDOM or inner_graphs(node):
        return False
    if not sources or not sizes.keys() >= set(sources):
        return False
    source_bytes = sum(sizes[value] for value in sources)
    results = [_bytes(value.shape) for value in node.outputs if value.name]
    known = [size for size in results if size is not None]
    if len(known) < len(results) and source_bytes > _SMALL_BYTES:
        return False
    return max(known, default=0) <= max(_MOST_BYTES, source_bytes)


def _shape_value(node: ir.Node) -> Array:
    shape = _source_shape(node)
    sizes = () if shape is None else shape.numpy()
    if node.op_type == "Size":
        return np.asarray(np.prod(sizes, dtype=np.int64))
    start, end = node.attributes.get_int("start", 0), node.attributes.get_int("end")
    return np.asarray(sizes[start:end], dtype=np.int64)


def _computed(model: ir.Model, nodes: list[ir.Node]) -> dict[ir.Value, Array]:
    """Values of the tensors these nodes make that others read, computed by onnxruntime."""
    import onnxruntime

    inside = set(nodes)
    outputs = [value for node in nodes for value in node.outputs]
    needed = [value for value in outputs if not inside.issuperset(value.consumers())]
    if not needed:
        return {}
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False  # of one run it saves nothing, and takes twice the memory
    try:
        session = onnxruntime.InferenceSession(
            _part(model, nodes, needed).SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
        )
        values = session.run([value.name for value in needed], {})
    except Exception as error:  # onnxruntime's exceptions have no base class of their own
        raise InputError(f"A constant of the ONNX model cannot be computed: {error}") from error
    return dict(zip(needed, values, strict=True))


def _part(
    model: ir.Model, nodes: Sequence[ir.Node], outputs: Sequence[ir.Value]
) -> onnx.ModelProto:
    """These nodes, with the constants they read, as a model of its own."""
    import onnx_ir as ir
    from onnx import helper

    read = dict.fromkeys(value for node in nodes for value in node.inputs)
    constants = [value for value in read if value is not None and value.is_initializer()]
    graph = ir.GraphView([], [], nodes=nodes, initializers=constants, name="constants")
    proto = encoded(graph, model)
    proto.graph.output.extend(helper.make_empty_tensor_value_info(name_of(v)) for v in outputs)
    return proto


def _choose_branches(graph: ir.Graph) -> bool:
    """Put the branch that runs in the place of each If whose condition is constant."""
    import onnx_ir as ir

    changed = False
    for node in list(graph):
        condition = array_of(node.inputs[0]) if node.op_type == "If" else None
        if condition is None:
            continue
        truth = bool(condition.reshape(-1)[0])
        branch = node.attributes["then_branch" if truth else "else_branch"].as_graph()
        nodes, outputs = taken_out(branch, graph)
        ends = [ir.node("Identity", [value]) for value in outputs]
        new = [end.outputs[0] for end in ends]
        ir.convenience.replace_nodes_and_values(
            graph, node, [node], [*nodes, *ends], node.outputs, new
        )
        changed = True
    return changed
