"""Networks in ONNX, written down with the onnx package alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto, TensorProto

_SEED = 11


class _Net:
    """An ONNX graph in the making: an operator reads what came before it, and constants."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.random, self.last = np.random.default_rng(_SEED), "image"

    def constant(self, values: NDArray[np.float32] | np.float32) -> str:
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def add(self, kind: str, *reads: str, **attributes: int | str | list[int]) -> str:
        from onnx import helper

        name = f"t{len(self.nodes)}"
        node = helper.make_node(kind, list(reads or (self.last,)), [name])
        node.attribute.extend(helper.make_attribute(*pair) for pair in sorted(attributes.items()))
        self.nodes.append(node)
        self.last = name
        return name

    def conv(self, channels: int, outputs: int, kernel: int = 3, stride: int = 1, group: int = 1,
             act: str = "Relu") -> str:  # fmt: skip
        fan = channels // group * kernel * kernel
        weights = self.random.normal(
            0, (2 / fan) ** 0.5, (outputs, channels // group, kernel, kernel)
        )
        bias = self.random.normal(0, 0.05, outputs)
        pad = kernel // 2
        self.add("Conv", self.last, self.constant(weights.astype(np.float32)),
                 self.constant(bias.astype(np.float32)), kernel_shape=[kernel] * 2,
                 strides=[stride] * 2, pads=[pad] * 4, group=group)  # fmt: skip
        return self.add(act) if act else self.last

    def dense(self, inputs: int, outputs: int) -> str:
        weights = self.random.normal(0, (1 / inputs) ** 0.5, (outputs, inputs)).astype(np.float32)
        return self.add("Gemm", self.last, self.constant(weights),
                        self.constant(np.zeros(outputs, np.float32)), transB=1)  # fmt: skip

    def model(self, *outputs: tuple[int, ...]) -> ModelProto:
        from onnx import TensorProto, checker, helper

        start = helper.make_tensor_value_info("image", TensorProto.FLOAT, self.shape)
        ends = [helper.make_tensor_value_info(self.last, TensorProto.FLOAT, o) for o in outputs]
        graph = helper.make_graph(self.nodes, "net", [start], ends, self.constants)
        result = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        result.ir_version = 8
        checker.check_model(result, full_check=True)
        return result


def plain() -> ModelProto:
    """Convolutions and maxima, a dense end."""
    net = _Net((1, 3, 40, 40))
    for channels, outputs in ((3, 12), (12, 24), (24, 32)):
        net.conv(channels, outputs)
        net.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    net.add("Flatten", axis=1)
    net.dense(32 * 25, 32)
    net.add("Relu")
    net.dense(32, 6)
    return net.model((1, 6))


def residuals() -> ModelProto:
    """Three residual blocks, an average over the plane."""
    net = _Net((1, 3, 32, 32))
    net.conv(3, 16, stride=2)
    for _ in range(3):
        skip = net.last
        net.conv(16, 16)
        net.conv(16, 16, act="")
        net.add("Add", net.last, skip)
        net.add("Relu")
    net.add("GlobalAveragePool")
    net.add("Flatten", axis=1)
    net.dense(16, 8)
    net.add("Softmax", axis=1)
    return net.model((1, 8))


def separables() -> ModelProto:
    """Depthwise and pointwise with ReLU6 as Clip."""
    net = _Net((1, 3, 64, 64))
    net.conv(3, 16, stride=2, act="")
    limits = net.constant(np.float32(0)), net.constant(np.float32(6))
    net.add("Clip", net.last, *limits)
    for channels, outputs, stride in ((16, 24, 2), (24, 32, 1), (32, 48, 2)):
        net.conv(channels, channels, stride=stride, group=channels, act="")
        net.add("Clip", net.last, *limits)
        net.conv(channels, outputs, 1, act="")
        net.add("Clip", net.last, *limits)
    net.add("GlobalAveragePool")
    net.add("Flatten", axis=1)
    net.dense(48, 10)
    return net.model((1, 10))


def enlarging() -> ModelProto:
    """Down and up again by Resize, a sigmoid mask."""
    net = _Net((1, 3, 48, 48))
    skip = net.conv(3, 12)
    net.conv(12, 24, stride=2)
    net.conv(24, 24)
    net.add("Resize", net.last, "", net.constant(np.array([1, 1, 2, 2], np.float32)),
            mode="linear", coordinate_transformation_mode="half_pixel")  # fmt: skip
    net.add("Concat", net.last, skip, axis=1)
    net.conv(36, 12)
    net.conv(12, 1, 1, act="Sigmoid")
    return net.model((1, 1, 48, 48))
