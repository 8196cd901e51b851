"""Numbers of 64 bits become float32: what Keras and scikit-learn write as double, no device needs.

After shape arithmetic is folded, which would round otherwise in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx_ir as ir
    from numpy.typing import NDArray

_DTYPE_ATTRIBUTES = ("to", "dtype")


def to_float32(graph: ir.Graph) -> None:
    """Let every float64 tensor and constant of a flat graph be float32; edits the graph."""
    for value in (*graph.inputs, *graph.initializers.values()):
        _narrow(value)
    for node in graph:
        for value in node.outputs:
            _narrow(value)
        _narrow_attributes(node)


def _narrow(value: ir.Value) -> None:
    import onnx_ir as ir

    if value.const_value is not None and value.const_value.dtype == ir.DataType.DOUBLE:
        value.const_value = ir.tensor(_float32(value.const_value.numpy()), name=value.name)
    if value.dtype == ir.DataType.DOUBLE:
        value.dtype = ir.DataType.FLOAT


def _narrow_attributes(node: ir.Node) -> None:
    import onnx_ir as ir

    for name in _DTYPE_ATTRIBUTES:
        if node.attributes.get_int(name, 0) == ir.DataType.DOUBLE:
            node.attributes.add(ir.AttrInt64(name, int(ir.DataType.FLOAT)))
    for name, item in list(node.attributes.items()):
        if item.type == ir.AttributeType.TENSOR and item.value.dtype == ir.DataType.DOUBLE:
            tensor = ir.tensor(_float32(item.value.numpy()), name=item.value.name)
            node.attributes.add(ir.AttrTensor(name, tensor))


def _float32(values: NDArray[Any]) -> NDArray[np.float32]:
    """The nearest numbers that float32 has; what is finite stays so."""
    limits = np.finfo(np.float32)
    finite = np.where(np.isfinite(values), np.clip(values, limits.min, limits.max), values)
    return finite.astype(np.float32)
