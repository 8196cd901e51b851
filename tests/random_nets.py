"""Float .tflite networks with random weights, layer by layer, without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from hypothesis import strategies as st
from tiny_tflite import TinyModel

from edgecnn.calibration.statistics import collect
from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize import measured
from edgecnn.runtime.litert import LiteRTSession

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edgecnn.calibration.statistics import Statistics

    Floats = NDArray[np.float32]

NO_TENSOR = -1  # schema.fbs: an optional input that is left out
ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU6": 3}  # schema.fbs: ActivationFunctionType


class RandomNet:
    """A network in the making; every layer takes tensor indices and returns one.

    Args:
        seed: of the weights.
        shape: of the one input.
    """

    def __init__(self, seed: int = 0, shape: tuple[int, ...] = (1, 8, 8, 3)) -> None:
        self.random = np.random.default_rng(seed)
        self.tiny = TinyModel()
        self.image = self.tiny.tensor("float32", shape, name="image")

    def shape(self, tensor: int) -> tuple[int, ...]:
        """A tensor's shape."""
        return tuple(int(n) for n in self.tiny.graph.tensors[tensor].shape)

    def name(self, tensor: int) -> str:
        """A tensor's name."""
        return str(self.tiny.graph.tensors[tensor].name)

    def fixed(self, values: NDArray[Any]) -> int:
        """A constant."""
        return self.tiny.tensor(values.dtype.name, values.shape, values=values)

    def normal(self, *shape: int) -> Floats:
        """Standard normal values."""
        return self.random.standard_normal(shape).astype(np.float32)

    def signed(self, count: int) -> Floats:
        """Values away from zero, of either sign: a trained normalization's scales."""
        signs = self.random.choice([-1.0, 1.0], count)
        return (signs * self.random.uniform(0.3, 2.0, count)).astype(np.float32)

    def op(
        self,
        name: str,
        inputs: Sequence[int],
        shape: tuple[int, ...],
        options: Any = None,  # noqa: ANN401 - any of the schema's options
    ) -> int:
        """Any operator with one float output."""
        output = self.tiny.tensor("float32", shape, name=f"{name.lower()}_{len(self.tensors)}")
        self.tiny.operator(name, list(inputs), [output], options)
        return output

    @property
    def tensors(self) -> list[Any]:
        """The graph's tensors so far."""
        found: list[Any] = self.tiny.graph.tensors
        return found

    def conv(  # noqa: PLR0913 - a convolution has that many properties
        self,
        x: int,
        channels: int,
        *,
        kernel: tuple[int, int] = (3, 3),
        stride: int = 1,
        dilation: int = 1,
        padding: str = "SAME",
        activation: str = "NONE",
        groups: int = 1,
        weights: Floats | None = None,
    ) -> int:
        """CONV_2D; weights of standard deviation 1 / sqrt(inputs)."""
        options = schema.Conv2DOptionsT()
        _, height, width, read = self.shape(x)
        inputs = kernel[0] * kernel[1] * read // groups
        if weights is None:
            weights = self.normal(channels, *kernel, read // groups) / np.float32(np.sqrt(inputs))
        size = _window(options, (height, width), kernel, stride, dilation, padding, activation)
        return self._weighted("CONV_2D", x, weights, (1, *size, channels), options)

    def depthwise(
        self,
        x: int,
        multiplier: int = 1,
        *,
        kernel: tuple[int, int] = (3, 3),
        stride: int = 1,
        dilation: int = 1,
        padding: str = "SAME",
        activation: str = "NONE",
    ) -> int:
        """DEPTHWISE_CONV_2D."""
        options = schema.DepthwiseConv2DOptionsT()
        options.depthMultiplier = multiplier
        _, height, width, read = self.shape(x)
        made = read * multiplier
        weights = self.normal(1, *kernel, made) / np.float32(np.sqrt(kernel[0] * kernel[1]))
        size = _window(options, (height, width), kernel, stride, dilation, padding, activation)
        return self._weighted("DEPTHWISE_CONV_2D", x, weights, (1, *size, made), options)

    def dense(self, x: int, units: int, *, activation: str = "NONE", bias: bool = True) -> int:
        """FULLY_CONNECTED; a tensor of rank 4 is flattened by the operator itself."""
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = ACTIVATIONS[activation]
        inputs = int(np.prod(self.shape(x)[1:]))
        weights = self.normal(units, inputs) / np.float32(np.sqrt(inputs))
        return self._weighted("FULLY_CONNECTED", x, weights, (1, units), options, bias=bias)

    def _weighted(
        self,
        name: str,
        x: int,
        weights: Floats,
        shape: tuple[int, ...],
        options: Any,  # noqa: ANN401 - any of the schema's options
        *,
        bias: bool = True,
    ) -> int:
        fixed = self.fixed(self.normal(shape[-1]) / np.float32(2)) if bias else NO_TENSOR
        inputs = [x, self.fixed(weights), fixed]
        return self.op(name, inputs, shape, options)

    def mul(self, x: int, values: Floats | None = None, *, constant_first: bool = False) -> int:
        """MUL with a constant for each channel, drawn where not given."""
        return self._with_constant(
            "MUL", x, self.signed(self.shape(x)[-1]) if values is None else values, constant_first
        )

    def add(self, x: int, values: Floats | None = None, *, constant_first: bool = False) -> int:
        """ADD of a constant for each channel, likewise."""
        return self._with_constant(
            "ADD", x, self.normal(self.shape(x)[-1]) if values is None else values, constant_first
        )

    def _with_constant(self, name: str, x: int, values: Floats, constant_first: bool) -> int:  # noqa: FBT001 - private
        fixed = self.fixed(values)
        inputs = [fixed, x] if constant_first else [x, fixed]
        return self.op(name, inputs, self.shape(x), _binary_options(name, "NONE"))

    def sum_of(self, x: int, y: int, *, activation: str = "NONE") -> int:
        """ADD of two tensors."""
        return self.op("ADD", [x, y], self.shape(x), _binary_options("ADD", activation))

    def relu(self, x: int) -> int:
        """An unfused RELU."""
        return self.op("RELU", [x], self.shape(x))

    def relu6(self, x: int) -> int:
        """An unfused RELU6."""
        return self.op("RELU6", [x], self.shape(x))

    def pool(
        self, x: int, kind: str, *, kernel: int = 2, stride: int = 2, padding: str = "SAME"
    ) -> int:
        """MAX_POOL_2D or AVERAGE_POOL_2D."""
        options = schema.Pool2DOptionsT()
        options.filterHeight = options.filterWidth = kernel
        _, height, width, channels = self.shape(x)
        size = _window(options, (height, width), (kernel, kernel), stride, 1, padding, "NONE")
        return self.op(kind, [x], (1, *size, channels), options)

    def mean(self, x: int, axes: tuple[int, ...] = (1, 2)) -> int:
        """MEAN without keeping the axes."""
        options = schema.ReducerOptionsT()
        rank = len(self.shape(x))
        gone = {axis % rank for axis in axes}
        shape = tuple(n for axis, n in enumerate(self.shape(x)) if axis not in gone)
        return self.op("MEAN", [x, self.fixed(np.array(axes, np.int32))], shape, options)

    def reshape(self, x: int, shape: tuple[int, ...]) -> int:
        """RESHAPE."""
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        return self.op("RESHAPE", [x, self.fixed(np.array(shape, np.int32))], shape, options)

    def flatten(self, x: int) -> int:
        """RESHAPE to one row."""
        return self.reshape(x, (1, int(np.prod(self.shape(x)))))

    def concat(self, tensors: Sequence[int], axis: int = 3) -> int:
        """CONCATENATION."""
        options = schema.ConcatenationOptionsT()
        options.axis = axis
        shape = list(self.shape(tensors[0]))
        shape[axis] = sum(self.shape(tensor)[axis] for tensor in tensors)
        return self.op("CONCATENATION", tensors, tuple(shape), options)

    def pad(self, x: int) -> int:
        """PAD by one pixel on each side."""
        _, height, width, channels = self.shape(x)
        around = self.fixed(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
        return self.op(
            "PAD", [x, around], (1, height + 2, width + 2, channels), schema.PadOptionsT()
        )

    def softmax(self, x: int) -> int:
        """SOFTMAX."""
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        return self.op("SOFTMAX", [x], self.shape(x), options)

    def finish(self, *outputs: int) -> bytes:
        """The file, with these outputs and a signature."""
        self.tiny.border([self.image], list(outputs))
        signature = schema.SignatureDefT()
        signature.signatureKey = "serving_default"
        signature.inputs = [self._entry(self.image)]
        signature.outputs = [self._entry(tensor) for tensor in outputs]
        self.tiny.model.signatureDefs = [signature]
        return self.tiny.to_bytes()

    def _entry(self, tensor: int) -> Any:  # noqa: ANN401 - a generated class
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = self.name(tensor), tensor
        return entry

    def feeds(self, count: int = 4) -> list[Floats]:
        """Random inputs."""
        return [self.normal(*self.shape(self.image)) for _ in range(count)]


def _binary_options(name: str, activation: str) -> Any:  # noqa: ANN401 - a generated class
    options = schema.AddOptionsT() if name == "ADD" else schema.MulOptionsT()
    options.fusedActivationFunction = ACTIVATIONS[activation]
    return options


def _window(
    options: Any,  # noqa: ANN401 - a generated class
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: int,
    dilation: int,
    padding: str,
    activation: str,
) -> tuple[int, int]:
    """Fill in what all sliding operators have; returns the output's height and width."""
    options.strideH = options.strideW = stride
    options.dilationHFactor = options.dilationWFactor = dilation
    options.padding = getattr(schema.Padding, padding)
    options.fusedActivationFunction = ACTIVATIONS[activation]
    if padding == "SAME":
        return -(-size[0] // stride), -(-size[1] // stride)
    reach = [(n - 1) * dilation + 1 for n in kernel]
    return (size[0] - reach[0]) // stride + 1, (size[1] - reach[1]) // stride + 1


def run(data: bytes, feeds: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Every output of every feed, one array for each output."""
    session = LiteRTSession(data)
    rows = [session.run([feed]) for feed in feeds]
    return [np.stack(column) for column in zip(*rows, strict=True)]


def snr_db(wanted: NDArray[Any], found: NDArray[Any]) -> float:
    """Ratio of the signal's power to the error's."""
    assert wanted.shape == found.shape
    noise = np.square(wanted.astype(np.float64) - found).sum()
    power = np.square(wanted, dtype=np.float64).sum()
    return float(10 * np.log10(power / noise)) if noise else np.inf


def same_function(before: bytes, after: bytes, feeds: Sequence[NDArray[Any]], db: float) -> None:
    """Hold that two files answer alike, output by output, to an SNR."""
    for wanted, found in zip(run(before, feeds), run(after, feeds), strict=True):
        assert np.isfinite(wanted).all()
        assert snr_db(wanted, found) > db


def statistics_of(data: bytes, feeds: Sequence[NDArray[np.float32]]) -> tuple[Statistics, str]:
    """What calibration finds in a file, and the name of the tensor it takes for the logits."""
    graph = Graph.read(data)
    logits = logits_name(graph)
    given = [[feed] for feed in feeds]
    return collect(graph, given, answers=[logits], runs=len(feeds), threads=1), logits


def logits_name(graph: Graph) -> str:
    """What enters the SOFTMAX that the first output ends in; the output's own name without one."""
    tensor = graph.outputs[0]
    while (maker := graph.producer(tensor)) is not None:
        tensor = maker.source
        if maker.name == "SOFTMAX":
            return tensor.name
        if maker.name not in {"DEQUANTIZE", "QUANTIZE", "RESHAPE"}:
            break
    return graph.outputs[0].name


def logits_of(data: bytes, feeds: Sequence[NDArray[np.float32]]) -> Floats:
    """What a float or quantized file's logits are for inputs in real numbers."""
    graph = Graph.read(data)
    name = logits_name(graph)
    return measured.answers(graph, [[feed] for feed in feeds], [name], threads=1)[name]


def operators(data: bytes) -> list[str]:
    """The operators' names in order."""
    return [operator.name for operator in Graph.read(data).operators]


def _conv(net: RandomNet, x: int, draw: Callable[..., Any]) -> int:
    kernel, padding = _kernel(net, x, draw)
    return net.conv(
        x,
        draw(st.integers(1, 6)),
        kernel=kernel,
        stride=draw(st.integers(1, 2)),
        padding=padding,
        activation=draw(st.sampled_from(sorted(ACTIVATIONS))),
    )


def _depthwise(net: RandomNet, x: int, draw: Callable[..., Any]) -> int:
    kernel, padding = _kernel(net, x, draw)
    return net.depthwise(
        x,
        draw(st.integers(1, 2)),
        kernel=kernel,
        stride=draw(st.integers(1, 2)),
        padding=padding,
        activation=draw(st.sampled_from(sorted(ACTIVATIONS))),
    )


def _kernel(net: RandomNet, x: int, draw: Callable[..., Any]) -> tuple[tuple[int, int], str]:
    """A kernel that fits the tensor, and a padding."""
    _, height, width, _ = net.shape(x)
    kernel = (draw(st.integers(1, min(3, height))), draw(st.integers(1, min(3, width))))
    return kernel, draw(st.sampled_from(["SAME", "VALID"]))


def _chain(net: RandomNet, x: int, draw: Callable[..., Any]) -> int:
    for layer in draw(st.lists(st.sampled_from(["mul", "add"]), min_size=1, max_size=4)):
        make = net.mul if layer == "mul" else net.add
        scalar = draw(st.booleans())
        shapes = [(), (1,)] if scalar else [(-1,), (1, 1, 1, -1)]
        values = net.signed(1 if scalar else net.shape(x)[-1])
        x = make(
            x,
            values.reshape(draw(st.sampled_from(shapes))),
            constant_first=draw(st.booleans()),
        )
    return x


def _pool(net: RandomNet, x: int, draw: Callable[..., Any]) -> int:
    smallest = min(net.shape(x)[1:3])
    return net.pool(
        x,
        draw(st.sampled_from(["MAX_POOL_2D", "AVERAGE_POOL_2D"])),
        kernel=draw(st.integers(1, min(3, smallest))),
        stride=draw(st.integers(1, 2)),
        padding=draw(st.sampled_from(["SAME", "VALID"])),
    )


def _residual(net: RandomNet, x: int, draw: Callable[..., Any]) -> int:
    """A pre-activation block: its input is read twice, its sum by whatever follows."""
    channels = net.shape(x)[-1]
    inside = net.conv(net.relu(x), channels)
    if draw(st.booleans()):
        inside = net.add(net.mul(inside))
    return net.sum_of(inside, x, activation=draw(st.sampled_from(sorted(ACTIVATIONS))))


def _branches(net: RandomNet, x: int, draw: Callable[..., Any]) -> int:
    """A normalized tensor with two or three readers, concatenated."""
    shared = _chain(net, net.relu(x), draw)
    made = [net.conv(shared, draw(st.integers(1, 4)), kernel=(1, 1))]
    made.append(net.conv(shared, draw(st.integers(1, 4)), kernel=(3, 3)))
    if draw(st.booleans()):
        made.append(shared)
    return net.concat(made)


def _activation(net: RandomNet, x: int, draw: Callable[..., Any]) -> int:
    return net.relu(x) if draw(st.booleans()) else net.relu6(x)


def _pad(net: RandomNet, x: int, draw: Callable[..., Any]) -> int:
    del draw
    return net.pad(x)


_LAYERS = (_conv, _depthwise, _chain, _chain, _pool, _residual, _branches, _activation, _pad)


@dataclass(frozen=True)
class Drawn:
    """A network that hypothesis drew; prints as its operators.

    Attributes:
        data: the file.
        feeds: inputs for it.
    """

    data: bytes = field(repr=False)
    feeds: list[Floats] = field(repr=False)
    shape: tuple[int, ...]
    operators: tuple[str, ...]


@st.composite
def networks(draw: Callable[..., Any]) -> Drawn:
    """A network of a few random layers and some kind of end."""
    shape = (1, draw(st.integers(3, 7)), draw(st.integers(3, 7)), draw(st.integers(1, 4)))
    net = RandomNet(draw(st.integers(0, 2**16)), shape)
    x = net.image
    for layer in draw(st.lists(st.sampled_from(_LAYERS), min_size=1, max_size=6)):
        x = layer(net, x, draw)
    ends = draw(st.sampled_from(["flatten", "mean", "implicit", "map"]))
    outputs = [x] if ends == "map" else []
    if ends == "flatten":
        outputs = [net.dense(net.flatten(x), draw(st.integers(2, 5)), bias=draw(st.booleans()))]
    elif ends == "mean":
        outputs = [net.dense(net.mean(x), draw(st.integers(2, 5)))]
    elif ends == "implicit":
        outputs = [net.dense(x, draw(st.integers(2, 5)))]
    data = net.finish(*outputs)
    return Drawn(data, net.feeds(), shape, tuple(operators(data)))
