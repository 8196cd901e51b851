"""Tiny ONNX networks that tests share, made with onnx.helper: no TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from edgecnn.formats import onnx_taps

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    Array = NDArray[Any]

SHAPE = (1, 8, 8, 3)


class Net:
    """Writes a graph node by node; weights are seeded normal numbers."""

    def __init__(self, shape: tuple[int, ...] = SHAPE, *, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.shape = shape
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - any attribute
        """Append a node and return its output's name."""
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Array | np.generic) -> str:
        """Add an initializer and return its name."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def normal(self, *shape: int, scale: float = 0.3) -> str:
        """Add a random float32 initializer and return its name."""
        return self.constant((scale * self.random.normal(size=shape)).astype(np.float32))

    def conv(
        self,
        source: str,
        inputs: int,
        outputs: int,
        *,
        size: int = 3,
        **attributes: Any,  # noqa: ANN401 - any attribute
    ) -> str:
        """Append a convolution with a bias."""
        group = int(attributes.get("group", 1))
        weight, bias = self.normal(outputs, inputs // group, size, size), self.normal(outputs)
        return self.node("Conv", source, weight, bias, **attributes)

    def affine(self, source: str, channels: int) -> str:
        """Append what a BatchNormalization leaves behind a ReLU: Mul, then Add."""
        scale = self.constant(self.random.uniform(0.5, 2, (1, channels, 1, 1)).astype(np.float32))
        return self.node("Add", self.node("Mul", source, scale), self.normal(1, channels, 1, 1))

    def model(self, result: str, shape: tuple[int, ...], *, opset: int = 17) -> onnx.ModelProto:
        """The model from `input` to `output`, which `result` becomes."""
        for node in self.nodes:
            node.input[:] = ["output" if name == result else name for name in node.input]
            node.output[:] = ["output" if name == result else name for name in node.output]
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, self.shape)],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
            self.constants,
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8
        )


def classifier(*, seed: int = 0) -> onnx.ModelProto:
    """A small CNN with a residual sum, a concatenation, a normalization and a softmax."""
    net = Net(seed=seed)
    image = net.node("Transpose", "input", perm=[0, 3, 1, 2])
    stem = net.node("Relu", net.conv(image, 3, 8, pads=[1, 1, 1, 1]))
    normal = net.affine(stem, 8)
    deep = net.conv(normal, 8, 8, pads=[1, 1, 1, 1], group=8)
    total = net.node("Add", deep, normal)
    side = net.node("Relu", total)
    pooled = net.node("MaxPool", total, kernel_shape=[2, 2], strides=[2, 2])
    narrow = net.node("MaxPool", side, kernel_shape=[2, 2], strides=[2, 2])
    both = net.node("Relu", net.node("Concat", pooled, narrow, axis=1))
    flat = net.node("Flatten", net.node("GlobalAveragePool", both), axis=1)
    logits = net.node("Gemm", flat, net.normal(16, 5, scale=1.0), net.normal(5))
    return net.model(net.node("Softmax", logits, axis=-1), (1, 5))


def images(count: int, *, seed: int = 1, shape: tuple[int, ...] = SHAPE) -> list[Array]:
    """Feeds of random pixels in 0..1."""
    random = np.random.default_rng(seed)
    return [random.random(shape, dtype=np.float32) for _ in range(count)]


def run(model: onnx.ModelProto | bytes, feeds: list[Array]) -> Array:
    """The first output for every feed, stacked."""
    data = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"input": feed})[0] for feed in feeds])


def logits(model: onnx.ModelProto, feeds: list[Array]) -> Array:
    """What enters the only softmax, for every feed, stacked."""
    data, places = onnx_taps.tap(model.SerializeToString())
    assert places == (0,)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"input": feed})[-1] for feed in feeds])


def snr_db(reference: Array, found: Array) -> float:
    """10 log10 of the reference's power over the difference's; infinite when they are equal."""
    noise = float(np.square(reference.astype(np.float64) - found).sum())
    signal = float(np.square(reference, dtype=np.float64).sum())
    return 10 * float(np.log10(signal / noise)) if noise else float("inf")


def operators(model: onnx.ModelProto) -> list[str]:
    """The operators of the model's nodes, in order."""
    return [node.op_type for node in model.graph.node]
