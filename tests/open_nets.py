"""Small networks as other people's tools write them: open sizes, many ends, odd dtypes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper, numpy_helper
from tiny_tflite import TinyModel, conv_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx

OPSET, IR_VERSION = 17, 8


def onnx_model(
    nodes: list[onnx.NodeProto],
    inputs: Mapping[str, tuple[int, Sequence[Any]]],
    outputs: Mapping[str, tuple[int, Sequence[Any]]],
    constants: Mapping[str, Any] | None = None,
) -> onnx.ModelProto:
    """A model of these nodes; ends by name: element type and shape."""
    sources, results = (
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in ends.items()]
        for ends in (inputs, outputs)
    )
    stored = [numpy_helper.from_array(np.asarray(v), n) for n, v in (constants or {}).items()]
    graph = helper.make_graph(nodes, "net", sources, results, stored)
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def detector(height: Any = "height", width: Any = "width", batch: Any = "batch") -> onnx.ModelProto:  # noqa: ANN401 - a size or its name
    """A detector as PyTorch writes it: channels first, a resize and a raw head by arithmetic."""
    random = np.random.default_rng(0)

    def weights(*shape: int) -> Any:  # noqa: ANN401 - an array
        return random.normal(size=shape).astype(np.float32)

    nodes = [
        helper.make_node("Conv", ["images", "w0"], ["a"], strides=[2, 2], pads=[1] * 4),
        helper.make_node("LeakyRelu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w1"], ["c"], strides=[2, 2], pads=[1] * 4),
        helper.make_node("Shape", ["b"], ["b_shape"]),
        helper.make_node("Slice", ["b_shape", "two", "four"], ["plane"]),
        helper.make_node("Concat", ["head", "plane"], ["sizes"], axis=0),
        helper.make_node("Resize", ["c", "", "", "sizes"], ["up"], mode="nearest"),
        helper.make_node("Concat", ["b", "up"], ["both"], axis=1),
        helper.make_node("Conv", ["both", "w2"], ["raw"]),
        helper.make_node("Shape", ["raw"], ["raw_shape"]),
        helper.make_node("Gather", ["raw_shape", "zero"], ["n"], axis=0),
        helper.make_node("Concat", ["n", "rest"], ["flat"], axis=0),
        helper.make_node("Reshape", ["raw", "flat"], ["boxes"]),
    ]
    constants = {
        "w0": weights(8, 3, 3, 3), "w1": weights(16, 8, 3, 3), "w2": weights(6, 24, 1, 1),
        "two": np.array([2]), "four": np.array([4]), "head": np.array([1, 16]),
        "zero": np.array([0]), "rest": np.array([6, -1]),
    }  # fmt: skip
    image = {"images": (TensorProto.FLOAT, [batch, 3, height, width])}
    return onnx_model(nodes, image, {"boxes": (TensorProto.FLOAT, [batch, 6, "n"])}, constants)


def detector_macs(height: int, width: int) -> int:
    """What `detector` multiplies at sizes that 4 divides."""
    half, quarter = height * width // 4, height * width // 16
    return half * 8 * 27 + quarter * 16 * 72 + half * 6 * 24


def open_tflite(*, signature: tuple[int, ...] = (1, -1, -1, 3)) -> TinyModel:
    """A convolution, its shape taken and put back: height and width open, stored as 1."""
    net = TinyModel()
    open_four = (*signature[:3], 4)
    image = net.tensor("float32", (1, 1, 1, 3), name="image", signature=signature)
    kernel = net.tensor("float32", (4, 3, 3, 3), constant=True)
    bias = net.tensor("float32", (4,), constant=True)
    made = net.tensor("float32", (1, 1, 1, 4), signature=open_four)
    shape = net.tensor("int32", (4,))
    again = net.tensor("float32", (1, 1, 1, 4), signature=(-1, -1, -1, -1))
    result = net.tensor("float32", (1, 1, 1, 4), signature=open_four, name="result")
    second = net.tensor("float32", (4, 1, 1, 4), constant=True)
    options = schema.ShapeOptionsT()
    options.outType = schema.TensorType.INT32
    net.operator("CONV_2D", [image, kernel, bias], [made], conv_options())
    net.operator("SHAPE", [made], [shape], options)
    net.operator("RESHAPE", [made, shape], [again])
    net.operator("CONV_2D", [again, second, bias], [result], conv_options())
    net.border([image], [result])
    return net


def many_ends() -> onnx.ModelProto:
    """Inputs and outputs of rank 0 to 5, in seven dtypes; each output follows one input."""
    kinds: dict[str, tuple[int, list[Any]]] = {
        "plane": (TensorProto.FLOAT, [1, 2, 4, 4]),
        "half": (TensorProto.FLOAT16, [1, 6]),
        "ids": (TensorProto.INT64, [1, 5]),
        "pixels": (TensorProto.UINT8, ["batch", 4, 4, 3]),
        "volume": (TensorProto.FLOAT, [1, 2, 2, 2, 2]),
        "scalar": (TensorProto.FLOAT, []),
        "on": (TensorProto.BOOL, [3]),
        "double=a b'": (TensorProto.DOUBLE, [2, 2]),
    }
    nodes = [
        helper.make_node("Not" if name == "on" else "Identity", [name], [f"of {name}"])
        for name in kinds
    ]
    return onnx_model(nodes, kinds, {f"of {name}": end for name, end in kinds.items()})


def many_ends_tflite() -> TinyModel:
    """A picture of uint8, ids, a volume, and an output for each."""
    net = TinyModel()
    one = net.tensor("int32", (1,), values=np.array([1], np.int32))
    pairs: list[tuple[int, int]] = []
    for dtype, shape in (("float32", (1, 6)), ("int32", (2, 5)), ("float32", (1, 2, 2, 2, 2))):
        source = net.tensor(dtype, shape, name=f"in{len(pairs)}")
        made = net.tensor(dtype, shape, name=f"out{len(pairs)}")
        factor = net.tensor(dtype, (1,), constant=True) if dtype == "float32" else one
        net.operator("MUL", [source, factor], [made], schema.MulOptionsT())
        pairs.append((source, made))
    net.border([source for source, _ in pairs], [made for _, made in pairs])
    return net
