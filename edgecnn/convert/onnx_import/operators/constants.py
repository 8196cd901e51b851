"""Operators whose operands are known: numpy computes them, so they never reach these functions.

`Shape` and `Size` are known from their operand's shape alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.convert.onnx_import.table import operator
from edgecnn.convert.onnx_import.value import constant

if TYPE_CHECKING:
    from edgecnn.convert.onnx_import.node import Node
    from edgecnn.convert.onnx_import.value import Value


@operator("Shape", "Size")
def shape(node: Node) -> Value:
    """The operand's sizes, or their product."""
    value = node.viewed(0)
    if node.operator == "Size":
        return constant(np.int64(value.size))
    stop = node.get("end", value.rank)
    return constant(np.asarray(value.shape[node.get("start", 0) : stop], np.int64))


@operator("Constant", "ConstantOfShape", "Range", "EyeLike", note="of constant operands")
def unknown(node: Node) -> Value:
    """Refused: a size that is computed while the model runs."""
    raise node.refused("its size is computed while the model runs")
