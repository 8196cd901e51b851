"""ONNX files: one byte string for one network."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.formats.onnx_graph import (
    drop_unread_constants,
    from_proto,
    inner_graphs,
    name_of,
    require_onnx,
    to_proto,
)
from edgecnn.formats.onnx_inference import infer_shapes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import onnx_ir as ir

# The IR that opset 17 came with: read by every onnxruntime since 1.12 (2022).
IR_VERSION = 8
_NEWEST_KNOWN = 18  # the last opset that came with IR 8
_PRODUCER = "edgecnn"
# What a constant is to the node that reads it, by input position.
_ROLES = {
    "Conv": ("input", "weight", "bias"),
    "ConvTranspose": ("input", "weight", "bias"),
    "Gemm": ("input", "weight", "bias"),
    "MatMul": ("input", "weight"),
    "QuantizeLinear": ("values", "scale", "zero_point"),
    "DequantizeLinear": ("values", "scale", "zero_point"),
    "Reshape": ("values", "shape"),
    "Clip": ("values", "min", "max"),
}


def canonicalize(model: ir.Model) -> ir.Model:
    """The same network in the one form its structure gives: names, order and metadata fixed.

    Nodes are ordered by a depth-first walk from the outputs and named by operator and number
    (`conv_7`), a node's output has the node's name, its constants the role they play
    (`conv_7.weight`). Dead nodes, doc strings and the producer's notes are gone; inputs and outputs
    keep their names. Shapes are inferred anew.

    Args:
        model: as `onnx_graph.from_proto` gives it; used up, its graph is the result's.

    Returns:
        Two models equal but for names and order of nodes give the same bytes.

    Raises:
        InputError: control flow, a cycle, or shapes that contradict each other.
    """
    import onnx_ir as ir

    graph = model.graph
    _refuse_control_flow(graph)
    nodes = _ordered(graph)
    opsets = _opsets(graph, nodes)
    graph.remove(set(graph) - set(nodes), safe=True)
    graph.extend(nodes)  # moves them
    drop_unread_constants(graph)
    names = _names(graph)
    ir.convenience.rename_values(list(names), list(names.values()))
    for node in nodes:
        _strip(node)
    for value in names:
        value.doc_string = None
        value.metadata_props.clear()
        value.meta.clear()
    graph.name, graph.doc_string = _PRODUCER, None
    graph.metadata_props.clear()
    graph.opset_imports.clear()
    graph.opset_imports.update(opsets)
    newer = opsets[""] > _NEWEST_KNOWN
    version = max(IR_VERSION, model.ir_version if newer else 0)
    result = ir.Model(graph, ir_version=version, producer_name=_PRODUCER)
    infer_shapes(result)
    return result


def _refuse_control_flow(graph: ir.Graph) -> None:
    for node in graph:
        if inner_graphs(node):
            raise InputError(
                f"ONNX node {node.name or node.op_type} holds a graph (control flow).",
                hint="Export the network for inference, with fixed shapes.",
            )


def _opsets(graph: ir.Graph, nodes: list[ir.Node]) -> dict[str, int]:
    """The operator sets the nodes use, the standard one always."""
    used = {node.domain for node in nodes} | {""}
    stated = {"" if name == "ai.onnx" else name: v for name, v in graph.opset_imports.items()}
    missing = sorted(used - stated.keys())
    if missing:
        raise InputError(f"The ONNX model uses operators of {missing} and imports no such set.")
    return {domain: stated[domain] for domain in sorted(used)}


def _ordered(graph: ir.Graph) -> list[ir.Node]:
    """The nodes the outputs need, each after what it reads, in whatever order they were.

    onnx_ir sorts too, but keeps the order of what does not depend on each other.
    """
    order: list[ir.Node] = []
    state: dict[ir.Node, str] = {}
    makers = [value.producer() for value in reversed(graph.outputs)]
    stack = [node for node in makers if node is not None]
    while stack:
        node = stack[-1]
        if state.get(node) == "done":
            stack.pop()
            continue
        waiting = [maker for maker in node.predecessors() if state.get(maker) != "done"]
        if waiting and state.get(node) == "open":
            raise InputError(
                f"The ONNX graph has a cycle through node {node.name or node.op_type}."
            )
        if waiting:
            state[node] = "open"
            stack.extend(reversed(waiting))
        else:
            state[node] = "done"
            order.append(stack.pop())
    return order


def _names(graph: ir.Graph) -> dict[ir.Value, str]:
    """Each tensor's new name, in the order of first use. Optional ones ("") stay empty."""
    ends = [*graph.inputs, *graph.outputs]
    names = {value: name_of(value) for value in ends}
    for node, stem in zip(graph, _stems(graph, set(names.values())), strict=True):
        roles = _ROLES.get(node.op_type, ())
        for position, value in enumerate(node.inputs):
            role = roles[position] if position < len(roles) else f"input_{position}"
            if value is not None:
                names.setdefault(value, f"{stem}.{role}")
        for position, value in enumerate(node.outputs):
            if value.name:
                names.setdefault(value, f"{stem}.{position}" if position else stem)
    return names


def _stems(nodes: Iterable[ir.Node], taken: set[str]) -> list[str]:
    """A name for each node, operator and number, that no graph input or output has."""
    counts: dict[str, int] = {}
    stems = []
    for node in nodes:
        kind = node.op_type.lower()
        counts[kind] = counts.get(kind, 0) + 1
        while f"{kind}_{counts[kind]}" in taken:
            counts[kind] += 1
        stems.append(f"{kind}_{counts[kind]}")
    return stems


def _strip(node: ir.Node) -> None:
    """Name a node after its output, order its attributes, and drop its notes."""
    node.name, node.doc_string = node.outputs[0].name, None
    node.metadata_props.clear()
    attributes = sorted(node.attributes.values(), key=lambda item: item.name)
    node.attributes.clear()
    for item in attributes:
        item.doc_string = None
        node.attributes.add(item)


def to_bytes(model: ir.Model) -> bytes:
    """The canonical model's bytes, checked by ONNX's own checker; equal networks give equal bytes.

    Args:
        model: used up, as by `canonicalize`.

    Raises:
        InputError: the checker refuses the model, or it is over protobuf's 2 GiB.
    """
    from onnx import checker

    proto = to_proto(canonicalize(model))
    for node in proto.graph.node:
        node.domain = node.domain  # stated even where it is the standard one, ""
    try:
        data: bytes = proto.SerializeToString(deterministic=True)
        checker.check_model(data, full_check=True)
    except (checker.ValidationError, protobuf_error("EncodeError"), ValueError) as error:
        raise InputError(f"The ONNX model is not valid: {error}") from error
    return data


def protobuf_error(name: str) -> type[Exception]:
    """An exception of protobuf by its name, such as DecodeError."""
    # protobuf ships no types, and is there wherever onnx is.
    error: type[Exception] = getattr(importlib.import_module("google.protobuf.message"), name)
    return error


def save(model: ir.Model, path: Path) -> None:
    """Write `to_bytes(model)`. The caller gives a path nobody reads yet; moving it is theirs.

    Raises:
        InputError: as `to_bytes`.
    """
    path.write_bytes(to_bytes(model))


def load(path: Path) -> ir.Model:
    """Read an ONNX file; a foreign one in a child process (edgecnn.isolation).

    Raises:
        InputError: it is no ONNX model.
    """
    require_onnx()
    import onnx

    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except protobuf_error("DecodeError") as error:
        raise InputError(f"{path.name} is not an ONNX model: {error}") from error
    if not model.graph.node or not model.graph.output:
        raise InputError(f"{path.name} is not an ONNX model: it has no nodes or no outputs.")
    return from_proto(model)
