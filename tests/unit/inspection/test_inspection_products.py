"""Multiplications of operators that are no convolution: recurrent, Einsum, transposed, batched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper
from open_nets import onnx_model
from tiny_tflite import TinyModel

from edgecnn.inspection import onnx as onnx_inspection
from edgecnn.inspection import tflite

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.inspection import Inspection

FLOAT = TensorProto.FLOAT


def onnx_of(
    tmp_path: Path,
    node: onnx.NodeProto,
    inputs: dict[str, tuple[int, ...]],
    constants: dict[str, Any],
    rank: int,
) -> Inspection:
    ends = {name: (FLOAT, list(shape)) for name, shape in inputs.items()}
    outputs = {node.output[0]: (FLOAT, [f"d{axis}" for axis in range(rank)])}
    path = tmp_path / "net.onnx"
    onnx.save(onnx_model([node], ends, outputs, constants), path)
    return onnx_inspection.read(str(path))


@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
@pytest.mark.parametrize("directions", [1, 2])
def test_onnx_recurrent_layers(tmp_path: Path, kind: str, gates: int, directions: int) -> None:
    weights = {
        "w": np.ones((directions, gates * 8, 6), np.float32),
        "r": np.ones((directions, gates * 8, 8), np.float32),
    }
    direction = "bidirectional" if directions > 1 else "forward"
    node = helper.make_node(kind, ["x", "w", "r"], ["y"], hidden_size=8, direction=direction)
    found = onnx_of(tmp_path, node, {"x": (10, 1, 6)}, weights, 4)
    assert found.graph.macs_by_dtype == {"float32": 10 * directions * gates * 8 * (6 + 8)}
    assert found.graph.parameters_by_dtype == {"float32": directions * gates * 8 * 14}


@pytest.mark.parametrize(
    ("equation", "one", "other", "macs"),
    [
        ("bij,bjk->bik", (2, 3, 4), (2, 4, 5), 2 * 3 * 4 * 5),
        ("...ij,jk", (2, 3, 4), (4, 5), 2 * 3 * 4 * 5),
        ("bhwc,hkc->bhwk", (1, 3, 4, 5), (3, 6, 5), 3 * 4 * 5 * 6),
        ("b h w c , h k c -> b h w k", (1, 3, 4, 5), (3, 6, 5), 3 * 4 * 5 * 6),
    ],
)
def test_onnx_einsum(
    tmp_path: Path, equation: str, one: tuple[int, ...], other: tuple[int, ...], macs: int
) -> None:
    node = helper.make_node("Einsum", ["a", "b"], ["y"], equation=equation)
    found = onnx_of(tmp_path, node, {"a": one, "b": other}, {}, 3)
    assert found.graph.macs_by_dtype == {"float32": macs}


def test_onnx_einsum_of_three_operands_cannot_be_counted(tmp_path: Path) -> None:
    node = helper.make_node("Einsum", ["a", "b", "c"], ["y"], equation="ij,jk,kl->il")
    found = onnx_of(tmp_path, node, {"a": (2, 3), "b": (3, 4), "c": (4, 5)}, {}, 2)
    assert found.uncounted == {"Einsum": 1}
    assert found.operators[0].macs == 0


def test_onnx_grouped_transposed_convolution(tmp_path: Path) -> None:
    weights = {"w": np.ones((8, 3, 2, 2), np.float32)}
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], group=2, strides=[2, 2])
    found = onnx_of(tmp_path, node, {"x": (1, 8, 5, 5)}, weights, 4)
    assert found.graph.macs_by_dtype == {"float32": 25 * 8 * 3 * 4}


def lstm(*, coupled: bool) -> TinyModel:
    net = TinyModel()
    data = net.tensor("float32", (1, 10, 6), name="steps")
    wide, own, bias = ((8, 6), (8, 8), (8,))
    shapes = [wide] * 4 + [own] * 4 + [None] * 3 + [bias] * 4 + [None] * 2
    inputs = [data, *(-1 if s is None else net.tensor("float32", s, constant=True) for s in shapes)]
    if coupled:  # input and forget gate are one
        inputs[1] = inputs[5] = -1
    state, cell = net.tensor("float32", (1, 8)), net.tensor("float32", (1, 8))
    made = net.tensor("float32", (1, 10, 8))
    net.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", [*inputs, state, cell], [made])
    net.border([data], [made])
    return net


@pytest.mark.parametrize(("coupled", "gates"), [(False, 4), (True, 3)])
def test_tflite_lstm(coupled: bool, gates: int) -> None:  # noqa: FBT001 - a parameter
    found = tflite.read(lstm(coupled=coupled).to_bytes(), "net")
    assert found.graph.macs_by_dtype == {"float32": 10 * gates * 8 * (6 + 8)}


def test_tflite_transposed_convolution_with_bias_of_mediapipe() -> None:
    net = TinyModel()
    image = net.tensor("float32", (1, 8, 8, 3))
    kernel = net.tensor("float32", (4, 2, 2, 3), constant=True)
    bias = net.tensor("float32", (4,), constant=True)
    made = net.tensor("float32", (1, 16, 16, 4))
    net.operator("Convolution2DTransposeBias", [image, kernel, bias], [made], custom=True)
    net.border([image], [made])
    found = tflite.read(net.to_bytes(), "net")
    assert found.graph.macs_by_dtype == {"float32": 64 * 3 * 4 * 4}
    assert found.graph.parameters_by_dtype == {"float32": 4 * 4 * 3 + 4}
    assert found.graph.custom_ops == ("Convolution2DTransposeBias",)


def test_tflite_mixed_precision_is_counted_by_dtype() -> None:
    net = TinyModel()
    image = net.tensor("int8", (1, 8, 8, 3), quantization=(0.1, 0))
    kernel = net.tensor("int8", (4, 1, 1, 3), constant=True, quantization=(0.1, 0))
    inner = net.tensor("int8", (1, 8, 8, 4), quantization=(0.1, 0))
    real = net.tensor("float32", (1, 8, 8, 4))
    weights = net.tensor("float32", (2, 1, 1, 4), constant=True)
    made = net.tensor("float32", (1, 8, 8, 2))
    net.operator("CONV_2D", [image, kernel], [inner], schema.Conv2DOptionsT())
    net.operator("DEQUANTIZE", [inner], [real])
    net.operator("CONV_2D", [real, weights], [made], schema.Conv2DOptionsT())
    net.border([image], [made])
    found = tflite.read(net.to_bytes(), "net")
    assert found.graph.macs_by_dtype == {"int8": 64 * 12, "float32": 64 * 8}


def test_tensorflows_products_cannot_be_counted() -> None:
    net = TinyModel()
    image, made, other = (net.tensor("float32", (1, 8, 8, 3)) for _ in range(3))
    net.operator("FlexConv3D", [image], [made], custom=True)
    net.operator("FlexErf", [made], [other], custom=True)
    net.border([image], [other])
    assert tflite.read(net.to_bytes(), "net").uncounted == {"FlexConv3D": 1}
