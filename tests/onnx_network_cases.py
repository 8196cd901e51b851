"""Small pieces of networks as exporters write them, each with the transposes it is worth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from onnx_lowering import Case, random

INT = np.int64
IMAGE = {"x": (1, 8, 6, 10)}
POINTWISE = {"w": random(8, 8, 1, 1, seed=1)}
CONV: tuple[str, str, str, dict[str, Any]] = ("Conv", "x w", "c", {})


def _ints(*values: int) -> np.ndarray:
    return np.array(values, INT)


_SHUFFLE = Case(  # the one transpose is the shuffle itself
    "channel-shuffle",
    [CONV, ("Reshape", "c s", "r", {}), ("Transpose", "r", "t", {"perm": [0, 2, 1, 3, 4]}),
     ("Reshape", "t e", "u", {}), ("Conv", "u w", "y", {})],
    IMAGE, {**POINTWISE, "s": _ints(1, 2, 4, 6, 10), "e": _ints(1, 8, 6, 10)}, transposes=1,
)  # fmt: skip

_PIXEL_SHUFFLE = Case(
    "pixel-shuffle",
    [CONV, ("Reshape", "c s", "r", {}),
     ("Transpose", "r", "t", {"perm": [0, 1, 4, 2, 5, 3]}), ("Reshape", "t e", "y", {})],
    IMAGE, {**POINTWISE, "s": _ints(1, 2, 2, 2, 6, 10), "e": _ints(1, 2, 12, 20)}, transposes=1,
)  # fmt: skip

_FLATTEN = Case(
    "flatten-gemm",
    [CONV, ("Flatten", "c", "f", {}), ("Relu", "f", "r", {}), ("Dropout", "r", "d", {}),
     ("Gemm", "d g b", "y", {"transB": 1})],
    IMAGE, {**POINTWISE, "g": random(5, 480), "b": random(5)},
)  # fmt: skip

_FLATTEN_NORM = Case(
    "flatten-batchnorm-matmul",
    [CONV, ("Reshape", "c s", "f", {}), ("BatchNormalization", "f n n n v", "b", {}),
     ("MatMul", "b g", "y", {})],
    IMAGE, {**POINTWISE, "s": _ints(1, -1), "n": random(480), "v": np.ones(480, np.float32),
            "g": random(480, 5)},
)  # fmt: skip

_GROUP_NORM = Case(  # as PyTorch writes it
    "group-normalization",
    [CONV, ("Reshape", "c s", "r", {}), ("InstanceNormalization", "r one zero", "n", {}),
     ("Reshape", "n e", "u", {}), ("Mul", "u k", "y", {})],
    IMAGE, {**POINTWISE, "s": _ints(0, 2, -1), "one": np.ones(2, np.float32),
            "zero": np.zeros(2, np.float32), "e": _ints(1, 8, 6, 10), "k": random(8, 1, 1)},
)  # fmt: skip

_SQUEEZE_EXCITE = Case(
    "squeeze-excite",
    [CONV, ("GlobalAveragePool", "c", "g", {}), ("Conv", "g w", "h", {}),
     ("HardSigmoid", "h", "s", {"alpha": 0.2, "beta": 0.5}), ("Mul", "c s", "m", {}),
     ("Conv", "m w", "y", {})],
    IMAGE, POINTWISE,
)  # fmt: skip

_HALF = np.float32(0.5)
_GELU = Case(
    "gelu-of-pytorch",
    [CONV, ("Div", "c two", "d", {}), ("Erf", "d", "e", {}), ("Add", "e one", "a", {}),
     ("Mul", "c a", "m", {}), ("Mul", "m half", "y", {})],
    IMAGE, {**POINTWISE, "two": np.float32(math.sqrt(2)), "one": np.float32(1), "half": _HALF},
)  # fmt: skip

_CHANNELS_LAST_NORM = Case(  # ConvNeXt's layer normalization between two transposes
    "layer-normalization-of-images",
    [CONV, ("Transpose", "c", "t", {"perm": [0, 2, 3, 1]}),
     ("LayerNormalization", "t s b", "n", {}), ("MatMul", "n m", "h", {}),
     ("Transpose", "h", "u", {"perm": [0, 3, 1, 2]}), ("Add", "u x", "y", {})],
    IMAGE, {**POINTWISE, "s": random(8, seed=2), "b": random(8, seed=3), "m": random(8, 8)},
)  # fmt: skip

# YOLOv8's head: box distributions and scores of two scales; the head's own axes cost one transpose.
_YOLO = Case(
    "yolo-head",
    [("Conv", "x w", "p", {}), ("MaxPool", "p", "q", {"kernel_shape": [2, 2], "strides": [2, 2]}),
     ("Reshape", "p s", "a", {}), ("Reshape", "q s", "b", {}), ("Concat", "a b", "h", {"axis": 2}),
     ("Split", "h parts", "box score", {"axis": 1}), ("Reshape", "box d", "d4", {}),
     ("Transpose", "d4", "dt", {"perm": [0, 2, 1, 3]}), ("Softmax", "dt", "soft", {"axis": 1}),
     ("Conv", "soft dfl", "e", {}), ("Reshape", "e back", "edges", {}),
     ("Slice", "edges i0 i2 i1", "low", {}), ("Slice", "edges i2 i4 i1", "high", {}),
     ("Sub", "anchors low", "c1", {}), ("Add", "anchors high", "c2", {}),
     ("Concat", "c1 c2", "boxes", {"axis": 1}), ("Mul", "boxes stride", "scaled", {}),
     ("Sigmoid", "score", "scores", {}), ("Concat", "scaled scores", "y", {"axis": 1})],
    {"x": (1, 3, 8, 8)},
    {"w": random(19, 3, 1, 1), "s": _ints(1, 19, -1), "parts": _ints(16, 3),
     "d": _ints(1, 4, 4, 80), "dfl": np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1),
     "back": _ints(1, 4, 80), "i0": _ints(0), "i1": _ints(1), "i2": _ints(2), "i4": _ints(4),
     "anchors": random(1, 2, 80), "stride": np.abs(random(1, 80)) + 1},
    transposes=1,
)  # fmt: skip

_SSD = Case(  # heads are transposed to channels last before they are flattened: nothing moves
    "ssd-head",
    [CONV, ("Transpose", "c", "t", {"perm": [0, 2, 3, 1]}), ("Reshape", "t s", "a", {}),
     ("MaxPool", "c", "q", {"kernel_shape": [2, 2], "strides": [2, 2]}),
     ("Transpose", "q", "u", {"perm": [0, 2, 3, 1]}), ("Reshape", "u s", "b", {}),
     ("Concat", "a b", "h", {"axis": 1}), ("Softmax", "h", "y", {"axis": 2})],
    IMAGE, {**POINTWISE, "s": _ints(1, -1, 4)},
)  # fmt: skip

_FOCUS = Case(
    "focus",
    [("Slice", "x o e a s", "p", {}), ("Slice", "x i e a s", "q", {}),
     ("Concat", "p q", "f", {"axis": 1}), ("Conv", "f w", "y", {})],
    {"x": (1, 3, 8, 8)},
    {"o": _ints(0, 0), "i": _ints(1, 1), "e": _ints(100, 100), "a": _ints(2, 3), "s": _ints(2, 2),
     "w": random(5, 6, 3, 3)},
)  # fmt: skip

_SEQUENCE = Case(  # a CRNN's neck: columns of an image become steps
    "crnn",
    [("Conv", "x w", "c", {"strides": [6, 1]}), ("Squeeze", "c two", "s", {}),
     ("Transpose", "s", "t", {"perm": [2, 0, 1]}), ("LSTM", "t lw lr lb", "h", {"hidden_size": 5}),
     ("Squeeze", "h one", "u", {}), ("MatMul", "u m", "y", {})],
    IMAGE,
    {"w": random(8, 8, 6, 1, scale=0.2), "two": _ints(2), "one": _ints(1),
     "lw": random(1, 20, 8, scale=0.3), "lr": random(1, 20, 5, scale=0.3), "lb": random(1, 40),
     "m": random(5, 7)},
)  # fmt: skip

_ATTENTION = Case(  # the transposes are the heads' own
    "attention",
    [("MatMul", "x w", "q", {}), ("Reshape", "q s", "r", {}),
     ("Transpose", "r", "h", {"perm": [0, 2, 1, 3]}),
     ("Transpose", "r", "k", {"perm": [0, 2, 3, 1]}), ("MatMul", "h k", "a", {}),
     ("Softmax", "a", "p", {"axis": -1}), ("MatMul", "p h", "o", {}),
     ("Transpose", "o", "t", {"perm": [0, 2, 1, 3]}), ("Reshape", "t e", "y", {})],
    {"x": (1, 7, 12)}, {"w": random(12, 12, scale=0.3), "s": _ints(0, 7, 3, 4),
                        "e": _ints(1, 7, 12)},
    transposes=None, images=False,
)  # fmt: skip

_UNET = Case(
    "unet-step",
    [CONV, ("MaxPool", "c", "p", {"kernel_shape": [2, 2], "strides": [2, 2]}),
     ("ConvTranspose", "p up", "u", {"strides": [2, 2]}), ("Add", "u half", "v", {}),
     ("Concat", "v c", "f", {"axis": 1}),
     ("Resize", "f  two", "z", {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}),
     ("ArgMax", "z", "y", {"axis": 1, "keepdims": 0})],
    IMAGE, {**POINTWISE, "up": random(8, 4, 2, 2), "half": _HALF,
            "two": np.array([1, 1, 2, 2], np.float32)},
)  # fmt: skip

NETWORKS = [
    _SHUFFLE, _PIXEL_SHUFFLE, _FLATTEN, _FLATTEN_NORM, _GROUP_NORM, _SQUEEZE_EXCITE, _GELU,
    _CHANNELS_LAST_NORM, _YOLO, _SSD, _FOCUS, _SEQUENCE, _ATTENTION, _UNET,
]  # fmt: skip
