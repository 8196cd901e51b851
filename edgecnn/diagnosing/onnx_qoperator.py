"""Operators that compute on integers (QOperator form), written as QDQ form has them.

That is as float ones between DequantizeLinear and QuantizeLinear: what is known of one form then
holds of the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats.onnx_graph import array_of
from edgecnn.formats.onnx_rewrites import constant, replace

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class _Form:
    """Where an operator has what.

    Attributes:
        real: the float operator that it stands for.
        operands: where those start that come with a scale and a zero point; what is behind the
            last one, up to the end, repeats where `repeats`.
        result: where the result's scale stands, its zero point behind it.
        bias: where the bias stands, in steps of the first two operands' scales; -1 for none.
        repeats: whether any number of operands follows.
    """

    real: str
    operands: tuple[int, ...]
    result: int
    bias: int = -1
    repeats: bool = False


_WITH_ONE, _WITH_TWO = (0,), (0, 3)
# onnx.ai/onnx/operators and onnxruntime's ContribOperators.md.
_FORMS = {
    "QLinearConv": _Form("Conv", _WITH_TWO, 6, bias=8),
    "QLinearMatMul": _Form("MatMul", _WITH_TWO, 6),
    "QGemm": _Form("Gemm", _WITH_TWO, 7, bias=6),
    "QLinearAdd": _Form("Add", _WITH_TWO, 6),
    "QLinearMul": _Form("Mul", _WITH_TWO, 6),
    "QLinearAveragePool": _Form("AveragePool", _WITH_ONE, 3),
    "QLinearGlobalAveragePool": _Form("GlobalAveragePool", _WITH_ONE, 3),
    "QLinearLeakyRelu": _Form("LeakyRelu", _WITH_ONE, 3),
    "QLinearSigmoid": _Form("Sigmoid", _WITH_ONE, 3),
    "QLinearSoftmax": _Form("Softmax", _WITH_ONE, 3),
    "QLinearConcat": _Form("Concat", (2,), 0, repeats=True),
}
_OF_ANOTHER = {"channels_last", "opset"}  # attributes that the float operator does not have


def expand(graph: ir.Graph) -> None:
    """Write every such operator as float ones, in place; what it makes keeps its name."""
    for node in list(graph):
        form = _FORMS.get(node.op_type)
        if form is not None:
            _expand(graph, node, form)


def _expand(graph: ir.Graph, node: ir.Node, form: _Form) -> None:
    import onnx_ir as ir

    starts = range(2, len(node.inputs), 3) if form.repeats else form.operands
    reals = [
        ir.node("DequantizeLinear", node.inputs[start : start + 3], _axis(node, form, start))
        for start in starts
    ]
    inputs: list[ir.Value | None] = [real.outputs[0] for real in reals]
    if 0 <= form.bias < len(node.inputs) and node.inputs[form.bias] is not None:
        inputs.append(_bias(graph, node, form))
    kept = [item for item in node.attributes.values() if item.name not in _OF_ANOTHER]
    computed = ir.Node("", form.real, inputs, attributes=kept, num_outputs=1)
    computed.outputs[0].name = f"{node.outputs[0].name}//real"
    nodes = [*reals, computed]
    if form.result < len(node.inputs) and node.inputs[form.result] is not None:
        pair = node.inputs[form.result : form.result + 2]
        nodes.append(ir.node("QuantizeLinear", [computed.outputs[0], *pair]))
    replace(graph, [node], nodes)


def _axis(node: ir.Node, form: _Form, start: int) -> dict[str, int]:
    """Of weights with a scale for each output: its axis."""
    if start == 0 or form.repeats:
        return {}
    return {"axis": 0 if form.real == "Conv" or node.attributes.get_int("transB", 0) > 0 else 1}


def _bias(graph: ir.Graph, node: ir.Node, form: _Form) -> ir.Value | None:
    """A constant bias, int32, as real numbers."""
    stored = node.inputs[form.bias]
    steps = array_of(stored)
    scales = [array_of(node.inputs[start + 1]) for start in form.operands]
    if steps is None or any(scale is None for scale in scales):
        return stored
    scale = np.asarray(scales[0], np.float64) * np.asarray(scales[1], np.float64)
    return constant(graph, "bias", (steps * scale).astype(np.float32))
