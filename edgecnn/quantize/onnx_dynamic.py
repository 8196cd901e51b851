"""Float ONNX -> int8 weights, computed in float32.

Measured with onnxruntime 1.31 on x86-64, Xception, one thread: float32 229 ms; its own dynamic
quantization, which makes ConvInteger of a Conv, 418 ms and per tensor; DequantizeLinear on int8
weights 365 ms, because onnxruntime never folds that operator when it loads a file; Cast and Mul,
which it does fold, 186 ms. A quarter of the size either way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import OnnxGraph, attribute

if TYPE_CHECKING:
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

_OUTPUT_AXIS = {"Conv": 0, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}
_MATRIX = 2


def to_dynamic(float_path: Path, out_path: Path) -> None:
    """Store weights as int8, symmetric, one scale for each output channel.

    Activations, biases, input and output stay float32. The same file gives the same bytes.

    Args:
        float_path: a file `convert.onnx_float` wrote.
        out_path: the file to write; a path nobody reads yet.

    Raises:
        InputError: not an ONNX file, or one with control flow.
        MissingPartError: onnx or onnxruntime is not installed.
    """
    model = onnx_file.canonicalize(onnx_file.load(float_path))
    graph = OnnxGraph(model)
    for node in list(graph.nodes):
        weight = graph.constants.get(node.input[1]) if node.op_type in _OUTPUT_AXIS else None
        if weight is not None and weight.dtype.name == "float32" and weight.ndim >= _MATRIX:
            _quantize_weight(graph, node, weight, _output_axis(node, weight.ndim))
    graph.write()
    onnx_file.save(model, out_path)


def _output_axis(node: onnx.NodeProto, rank: int) -> int | None:
    """The weights' axis of output channels; None (one scale for all) where it is not one axis."""
    if node.op_type == "ConvTranspose" and attribute(node, "group", 1) != 1:
        return None
    if node.op_type == "MatMul":
        return rank - 1
    return 0 if attribute(node, "transB", 0) else _OUTPUT_AXIS[node.op_type]


def _quantize_weight(
    graph: OnnxGraph, node: onnx.NodeProto, weight: NDArray[np.float32], axis: int | None
) -> None:
    from onnx import TensorProto, helper

    others = tuple(i for i in range(weight.ndim) if i != axis)
    peak = np.abs(weight).max(axis=others, keepdims=True)
    scale = np.where(peak > 0, peak / 127, 1.0).astype(np.float32)
    steps = np.clip(np.rint(weight / scale), -127, 127).astype(np.int8)
    cast, scaled = graph.fresh("cast"), graph.fresh("scaled")
    values = graph.constant("values", steps)
    graph.insert_before(node, helper.make_node("Cast", [values], [cast], to=TensorProto.FLOAT))
    factors = graph.constant("scale", scale)
    graph.insert_before(node, helper.make_node("Mul", [cast, factors], [scaled]))
    node.input[1] = scaled
    graph.edited()
