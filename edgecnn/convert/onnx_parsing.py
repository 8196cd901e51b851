"""From a foreign .onnx file to a flat ModelProto in float32: parsed, bounded, functions inlined."""

from __future__ import annotations

import importlib
from collections import Counter
from typing import TYPE_CHECKING

from edgecnn import files
from edgecnn.errors import InputError
from edgecnn.inspection.onnx_functions import refuse_growth

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import onnx

OLDEST_OPSET = 7
_QUANTIZED = {
    "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul",
    "ConvInteger", "MatMulInteger",
}  # fmt: skip
_HINT = "Name a .onnx file; this may be a Git LFS pointer or an error page."


def parse(path: Path) -> onnx.ModelProto:
    """Read a float ONNX model; float16 becomes float32, functions are inlined.

    Raises:
        InputError: it cannot be read, is no ONNX model, older than opset 7, quantized, or weights
            outside the file are missing.
    """
    import onnx

    try:
        data = files.read_bytes(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.", hint="Check the path."
        ) from error
    decode_error = importlib.import_module("google.protobuf.message").DecodeError
    try:
        model = onnx.load_model_from_string(data)
    except decode_error as error:
        raise InputError(
            f"{path} is not an ONNX model, or damaged: {error}.", hint=_HINT
        ) from error
    if not model.opset_import or not model.graph.node or not model.graph.output:
        raise InputError(f"{path} is not an ONNX model: it holds no graph.", hint=_HINT)
    _load_external(model, path)
    return accept(model, str(path))


def accept(model: onnx.ModelProto, what: str) -> onnx.ModelProto:
    """The model flat and in float32, where it is one that can be; `model` is changed.

    Raises:
        InputError: names that are no text, opset 6 or older, quantized operators, functions that
            grow without bound.
    """
    model = _inlined(model, what)
    if not all(isinstance(name, str) for name in _names(model.graph)):  # protobuf hands out bytes
        raise InputError(f"{what} is damaged: a name in it is no text.", hint=_HINT)
    version = opset(model)
    if version < OLDEST_OPSET:
        raise InputError(
            f"{what} is written in opset {version} of 2017; {OLDEST_OPSET} and newer are read.",
            hint="Export it again with a newer exporter.",
        )
    kinds = sorted({node.op_type for node in _nodes(model.graph)} & _QUANTIZED)
    if kinds:
        raise InputError(
            f"{what} is quantized already ({', '.join(kinds)}).",
            hint="Start from the float model it was made of.",
        )
    for item in (*model.opset_import, *_nodes(model.graph)):
        item.domain = "" if item.domain == "ai.onnx" else item.domain
    foreign = Counter(f"{n.domain}.{n.op_type}" for n in _nodes(model.graph) if n.domain)
    if foreign:
        raise InputError(
            f"{what} uses operators that ONNX itself does not have: {listed(foreign)}.",
            hint="Export it without a runtime's own optimizations or operators.",
        )
    _widen_float16(model.graph)
    return model


def listed(counts: Counter[str]) -> str:
    """Names with their counts, for a sentence."""
    return ", ".join(f"{name} ({count}x)" for name, count in sorted(counts.items()))


def opset(model: onnx.ModelProto) -> int:
    """The version of the standard operator set the model is written in; 0 where it names none."""
    return max((o.version for o in model.opset_import if o.domain in {"", "ai.onnx"}), default=0)


def _load_external(model: onnx.ModelProto, path: Path) -> None:
    """Read the weights that lie outside the file, from its own folder only."""
    import onnx
    from onnx import external_data_helper as external

    folder = path.resolve().parent
    for tensor in external._get_all_tensors(model):  # noqa: SLF001 - no public walk
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        place = next((e.value for e in tensor.external_data if e.key == "location"), "")
        target = (folder / place).resolve()
        if not place or folder not in target.parents or not target.is_file():
            raise InputError(
                f"{path} keeps the weights '{tensor.name}' in '{place}', which is not beside it.",
                hint="Put that file into the same folder, or export with the weights inside.",
            )
        try:
            external.load_external_data_for_tensor(tensor, str(folder))
        except (OSError, ValueError, onnx.checker.ValidationError) as error:
            raise InputError(
                f"The weights '{tensor.name}' of {path} cannot be read: {error}"
            ) from error
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]


def _inlined(model: onnx.ModelProto, what: str) -> onnx.ModelProto:
    from onnx import inliner

    if not model.functions:
        return model
    refuse_growth(model, what)
    try:
        return inliner.inline_local_functions(model)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"The functions in {what} cannot be inlined: {error}") from error


def _inner_graphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    return [
        inner
        for item in node.attribute
        for inner in ([item.g] if item.HasField("g") else item.graphs)
    ]


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    yield from _all_nodes(graph.node)


def _all_nodes(nodes: object) -> Iterator[onnx.NodeProto]:
    for node in nodes:  # type: ignore[attr-defined] # protobuf's container has no public type
        yield node
        for inner in _inner_graphs(node):
            yield from _nodes(inner)


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for inner in _inner_graphs(node):
            yield from _graphs(inner)


def _names(graph: onnx.GraphProto) -> Iterator[object]:
    for part in _graphs(graph):
        for item in (*part.input, *part.output, *part.initializer):
            yield item.name
        for node in part.node:
            yield from (node.op_type, node.domain, *node.input, *node.output)


def _widen_float16(graph: onnx.GraphProto) -> None:
    """A half-precision model computed in float32: every float16 tensor and Cast becomes float32."""
    from onnx import TensorProto

    half, single = TensorProto.FLOAT16, TensorProto.FLOAT
    for part in _graphs(graph):
        for tensor in part.initializer:
            _widen(tensor)
        for info in (*part.input, *part.output, *part.value_info):
            if info.type.tensor_type.elem_type == half:
                info.type.tensor_type.elem_type = single
        for item in (item for node in part.node for item in node.attribute):
            if item.name in {"to", "dtype"} and item.i == half:
                item.i = single
            if item.HasField("t"):
                _widen(item.t)


def _widen(tensor: onnx.TensorProto) -> None:
    import numpy as np
    from onnx import TensorProto, numpy_helper

    if tensor.data_type == TensorProto.FLOAT16:
        value = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
