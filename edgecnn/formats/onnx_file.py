"""ONNX files: one byte string for one network, and the logits in front of its softmax."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.formats.onnx_graph import OnnxGraph, attribute, infer_shapes, require_onnx

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

# The IR that opset 17 came with: read by every onnxruntime since 1.12 (2022).
IR_VERSION = 8
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


@dataclass(frozen=True)
class Tap:
    """A model whose only output is the logits.

    Attributes:
        model: the serialized ONNX model; its output is float32.
        is_logits: True when a final softmax was found and removed; False when the model's own
            output stands.
    """

    model: bytes
    is_logits: bool


def canonicalize(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network in the one form its structure gives: names, order and metadata fixed.

    Nodes are ordered by a depth-first walk from the outputs and named by operator and number
    (`conv_7`), a node's output has the node's name, its constants the role they play
    (`conv_7.weight`). Dead nodes, doc strings and the producer's notes are gone; inputs and outputs
    keep their names. Shapes are inferred anew.

    Args:
        model: not changed. Flat (no control flow).

    Returns:
        A new model. Two models equal but for names and order of nodes give the same bytes.

    Raises:
        InputError: control flow, a cycle, or shapes that contradict each other.
    """
    import onnx
    from onnx import helper, numpy_helper

    graph = OnnxGraph(model)
    nodes = _ordered(graph)
    names = _names(graph, nodes)
    result = onnx.ModelProto(
        ir_version=max(IR_VERSION, model.ir_version if _newer_opset(model) else 0),
        producer_name=_PRODUCER,
    )
    for domain, version in sorted(_opsets(model, nodes).items()):
        result.opset_import.append(helper.make_opsetid(domain, version))
    result.graph.name = _PRODUCER
    result.graph.node.extend(_renamed(node, names) for node in nodes)
    for old, new in names.items():
        if old in graph.constants:
            result.graph.initializer.append(numpy_helper.from_array(graph.constants[old], new))
    for source, target in (
        (model.graph.input, result.graph.input),
        (model.graph.output, result.graph.output),
    ):
        target.extend(
            helper.make_value_info(item.name, item.type)
            for item in source
            if item.name not in graph.constants
        )
    infer_shapes(result)
    return result


def _newer_opset(model: onnx.ModelProto) -> bool:
    newest_known = 18  # the last opset that came with IR 8
    return any(o.version > newest_known for o in model.opset_import if o.domain in {"", "ai.onnx"})


def _opsets(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> dict[str, int]:
    """The operator sets the nodes use, the standard one always."""
    used = {"" if node.domain == "ai.onnx" else node.domain for node in nodes} | {""}
    stated = {"" if o.domain == "ai.onnx" else o.domain: o.version for o in model.opset_import}
    missing = sorted(used - stated.keys())
    if missing:
        raise InputError(f"The ONNX model uses operators of {missing} and imports no such set.")
    return {domain: stated[domain] for domain in used}


def _ordered(graph: OnnxGraph) -> list[onnx.NodeProto]:
    """The nodes the outputs need, each after what it reads, in whatever order they were."""
    order: list[onnx.NodeProto] = []
    state: dict[int, str] = {}
    stack = [node for name in reversed(graph.outputs) if (node := graph.producer(name)) is not None]
    while stack:
        node = stack[-1]
        if state.get(id(node)) == "done":
            stack.pop()
            continue
        makers = [maker for name in node.input if (maker := graph.producer(name)) is not None]
        waiting = [maker for maker in makers if state.get(id(maker)) != "done"]
        if waiting and state.get(id(node)) == "open":
            raise InputError(
                f"The ONNX graph has a cycle through node {node.name or node.op_type}."
            )
        if waiting:
            state[id(node)] = "open"
            stack.extend(reversed(waiting))
        else:
            state[id(node)] = "done"
            order.append(stack.pop())
    return order


def _names(graph: OnnxGraph, nodes: list[onnx.NodeProto]) -> dict[str, str]:
    """Old tensor name to new, in the order of first use. Optional inputs ("") stay empty."""
    fixed = {*graph.inputs, *graph.outputs}
    names = {name: name for name in (*graph.inputs, *graph.outputs)}
    names[""] = ""
    for node, stem in zip(nodes, _stems(nodes, fixed), strict=True):
        roles = _ROLES.get(node.op_type, ())
        for position, tensor in enumerate(node.input):
            role = roles[position] if position < len(roles) else f"input_{position}"
            names.setdefault(tensor, f"{stem}.{role}")
        for position, tensor in enumerate(node.output):
            names.setdefault(tensor, f"{stem}.{position}" if position else stem)
    return names


def _stems(nodes: list[onnx.NodeProto], taken: set[str]) -> list[str]:
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


def _renamed(node: onnx.NodeProto, names: dict[str, str]) -> onnx.NodeProto:
    import onnx

    twin = onnx.NodeProto(
        op_type=node.op_type, domain="" if node.domain == "ai.onnx" else node.domain
    )
    twin.input.extend(names[name] for name in node.input)
    twin.output.extend(names[name] for name in node.output)
    twin.name = twin.output[0]
    twin.attribute.extend(sorted(node.attribute, key=lambda item: item.name))
    for item in twin.attribute:
        item.ClearField("doc_string")
    return twin


def to_bytes(model: onnx.ModelProto) -> bytes:
    """The canonical model's bytes, checked by ONNX's own checker; equal networks give equal bytes.

    Raises:
        InputError: the checker refuses the model, or it is over protobuf's 2 GiB.
    """
    from onnx import checker

    canonical = canonicalize(model)
    try:
        data: bytes = canonical.SerializeToString(deterministic=True)
        checker.check_model(data, full_check=True)
    except (checker.ValidationError, protobuf_error("EncodeError"), ValueError) as error:
        raise InputError(f"The ONNX model is not valid: {error}") from error
    return data


def protobuf_error(name: str) -> type[Exception]:
    """An exception of protobuf by its name, such as DecodeError."""
    # protobuf ships no types, and is there wherever onnx is.
    error: type[Exception] = getattr(importlib.import_module("google.protobuf.message"), name)
    return error


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write `to_bytes(model)`. The caller gives a path nobody reads yet; moving it is theirs.

    Raises:
        InputError: as `to_bytes`.
    """
    path.write_bytes(to_bytes(model))


def load(path: Path) -> onnx.ModelProto:
    """Read an ONNX file; a foreign one in a child process (edgecnn.isolation).

    Raises:
        InputError: it is no ONNX model.
    """
    require_onnx()
    return _parse(path.read_bytes(), path.name)


def _parse(data: bytes, what: str) -> onnx.ModelProto:
    import onnx

    try:
        model = onnx.load_model_from_string(data)
    except protobuf_error("DecodeError") as error:
        raise InputError(f"{what} is not an ONNX model: {error}") from error
    if not model.graph.node or not model.graph.output:
        raise InputError(f"{what} is not an ONNX model: it has no nodes or no outputs.")
    return model


def tap_logits(model_bytes: bytes) -> Tap:
    """A copy of the model whose single output, float32, is what goes into its final softmax.

    The softmax is found through Cast, Reshape, Flatten, Identity and pairs of QuantizeLinear and
    DequantizeLinear. A model without one keeps its own first output.

    Raises:
        InputError: not an ONNX model, or its logits are integers without a scale.
        MissingPartError: onnx is not installed.
    """
    require_onnx()
    import onnx
    from onnx import TensorProto, helper

    model = _parse(model_bytes, "The model")
    graph = OnnxGraph(model)
    softmax = _final_softmax(graph)
    logits = softmax.input[0] if softmax is not None else graph.outputs[0]
    infer_shapes(model)
    infos = {i.name: i for i in (*model.graph.value_info, *model.graph.output, *model.graph.input)}
    kind = infos[logits].type.tensor_type.elem_type if logits in infos else TensorProto.UNDEFINED
    if kind not in {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE}:
        raise InputError(
            f"The model's logits ({logits}) are {TensorProto.DataType.Name(kind)}, not float.",
            hint="Dequantize the output before the softmax.",
        )
    info = onnx.ValueInfoProto()
    info.CopyFrom(infos[logits])
    if kind != TensorProto.FLOAT:
        info.name = graph.fresh("logits")
        info.type.tensor_type.elem_type = TensorProto.FLOAT
        model.graph.node.append(
            helper.make_node("Cast", [logits], [info.name], to=TensorProto.FLOAT)
        )
    del model.graph.output[:]
    model.graph.output.append(info)
    _drop_dead(model)
    return Tap(model.SerializeToString(deterministic=True), softmax is not None)


_SEEN_THROUGH = {
    "Cast",
    "Reshape",
    "Flatten",
    "Identity",
    "Squeeze",
    "DequantizeLinear",
    "QuantizeLinear",
}


def _final_softmax(graph: OnnxGraph) -> onnx.NodeProto | None:
    node = graph.producer(graph.outputs[0])
    while node is not None and node.op_type in _SEEN_THROUGH:
        node = graph.producer(node.input[0])
    if node is None or node.op_type != "Softmax":
        return None
    return node if attribute(node, "axis", -1) in {-1, 1} else None


def _drop_dead(model: onnx.ModelProto) -> None:
    """Remove the nodes behind the tap: a runtime would compute them, and refuse dangling ones."""
    graph = OnnxGraph(model)
    graph.nodes = _ordered(graph)
    graph.write()
    known = {name for node in graph.nodes for name in node.output} - set(graph.outputs)
    kept = [info for info in model.graph.value_info if info.name in known]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)
