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
from edgecnn.formats.onnx_graph import array_of
from edgecnn.formats.onnx_rewrites import constant

if TYPE_CHECKING:
    from pathlib import Path

    import onnx_ir as ir
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
    for node in list(model.graph):
        weight = array_of(node.inputs[1]) if node.op_type in _OUTPUT_AXIS else None
        if weight is not None and weight.dtype.name == "float32" and weight.ndim >= _MATRIX:
            _quantize_weight(model.graph, node, weight, _output_axis(node, weight.ndim))
    onnx_file.save(model, out_path)


def _output_axis(node: ir.Node, rank: int) -> int | None:
    """The weights' axis of output channels; None (one scale for all) where it is not one axis."""
    if node.op_type == "ConvTranspose" and node.attributes.get_int("group", 1) != 1:
        return None
    if node.op_type == "MatMul":
        return rank - 1
    return 0 if node.attributes.get_int("transB", 0) else _OUTPUT_AXIS[node.op_type]


def _quantize_weight(
    graph: ir.Graph, node: ir.Node, weight: NDArray[np.float32], axis: int | None
) -> None:
    import onnx_ir as ir

    others = tuple(i for i in range(weight.ndim) if i != axis)
    peak = np.abs(weight).max(axis=others, keepdims=True)
    scale = np.where(peak > 0, peak / 127, 1.0).astype(np.float32)
    steps = np.clip(np.rint(weight / scale), -127, 127).astype(np.int8)
    cast = ir.node("Cast", [constant(graph, "values", steps)], {"to": ir.DataType.FLOAT})
    scaled = ir.node("Mul", [*cast.outputs, constant(graph, "scale", scale)])
    graph.insert_before(node, [cast, scaled])
    node.replace_input_with(1, scaled.outputs[0])
