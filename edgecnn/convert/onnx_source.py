"""A user's float .onnx, brought to the one form that all that follows starts from.

    parse -> inline functions -> float16 to float32 -> fix open sizes -> fold constants and shape
    arithmetic -> float64 to float32 -> opset 17 -> fold normalizations -> check against the
    original

No TensorFlow. The file is foreign and protobuf, onnx and onnxruntime are native code: all of it
happens in a child process.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import gate
from edgecnn.convert import (
    onnx_branches,
    onnx_folding,
    onnx_layout,
    onnx_opset,
    onnx_parsing,
    onnx_shapes,
    onnx_tidy,
    onnx_widths,
)
from edgecnn.convert.onnx_sameness import check_same
from edgecnn.errors import InputError
from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import (
    array_of,
    dtype_name,
    from_proto,
    inner_graphs,
    name_of,
    require_onnx,
    shape_of,
    to_proto,
)
from edgecnn.formats.onnx_inference import infer_shapes
from edgecnn.records import Endpoint, Network

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx
    import onnx_ir as ir

    from edgecnn.progress import Progress

_BOTH_RUN = (
    "The ONNX model chooses a branch by its data (If): the files compute both branches and pick one"
    " answer, which takes the time of both."
)
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

    data, network = gate.run(
        "edgecnn.convert.onnx_source:prepare_bytes",
        str(path),
        dict(input_shapes or {}),
        input_size,
        source=path,
        work=gate.CONVERT,
        what=f"reading {path}",
        progress=progress,
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
    source = prepare_model(
        onnx_parsing.parse(Path(path)), input_shapes, input_size, progress=progress
    )
    return source.model.SerializeToString(deterministic=True), source.network


def prepare_model(
    model: onnx.ModelProto,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    input_size: tuple[int, int] | None = None,
    *,
    progress: Progress | None = None,
) -> OnnxSource:
    """Prepare a parsed model (see `onnx_parsing.parse`) in this process.

    Raises:
        InputError: as `prepare`.
        EdgeCnnError: what came out does not compute what the original computes.
    """
    working = from_proto(model)
    onnx_shapes.fix(working, input_shapes or {}, input_size)
    original = to_proto(working)
    parameters, trainable = _count_parameters(working.graph)
    onnx_opset.clear(working)
    onnx_folding.fold(working)
    if onnx_branches.select(working):
        _refuse_other_shapes(working)
        if progress is not None:
            progress.warn(_BOTH_RUN)
    _refuse_what_is_left(working.graph)
    onnx_widths.to_float32(working.graph)
    working = onnx_opset.bring(working)
    onnx_tidy.tidy(working)
    working = onnx_file.canonicalize(working)
    _refuse_open_outputs(working.graph)
    result = to_proto(working)
    check_same(original, result)
    inputs, outputs = ends(working.graph)
    return OnnxSource(result, Network(inputs, outputs, parameters, trainable))


def _refuse_what_is_left(graph: ir.Graph) -> None:
    """Control flow that is still there when nothing more can be folded."""
    flow = Counter(node.op_type for node in graph if inner_graphs(node))
    if flow:
        raise InputError(
            f"Control flow in the ONNX model depends on its data: {onnx_parsing.listed(flow)}.",
            hint="Export the network alone, for inference, without pre- or post-processing.",
        )


def _refuse_other_shapes(model: ir.Model) -> None:
    """Both branches run now, and one of them may be meant for other shapes than these."""
    try:
        infer_shapes(model)
    except InputError as error:
        raise InputError(
            "The ONNX model chooses a branch by its data (If), and not both branches can take"
            f" these input shapes: {error}",
            hint="Take a file that holds one of the branches only, or export one from the source.",
        ) from error


def _refuse_open_outputs(graph: ir.Graph) -> None:
    for value in graph.outputs:
        if value.shape is not None and all(size > 0 for size in shape_of(value)):
            continue
        blamed = sorted({node.op_type for node in graph} & onnx_folding.DATA_DEPENDENT)
        cause = f" ({', '.join(blamed)})" if blamed else ""
        raise InputError(
            f"The size of output '{value.name}' depends on the input's values{cause}.",
            hint="Export the network without post-processing such as non-maximum suppression.",
        )


def ends(graph: ir.Graph) -> tuple[tuple[Endpoint, ...], tuple[Endpoint, ...]]:
    """A graph's inputs and outputs; of an open size 0 stands in the shape."""
    layouts = onnx_layout.layouts(graph)
    inputs, outputs = (
        tuple(
            Endpoint(
                name_of(value),
                dtype_name(value.dtype or 0),
                tuple(size if isinstance(size, int) else 0 for size in value.shape or ()),
                layouts.get(name_of(value), ""),
            )
            for value in values
        )
        for values in (graph.inputs, graph.outputs)
    )
    return inputs, outputs


def _count_parameters(graph: ir.Graph) -> tuple[int, int]:
    """All, and those that training changes: floats of one axis or more, each constant once."""
    sizes: dict[ir.Value | None, int] = {}
    for value in graph.initializers.values():
        array = array_of(value)
        if array is not None and array.dtype.kind == "f" and array.ndim:
            sizes[value] = array.size
    fixed = {
        value
        for node in graph
        if node.op_type == "BatchNormalization"
        for value in node.inputs[_MEAN : _VARIANCE + 1]
    }
    every = sum(sizes.values())
    return every, every - sum(sizes.get(value, 0) for value in fixed)
