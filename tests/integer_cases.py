"""Small float graphs around one operator or kind each, built with the graph API alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.formats import tflite_schema as schema
from edgecnn.formats.tflite_graph import Graph, Operator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edgecnn.formats.tflite_graph import Tensor

    Make = Callable[["Net", "Tensor"], "Tensor"]

SHAPE = (1, 8, 8, 8)


def options(kind: str, **values: Any) -> Any:  # noqa: ANN401 - a generated class
    """An options object of schema.fbs with these fields set."""
    made = schema.new_options(kind)
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Net:
    """A graph in the making."""

    def __init__(self, shape: Sequence[int] = SHAPE, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.graph = Graph()
        self.image = self.graph.add_tensor("image", shape=shape)
        self.graph.inputs = [self.image]

    def normal(self, *shape: int) -> NDArray[np.float32]:
        """Normal numbers of a trained layer's size."""
        fan_in = max(int(np.prod(shape[1:])), 1)
        drawn = self.random.standard_normal(shape) / np.sqrt(fan_in)
        values: NDArray[np.float32] = drawn.astype(np.float32)
        return values

    def fixed(self, values: Any, dtype: Any = np.int32) -> Tensor:  # noqa: ANN401 - numpy's
        """A constant."""
        return self.graph.add_constant("constant", np.asarray(values, dtype))

    def op(
        self,
        name: str,
        inputs: Sequence[Tensor | None],
        shape: Sequence[int],
        chosen: Any = None,  # noqa: ANN401 - generated classes
        dtype: str = "FLOAT32",
    ) -> Tensor:
        """One operator with one output."""
        output = self.graph.add_tensor(name.lower(), dtype, shape)
        self.graph.operators.append(Operator(name, inputs, [output], chosen))
        return output

    def conv(self, source: Tensor, channels: int = 8, groups: int = 1) -> Tensor:
        """A 1x1 convolution of stride 1."""
        weights = self.fixed(self.normal(channels, 1, 1, source.channels // groups), np.float32)
        bias = self.fixed(self.normal(channels) * 0.1, np.float32)
        chosen = options("Conv2DOptions", padding=1, strideH=1, strideW=1,
                         dilationHFactor=1, dilationWFactor=1)  # fmt: skip
        return self.op("CONV_2D", [source, weights, bias], (*source.shape[:3], channels), chosen)

    def dense(self, source: Tensor, units: int = 4) -> Tensor:
        """A dense layer."""
        weights = self.fixed(self.normal(units, source.channels), np.float32)
        bias = self.fixed(self.normal(units) * 0.1, np.float32)
        shape = (*source.shape[:-1], units)
        chosen = options("FullyConnectedOptions", keepNumDims=len(shape) > 2)
        return self.op("FULLY_CONNECTED", [source, weights, bias], shape, chosen)

    def unary(self, name: str, source: Tensor, chosen: Any = None) -> Tensor:  # noqa: ANN401 - generated classes
        """An operator of one input whose output has its shape."""
        return self.op(name, [source], source.shape, chosen)

    def mean(self, source: Tensor, axes: Sequence[int], shape: Sequence[int]) -> Tensor:
        """An average."""
        return self.op("MEAN", [source, self.fixed(axes)], shape, options(
            "ReducerOptions", keepDims=len(shape) == len(source.shape)))  # fmt: skip

    def finish(self, *outputs: Tensor) -> Graph:
        """The graph with its ends."""
        self.graph.outputs = list(outputs)
        self.graph.set_signature()
        return Graph.read(self.graph.write(unique_names=True))

    def feeds(self, count: int, seed: int = 1) -> list[list[NDArray[Any]]]:
        """Smooth inputs that differ from run to run."""
        random = np.random.default_rng(seed)
        rank = len(self.image.shape)
        shift = (1,) * (rank - 1) + (self.image.shape[-1],)
        return [
            [(0.5 * random.standard_normal(self.image.shape)
              + random.standard_normal(shift)).astype(np.float32)]
            for _ in range(count)
        ]  # fmt: skip


def around(make: Make) -> tuple[Graph, Net]:
    """Convolution, the operator, and a convolution or dense layer behind it."""
    net = Net()
    middle = make(net, net.conv(net.image))
    last = net.conv(middle) if len(middle.shape) == len(SHAPE) else net.dense(middle)
    return net.finish(last), net


def _two(name: str, kind: str) -> Make:
    return lambda n, x: n.op(name, [x, n.conv(n.image)], SHAPE, options(kind))


def _reduce(name: str) -> Make:
    return lambda n, x: n.op(name, [x, n.fixed([1, 2])], (1, 8), options("ReducerOptions"))


def _halves(name: str) -> Make:
    def make(net: Net, x: Tensor) -> Tensor:
        parts = [net.graph.add_tensor(f"part{k}", shape=(1, 8, 8, 4)) for k in range(2)]
        inputs = [net.fixed(3), x] if name == "SPLIT" else [x, net.fixed([4, 4]), net.fixed(3)]
        kind = "SplitOptions" if name == "SPLIT" else "SplitVOptions"
        net.graph.operators.append(Operator(name, inputs, parts, options(kind, numSplits=2)))
        return net.op("ADD", parts, (1, 8, 8, 4), options("AddOptions"))

    return make


def _unpack(net: Net, x: Tensor) -> Tensor:
    rows = [net.graph.add_tensor(f"row{k}", shape=(1, 8, 8)) for k in range(8)]
    net.graph.operators.append(Operator("UNPACK", [x], rows, options(
        "UnpackOptions", num=8, axis=1)))  # fmt: skip
    return net.op("PACK", rows[:4], (1, 4, 8, 8), options("PackOptions", valuesCount=4, axis=1))


def _topk(net: Net, x: Tensor) -> Tensor:
    best = net.graph.add_tensor("best", shape=(1, 8, 8, 3))
    places = net.graph.add_tensor("places", "INT32", (1, 8, 8, 3))
    net.graph.operators.append(Operator("TOPK_V2", [x, net.fixed(3)], [best, places], options(
        "TopKV2Options")))  # fmt: skip
    return best


def _greater_select(net: Net, x: Tensor) -> Tensor:
    zero = net.fixed(0.0, np.float32)
    larger = net.op("GREATER", [x, zero], SHAPE, options("GreaterOptions"), "BOOL")
    return net.op("SELECT_V2", [larger, x, zero], SHAPE, options("SelectV2Options"))


def _transpose_conv(net: Net, x: Tensor) -> Tensor:
    weights = net.fixed(net.normal(8, 2, 2, 8), np.float32)
    chosen = options("TransposeConvOptions", padding=0, strideH=2, strideW=2)
    return net.op("TRANSPOSE_CONV", [net.fixed([1, 16, 16, 8]), weights, x], (1, 16, 16, 8), chosen)


def _matmul(net: Net, x: Tensor) -> Tensor:
    rows = net.op("RESHAPE", [net.unary("TANH", x), net.fixed([1, 64, 8])], (1, 64, 8))
    return net.op("BATCH_MATMUL", [rows, rows], (1, 64, 64), options(
        "BatchMatMulOptions", adjX=False, adjY=True))  # fmt: skip


_PADS = [[0, 0], [1, 1], [1, 1], [0, 0]]
# What the 8-bit file must hold no float operator for; True: at 16 bits too.
INTEGER: dict[str, tuple[Make, bool]] = {
    "LEAKY_RELU": (lambda n, x: n.unary("LEAKY_RELU", x, options(
        "LeakyReluOptions", alpha=0.1)), True),
    "PRELU": (lambda n, x: n.op("PRELU", [x, n.fixed(
        np.linspace(0.1, 0.4, 8).reshape(1, 1, 8), np.float32)], SHAPE), False),
    "ELU": (lambda n, x: n.unary("ELU", x), False),
    "GELU": (lambda n, x: n.unary("GELU", x, options("GeluOptions")), True),
    "HARD_SWISH": (lambda n, x: n.unary("HARD_SWISH", x, options("HardSwishOptions")), False),
    "RELU": (lambda n, x: n.unary("RELU", x), True),
    "RELU_N1_TO_1": (lambda n, x: n.unary("RELU_N1_TO_1", x), False),
    "LOGISTIC": (lambda n, x: n.unary("LOGISTIC", x), True),
    "EXP": (lambda n, x: n.unary("EXP", n.op("PAD", [n.unary("LOGISTIC", x), n.fixed(_PADS)], (
        1, 10, 10, 8)), options("ExpOptions")), True),
    "ABS": (lambda n, x: n.unary("ABS", x, options("AbsOptions")), True),
    "NEG": (lambda n, x: n.unary("NEG", x, options("NegOptions")), True),
    "L2_NORMALIZATION": (lambda n, x: n.unary("L2_NORMALIZATION", x, options(
        "L2NormOptions")), False),
    "SQUARED_DIFFERENCE": (_two("SQUARED_DIFFERENCE", "SquaredDifferenceOptions"), False),
    "MINIMUM": (_two("MINIMUM", "MaximumMinimumOptions"), True),
    "MAXIMUM": (_two("MAXIMUM", "MaximumMinimumOptions"), True),
    "SUB": (_two("SUB", "SubOptions"), True),
    "MUL": (_two("MUL", "MulOptions"), True),
    "TILE": (lambda n, x: n.op("TILE", [x, n.fixed([1, 2, 2, 1])], (1, 16, 16, 8)), True),
    "REDUCE_MAX": (_reduce("REDUCE_MAX"), True),
    "REDUCE_MIN": (_reduce("REDUCE_MIN"), True),
    "SUM": (_reduce("SUM"), True),
    "DEPTH_TO_SPACE": (lambda n, x: n.op("DEPTH_TO_SPACE", [x], (1, 16, 16, 2), options(
        "DepthToSpaceOptions", blockSize=2)), False),
    "SPACE_TO_DEPTH": (lambda n, x: n.op("SPACE_TO_DEPTH", [x], (1, 4, 4, 32), options(
        "SpaceToDepthOptions", blockSize=2)), False),
    "SPACE_TO_BATCH_ND": (lambda n, x: n.op("BATCH_TO_SPACE_ND", [n.op(
        "SPACE_TO_BATCH_ND", [x, n.fixed([2, 2]), n.fixed([[0, 0], [0, 0]])], (4, 4, 4, 8)),
        n.fixed([2, 2]), n.fixed([[0, 0], [0, 0]])], SHAPE), True),
    "MIRROR_PAD": (lambda n, x: n.op("MIRROR_PAD", [x, n.fixed(_PADS)], (1, 10, 10, 8), options(
        "MirrorPadOptions", mode=0)), True),
    "PADV2": (lambda n, x: n.op("PADV2", [x, n.fixed(_PADS), n.fixed([-1.0], np.float32)],
                                (1, 10, 10, 8)), True),
    "SLICE": (lambda n, x: n.op("SLICE", [x, n.fixed([0, 1, 1, 0]), n.fixed([1, 4, 4, 8])],
                                (1, 4, 4, 8)), True),
    "STRIDED_SLICE": (lambda n, x: n.op("STRIDED_SLICE", [
        x, n.fixed([0, 0, 0, 0]), n.fixed([1, 8, 8, 8]), n.fixed([1, 2, 2, 1])], (1, 4, 4, 8),
        options("StridedSliceOptions")), True),
    "GATHER": (lambda n, x: n.op("GATHER", [x, n.fixed([0, 3, 5])], (1, 8, 8, 3), options(
        "GatherOptions", axis=3)), True),
    "SPLIT": (_halves("SPLIT"), True),
    "SPLIT_V": (_halves("SPLIT_V"), True),
    "UNPACK and PACK": (_unpack, True),
    "TOPK_V2": (_topk, True),
    "GREATER and SELECT_V2": (_greater_select, True),
    "REVERSE_V2": (lambda n, x: n.op("REVERSE_V2", [x, n.fixed([2])], SHAPE), True),
    "BATCH_MATMUL": (_matmul, True),
    "TRANSPOSE_CONV": (_transpose_conv, True),
    "grouped CONV_2D": (lambda n, x: n.conv(x, 8, groups=4), True),
}  # fmt: skip


def layer_norm(net: Net, x: Tensor) -> Tensor:
    """Over the channels, as converters write it."""
    narrow = (*x.shape[:-1], 1)
    mean = net.mean(x, [-1], narrow)
    square = net.op("SQUARED_DIFFERENCE", [x, mean], x.shape)
    variance = net.op("ADD", [net.mean(square, [-1], narrow), net.fixed(1e-6, np.float32)], narrow)
    gain = net.unary("RSQRT", variance)
    centred = net.op("SUB", [x, mean], x.shape, options("SubOptions"))
    return net.op("MUL", [centred, gain], x.shape, options("MulOptions"))


def softplus(net: Net, x: Tensor) -> Tensor:
    """log(1 + exp(x))."""
    grown = net.op("ADD", [net.unary("EXP", x), net.fixed(1.0, np.float32)], x.shape)
    return net.unary("LOG", grown)


def sine(net: Net, x: Tensor) -> Tensor:
    """Two operators without integer kernels."""
    return net.unary("FLOOR", net.unary("SIN", x))


# The operators that stay float at 8 bits, name to count.
def _masked(hidden: float) -> Make:
    def make(net: Net, x: Tensor) -> Tensor:
        mask = net.fixed(np.where(np.arange(8) % 3, 0, hidden), np.float32)
        total = net.op("ADD", [x, mask], SHAPE, options("AddOptions"))
        return net.unary("EXP", total, options("ExpOptions"))

    return make


MIXED: dict[str, tuple[Make, dict[str, int]]] = {
    "layer normalization": (layer_norm, {"ADD": 1, "MEAN": 2, "MUL": 1, "RSQRT": 1,
                                         "SQUARED_DIFFERENCE": 1, "SUB": 1}),
    "softplus": (softplus, {"ADD": 1, "EXP": 1, "LOG": 1}),
    "infinite mask": (_masked(-np.inf), {"ADD": 1, "CONV_2D": 1, "EXP": 1}),
    "large mask": (_masked(-1e9), {"ADD": 1, "CONV_2D": 1, "EXP": 1}),
    "no kernel": (lambda n, x: n.unary("SIN", x), {"SIN": 1}),
}  # fmt: skip
