"""A user's float .onnx, brought to the one form that all that follows starts from.

    parse -> inline functions -> float16 to float32 -> fix open sizes -> fold constants and shape
    arithmetic -> opset 17 -> fold normalizations -> check against the original

No TensorFlow. The file is foreign and protobuf, onnx and onnxruntime are native code: all of it
happens in a child process.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import isolation
from edgecnn.convert import (
    onnx_folding,
    onnx_layout,
    onnx_opset,
    onnx_parsing,
    onnx_shapes,
    onnx_tidy,
)
from edgecnn.convert.onnx_sameness import check_same
from edgecnn.errors import InputError
from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import dtype_name, require_onnx, shapes_of
from edgecnn.records import Endpoint, Network

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from edgecnn.progress import Progress

_TIMEOUT_S = 600.0
_MEAN, _VARIANCE = 3, 4  # BatchNormalization's inputs that training does not learn


@dataclass(frozen=True)
class OnnxSource:
    """A prepared model, and what is known of its ends.

    Attributes:
        model: float, flat, opset 17, every size fixed, weights as initializers, shapes of all
            tensors in `value_info`; its inputs and outputs have the source's names and order.
        network: the same as records; channels-first layouts.
    """

    model: onnx.ModelProto
    network: Network


def prepare(
    path: Path,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    input_size: tuple[int, int] | None = None,
    *,
    progress: Progress | None = None,
) -> OnnxSource:
    """Read anybody's float .onnx (opset 7 and newer) and fix all that it leaves open.

    Args:
        path: the file; external weights are read from beside it.
        input_shapes: by input name, or under "" for the only input; overrides fixed sizes too.
        input_size: height and width of the image inputs, in pixels.
        progress: told of the stages.

    Returns:
        The model, which computes what the original does (checked on noise), and its `Network`.

    Raises:
        InputError: not an ONNX model, quantized, with control flow or foreign operators, or with
            sizes that stay open.
        CrashedError: native code crashed on the file, or took too long.
        MissingPartError: onnx or onnxruntime is not installed.
    """
    require_onnx()
    import onnx

    data, network = isolation.run(
        "edgecnn.convert.onnx_source:prepare_bytes",
        str(path),
        dict(input_shapes or {}),
        input_size,
        what=f"reading {path}",
        progress=progress,
        timeout_s=_TIMEOUT_S,
    )
    return OnnxSource(onnx.load_model_from_string(data), network)


def prepare_bytes(
    path: str,
    input_shapes: dict[str, tuple[int, ...]],
    input_size: tuple[int, int] | None,
    *,
    progress: Progress | None = None,
) -> tuple[bytes, Network]:
    """`prepare`, in this process: the model's bytes and its Network."""
    if progress is not None:
        progress.stage(f"reading {Path(path).name}")
    source = prepare_model(onnx_parsing.parse(Path(path)), input_shapes, input_size)
    return source.model.SerializeToString(deterministic=True), source.network


def prepare_model(
    model: onnx.ModelProto,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    input_size: tuple[int, int] | None = None,
) -> OnnxSource:
    """Prepare a parsed model (see `onnx_parsing.parse`) in this process; `model` is changed.

    Raises:
        InputError: as `prepare`.
        EdgeCnnError: what came out does not compute what the original computes.
    """
    import onnx

    parameters, trainable = _count_parameters(model)
    onnx_shapes.fix(model, input_shapes or {}, input_size)
    original = onnx.ModelProto()
    original.CopyFrom(model)
    onnx_opset.clear(model)
    onnx_folding.fold(model)
    _refuse_what_is_left(model)
    onnx_opset.bring(model)
    onnx_tidy.tidy(model)
    result = onnx_file.canonicalize(model)
    _refuse_open_outputs(result)
    check_same(original, result)
    inputs, outputs = _ends(result)
    return OnnxSource(result, Network(inputs, outputs, parameters, trainable))


def _refuse_what_is_left(model: onnx.ModelProto) -> None:
    """Control flow that is still there when nothing more can be folded."""
    flow = Counter(node.op_type for node in model.graph.node if onnx_folding.inner_graphs(node))
    if flow:
        raise InputError(
            f"Control flow in the ONNX model depends on its data: {onnx_parsing.listed(flow)}.",
            hint="Export the network alone, for inference, without pre- or post-processing.",
        )


def _refuse_open_outputs(model: onnx.ModelProto) -> None:
    shapes = shapes_of(model)
    for item in model.graph.output:
        has_shape = item.type.tensor_type.HasField("shape")
        if has_shape and all(size > 0 for size in shapes[item.name]):
            continue
        blamed = sorted({node.op_type for node in model.graph.node} & onnx_folding.DATA_DEPENDENT)
        cause = f" ({', '.join(blamed)})" if blamed else ""
        raise InputError(
            f"The size of output '{item.name}' depends on the input's values{cause}.",
            hint="Export the network without post-processing such as non-maximum suppression.",
        )


def _ends(model: onnx.ModelProto) -> tuple[tuple[Endpoint, ...], tuple[Endpoint, ...]]:
    shapes, layouts = shapes_of(model), onnx_layout.layouts(model)
    inputs, outputs = (
        tuple(
            Endpoint(
                item.name,
                dtype_name(item.type.tensor_type.elem_type),
                shapes[item.name],
                layouts.get(item.name, ""),
            )
            for item in items
        )
        for items in (model.graph.input, model.graph.output)
    )
    return inputs, outputs


def _count_parameters(model: onnx.ModelProto) -> tuple[int, int]:
    """All, and those that training changes: floats of one axis or more, each constant once."""
    sizes = {name: value.size for name, value in onnx_folding.constants(model).items()
             if value.dtype.kind == "f" and value.ndim}  # fmt: skip
    fixed = {
        name
        for node in model.graph.node
        if node.op_type == "BatchNormalization"
        for name in node.input[_MEAN : _VARIANCE + 1]
    }
    every = sum(sizes.values())
    return every, every - sum(sizes.get(name, 0) for name in fixed)
