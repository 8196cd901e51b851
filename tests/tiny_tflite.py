"""Builds .tflite files of a few hundred bytes, tensor by tensor, without TensorFlow."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_ALIGNMENT = 16


class TinyModel:
    """A model in the making; every method that adds something returns its index."""

    def __init__(self) -> None:
        self.model: Any = schema.ModelT()
        self.model.version = 3
        self.model.description = "tiny"
        self.model.operatorCodes = []
        self.model.buffers = [schema.BufferT()]
        self.model.subgraphs = []
        self.model.metadata = []
        self.graph: Any = None
        self.subgraph()

    def subgraph(self) -> int:
        """Begin a subgraph; what follows goes there."""
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []
        self.model.subgraphs.append(self.graph)
        return len(self.model.subgraphs) - 1

    def buffer(self, data: bytes) -> int:
        """Add a buffer."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data, np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def tensor(
        self,
        dtype: str,
        shape: tuple[int, ...],
        *,
        name: str = "",
        constant: bool = False,
        buffer: int | None = None,
        quantization: tuple[float, int] | None = None,
        signature: tuple[int, ...] | None = None,
        values: np.ndarray[Any, Any] | None = None,
    ) -> int:
        """Add a tensor; `constant` fills it with ones, `values` with those."""
        made = schema.TensorT()
        made.name = name or f"tensor{len(self.graph.tensors)}"
        made.type = getattr(schema.TensorType, dtype.upper())
        made.shape = list(shape)
        made.hasRank = bool(shape)
        made.shapeSignature = list(signature) if signature else None
        if constant:
            values = np.ones(shape, dtype)
        if values is not None:
            buffer = self.buffer(values.tobytes())
        made.buffer = buffer or 0
        if quantization:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale = [quantization[0]]
            made.quantization.zeroPoint = [quantization[1]]
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def operator(
        self,
        name: str,
        inputs: list[int],
        outputs: list[int],
        options: Any = None,  # noqa: ANN401 - any of the schema's options
        *,
        custom: bool = False,
    ) -> int:
        """Add an operator; `options` is an object such as schema.Conv2DOptionsT()."""
        code = schema.OperatorCodeT()
        number = schema.BuiltinOperator.CUSTOM if custom else getattr(schema.BuiltinOperator, name)
        code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
        code.version = 1
        code.customCode = name if custom else None
        self.model.operatorCodes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex = len(self.model.operatorCodes) - 1
        made.inputs, made.outputs = inputs, outputs
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            made.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            made.builtinOptions = options
        self.graph.operators.append(made)
        return len(self.graph.operators) - 1

    def border(self, inputs: list[int], outputs: list[int]) -> None:
        """Name the subgraph's inputs and outputs."""
        self.graph.inputs, self.graph.outputs = inputs, outputs

    def metadata(self, name: str, data: bytes) -> None:
        """Add a metadata entry."""
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, self.buffer(data)
        self.model.metadata.append(entry)

    def to_bytes(self, *, buffers_behind: bool = False) -> bytes:
        """The file; its constants behind the FlatBuffer where asked, as litert-quantizer does."""
        if not buffers_behind:
            return self._pack()
        contents = [b"" if b.data is None else b.data.tobytes() for b in self.model.buffers]
        for buffer, content in zip(self.model.buffers, contents, strict=True):
            buffer.data, buffer.offset, buffer.size = None, bool(content), len(content)
        position = -(-len(self._pack()) // _ALIGNMENT) * _ALIGNMENT
        tail = b""
        for buffer, content in zip(self.model.buffers, contents, strict=True):
            if content:
                buffer.offset = position + len(tail)
                tail += content + bytes(-len(content) % _ALIGNMENT)
        return self._pack().ljust(position, b"\0") + tail

    def _pack(self) -> bytes:
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def conv_options() -> Any:  # noqa: ANN401 - a generated class
    """Stride 1, padding SAME, no fused activation."""
    options = schema.Conv2DOptionsT()
    options.strideW = options.strideH = 1
    options.dilationWFactor = options.dilationHFactor = 1
    options.padding = schema.Padding.SAME
    return options


FLOAT_NET_MACS = 8 * 8 * 4 * 27 + 8 * 8 * 4 * 5
FLOAT_NET_PARAMETERS = (4 * 27 + 4) + (5 * 256 + 5)


def float_net() -> TinyModel:
    """Convolution 3x3 (4 channels), RELU, RESHAPE, fully connected (5); input (1, 8, 8, 3)."""
    random = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray[Any, Any]:
        return random.standard_normal(shape).astype(np.float32)

    net = TinyModel()
    image = net.tensor("float32", (1, 8, 8, 3), name="image")
    kernel = net.tensor("float32", (4, 3, 3, 3), values=weights(4, 3, 3, 3))
    conv_bias = net.tensor("float32", (4,), values=weights(4))
    features = net.tensor("float32", (1, 8, 8, 4))
    positive = net.tensor("float32", (1, 8, 8, 4))
    flat_shape = net.tensor("int32", (2,), values=np.array([1, 256], np.int32))
    flat = net.tensor("float32", (1, 256))
    matrix = net.tensor("float32", (5, 256), values=weights(5, 256))
    bias = net.tensor("float32", (5,), values=weights(5))
    logits = net.tensor("float32", (1, 5), name="logits")
    net.operator("CONV_2D", [image, kernel, conv_bias], [features], conv_options())
    net.operator("RELU", [features], [positive])
    net.operator("RESHAPE", [positive, flat_shape], [flat])
    net.operator("FULLY_CONNECTED", [flat, matrix, bias], [logits], schema.FullyConnectedOptionsT())
    net.border([image], [logits])
    return net


def int8_net() -> TinyModel:
    """Convolution, RELU (which XNNPACK does not take in int8), convolution; input (1, 8, 8, 3)."""
    random = np.random.default_rng(0)
    net = TinyModel()

    def activation(channels: int, scale: float, name: str = "") -> int:
        return net.tensor("int8", (1, 8, 8, channels), name=name, quantization=(scale, -128))

    def convolution(source: int, target: int, read: int, made: int, scale: float) -> None:
        values = random.integers(-127, 128, (made, 3, 3, read)).astype(np.int8)
        kernel = net.tensor("int8", values.shape, values=values, quantization=(0.01, 0))
        zeros = np.zeros(made, np.int32)
        bias = net.tensor("int32", (made,), values=zeros, quantization=(0.01 * scale, 0))
        net.operator("CONV_2D", [source, kernel, bias], [target], conv_options())

    image = activation(3, 1 / 255, "image")
    features, positive = activation(4, 0.05), activation(4, 0.05)
    result = activation(2, 0.1, "result")
    convolution(image, features, 3, 4, 1 / 255)
    net.operator("RELU", [features], [positive])
    convolution(positive, result, 4, 2, 0.05)
    net.border([image], [result])
    return net
