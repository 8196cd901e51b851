"""What an .onnx file really is, counted with the onnx package.

protobuf and onnx's shape inference are native code: call `read` for anybody's file through
`edgecnn.isolation.run`, as `edgecnn.inspection.inspect` does.
"""

from __future__ import annotations

import hashlib
import importlib
import math
from collections import Counter
from typing import TYPE_CHECKING

from edgecnn import files
from edgecnn.errors import InputError, MissingPartError
from edgecnn.inspection.onnx_functions import refuse_growth
from edgecnn.inspection.onnx_ops import NodeView, Values, dtype_name
from edgecnn.inspection.record import (
    MOST_ELEMENTS,
    Inspection,
    Operator,
    check_plausible,
    uncounted_note,
)
from edgecnn.records import GraphInfo, TensorInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto

# Bits of one element, for the dtypes whose constants can be measured.
_BITS = {
    "float32": 32, "float64": 64, "float16": 16, "bfloat16": 16, "int8": 8, "uint8": 8,
    "int16": 16, "uint16": 16, "int32": 32, "uint32": 32, "int64": 64, "uint64": 64, "bool": 8,
    "int4": 4, "uint4": 4,
}  # fmt: skip
# Domains onnxruntime brings along; operators of any other need a library of their own.
_KNOWN_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}


def read(path: str) -> Inspection:
    """Count what an .onnx file holds; weights kept outside the file are not needed.

    Args:
        path: the file.

    Raises:
        InputError: not an ONNX model, or a damaged one.
        MissingPartError: the onnx package is not installed.
    """
    data = files.read_bytes(path)
    model = parse(data, path)
    notes = _check(model)
    expanded, more = _expanded(model)
    return counted(data, model, expanded, (*notes, *more), path)


def counted(
    data: bytes, model: ModelProto, shaped: ModelProto, notes: Sequence[str], name: str
) -> Inspection:
    """Count a model's operators.

    Args:
        data: the file's bytes.
        model: what they hold; the inputs and outputs are told as they are there.
        shaped: the same network with the shapes of its tensors, whose operators are counted.
        notes: what is known of it already.
        name: what errors call it.

    Raises:
        InputError: its numbers cannot be.
    """
    nodes = [node for graph in _graphs(shaped.graph) for node in graph.node]
    values = Values(shaped.graph, nodes, _graphs(shaped.graph))
    views = [NodeView(node, values) for node in nodes]
    operators = [view.operator() for view in views]
    uncounted = [view.name for view in views if view.cost() is None]
    constants = {tensor.name for tensor in model.graph.initializer}
    inspection = Inspection(
        format="onnx",
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        inputs=tuple(_info(value) for value in model.graph.input if value.name not in constants),
        outputs=tuple(_info(value) for value in model.graph.output),
        graph=_graph_info(views, operators),
        operators=tuple(operators),
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        description=model.doc_string,
        schema_version=model.ir_version,
        opsets={entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
        metadata={entry.key: entry.value for entry in model.metadata_props},
        notes=(*notes, *uncounted_note(uncounted)),
    )
    check_plausible(inspection, name)
    return inspection


def parse(data: bytes, path: str) -> ModelProto:
    """An .onnx file's bytes as a message, held to be a model; see `read`."""
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingPartError(
            "The onnx package is not installed, and it reads .onnx files.",
            hint="pip install 'edgecnn[onnx]'",
        ) from error
    hint = "Name a .onnx file; this may be a Git LFS pointer or an error page."
    decode_error = importlib.import_module("google.protobuf.message").DecodeError
    try:
        model = onnx.load_from_string(data)
    except decode_error as error:
        raise InputError(f"{path} is not an ONNX model, or damaged: {error}.", hint=hint) from error
    # Almost any bytes are some protobuf message: ask for what every model has.
    if not model.ir_version or not model.opset_import or not model.graph.node:
        raise InputError(f"{path} is not an ONNX model: it holds no graph.", hint=hint)
    if not all(isinstance(name, str) for name in _all_names(model)):  # protobuf hands out bytes
        raise InputError(f"{path} is damaged: a name in it is no text.", hint=hint)
    refuse_growth(model, path)
    _check_constants(model, path)
    return model


def _check_constants(model: ModelProto, path: str) -> None:
    """Hold the sizes of constants against their shapes, before anybody makes arrays of them."""
    for tensor in _constants(model):
        elements = math.prod(tensor.dims)
        bits = _BITS.get(dtype_name(tensor.data_type))
        wrong = any(size < 0 for size in tensor.dims) or elements > MOST_ELEMENTS
        if not wrong and bits and tensor.HasField("raw_data"):
            wrong = len(tensor.raw_data) != -(-elements * bits // 8)
        if wrong:
            raise InputError(
                f"{path} is damaged: the constant {tensor.name!r} of shape {tuple(tensor.dims)}"
                f" holds {len(tensor.raw_data)} bytes.",
                hint="Get or make the file again.",
            )


def _constants(model: ModelProto) -> Iterator[TensorProto]:
    for graph in _graphs(model.graph):
        yield from graph.initializer
        for node in graph.node:
            yield from (attribute.t for attribute in node.attribute if attribute.HasField("t"))


def _all_names(model: ModelProto) -> Iterator[object]:
    yield from (model.producer_name, model.producer_version, model.doc_string)
    yield from (entry.domain for entry in model.opset_import)
    yield from (text for entry in model.metadata_props for text in (entry.key, entry.value))
    for graph in _graphs(model.graph):
        named = (*graph.input, *graph.output, *graph.value_info, *graph.initializer)
        yield from (entry.name for entry in named)
        for node in graph.node:
            yield from (node.op_type, node.domain, *node.input, *node.output)


def _check(model: ModelProto) -> list[str]:
    """What onnx.checker objects to; external weights it would look for are not its business."""
    import onnx

    tensors = [tensor for graph in _graphs(model.graph) for tensor in graph.initializer]
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors):
        return ["Some weights are stored outside the file and were not inspected."]
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:  # ValueError: over 2 GB
        return [f"onnx.checker objects: {_first_line(error)}"]
    return []


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _expanded(model: ModelProto) -> tuple[ModelProto, list[str]]:
    """The model at batch 1, functions inlined, every shape inferred that can be."""
    import onnx
    from onnx import inliner, shape_inference

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for value in (*copy.graph.input, *copy.graph.output):
        dims = value.type.tensor_type.shape.dim
        if dims and not dims[0].HasField("dim_value"):
            dims[0].dim_value = 1
    try:
        if copy.functions:
            copy = inliner.inline_local_functions(copy)
        return shape_inference.infer_shapes(copy, data_prop=True), []
    except (RuntimeError, ValueError, shape_inference.InferenceError) as error:
        return copy, [f"Shapes could not be inferred: {_first_line(error)}"]


def _graphs(graph: GraphProto) -> list[GraphProto]:
    """The graph and those inside its If, Loop and Scan nodes."""
    inner = [
        sub
        for node in graph.node
        for attribute in node.attribute
        for sub in ([attribute.g] if attribute.HasField("g") else attribute.graphs)
    ]
    return [graph, *(deeper for sub in inner for deeper in _graphs(sub))]


def _info(value: ValueInfoProto) -> TensorInfo:
    kind = value.type.tensor_type
    shape = tuple(d.dim_value if d.HasField("dim_value") else -1 for d in kind.shape.dim)
    return TensorInfo(value.name, dtype_name(kind.elem_type), shape)


def _graph_info(views: Sequence[NodeView], operators: Sequence[Operator]) -> GraphInfo:
    macs = Counter[str]()
    for operator in operators:
        macs[operator.compute_dtype] += operator.macs
    custom = {view.name for view in views if view.node.domain not in _KNOWN_DOMAINS}
    return GraphInfo(
        ops=dict(sorted(Counter(operator.name for operator in operators).items())),
        macs_by_dtype={dtype: count for dtype, count in sorted(macs.items()) if count},
        parameters_by_dtype=_parameters(views),
        delegate_partitions=None,
        undelegated_ops={},
        custom_ops=tuple(sorted(custom)),
    )


def _parameters(views: Iterable[NodeView]) -> dict[str, int]:
    """Elements of weights and biases by stored dtype, each constant once."""
    counts = Counter[str]()
    seen = set[str]()
    for view in views:
        for name, constant in view.parameters():
            if name not in seen:
                seen.add(name)
                counts[constant.dtype] += constant.elements
    return dict(sorted(counts.items()))
