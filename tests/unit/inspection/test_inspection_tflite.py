"""Counting a .tflite file: operators, MACs, parameters, precision, and what is damaged."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tiny_tflite import FLOAT_NET_MACS, FLOAT_NET_PARAMETERS, TinyModel, float_net, int8_net

from edgecnn.errors import InputError
from edgecnn.inspection import tflite
from edgecnn.records import TensorInfo

if TYPE_CHECKING:
    from collections.abc import Sequence


def one_operator(
    name: str,
    inputs: Sequence[tuple[str, tuple[int, ...], bool]],
    output: tuple[str, tuple[int, ...]],
    options: object = None,
    *,
    custom: bool = False,
) -> TinyModel:
    """A net of one operator; inputs are (dtype, shape, is constant), the activations its input."""
    net = TinyModel()
    indices = [net.tensor(dtype, shape, constant=const) for dtype, shape, const in inputs]
    made = net.tensor(*output)
    net.operator(name, indices, [made], options, custom=custom)
    activations = [i for i, (_, _, const) in zip(indices, inputs, strict=True) if not const]
    net.border(activations, [made])
    return net


def test_a_float_net_is_counted() -> None:
    data = float_net().to_bytes()
    found = tflite.read(data, "net")
    assert found.graph.ops == {"CONV_2D": 1, "RELU": 1, "RESHAPE": 1, "FULLY_CONNECTED": 1}
    assert found.graph.macs_by_dtype == {"float32": FLOAT_NET_MACS}
    assert found.graph.parameters_by_dtype == {"float32": FLOAT_NET_PARAMETERS}
    assert found.inputs == (TensorInfo("image", "float32", (1, 8, 8, 3)),)
    assert found.outputs == (TensorInfo("logits", "float32", (1, 5)),)
    assert (found.format, found.size_bytes, found.schema_version) == ("tflite", len(data), 3)
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert found.description == "tiny"
    assert found.notes == ()


def test_an_int8_net_is_counted_with_its_scales() -> None:
    found = tflite.read(int8_net().to_bytes(), "net")
    assert found.graph.macs_by_dtype == {"int8": 8 * 8 * (4 * 27 + 2 * 36)}
    assert found.graph.parameters_by_dtype == {"int8": 4 * 27 + 2 * 36, "int32": 6}
    (image,) = found.inputs
    assert image.scale == pytest.approx(1 / 255)
    assert image.zero_point == -128


def test_buffers_behind_the_flatbuffer_are_constants_too() -> None:
    inside = tflite.read(float_net().to_bytes(), "net")
    behind = tflite.read(float_net().to_bytes(buffers_behind=True), "net")
    assert behind.graph == inside.graph


@pytest.mark.parametrize(
    ("name", "inputs", "output", "options", "macs"),
    [
        # 5x5 outputs x 6 filters x (3x3x4): a group's 4 of 8 input channels
        ("CONV_2D", [(1, 5, 5, 8), (6, 3, 3, 4)], (1, 5, 5, 6), None, 25 * 6 * 36),
        # depth multiplier 2 makes 8 channels of 4
        ("DEPTHWISE_CONV_2D", [(1, 5, 5, 4), (1, 3, 3, 8)], (1, 5, 5, 8), None, 25 * 8 * 9),
        ("FULLY_CONNECTED", [(1, 40), (10, 40)], (1, 10), None, 400),
        ("FULLY_CONNECTED", [(1, 7, 40), (10, 40)], (1, 7, 10), None, 2800),
        ("BATCH_MATMUL", [(2, 3, 4), (2, 4, 5)], (2, 3, 5), schema.BatchMatMulOptionsT(), 120),
        ("CONV_3D", [(1, 4, 4, 4, 2), (3, 3, 3, 2, 5)], (1, 4, 4, 4, 5), None, 64 * 5 * 54),
    ],
)
def test_macs_of_operators_that_gather(
    name: str,
    inputs: list[tuple[int, ...]],
    output: tuple[int, ...],
    options: object,
    macs: int,
) -> None:
    data, weights = inputs
    net = one_operator(
        name, [("float32", data, False), ("float32", weights, True)], ("float32", output), options
    )
    assert tflite.read(net.to_bytes(), "net").graph.macs_by_dtype == {"float32": macs}


@pytest.mark.parametrize(
    ("name", "weights", "data", "output", "macs"),
    [
        # each of the 16 input pixels' 3 channels is spread over 5 channels of 3x3
        ("TRANSPOSE_CONV", (5, 3, 3, 3), (1, 4, 4, 3), (1, 8, 8, 5), 16 * 3 * 45),
        ("CONV_3D_TRANSPOSE", (2, 2, 2, 5, 3), (1, 2, 2, 2, 3), (1, 4, 4, 4, 5), 8 * 3 * 40),
    ],
)
def test_macs_of_operators_that_scatter(
    name: str,
    weights: tuple[int, ...],
    data: tuple[int, ...],
    output: tuple[int, ...],
    macs: int,
) -> None:
    shape = ("int32", (len(output),), True)
    net = one_operator(
        name,
        [shape, ("float32", weights, True), ("float32", data, False)],
        ("float32", output),
    )
    graph = tflite.read(net.to_bytes(), "net").graph
    assert graph.macs_by_dtype == {"float32": macs}
    assert graph.parameters_by_dtype == {"float32": int(np.prod(weights))}


def test_macs_of_a_transposed_left_operand() -> None:
    options = schema.BatchMatMulOptionsT()
    options.adjX = True
    operands = [("float32", (1, 7, 3), False), ("float32", (1, 7, 5), False)]
    net = one_operator("BATCH_MATMUL", operands, ("float32", (1, 3, 5)), options)
    assert tflite.read(net.to_bytes(), "net").graph.macs_by_dtype == {"float32": 105}


@pytest.mark.parametrize(
    ("activations", "weights", "computed"),
    [
        ("float32", "float32", "float32"),
        ("float32", "int8", "dynamic"),
        ("int8", "int8", "int8"),
        ("int16", "int8", "int16"),
        ("uint8", "uint8", "uint8"),
    ],
)
def test_the_dtype_macs_are_computed_in(activations: str, weights: str, computed: str) -> None:
    net = one_operator(
        "CONV_2D",
        [(activations, (1, 2, 2, 1), False), (weights, (3, 1, 1, 1), True)],
        (activations, (1, 2, 2, 3)),
    )
    found = tflite.read(net.to_bytes(), "net")
    assert found.graph.macs_by_dtype == {computed: 12}
    assert found.graph.parameters_by_dtype == {weights: 3}
    assert found.operators[0].compute_dtype == computed
    assert found.operators[0].weights_dtype == weights


@pytest.mark.parametrize("stored", ["float16", "int8"])
def test_weights_behind_a_dequantize_compute_in_float(stored: str) -> None:
    net = TinyModel()
    image = net.tensor("float32", (1, 2, 2, 1))
    packed = net.tensor(stored, (3, 1, 1, 1), constant=True)
    kernel = net.tensor("float32", (3, 1, 1, 1))
    result = net.tensor("float32", (1, 2, 2, 3))
    net.operator("DEQUANTIZE", [packed], [kernel])
    net.operator("CONV_2D", [image, kernel, -1], [result])
    net.border([image], [result])
    found = tflite.read(net.to_bytes(), "net")
    assert found.graph.macs_by_dtype == {"float32": 12}
    assert found.graph.parameters_by_dtype == {stored: 3}
    assert found.operators[1].weights_dtype == stored


def test_a_shared_buffer_is_counted_once() -> None:
    net = TinyModel()
    image = net.tensor("float32", (1, 2, 2, 3))
    shared = net.buffer(np.ones((3, 1, 1, 3), np.float32).tobytes())
    first = net.tensor("float32", (3, 1, 1, 3), buffer=shared)
    second = net.tensor("float32", (3, 1, 1, 3), buffer=shared)
    middle, result = net.tensor("float32", (1, 2, 2, 3)), net.tensor("float32", (1, 2, 2, 3))
    net.operator("CONV_2D", [image, first], [middle])
    net.operator("CONV_2D", [middle, second], [result])
    net.border([image], [result])
    graph = tflite.read(net.to_bytes(), "net").graph
    assert graph.parameters_by_dtype == {"float32": 9}
    assert graph.macs_by_dtype == {"float32": 72}


def test_shapes_and_axes_are_no_parameters_and_a_bias_is() -> None:
    net = one_operator(
        "FULLY_CONNECTED",
        [("int8", (1, 4), False), ("int8", (2, 4), True), ("int32", (2,), True)],
        ("int8", (1, 2)),
    )
    assert tflite.read(net.to_bytes(), "net").graph.parameters_by_dtype == {"int32": 2, "int8": 8}
    net = one_operator(
        "MEAN", [("float32", (1, 4), False), ("int32", (1,), True)], ("float32", (1,))
    )
    assert tflite.read(net.to_bytes(), "net").graph.parameters_by_dtype == {}


def test_flex_variable_and_custom_operators_are_named() -> None:
    net = TinyModel()
    data = net.tensor("float32", (1, 2))
    handle = net.tensor("resource", (1,))
    net.operator("FlexErf", [data], [data], custom=True)
    net.operator("MyOwn", [data], [data], custom=True)
    net.operator("VAR_HANDLE", [], [handle])
    net.operator("READ_VARIABLE", [handle], [data])
    net.border([data], [data])
    graph = tflite.read(net.to_bytes(), "net").graph
    assert graph.flex_ops == ("FlexErf",)
    assert graph.custom_ops == ("MyOwn",)
    assert graph.variable_ops == ("READ_VARIABLE", "VAR_HANDLE")
    assert graph.ops == {"FlexErf": 1, "MyOwn": 1, "READ_VARIABLE": 1, "VAR_HANDLE": 1}


def test_a_custom_operator_that_calls_itself_conv_2d_has_no_macs() -> None:
    net = one_operator("CONV_2D", [("float32", (1, 2), False)], ("float32", (1, 2)), custom=True)
    graph = tflite.read(net.to_bytes(), "net").graph
    assert graph.macs_by_dtype == {}
    assert graph.custom_ops == ("CONV_2D",)


def test_all_subgraphs_are_counted_and_the_first_is_the_main_one() -> None:
    net = float_net()
    net.subgraph()
    data = net.tensor("float32", (1, 4), name="inner")
    weights = net.tensor("float32", (2, 4), constant=True)
    result = net.tensor("float32", (1, 2))
    net.operator("FULLY_CONNECTED", [data, weights], [result])
    net.border([data], [result])
    found = tflite.read(net.to_bytes(), "net")
    assert found.graph.ops["FULLY_CONNECTED"] == 2
    assert found.graph.macs_by_dtype == {"float32": FLOAT_NET_MACS + 8}
    assert [tensor.name for tensor in found.inputs] == ["image"]


def test_an_open_batch_is_told_and_counted_as_one() -> None:
    net = TinyModel()
    data = net.tensor("float32", (1, 4), signature=(-1, 4))
    weights = net.tensor("float32", (2, 4), constant=True)
    result = net.tensor("float32", (1, 2), signature=(-1, 2))
    net.operator("FULLY_CONNECTED", [data, weights], [result])
    net.border([data], [result])
    found = tflite.read(net.to_bytes(), "net")
    assert found.inputs[0].shape == (-1, 4)
    assert found.graph.macs_by_dtype == {"float32": 8}
    assert found.notes == ()


def test_open_sizes_are_noted() -> None:
    net = TinyModel()
    image = net.tensor("float32", (1, 1, 1, 3), signature=(1, -1, -1, 3))
    kernel = net.tensor("float32", (2, 1, 1, 3), constant=True)
    unranked = net.tensor("float32", ())
    net.operator("CONV_2D", [image, kernel], [unranked])
    net.border([image], [unranked])
    found = tflite.read(net.to_bytes(), "net")
    assert found.graph.macs_by_dtype == {}
    assert any("CONV_2D" in note and "not counted" in note for note in found.notes)
    assert any("leaves sizes open" in note for note in found.notes)


def test_metadata_is_text_where_it_is_text() -> None:
    net = float_net()
    net.metadata("min_runtime_version", b"1.5.0\0\0\0")
    net.metadata("blob", bytes(range(200, 240)))
    found = tflite.read(net.to_bytes(), "net")
    assert found.metadata == {"min_runtime_version": "1.5.0", "blob": "40 bytes"}


def test_operators_carry_their_shapes_in_order() -> None:
    conv, relu, reshape, dense = tflite.read(float_net().to_bytes(), "net").operators
    assert conv.input_shapes == ((1, 8, 8, 3),)
    assert conv.output_shapes == relu.input_shapes == ((1, 8, 8, 4),)
    assert conv.weights_shape == (4, 3, 3, 3)
    assert conv.at_border
    assert not relu.at_border
    assert not reshape.at_border
    assert dense.at_border
    assert dense.macs == 1280


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\0" * 64, b"version https://git-lfs.github.com"])
def test_what_is_no_tflite_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"net is not a TFLite model") as caught:
        tflite.read(data, "net")
    assert caught.value.hint


def damaged_index() -> TinyModel:
    net = float_net()
    net.graph.operators[1].inputs = [4000]
    return net


def damaged_opcode() -> TinyModel:
    net = float_net()
    net.graph.operators[0].opcodeIndex = 77
    return net


def damaged_buffer() -> TinyModel:
    net = float_net()
    net.graph.tensors[0].buffer = 99
    return net


def damaged_border() -> TinyModel:
    net = float_net()
    net.border([0], [-1])
    return net


def damaged_shape() -> TinyModel:
    net = float_net()
    net.graph.tensors[1].shape = [4, 3, 3, 300_000]
    return net


def damaged_rank() -> TinyModel:
    net = float_net()
    net.graph.tensors[0].shape = [1] * 1000
    return net


def damaged_negative() -> TinyModel:
    net = float_net()
    net.graph.tensors[0].shape = [1, -7, 8, 3]
    return net


def damaged_operands() -> TinyModel:
    net = float_net()
    net.graph.operators[0].inputs = [0]
    return net


def damaged_empty() -> TinyModel:
    net = float_net()
    net.model.subgraphs = []
    return net


@pytest.mark.parametrize(
    ("net", "where"),
    [
        (damaged_index(), "operators: there is no tensor 4000"),
        (damaged_opcode(), "operators: there is no operator code 77"),
        (damaged_buffer(), "tensors: there is no buffer 99"),
        (damaged_border(), "inputs and outputs: there is no tensor -1"),
        (damaged_shape(), "tensors: .* needs 43200000 bytes and has 432"),
        (damaged_rank(), "tensors: a tensor of 1000 axes"),
        (damaged_negative(), r"tensors: a tensor of shape \(1, -7"),
        (damaged_operands(), "operators: CONV_2D lacks an input"),
        (damaged_empty(), "subgraphs: there are none"),
    ],
)
def test_a_damaged_file_is_named_with_the_place(net: TinyModel, where: str) -> None:
    with pytest.raises(InputError, match=f"net is damaged at .*{where}"):
        tflite.read(net.to_bytes(), "net")


@pytest.mark.parametrize("behind", [False, True])
def test_a_truncated_file_is_damaged(behind: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    data = float_net().to_bytes(buffers_behind=behind)
    with pytest.raises(InputError, match="net is damaged at buffers"):
        tflite.read(data[: len(data) - 2000], "net")


def test_a_name_that_is_no_text_is_damage() -> None:
    with pytest.raises(InputError, match="damaged at tensors: a name or description is no text"):
        tflite.read(float_net().to_bytes().replace(b"image", b"im\xff\xfee"), "net")


def test_shared_vectors_cannot_make_work_without_end() -> None:
    net = TinyModel()
    data = net.tensor("float32", (1, 1), name="x" * 1000)
    net.operator("RELU", [data], [data])
    net.graph.tensors = [net.graph.tensors[0]] * 20_000
    net.border([data], [data])
    with pytest.raises(InputError, match=r"more than .* entries in all"):
        tflite.read(net.to_bytes(), "net")
