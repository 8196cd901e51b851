"""Rewrites operators that LiteRT has no right integer kernel for into others that have one.

Both are exact in float: -x = 0 - x, x^2 = x * x.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats import tflite_schema as schema
from edgecnn.quantize.passes import PassResult

if TYPE_CHECKING:
    from edgecnn.formats.tflite_graph import Graph


def apply(graph: Graph) -> PassResult:
    """Rewrite a float graph in place; counts operators."""
    rewritten = 0
    for operator in graph.operators:
        if operator.name not in {"NEG", "SQUARE"} or not operator.source.is_float:
            continue
        source = operator.source
        if operator.name == "NEG":
            zero = graph.add_constant(f"{operator.output.name}/zero", np.zeros(1, np.float32))
            operator.inputs = [zero, source]
            operator.become("SUB", schema.new_options("SubOptions"))
        else:
            operator.inputs = [source, source]
            operator.become("MUL", schema.new_options("MulOptions"))
        rewritten += 1
    return PassResult(rewritten)
