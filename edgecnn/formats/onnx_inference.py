"""ONNX's own shape inference over an onnx_ir graph: strict, and without its weights.

onnx_ir has a pass for it, which goes on with a warning where shapes contradict each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.errors import InputError

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

# It reads the values of small constants (axes, shapes) and never those of weights.
_LARGE_BYTES = 1024


def infer_shapes(model: ir.Model, *, strict: bool = True) -> None:
    """Learn dtype and shape of every tensor anew, and sizes that outputs leave open.

    Args:
        model: edited.
        strict: whether a tensor whose shape cannot be told is an error; else it is left out.

    Raises:
        InputError: the graph's shapes contradict each other.
    """
    import onnx_ir as ir
    from onnx import shape_inference

    try:
        inferred = shape_inference.infer_shapes(_light(model), strict_mode=strict, data_prop=True)
    except shape_inference.InferenceError as error:
        # It lists every node behind the first; and that is the one to blame.
        cause = " ".join(str(error).splitlines()[:1])
        raise InputError(f"The ONNX graph's shapes do not fit together: {cause}") from error
    infos = {info.name: info for info in inferred.graph.value_info}
    for node in model.graph:
        for value in node.outputs:
            if value.is_graph_output():
                continue
            value.type = value.shape = None
            if value.name in infos:
                ir.serde.deserialize_value_info_proto(infos[value.name], value)
    for value, known in zip(model.graph.outputs, inferred.graph.output, strict=True):
        if value.shape is None or not value.shape.is_static():
            ir.serde.deserialize_value_info_proto(known, value)


def _light(model: ir.Model) -> onnx.ModelProto:
    """The model with its large constants as inputs: with them, encoding would take all the time."""
    import onnx_ir as ir

    graph = model.graph
    small: list[ir.Value] = []
    large: list[ir.Value] = []
    for value in graph.initializers.values():
        tensor = value.const_value
        (large if tensor is not None and tensor.nbytes >= _LARGE_BYTES else small).append(value)
    view = ir.GraphView(
        [*graph.inputs, *large], graph.outputs, nodes=graph, initializers=small, name=graph.name
    )
    return encoded(view, model)


def encoded(view: ir.GraphView, model: ir.Model) -> onnx.ModelProto:
    """A part of a model as protobuf, without what is known of its tensors."""
    import onnx
    import onnx_ir as ir
    from onnx import helper

    graph = ir.serde.serialize_graph(view)  # type: ignore[arg-type] # its protocol asks for setters
    del graph.value_info[:]
    proto = onnx.ModelProto(ir_version=model.ir_version, graph=graph)
    opsets = model.opset_imports.items()
    proto.opset_import.extend(helper.make_opsetid(*opset) for opset in opsets)
    return proto
