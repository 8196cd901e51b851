"""Constants and shape arithmetic of a foreign graph, computed once its input shapes are fixed.

A node all of whose inputs are constant is run by onnxruntime and becomes a constant of the same
name; `Shape` and `Size` of a tensor whose shape is known are constants too. Both reveal shapes to
ONNX's shape inference, which reveals more of them, so the two take turns. An `If` whose condition
has become constant gives way to the branch that would run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.errors import InputError
from edgecnn.formats.onnx_graph import attribute, constant_of, infer_shapes

if TYPE_CHECKING:
    from collections.abc import Iterable

    import onnx
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


def inner_graphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The graphs inside an If, Loop or Scan."""
    return [
        inner
        for item in node.attribute
        for inner in ([item.g] if item.HasField("g") else item.graphs)
    ]


def constants(model: onnx.ModelProto) -> dict[str, Array]:
    """Initializers and `Constant` nodes by name."""
    from onnx import numpy_helper

    known = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    for node in model.graph.node:
        if (value := constant_of(node)) is not None:
            known[node.output[0]] = value
    return known


def fold(model: onnx.ModelProto) -> None:
    """Compute what does not depend on the inputs' values; edits the model.

    Raises:
        InputError: shapes that contradict each other, or a node onnxruntime cannot compute.
    """
    for _ in range(_MOST_ROUNDS):
        _lift_constants(model)
        infer_shapes(model, strict=False)
        if not (_fold_nodes(model) | _choose_branches(model)):
            return
    raise InputError("The ONNX model's shape arithmetic does not come to an end.")


def _lift_constants(model: onnx.ModelProto) -> None:
    """`Constant` nodes become initializers."""
    ends = {item.name for item in model.graph.output}
    made = {
        node.output[0]: value
        for node in model.graph.node
        if (value := constant_of(node)) is not None and node.output[0] not in ends
    }
    _replace_nodes(model, made)


def _replace_nodes(model: onnx.ModelProto, made: dict[str, Array]) -> None:
    """Take out the nodes that make these tensors, and put constants in their place."""
    from onnx import numpy_helper

    kept = [node for node in model.graph.node if not made.keys() & set(node.output)]
    _set_nodes(model, kept)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in made.items()
    )


def _set_nodes(model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto]) -> None:
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def _fold_nodes(model: onnx.ModelProto) -> bool:
    shapes = _known_shapes(model)
    sizes = {item.name: _bytes(item) for item in model.graph.initializer}
    ends = {item.name for item in model.graph.output}
    chosen: list[onnx.NodeProto] = []
    made: dict[str, Array] = {}
    for node in model.graph.node:
        if set(node.output) & ends:
            continue
        if node.op_type in {"Shape", "Size"} and node.input[0] in shapes:
            made[node.output[0]] = _shape_value(node, shapes[node.input[0]][0])
        elif _foldable(node, sizes, shapes):
            chosen.append(node)
            sizes.update({o: shapes[o][1] if o in shapes else _SMALL_BYTES for o in node.output})
    made.update(_computed(model, chosen))
    _replace_nodes(model, made)
    return bool(made)


def _bytes(item: onnx.TensorProto) -> int:
    return int(np.prod(item.dims, dtype=np.int64)) * 8


def _known_shapes(model: onnx.ModelProto) -> dict[str, tuple[tuple[int, ...], int]]:
    """Of every tensor whose shape is known: that, and its bytes at 8 a value."""
    known = {}
    for info in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        kind = info.type.tensor_type
        if kind.HasField("shape") and all(d.HasField("dim_value") for d in kind.shape.dim):
            shape = tuple(d.dim_value for d in kind.shape.dim)
            known[info.name] = shape, int(np.prod(shape, dtype=np.float64)) * 8
    for item in model.graph.initializer:
        known[item.name] = tuple(item.dims), _bytes(item)
    return known


def _foldable(
    node: onnx.NodeProto, sizes: dict[str, int], shapes: dict[str, tuple[tuple[int, ...], int]]
) -> bool:
    sources = [name for name in node.input if name]
    if node.domain or node.op_type in _RANDOM or inner_graphs(node):
        return False
    if not all(name in sizes for name in sources):
        return False
    given = sum(sizes[name] for name in sources)
    for name in filter(None, node.output):
        if name in shapes and shapes[name][1] > max(_MOST_BYTES, given):
            return False
        if name not in shapes and given > _SMALL_BYTES:
            return False
    return bool(sources) or node.op_type == "Constant"


def _shape_value(node: onnx.NodeProto, shape: tuple[int, ...]) -> Array:
    if node.op_type == "Size":
        return np.asarray(np.prod(shape, dtype=np.int64))
    cut = slice(attribute(node, "start", 0), attribute(node, "end", None))
    return np.asarray(shape[cut], dtype=np.int64)


def _computed(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> dict[str, Array]:
    """Values of the tensors these nodes make that others read, computed by onnxruntime."""
    import onnx
    import onnxruntime
    from onnx import helper

    if not nodes:
        return {}
    inside = {id(node) for node in nodes}
    made = [name for node in nodes for name in node.output if name]
    read = {name for n in model.graph.node if id(n) not in inside for name in _read_by(n)}
    wanted = [name for name in made if name in read]
    if not wanted:  # nobody reads them: they go, and leave nothing behind
        return {name: np.zeros(0, np.float32) for name in made}
    used = {name for node in nodes for name in node.input}
    part = onnx.ModelProto(ir_version=max(model.ir_version, 8))
    part.opset_import.extend(model.opset_import)
    part.graph.name = "constants"
    part.graph.node.extend(nodes)
    part.graph.initializer.extend(i for i in model.graph.initializer if i.name in used)
    part.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in wanted)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            part.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        values = session.run(wanted, {})
    except Exception as error:  # onnxruntime's exceptions have no base class of their own
        raise InputError(f"A constant of the ONNX model cannot be computed: {error}") from error
    nothing = {name: np.zeros(0, np.float32) for name in made if name not in read}
    return {**nothing, **dict(zip(wanted, values, strict=True))}


def _read_by(node: onnx.NodeProto) -> Iterable[str]:
    """What a node reads, by itself or from within its graphs."""
    yield from node.input
    for graph in inner_graphs(node):
        yield from (item.name for item in graph.output)
        for inner in graph.node:
            yield from _read_by(inner)


def _choose_branches(model: onnx.ModelProto) -> bool:
    """Put the branch that runs in the place of each If whose condition is constant."""
    known = {item.name: item for item in model.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    changed = False
    for number, node in enumerate(model.graph.node):
        if node.op_type == "If" and node.input[0] in known:
            nodes.extend(_branch(model, node, known[node.input[0]], f"if_{number}"))
            changed = True
        else:
            nodes.append(node)
    if changed:
        _set_nodes(model, nodes)
    return changed


def _branch(
    model: onnx.ModelProto, node: onnx.NodeProto, condition: onnx.TensorProto, stem: str
) -> list[onnx.NodeProto]:
    from onnx import helper, numpy_helper

    truth = bool(numpy_helper.to_array(condition).reshape(-1)[0])
    graph = attribute(node, "then_branch" if truth else "else_branch")
    inner = [name for n in graph.node for name in n.output if name]
    taken = {*_defined(model)}
    names = {}
    for name in (*inner, *(item.name for item in graph.initializer)):
        names[name] = f"{stem}/{name}"
        while names[name] in taken:
            names[name] += "_"
    for item in graph.initializer:
        item.name = names[item.name]
        model.graph.initializer.append(item)
    for part in graph.node:
        _rename(part, names)
    passes = [
        helper.make_node("Identity", [names.get(item.name, item.name)], [target])
        for item, target in zip(graph.output, node.output, strict=True)
        if target
    ]
    return [*graph.node, *passes]


def _defined(model: onnx.ModelProto) -> Iterable[str]:
    yield from (item.name for item in model.graph.initializer)
    yield from (item.name for item in model.graph.input)
    yield from (name for node in model.graph.node for name in node.output)


def _rename(node: onnx.NodeProto, names: dict[str, str]) -> None:
    """Rename what a node reads and makes, in the graphs inside it too."""
    node.input[:] = [names.get(name, name) for name in node.input]
    node.output[:] = [names.get(name, name) for name in node.output]
    for graph in inner_graphs(node):
        for item in graph.output:
            item.name = names.get(item.name, item.name)
        for inner in graph.node:
            _rename(inner, names)
