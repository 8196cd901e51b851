"""Small .tflite networks made here and now, for measuring what a device does with each operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from edgecnn.formats.tflite_graph import Tensor

# Of everything quantized; they decide no time.
_SCALE, _WEIGHT_SCALE = 0.1, 0.01
_NUMPY = {"FLOAT32": "float32", "INT8": "int8", "INT32": "int32"}
_TYPES = {"float32": ("FLOAT32", "FLOAT32"), "int8": ("INT8", "INT32")}


class Layer(NamedTuple):
    """A convolution: its output channels (0: depthwise), kernel and stride.

    `kernel` is the height of its window, and the width too unless `kernel_width` is given.
    """

    channels: int
    kernel: int = 3
    stride: int = 1
    kernel_width: int = 0

    @property
    def window(self) -> tuple[int, int]:
        """Height and width."""
        return self.kernel, self.kernel_width or self.kernel


class ProbeNet(NamedTuple):
    """A chain of convolutions on an image of `size` pixels and `channels`."""

    name: str
    size: int
    channels: int
    layers: tuple[Layer, ...]


_DEPTHWISE = Layer(0)


def _separable(*outputs: tuple[int, int]) -> tuple[Layer, ...]:
    """Depthwise and pointwise layers in turns, by output channels and stride."""
    return tuple(
        layer for channels, stride in outputs for layer in (Layer(0, 3, stride), Layer(channels, 1))
    )


# Each takes milliseconds to tens of them in float on a slow core; together they tell the units of
# work apart: products of each kind, small and large planes, many operators, weights beyond caches.
NETS = (
    ProbeNet("convolutions", 48, 48, (Layer(48), Layer(96, 3, 2), Layer(96), Layer(96))),
    ProbeNet("convolutions on small planes", 8, 128, (Layer(128), Layer(256, 3, 2), Layer(256))),
    ProbeNet("convolutions 5x5", 28, 32, (Layer(32, 5), Layer(64, 5, 2), Layer(64, 5))),
    ProbeNet("pointwise", 24, 256, (Layer(256, 1), Layer(512, 1), Layer(256, 1), Layer(256, 1))),
    ProbeNet("pointwise on large planes", 96, 24, (Layer(96, 1), Layer(24, 1)) * 2),
    ProbeNet("pointwise on small planes", 7, 960, (Layer(320, 1), Layer(960, 1)) * 2),
    ProbeNet("depthwise", 64, 96, (_DEPTHWISE,) * 6),
    ProbeNet("depthwise 5x5", 28, 192, (Layer(0, 5),) * 6),
    ProbeNet(
        "separable",
        128,
        3,
        (
            Layer(32, 3, 2),
            *_separable((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)),
        ),
    ),
    ProbeNet("many small operators", 8, 32, _separable(*[(32, 1)] * 16)),
)


def tflite_bytes(net: ProbeNet, dtype: str) -> bytes:
    """The file of a network with random weights and a ReLU behind every layer.

    Args:
        net: what to write.
        dtype: "float32" or "int8" (everything).

    Raises:
        MissingPartError: ai-edge-litert, which holds the schema, is not installed.
    """
    writer = _Writer(dtype)
    writer.begin((1, net.size, net.size, net.channels))
    for layer in net.layers:
        writer.convolve(layer)
    return writer.finish()


class _Writer:
    """Writes one file, layer by layer."""

    def __init__(self, dtype: str) -> None:
        import numpy as np

        from edgecnn.formats.tflite_graph import Graph
        from edgecnn.formats.tflite_schema import generated

        self._np, self._schema = np, generated()
        self._type, self._bias_type = _TYPES[dtype]
        self._random = np.random.default_rng(0)
        self._graph = Graph(description="edgecnn probe")

    def begin(self, shape: tuple[int, ...]) -> None:
        """The input."""
        self._last = self._tensor("input", self._type, shape, _SCALE)
        self._graph.inputs = [self._last]

    def convolve(self, layer: Layer) -> None:
        """Append a convolution with bias and ReLU."""
        from edgecnn.formats.tflite_graph import Operator

        _, height, width, read = self._last.shape
        channels = layer.channels or read
        filters = (channels, *layer.window, read) if layer.channels else (1, *layer.window, read)
        name = "CONV_2D" if layer.channels else "DEPTHWISE_CONV_2D"
        shape = (1, -(-height // layer.stride), -(-width // layer.stride), channels)
        weights = self._constant(self._type, filters, _WEIGHT_SCALE)
        bias = self._constant(self._bias_type, (channels,), _SCALE * _WEIGHT_SCALE)
        output = self._tensor(f"layer{len(self._graph.operators)}", self._type, shape, _SCALE)
        inputs, options = [self._last, weights, bias], self._options(layer)
        self._graph.operators.append(Operator(name, inputs, [output], options, version=3))
        self._last = output

    def finish(self) -> bytes:
        """The whole file."""
        self._graph.outputs = [self._last]
        self._graph.set_signature()
        return self._graph.write()

    def _options(self, layer: Layer) -> Any:  # noqa: ANN401 - generated classes
        kind = "Conv2DOptions" if layer.channels else "DepthwiseConv2DOptions"
        options = getattr(self._schema, f"{kind}T")()
        options.padding = self._schema.Padding.SAME
        options.strideH = options.strideW = layer.stride
        options.dilationHFactor = options.dilationWFactor = 1
        options.fusedActivationFunction = self._schema.ActivationFunctionType.RELU
        if not layer.channels:
            options.depthMultiplier = 1
        return options

    def _constant(self, dtype: str, shape: tuple[int, ...], scale: float) -> Tensor:
        tensor = self._tensor(f"constant{len(self._graph.tensors)}", dtype, shape, scale)
        tensor.data = self._random.integers(-127, 128, shape).astype(_NUMPY[dtype])
        return tensor

    def _tensor(self, name: str, dtype: str, shape: tuple[int, ...], scale: float) -> Tensor:
        from edgecnn.formats.tflite_graph import Quantization

        quantization = None if dtype == "FLOAT32" else Quantization.of(scale)
        return self._graph.add_tensor(name, dtype, shape, quantization=quantization)
