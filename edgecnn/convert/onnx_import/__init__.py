"""ONNX models lowered to TensorFlow graphs for TFLite's converter, channels last."""

from edgecnn.convert.onnx_import.ends import End
from edgecnn.convert.onnx_import.lowering import Lowered, lower
from edgecnn.convert.onnx_import.support import (
    Support,
    Unsupported,
    refuse_unsupported,
    supported,
    unsupported,
)

__all__ = [
    "End",
    "Lowered",
    "Support",
    "Unsupported",
    "lower",
    "refuse_unsupported",
    "supported",
    "unsupported",
]
