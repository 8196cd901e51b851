"""Finds the logits in front of an ONNX file's softmaxes; makes them outputs of a copy.

On protobuf itself: `verify` comes here, and importing onnx_ir, which brings sympy, takes half a
second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.formats.onnx_file import protobuf_error
from edgecnn.formats.onnx_graph import require_onnx

if TYPE_CHECKING:
    import onnx

# Operators behind which an output is still the same answer.
_SEEN_THROUGH = {
    "Cast",
    "Reshape",
    "Flatten",
    "Identity",
    "Squeeze",
    "DequantizeLinear",
    "QuantizeLinear",
}


def tap(data: bytes) -> tuple[bytes, tuple[int, ...]]:
    """A copy of the model that gives what enters each final softmax as a further output.

    Args:
        data: a serialized ONNX model.

    Returns:
        The copy, and for each further output the place of the output that it belongs to.

    Raises:
        InputError: it is no ONNX model.
        MissingPartError: onnx is not installed.
    """
    require_onnx()
    import onnx

    try:
        model = onnx.load_model_from_string(data)
    except protobuf_error("DecodeError") as error:
        raise InputError(f"Not an ONNX model: {error}.", hint="Export it again.") from error
    makers = {name: node for node in model.graph.node for name in node.output}
    softmaxes = {
        place: node
        for place, output in enumerate(model.graph.output)
        if (node := _softmax_behind(output.name, makers)) is not None
    }
    if not softmaxes:
        return data, ()
    taken = {output.name for output in model.graph.output}
    for node in softmaxes.values():
        _add_output(model, node, taken)
    return model.SerializeToString(deterministic=True), tuple(softmaxes)


def end_operators(data: bytes) -> tuple[str, ...]:
    """The operator that each output ends in, seen through what only moves or converts it.

    "" for an output that no node makes.
    """
    require_onnx()
    import onnx

    model = onnx.load_model_from_string(data)
    makers = {name: node for node in model.graph.node for name in node.output}
    nodes = [_behind(output.name, makers) for output in model.graph.output]
    return tuple("" if node is None else node.op_type for node in nodes)


def _softmax_behind(output: str, makers: dict[str, onnx.NodeProto]) -> onnx.NodeProto | None:
    node = _behind(output, makers)
    return node if node is not None and node.op_type == "Softmax" else None


def _behind(output: str, makers: dict[str, onnx.NodeProto]) -> onnx.NodeProto | None:
    node = makers.get(output)
    while node is not None and node.op_type in _SEEN_THROUGH:
        node = makers.get(node.input[0])
    return node


def _add_output(model: onnx.ModelProto, softmax: onnx.NodeProto, taken: set[str]) -> None:
    """Give out what enters a softmax, as float32 and under a name nobody has."""
    from onnx import TensorProto, helper

    place = list(model.graph.node).index(softmax)
    name = f"{softmax.input[0]}//logits"
    while name in taken:
        name += "_"
    taken.add(name)
    cast = helper.make_node("Cast", [softmax.input[0]], [name], to=TensorProto.FLOAT)
    model.graph.node.insert(place, cast)
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
