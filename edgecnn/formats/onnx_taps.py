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

# Operators behind which an output is still the same answer: the first in another form.
_MOVES = {"Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
_SEEN_THROUGH = _MOVES | {"Cast", "DequantizeLinear", "Identity", "QuantizeLinear"}


def tap(data: bytes) -> tuple[bytes, tuple[int, ...]]:
    """A copy of the model that gives what enters each final softmax as a further output.

    Args:
        data: a serialized ONNX model.

    Returns:
        The copy, and for each further output the place of the output that it belongs to. It has
        that output's form: what moves the probabilities (Transpose, Reshape) moves it too.

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
    paths = {
        place: path
        for place, output in enumerate(model.graph.output)
        if (path := _path_to_softmax(output.name, makers))
    }
    if not paths:
        return data, ()
    taken = {name for node in model.graph.node for name in node.output}
    for path in paths.values():
        _add_output(model, path, taken)
    return model.SerializeToString(deterministic=True), tuple(paths)


def end_operators(data: bytes) -> tuple[str, ...]:
    """The operator that each output ends in, seen through what only moves or converts it.

    "" for an output that no node makes.
    """
    require_onnx()
    import onnx

    model = onnx.load_model_from_string(data)
    makers = {name: node for node in model.graph.node for name in node.output}
    paths = [_path(output.name, makers) for output in model.graph.output]
    return tuple(path[-1].op_type if path else "" for path in paths)


def _path_to_softmax(output: str, makers: dict[str, onnx.NodeProto]) -> list[onnx.NodeProto]:
    path = _path(output, makers)
    return path if path and path[-1].op_type == "Softmax" else []


def _path(output: str, makers: dict[str, onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The nodes from an output back to the first that does more than to move or convert it.

    Where all do, back to an input, the last is one of those.
    """
    path: list[onnx.NodeProto] = []
    node = makers.get(output)
    while node is not None:
        path.append(node)
        node = makers.get(node.input[0]) if node.op_type in _SEEN_THROUGH else None
    return path


def _add_output(model: onnx.ModelProto, path: list[onnx.NodeProto], taken: set[str]) -> None:
    """Give out what enters a softmax, moved as its probabilities are, as float32.

    The nodes go to the end, where all that they read is there.
    """
    from onnx import TensorProto, helper

    *behind, softmax = path
    name = _fresh(f"{softmax.input[0]}//logits", taken)
    model.graph.node.append(
        helper.make_node("Cast", [softmax.input[0]], [name], to=TensorProto.FLOAT)
    )
    for node in reversed(behind):
        if node.op_type in _MOVES:
            moved = model.graph.node.add()
            moved.CopyFrom(node)
            moved.input[0], name = name, _fresh(name, taken)
            moved.name, moved.output[:] = name, [name]
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))


def _fresh(name: str, taken: set[str]) -> str:
    """A name nobody has; it is taken from now on."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name
