"""Turns MediaPipe's custom operator Convolution2DTransposeBias into TRANSPOSE_CONV with a bias.

The same function on the same weights (output, height, width, input), bit for bit in LiteRT, which
knows both. Its options are 32-bit integers: padding (1 SAME, 2 VALID), strides across and down;
more of them (an activation) have to be zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats import tflite_schema as schema
from edgecnn.quantize.passes import PassResult

if TYPE_CHECKING:
    from edgecnn.formats.tflite_graph import Graph, Operator

_NAME = "Convolution2DTransposeBias"
_PADDINGS = {1: 0, 2: 1}  # TfLitePadding to schema.fbs: Padding
_NUMBERS = 3


def apply(graph: Graph) -> PassResult:
    """Rewrite in place; counts operators."""
    rewritten = 0
    for operator in graph.operators:
        numbers = _numbers(operator)
        if numbers is not None:
            _rewrite(graph, operator, *numbers)
            rewritten += 1
    return PassResult(rewritten)


def _numbers(operator: Operator) -> tuple[int, int, int] | None:
    """(padding, stride across, stride down); None where it is another operator, or says more."""
    if not operator.custom or operator.name != _NAME or operator.raw is None:
        return None
    stored = np.asarray(operator.raw.customOptions, np.uint8)
    if len(stored) < 4 * _NUMBERS or len(stored) % 4:
        return None
    values = [int(value) for value in stored.view(np.int32)]
    if values[0] not in _PADDINGS or any(values[_NUMBERS:]) or 0 in operator.output.shape:
        return None
    return values[0], values[1], values[2]


def _rewrite(graph: Graph, operator: Operator, padding: int, across: int, down: int) -> None:
    options = schema.new_options("TransposeConvOptions")
    options.padding, options.strideW, options.strideH = _PADDINGS[padding], across, down
    shape = np.asarray(operator.output.shape, np.int32)
    size = graph.add_constant(f"{operator.output.name}/shape", shape)
    source, weights, *bias = operator.inputs
    operator.inputs = [size, weights, source, *bias]
    operator.become("TRANSPOSE_CONV", options, version=3)
    operator.raw = None
