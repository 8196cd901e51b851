"""Turns an int8 HARD_SWISH into ADD and MUL, which XNNPACK takes.

LiteRT's int8 HARD_SWISH is a loop over single values outside XNNPACK: on PP-OCR's text classifier
18 of them took 57 % of the time and cut the graph into 26 partitions. Here
x * min(max(x + 3, 0), 6) / 6 is written out. The clamp costs nothing: the sum's steps reach from 0
to 6, where int8 saturates. The factor of 1/6 turns its steps into those of 0 to 1, digit by digit;
3 and 1/6 are numbers that their constants' steps hit. Left is one rounding to 1/255 of the gate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats import tflite_schema as schema
from edgecnn.formats.tflite_graph import Operator, Quantization
from edgecnn.quantize.passes import PassResult

if TYPE_CHECKING:
    from edgecnn.formats.tflite_graph import Graph, Tensor

_LEVELS, _ZERO_POINT, _LARGEST = 255, -128, 127
# XNNPACK adds tensors whose step is from 2^-10 to 2^8 times the sum's (xnn_define_binary).
_LEAST_RATIO, _MOST_RATIO = 2.0**-9, 2.0**7


def apply(graph: Graph) -> PassResult:
    """Rewrite an int8 graph in place; counts operators. Any other HARD_SWISH stays."""
    rewritten = [op for op in graph.operators if op.name == "HARD_SWISH" and _fits(op)]
    for operator in rewritten:
        _write_out(graph, operator)
    return PassResult(len(rewritten))


def _fits(operator: Operator) -> bool:
    source, output = operator.source, operator.output
    steps = source.quantization
    if not source.dtype == output.dtype == "INT8" or steps is None or output.quantization is None:
        return False
    return _LEAST_RATIO < float(steps.scale[0]) * _LEVELS / 6 < _MOST_RATIO


def _write_out(graph: Graph, operator: Operator) -> None:
    x, name = operator.source, operator.output.name
    total = _steps(graph, x, f"{name}/sum", 6.0)
    gate = _steps(graph, x, f"{name}/gate", 1.0)
    three, sixth = _number(graph, f"{name}/three", 3.0), _number(graph, f"{name}/sixth", 1 / 6)
    graph.insert_before(
        operator,
        Operator("ADD", [x, three], [total], schema.new_options("AddOptions"), version=2),
        Operator("MUL", [total, sixth], [gate], schema.new_options("MulOptions"), version=2),
    )
    operator.inputs = [x, gate]
    operator.become("MUL", schema.new_options("MulOptions"), version=2)


def _steps(graph: Graph, like: Tensor, name: str, largest: float) -> Tensor:
    """An int8 tensor for 0 to `largest`."""
    tensor = graph.add_like(like, name)
    tensor.quantization = Quantization.of(largest / _LEVELS, _ZERO_POINT)
    return tensor


def _number(graph: Graph, name: str, value: float) -> Tensor:
    constant = graph.add_constant(name, np.full(1, _LARGEST, np.int8))
    constant.quantization = Quantization.of(value / _LARGEST)
    return constant
