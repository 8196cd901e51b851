"""The table of operators' cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx_lowering import Case, random

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

IMAGE = {"x": (1, 4, 9, 10)}
MANY = {"x": (1, 8, 9, 10)}
INT = np.int64
PLAIN = {"images": False}


def one(
    kind: str,
    constants: dict[str, Any] | None = None,
    *,
    inputs: Mapping[str, tuple[int, ...]] | None = None,
    name: str = "",
    results: str = "y",
    more: dict[str, Any] | None = None,
    operands: str | None = None,
    **attributes: Any,  # noqa: ANN401 - as ONNX types them
) -> Case:
    """A model of one node: the operands are the inputs, then the constants."""
    inputs, constants = inputs or IMAGE, constants or {}
    names = operands if operands is not None else " ".join([*inputs, *constants])
    node = (kind, names, results, attributes)
    return Case(name=f"{kind}{'-' if name else ''}{name}", nodes=[node], inputs=inputs,
                constants=constants, **(more or {}))  # fmt: skip


def after_conv(case: Case) -> Case:
    """The same behind a pointwise convolution, which stores its channels last."""
    channels = case.inputs["x"][1]
    first: tuple[str, str, str, dict[str, Any]] = ("Conv", "x pointwise", "c", {})
    (kind, names, results, attributes), *rest = case.nodes
    names = " ".join("c" if name == "x" else name for name in names.split(" "))
    return Case(
        name=f"{case.name}-after-conv",
        nodes=[first, (kind, names, results, attributes), *rest],
        inputs=case.inputs,
        constants={**case.constants, "pointwise": random(channels, channels, 1, 1, seed=5)},
        transposes=case.transposes,
        opset=case.opset,
        outputs=case.outputs,
        values=case.values,
        images=case.images,
    )


def _conv(
    name: str,
    weights: tuple[int, ...],
    inputs: Mapping[str, tuple[int, ...]] | None = None,
    *,
    bias: bool = True,
    more: dict[str, Any] | None = None,
    **attributes: Any,  # noqa: ANN401 - as ONNX types them
) -> Case:
    constants = {"w": random(*weights, seed=1)}
    if bias:
        constants["b"] = random(weights[0], seed=2)
    return one("Conv", constants, inputs=inputs, name=name, more=more, **attributes)


CONVOLUTIONS = [
    _conv("plain", (6, 4, 3, 3)),
    _conv("same", (6, 4, 3, 3), pads=[1, 1, 1, 1]),
    _conv("strided", (6, 4, 3, 3), pads=[1, 1, 1, 1], strides=[2, 2]),
    _conv("asymmetric", (6, 4, 3, 2), pads=[0, 1, 2, 0], strides=[2, 1]),
    _conv("dilated", (6, 4, 3, 3), pads=[2, 2, 2, 2], dilations=[2, 2]),
    _conv("same-upper", (6, 4, 3, 3), auto_pad="SAME_UPPER", strides=[2, 2]),
    _conv("same-lower", (6, 4, 2, 2), auto_pad="SAME_LOWER"),
    _conv("valid", (6, 4, 3, 3), auto_pad="VALID", bias=False),
    _conv("grouped", (6, 2, 3, 3), group=2, pads=[1, 1, 1, 1]),
    _conv("depthwise", (4, 1, 3, 3), group=4, pads=[1, 1, 1, 1]),
    _conv("depthwise-multiplier", (8, 1, 3, 3), group=4, pads=[1, 1, 1, 1]),
    _conv("depthwise-strides", (4, 1, 3, 3), group=4, pads=[1, 1, 1, 1], strides=[2, 1]),
    _conv("depthwise-dilated", (4, 1, 3, 3), group=4, pads=[2, 2, 2, 2], dilations=[2, 2]),
    _conv("1d", (6, 4, 3), {"x": (1, 4, 20)}, pads=[1, 1], more={"transposes": 2}),
    _conv("1d-dilated", (6, 4, 3), {"x": (1, 4, 20)}, pads=[4, 0], dilations=[2],
          more={"transposes": 2}),
    _conv("3d", (6, 2, 3, 3, 3), {"x": (1, 2, 6, 7, 8)}, pads=[1] * 6, more={"transposes": 2}),
    _conv("3d-grouped", (6, 2, 3, 3, 2), {"x": (1, 4, 7, 7, 8)}, group=2, pads=[1, 0, 2, 0, 1, 1],
          strides=[2, 1, 2], more={"transposes": 2}),
    _conv("3d-depthwise", (8, 1, 3, 3, 3), {"x": (1, 4, 6, 7, 8)}, group=4, pads=[2, 1, 1] * 2,
          dilations=[2, 1, 1], more={"transposes": 2}),
    one("Conv", inputs={"x": (1, 3, 6, 6), "w": (2, 3, 3, 3)}, name="computed-weights",
        more={"transposes": None}),
]  # fmt: skip


def _transposed(
    name: str,
    weights: tuple[int, ...],
    inputs: Mapping[str, tuple[int, ...]] | None = None,
    *,
    groups: int = 1,
    more: dict[str, Any] | None = None,
    **attributes: Any,  # noqa: ANN401 - as ONNX types them
) -> Case:
    constants = {"w": random(*weights, seed=1), "b": random(weights[1] * groups, seed=2)}
    return one("ConvTranspose", constants, inputs=inputs, name=name, more=more, group=groups,
               **attributes)  # fmt: skip


TRANSPOSED = [
    _transposed("plain", (4, 6, 3, 3)),
    _transposed("double", (4, 6, 2, 2), strides=[2, 2]),
    _transposed("same", (4, 6, 4, 4), strides=[2, 2], pads=[1, 1, 1, 1]),
    _transposed("output-padding", (4, 6, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1],
                output_padding=[1, 1]),
    _transposed("more-padding", (4, 6, 2, 2), strides=[3, 3], output_padding=[2, 1]),
    _transposed("output-shape", (4, 6, 3, 3), strides=[2, 2], output_shape=[18, 20]),
    _transposed("same-upper", (4, 6, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER"),
    _transposed("same-lower", (4, 6, 3, 3), strides=[2, 2], auto_pad="SAME_LOWER"),
    _transposed("grouped", (4, 3, 3, 3), groups=2, strides=[2, 2]),
    _transposed("depthwise", (4, 1, 4, 4), groups=4, strides=[2, 2], pads=[1, 1, 1, 1]),
    _transposed("dilated", (4, 6, 3, 3), dilations=[2, 2]),
    _transposed("asymmetric", (4, 6, 3, 3), pads=[1, 0, 2, 1]),
    _transposed("3d", (4, 6, 2, 2, 2), {"x": (1, 4, 3, 4, 5)}, strides=[2, 2, 2],
                more={"transposes": 2}),
    _transposed("3d-padded", (4, 2, 3, 3, 4), {"x": (1, 4, 3, 4, 5)}, groups=2, strides=[2, 2, 1],
                pads=[1, 1, 0, 0, 1, 1], output_padding=[1, 0, 0], more={"transposes": 2}),
    _transposed("1d", (4, 6, 4), {"x": (1, 4, 10)}, strides=[2], pads=[1, 1],
                more={"transposes": 2}),
]  # fmt: skip

POOLS = [
    one("MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
    one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], name="padded"),
    one("MaxPool", kernel_shape=[5, 5], pads=[2, 2, 2, 2], name="same"),
    one("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1, name="ceil"),
    one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1,
        name="ceil-padded"),
    one("MaxPool", kernel_shape=[2, 3], pads=[0, 2, 1, 0], name="asymmetric"),
    one("MaxPool", kernel_shape=[2, 2], auto_pad="SAME_LOWER", name="same-lower"),
    one("MaxPool", kernel_shape=[3, 2], dilations=[2, 3], name="dilated"),
    one("MaxPool", kernel_shape=[3, 3], dilations=[2, 3], pads=[2, 1, 2, 2], strides=[2, 1],
        name="dilated-padded"),
    one("MaxPool", kernel_shape=[3, 2], dilations=[2, 2], strides=[3, 3], pads=[1, 1, 1, 1],
        ceil_mode=1, name="dilated-ceil"),
    one("MaxPool", inputs={"x": (1, 4, 21)}, kernel_shape=[3], dilations=[4], pads=[2, 1],
        name="dilated-1d", more={"transposes": 2}),
    one("MaxPool", inputs={"x": (1, 3, 6, 7, 8)}, kernel_shape=[2, 2, 2], dilations=[1, 2, 3],
        strides=[2, 1, 2], name="dilated-3d", more={"transposes": 2}),
    one("MaxPool", inputs={"x": (1, 4, 21)}, kernel_shape=[3], strides=[2], name="1d",
        more={"transposes": 2}),
    one("MaxPool", inputs={"x": (1, 3, 6, 7, 8)}, kernel_shape=[2, 2, 2], strides=[2, 2, 2],
        name="3d", more={"transposes": None}),
    one("AveragePool", kernel_shape=[2, 2], strides=[2, 2]),
    one("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], name="same"),
    one("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1, name="border"),
    one("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], name="strided"),
    one("AveragePool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, name="ceil"),
    one("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1,
        count_include_pad=1, name="ceil-border", more={"opset": 19}),
    one("AveragePool", kernel_shape=[2, 3], pads=[0, 2, 1, 0], name="asymmetric"),
    one("GlobalAveragePool"),
    one("GlobalMaxPool"),
    one("GlobalAveragePool", inputs={"x": (1, 4, 21)}, name="1d"),
]  # fmt: skip

_EINSUMS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("rows", "bij,bkj->bik", {"x": (2, 5, 6), "z": (2, 4, 6)}, {}),
    ("heads", "bhid, bhjd -> bhij", {"x": (1, 2, 5, 4), "z": (1, 2, 3, 4)}, {}),
    ("pointwise", "bchw,kc->bkhw", {"x": (1, 4, 3, 5)}, {"zz": random(6, 4)}),
    ("constant-first", "kc,bchw->bkhw", {"x": (1, 4, 3, 5)}, {"a": random(6, 4)}),
    ("two-inner", "bihw,ohw->boi", {"x": (2, 4, 3, 5)}, {"zz": random(6, 3, 5)}),
    ("ellipsis", "...c,cn->...n", {"x": (2, 3, 4)}, {"zz": random(4, 5)}),
    ("ellipsis-of-one", "...ij,...jk", {"x": (2, 3, 4, 5), "z": (1, 3, 5, 2)}, {}),
    ("sum", "bchw->bc", {"x": (2, 4, 3, 5)}, {}),
    ("transpose", "bij->jbi", {"x": (2, 4, 3)}, {}),
    ("gate", "bchw,bc->bchw", {"x": (2, 4, 3, 5), "z": (2, 4)}, {}),
    ("outer", "i,j->ij", {"x": (4,), "z": (3,)}, {}),
    ("dot", "i,i->", {"x": (4,), "z": (4,)}, {}),
    ("own-sums", "bij,bk->bk", {"x": (2, 4, 3), "z": (2, 5)}, {}),
    ("three", "bij,bjk,kl->bil", {"x": (2, 3, 4), "z": (2, 4, 5)}, {"zz": random(5, 6)}),
    ("implicit", "ij,jk", {"x": (3, 4), "z": (4, 2)}, {}),
]  # fmt: skip

_CHANNELS = {name: random(4, seed=i) for i, name in enumerate(("s", "b", "m"))}
NORMALIZATIONS = [
    one("BatchNormalization", {**_CHANNELS, "v": np.abs(random(4, seed=9)) + 0.5}),
    one("BatchNormalization", {**_CHANNELS, "v": np.abs(random(4, seed=9)) + 0.5}, name="rank2",
        inputs={"x": (3, 4)}),
    one("InstanceNormalization", {"s": random(4, seed=1), "b": random(4, seed=2)}),
    one("LayerNormalization", {"s": random(10, seed=1), "b": random(10, seed=2)}),
    one("LayerNormalization", {"s": random(4, 9, 10, seed=1)}, name="three-axes", axis=1),
    one("GroupNormalization", {"s": random(4, seed=1), "b": random(4, seed=2)}, num_groups=2,
        more={"opset": 21}),
    one("GroupNormalization", {"s": random(2, seed=1), "b": random(2, seed=2)}, num_groups=2,
        name="by-group", more={"opset": 18}),
    one("LpNormalization", axis=1),
    one("LpNormalization", axis=1, p=1, name="p1"),
    one("MeanVarianceNormalization"),
    one("LRN", size=3, alpha=0.5),
]  # fmt: skip

WITHIN_ONE = np.tanh(random(1, 4, 9, 10))
POSITIVE = {"values": "positive"}
UNARY = [
    *(one(kind) for kind in (
        "Abs", "Ceil", "Cos", "Exp", "Floor", "Neg", "Round", "Sign", "Sin", "Sinh", "Cosh", "Tan",
        "Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Elu", "Selu", "Celu", "LeakyRelu",
        "HardSigmoid", "HardSwish", "Erf", "ThresholdedRelu", "Identity", "Atan", "Asinh",
    )),
    *(one(kind, inputs={"x": (1, 4, 9, 10)}, more={"values": {"x": WITHIN_ONE + more}})
      for kind, more in (("Asin", 0), ("Acos", 0), ("Atanh", 0), ("Acosh", 2))),
    one("Mish", more={"opset": 18}),
    one("Gelu", more={"opset": 20}),
    one("Gelu", approximate="tanh", name="tanh", more={"opset": 20}),
    *(one(kind, more=POSITIVE) for kind in ("Log", "Sqrt", "Reciprocal")),
    one("Elu", alpha=0.7, name="alpha"),
    one("Celu", alpha=0.7, name="alpha"),
    one("HardSigmoid", alpha=1 / 6, beta=0.5, name="sixth"),
    one("Shrink", lambd=0.3, bias=0.3),
    one("Shrink", lambd=0.3, bias=0.1, name="general"),
    one("PRelu", {"a": random(4, 1, 1, seed=3)}),
    one("PRelu", {"a": random(1, seed=3)}, name="scalar"),
    one("PRelu", {"a": random(4, seed=3)}, inputs={"x": (2, 4)}, name="rank2"),
    one("Clip", {"lo": np.float32(0), "hi": np.float32(6)}),
    one("Clip", {"lo": np.float32(-0.5), "hi": np.float32(0.8)}, name="general"),
    one("Clip", {"hi": np.float32(0.8)}, operands="x  hi", name="upper"),
    one("Clip", {"lo": np.float32(0)}, operands="x lo", name="lower"),
    one("Clip", {"hi": np.float32(0.8)}, inputs={"x": (1, 4, 6, 6), "lo": ()},
        operands="x lo hi", name="computed"),
    one("Softmax", axis=1),
    one("Softmax", name="last", more={"transposes": None}),
    one("Softmax", name="old", axis=1, more={"opset": 11, "transposes": None}),
    one("LogSoftmax", axis=1),
    one("Hardmax", axis=1),
    one("Cast", to=6, name="int32"),
    one("Dropout"),
]  # fmt: skip

PAIR = {"x": (1, 4, 5, 6), "z": (1, 4, 5, 6)}
CHANNEL = {"x": (1, 4, 5, 6), "z": (1, 4, 1, 1)}
BINARY = [
    *(one(kind, inputs=PAIR) for kind in ("Add", "Sub", "Mul", "Div", "Min", "Max", "Sum", "Mean")),
    *(one(kind, inputs=CHANNEL, name="channel") for kind in ("Add", "Sub", "Mul", "Div")),
    *(one(kind, {"c": random(4, 1, 1, seed=4)}, name="constant") for kind in ("Add", "Mul", "Min")),
    one("Add", {"c": random(10, seed=4)}, name="last-axis"),
    one("Sub", {"c": np.float32(2)}, operands="c x", name="from-scalar"),
    *(one("Pow", {"e": np.float32(e)}, name=f"{e}", more=POSITIVE) for e in (2, 3, 0.5, 1.7)),
    one("Pow", inputs=PAIR, more=POSITIVE),
    one("Mod", inputs=PAIR, fmod=1),
    *(one(kind, inputs=PAIR) for kind in ("Greater", "Less", "GreaterOrEqual", "LessOrEqual")),
    one("Equal", inputs=PAIR),
    Case("Mod-integers", [("Cast", "x", "i", {"to": 7}), ("Mod", "i d", "y", {})], {"x": (3, 5)},
         {"d": np.int64(3)}, values={"x": 5 * random(3, 5)}),
    Case("Div-integers", [("Cast", "x", "i", {"to": 6}), ("Div", "i d", "y", {})], {"x": (3, 5)},
         {"d": np.int32(3)}, values={"x": 9 * random(3, 5)}),
    Case("Div-places", [("Cast", "x", "i", {"to": 7}), ("Div", "i d", "y", {})], {"x": (3, 5)},
         {"d": np.int64(3)}, values={"x": 9 * random(3, 5)}),
    Case("And-Or-Xor-Not", [
        ("Greater", "x z", "a", {}), ("Less", "x o", "b", {}), ("And", "a b", "c", {}),
        ("Or", "c a", "d", {}), ("Xor", "d b", "e", {}), ("Not", "e", "y", {}),
    ], PAIR, {"o": np.float32(0.5)}),
    Case("Where", [("Greater", "x o", "g", {}), ("Where", "g x z", "y", {})], PAIR,
         {"o": np.float32(0)}),
    Case("IsNaN", [("IsNaN", "x", "y", {})], {"x": (3, 5)}),
]  # fmt: skip

SHAPES = [
    one("Reshape", {"s": np.array([1, 2, 2, 9, 10], INT)}, more={"transposes": 1}),
    one("Reshape", {"s": np.array([0, -1], INT)}, name="flat", more={"transposes": None}),
    one("Flatten", more={"transposes": None}),
    one("Squeeze", {"a": np.array([0], INT)}, more={"transposes": 1}),
    one("Unsqueeze", {"a": np.array([1], INT)}, inputs={"x": (3, 4)}),
    one("Transpose", perm=[0, 2, 3, 1]),
    one("Transpose", perm=[0, 2, 3, 1], name="plain", more={"transposes": 1, **PLAIN}),
    one("Concat", inputs=PAIR, axis=1),
    one("Split", {"s": np.array([1, 3], INT)}, axis=1, results="y z"),
    one("Split", axis=1, results="y z", name="even"),
    one("Slice", {"s": np.array([1, 2], INT), "e": np.array([3, 1000], INT),
                  "a": np.array([1, -1], INT)}),
    one("Slice", {"s": np.array([-1, -1], INT), "e": np.array([-100, -100], INT),
                  "a": np.array([1, 3], INT), "t": np.array([-1, -2], INT)}, name="two-backwards"),
    one("Slice", {"s": np.array([0, -1], INT), "e": np.array([9, -100], INT),
                  "a": np.array([2, 3], INT), "p": np.array([2, -3], INT)}, name="steps"),
    one("Pad", {"p": np.array([0, 0, 1, 2, 0, 0, 3, 0], INT)}),
    one("Pad", {"p": np.array([0, 0, 1, 2, 0, 0, 3, 0], INT), "v": np.float32(1.5)}, name="value"),
    one("Pad", {"p": np.array([0, 0, 1, 2, 0, 0, 3, 0], INT)}, mode="reflect", name="reflect"),
    one("Pad", {"p": np.array([0, 0, 1, 2, 0, 0, 3, 0], INT)}, mode="edge", name="edge"),
    one("Pad", {"p": np.array([0, 0, -1, 2, 0, 0, 1, -2], INT)}, name="negative"),
    one("Expand", {"s": np.array([2, 4, 5, 6], INT)}, inputs={"x": (1, 4, 1, 1)}),
    one("Trilu", inputs={"x": (2, 5, 6)}, more=PLAIN),
    one("Trilu", {"k": np.int64(-1)}, inputs={"x": (1, 2, 5, 6)}, more=PLAIN, upper=0,
        name="lower"),
    one("Tile", {"r": np.array([1, 2, 1, 3], INT)}),
    one("DepthToSpace", blocksize=2, inputs=MANY),
    one("DepthToSpace", blocksize=2, mode="CRD", inputs=MANY, name="crd", more={"transposes": 1}),
    one("SpaceToDepth", blocksize=2, inputs={"x": (1, 3, 8, 6)}),
    Case("Shape-Size", [("Shape", "x", "s", {}), ("Cast", "s", "f", {"to": 1}),
                        ("Gather", "f i", "g", {"axis": 0}), ("Mul", "x g", "y", {})],
         IMAGE, {"i": np.int64(3)}),
]  # fmt: skip

GATHERS = [
    one("Gather", {"i": np.int64(2)}, axis=1, name="scalar"),
    one("Gather", {"i": np.array([2, 0, -1], INT)}, axis=1, name="list"),
    one("Gather", {"i": np.array([[2, 0], [1, 1]], INT)}, axis=1, inputs={"x": (5, 4)},
        name="table"),
    one("GatherElements", {"i": np.array([[0, 2], [1, -1]], INT)}, axis=0, inputs={"x": (3, 2)}),
    one("GatherND", {"i": np.array([[0, 1], [2, -1]], INT)}, inputs={"x": (3, 2, 4)}, more=PLAIN),
    one("ScatterND", {"i": np.array([[0], [2]], INT), "u": random(2, 4)}, inputs={"x": (3, 4)}),
    one("ScatterND", {"i": np.array([[0], [2]], INT), "u": random(2, 4)}, inputs={"x": (3, 4)},
        reduction="add", name="add", more={"opset": 18}),
    one("ScatterElements", {"i": np.array([[0, 2]], INT), "u": random(1, 2)}, axis=0,
        inputs={"x": (3, 2)}),
    Case("OneHot", [("OneHot", "x d v", "y", {"axis": 1})], {"x": (2, 3)},
         {"d": np.int64(5), "v": np.array([0.5, 2], np.float32)},
         values={"x": np.array([[0, 4, -1], [2, 2, 3]], INT)}),
]  # fmt: skip

AXES = np.array([1, -1], INT)
REDUCTIONS = [
    *(one(kind, axes=[2, 3]) for kind in (
        "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
        "ReduceLogSumExp", "ReduceSumSquare",
    )),
    one("ReduceLogSum", axes=[1], more=POSITIVE),
    one("ReduceSum", {"a": AXES}, keepdims=0),
    one("ReduceMean", keepdims=0, name="all"),
    one("ArgMax", axis=1, keepdims=0),
    one("ArgMin", axis=-1),
    one("TopK", {"k": np.array([3], INT)}, inputs={"x": (4, 9)}, results="y z"),
    one("TopK", {"k": np.array([2], INT)}, axis=0, largest=0, inputs={"x": (6, 5)}, results="y z",
        name="smallest", more={"transposes": None}),
    one("CumSum", {"a": np.int64(1)}),
    one("CumSum", {"a": np.int64(-1)}, exclusive=1, reverse=1, name="reverse"),
]  # fmt: skip

PRODUCTS = [
    one("Gemm", {"w": random(7, 12), "b": random(7)}, inputs={"x": (3, 12)}, transB=1),
    one("Gemm", {"w": random(12, 7), "b": random(7)}, inputs={"x": (12, 3)}, transA=1, alpha=0.5,
        beta=2.0, name="transA", more={"transposes": None}),
    one("Gemm", inputs={"x": (3, 5), "z": (4, 5)}, transB=1, name="computed"),
    one("MatMul", {"w": random(6, 7)}, inputs={"x": (2, 5, 6)}, more=PLAIN),
    one("MatMul", {"w": random(6)}, inputs={"x": (2, 5, 6)}, name="vector", more=PLAIN),
    one("MatMul", inputs={"x": (2, 3, 5, 6), "z": (2, 3, 6, 4)}, name="batched", more=PLAIN),
    one("MatMul", inputs={"x": (2, 5, 6), "z": (6, 4)}, name="broadcast", more=PLAIN),
    *(one("Einsum", dict(constants), inputs=dict(inputs), equation=equation, name=name,
          operands=" ".join(sorted([*inputs, *constants])),
          more={"transposes": None, **PLAIN})
      for name, equation, inputs, constants in _EINSUMS),
]  # fmt: skip


def _resize(
    name: str,
    scales: Sequence[float] | None = None,
    sizes: Sequence[int] | None = None,
    inputs: Mapping[str, tuple[int, ...]] | None = None,
    **attributes: Any,  # noqa: ANN401 - as ONNX types them
) -> Case:
    constants: dict[str, Any] = {}
    if scales:
        constants["s"] = np.array(scales, np.float32)
    if sizes:
        constants["n"] = np.array(sizes, INT)
    operands = "x  s" if scales else "x   n"
    return one("Resize", constants, operands=operands, inputs=inputs or {"x": (1, 3, 5, 6)},
               name=name, more={"transposes": None if inputs else 0}, **attributes)  # fmt: skip


_TWICE, _SIZES = [1, 1, 2, 2], [1, 3, 9, 11]
RESIZES = [
    _resize("nearest", _TWICE, coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    _resize("nearest-half", _TWICE),
    _resize("nearest-sizes", None, _SIZES, coordinate_transformation_mode="asymmetric"),
    _resize("nearest-down", None, [1, 3, 2, 3], nearest_mode="ceil"),
    *(_resize(f"linear-{mode}", _TWICE, mode="linear", coordinate_transformation_mode=mode)
      for mode in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")),
    *(_resize(f"linear-sizes-{mode}", None, _SIZES, mode="linear",
              coordinate_transformation_mode=mode)
      for mode in ("half_pixel", "align_corners", "asymmetric")),
    _resize("linear-odd-scale", [1, 1, 1.3, 1.7], mode="linear"),
    _resize("linear-one", None, [1, 3, 1, 6], mode="linear",
            coordinate_transformation_mode="pytorch_half_pixel"),
    _resize("cubic", _TWICE, mode="cubic"),
    _resize("1d", [1, 1, 2], inputs={"x": (1, 3, 8)}, mode="linear"),
    _resize("3d", [1, 1, 2, 2, 2], inputs={"x": (1, 2, 3, 4, 5)},
            coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    one("Upsample", {"s": np.array(_TWICE, np.float32)}, inputs={"x": (1, 3, 5, 6)},
        more={"opset": 9}),
]  # fmt: skip


def _recurrent(
    kind: str,
    gates: int,
    name: str = "",
    directions: int = 1,
    **attributes: Any,  # noqa: ANN401 - as ONNX types them
) -> Case:
    constants = {
        "w": random(directions, gates * 5, 3, seed=1, scale=0.5),
        "r": random(directions, gates * 5, 5, seed=2, scale=0.5),
        "b": random(directions, 2 * gates * 5, seed=3),
    }
    results = "y h c" if kind == "LSTM" else "y h"
    return one(kind, constants, inputs={"x": (6, 2, 3)}, name=name, results=results,
               hidden_size=5, more=PLAIN, **attributes)  # fmt: skip


RECURRENT = [
    _recurrent("LSTM", 4),
    _recurrent("LSTM", 4, "clipped", clip=0.3),
    _recurrent("GRU", 3, "clipped", clip=0.3, linear_before_reset=1),
    _recurrent("LSTM", 4, "reverse", direction="reverse"),
    _recurrent("LSTM", 4, "both", 2, direction="bidirectional"),
    _recurrent("GRU", 3),
    _recurrent("GRU", 3, "linear", 2, direction="bidirectional", linear_before_reset=1),
    _recurrent("RNN", 1),
]

WAVE = {"x": (2, 40, 1)}
SPECTRA = [
    one("STFT", {"step": np.int64(6), "w": np.hanning(16).astype(np.float32), "n": np.int64(16)},
        inputs=WAVE, more=PLAIN),
    one("STFT", {"step": np.int64(6), "n": np.int64(15)}, operands="x step  n", onesided=0,
        inputs=WAVE, name="plain", more=PLAIN),
    one("DFT", inputs=WAVE, onesided=1, more=PLAIN),
    one("DFT", {"axis": np.int64(-2)}, operands="x  axis", inputs=WAVE, name="newer",
        more={**PLAIN, "opset": 20}),
]  # fmt: skip

_PLACES = np.random.default_rng(4).uniform(-1.6, 1.6, (2, 5, 6, 2)).astype(np.float32)


def _grid(padding: str, corners: int, mode: str = "bilinear", opset: int = 16) -> Case:
    """Three of four paddings are seen only by places beyond the picture."""
    return one(
        "GridSample",
        {"g": _PLACES[:1]},
        mode=mode,
        padding_mode=padding,
        align_corners=corners,
        name=f"{mode}-{padding}-{corners}",
        more={"opset": opset, "transposes": None},
    )


GRIDS = [
    *(
        _grid(padding, corners)
        for padding in ("zeros", "border", "reflection")
        for corners in (0, 1)
    ),
    _grid("zeros", 0, "nearest"),
    _grid("border", 1, "nearest"),
    _grid("zeros", 0, "linear", 20),
    one(
        "GridSample",
        {"g": _PLACES},
        inputs={"x": (2, 3, 7, 8)},
        name="two",
        more={"opset": 16, "transposes": None},
    ),
    one(
        "GridSample",
        inputs={"x": (1, 3, 7, 8), "g": (1, 4, 5, 2)},
        name="computed",
        more={"opset": 16, "transposes": None},
    ),
]

CASES = [
    *CONVOLUTIONS, *TRANSPOSED, *POOLS, *NORMALIZATIONS, *UNARY, *BINARY, *SHAPES, *GATHERS,
    *REDUCTIONS, *PRODUCTS, *RESIZES, *RECURRENT, *SPECTRA, *GRIDS,
    *(after_conv(case) for case in (*UNARY[:4], *SHAPES[:4], *GATHERS[:2], *REDUCTIONS[:1])),
]  # fmt: skip
