"""What a file's operators cost: inspection's multiplications, and the shapes of the loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from onnx_nets import Net, classifier
from onnxruntime.quantization import quantize_dynamic
from open_nets import open_tflite
from random_nets import Drawn, RandomNet, networks
from tiny_tflite import FLOAT_NET_MACS, FLOAT_NET_PARAMETERS, TinyModel, float_net, int8_net

from edgecnn.errors import InputError
from edgecnn.inspection import tflite
from edgecnn.latency.files import costs_of_file, costs_of_inspection

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.latency.cost import NetCost


def costs(data: bytes) -> NetCost:
    return costs_of_inspection("net", tflite.read(data, "net"))


def onnx_costs(model: onnx.ModelProto, folder: Path) -> NetCost:
    path = folder / "net.onnx"
    onnx.save(model, path)
    return costs_of_file(path)


def test_a_float_net(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(float_net().to_bytes())
    found = costs_of_file(path)
    assert (found.name, found.size_bytes) == ("net.tflite", path.stat().st_size)
    assert found.macs == FLOAT_NET_MACS
    assert found.weight_elements == FLOAT_NET_PARAMETERS
    # The RELU is joined to the convolution, which nothing else reads.
    assert [each.kind for each in found.operators] == ["convolution", "free", "dense"]
    convolution, _, dense = found.operators
    assert (convolution.pixels, convolution.taps, convolution.groups) == (64, 9, 1)
    assert (convolution.in_channels, convolution.out_channels) == (3, 4)
    assert (convolution.input_elements, convolution.output_elements) == (192, 256)
    assert (dense.pixels, dense.in_channels, dense.out_channels) == (1, 256, 5)
    assert found.unknown == {}
    assert found.notes == ()


def test_an_int8_relu_stays_since_xnnpack_takes_none() -> None:
    found = costs(int8_net().to_bytes())
    assert [each.kind for each in found.operators] == ["convolution", "activation", "convolution"]
    assert {each.precision for each in found.operators} == {"int8"}
    assert found.operators[0].bytes_read == 8 * 8 * 3


def test_a_clamp_whose_source_is_read_twice_stays() -> None:
    net = RandomNet()
    x = net.conv(net.image, 4)
    found = costs(net.finish(net.sum_of(net.relu(x), x)))
    assert [each.kind for each in found.operators] == ["convolution", "activation", "elementwise"]


def test_kinds_of_convolution() -> None:
    net = RandomNet()
    x = net.conv(net.image, 8, kernel=(1, 1))
    x = net.conv(x, 8, groups=2)
    x = net.conv(x, 8, groups=8)
    x = net.depthwise(x, 2, kernel=(5, 5))
    found = costs(net.finish(x)).operators
    assert [each.kind for each in found] == ["pointwise", "grouped", "depthwise", "depthwise"]
    assert [each.groups for each in found] == [1, 2, 1, 1]
    assert [each.taps for each in found] == [1, 9, 9, 25]
    assert (found[3].in_channels, found[3].out_channels) == (8, 16)


def test_light_operators_have_windows_and_constants() -> None:
    net = RandomNet()
    x = net.pool(net.conv(net.image, 4), "MAX_POOL_2D", kernel=3, stride=2)
    x = net.concat([x, net.add(net.mul(x))])
    found = costs(net.finish(net.softmax(net.mean(x)))).operators
    kinds = ["convolution", "pool", "elementwise", "elementwise", "copy", "mean", "activation"]
    assert [each.kind for each in found] == kinds
    assert found[1].taps == 9
    assert found[2].weight_elements == 4
    assert found[4].input_elements == found[4].output_elements == 2 * 4 * 16


def test_weights_that_are_unpacked_are_weights() -> None:
    """A float16 file: XNNPACK unpacks when it loads, and computes in float32."""
    net = TinyModel()
    image = net.tensor("float32", (1, 8, 8, 3), name="image")
    packed, packed_bias = (net.tensor("float16", s, constant=True) for s in ((4, 3, 3, 3), (4,)))
    kernel, bias = net.tensor("float32", (4, 3, 3, 3)), net.tensor("float32", (4,))
    made = net.tensor("float32", (1, 8, 8, 4))
    net.operator("DEQUANTIZE", [packed], [kernel])
    net.operator("DEQUANTIZE", [packed_bias], [bias])
    net.operator("CONV_2D", [image, kernel, bias], [made])
    net.border([image], [made])
    (found,) = costs(net.to_bytes()).operators
    assert (found.kind, found.precision, found.taps) == ("convolution", "float16", 9)
    assert found.input_elements == 8 * 8 * 3
    assert found.weight_elements == 4 * 27 + 4
    assert found.weight_bytes == 4 * found.weight_elements


def test_dynamic_files_have_dynamic_light_operators() -> None:
    net = TinyModel()
    image = net.tensor("float32", (1, 8, 8, 3), name="image")
    kernel = net.tensor("int8", (4, 3, 3, 3), constant=True, quantization=(0.1, 0))
    features, made = (net.tensor("float32", (1, 8, 8, 4)) for _ in range(2))
    net.operator("CONV_2D", [image, kernel], [features])
    net.operator("LOGISTIC", [features], [made])
    net.border([image], [made])
    found = costs(net.to_bytes()).operators
    assert [each.precision for each in found] == ["dynamic", "dynamic"]
    assert found[0].weight_bytes == 4 * 27


def test_unknown_operators_are_named_and_counted() -> None:
    net = TinyModel()
    image, first, second = (net.tensor("float32", (1, 4)) for _ in range(3))
    net.operator("MyOwn", [image], [first], custom=True)
    net.operator("MyOwn", [first], [second], custom=True)
    net.border([image], [second])
    found = costs(net.to_bytes())
    assert found.unknown == {"MyOwn": 2}
    assert [each.kind for each in found.operators] == ["unknown", "unknown"]


def test_products_of_open_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="how often 2 CONV_2D multiply is not known"):
        costs(open_tflite().to_bytes())


@settings(max_examples=30)
@given(networks())
def test_any_nets_multiplications_and_weights_are_inspections(drawn: Drawn) -> None:
    inspected = tflite.read(drawn.data, "net")
    found = costs_of_inspection("net", inspected)
    assert found.macs == sum(inspected.graph.macs_by_dtype.values())
    assert found.weight_elements >= sum(inspected.graph.parameters_by_dtype.values())
    assert found.unknown == {}
    for each in found.operators:
        assert min(each.pixels, each.in_channels, each.out_channels, each.taps, each.groups) >= 1
        if each.kind in {"convolution", "pointwise", "grouped"}:
            per_pixel = each.taps * each.in_channels * each.out_channels // each.groups
            assert each.macs == each.pixels * per_pixel
        if each.kind == "depthwise":
            assert each.macs == each.pixels * each.taps * each.out_channels


def test_an_onnx_net_is_costed_as_the_tflite_of_the_same_network(tmp_path: Path) -> None:
    found = onnx_costs(classifier(), tmp_path)
    assert [each.kind for each in found.operators] == [
        "convolution", "elementwise", "elementwise", "depthwise", "elementwise", "activation",
        "pool", "pool", "copy", "activation", "mean", "free", "dense", "activation",
    ]  # fmt: skip
    first = found.operators[0]
    assert (first.pixels, first.in_channels, first.out_channels, first.taps) == (64, 3, 8, 9)
    assert found.operators[-2].in_channels == 16
    assert found.operators[6].taps == 4


def test_quantizing_between_onnx_operators_costs_nothing(tmp_path: Path) -> None:
    net = Net()
    scale, zero = net.constant(np.float32(0.1)), net.constant(np.uint8(128))
    kernel = net.constant(np.ones((4, 3, 3, 3), np.int8))
    weights = net.node("DequantizeLinear", kernel, scale, net.constant(np.int8(0)))
    x = net.node("QuantizeLinear", net.node("Transpose", "input", perm=[0, 3, 1, 2]), scale, zero)
    x = net.node("Conv", net.node("DequantizeLinear", x, scale, zero), weights)
    x = net.node("QuantizeLinear", net.node("Relu", x), scale, zero)
    x = net.node("GlobalAveragePool", net.node("DequantizeLinear", x, scale, zero))
    x = net.node("DequantizeLinear", net.node("QuantizeLinear", x, scale, zero), scale, zero)
    found = onnx_costs(net.model(x, (1, 4, 1, 1)), tmp_path).operators
    assert [each.kind for each in found] == ["convolution", "mean", "quantize"]
    assert [each.precision for each in found[:2]] == ["int8", "int8"]
    assert found[0].weight_elements == 4 * 27


def test_a_dynamic_onnx_product_takes_up_its_rescaling(tmp_path: Path) -> None:
    net = Net((1, 16))
    x = net.node("MatMul", "input", net.normal(16, 8))
    model = net.model(net.node("Relu", net.node("Add", x, net.normal(8))), (1, 8))
    quantize_dynamic(model, tmp_path / "dynamic.onnx")
    (found,) = costs_of_file(tmp_path / "dynamic.onnx").operators
    assert (found.kind, found.precision, found.macs) == ("dense", "dynamic", 16 * 8)


def test_a_normalization_belongs_to_its_convolution_or_is_two_operators(tmp_path: Path) -> None:
    def normalization(net: Net, x: str) -> str:
        statistics = [net.constant(np.ones(4, np.float32)) for _ in range(4)]
        return net.node("BatchNormalization", x, *statistics)

    net = Net()
    x = normalization(net, net.conv(net.node("Transpose", "input", perm=[0, 3, 1, 2]), 3, 4))
    x = normalization(net, net.node("MaxPool", net.node("Relu", x), kernel_shape=[2, 2]))
    found = onnx_costs(net.model(x, (1, 4, 5, 5)), tmp_path).operators
    assert [each.kind for each in found] == ["convolution", "pool", "elementwise", "elementwise"]


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(b"no model at all")
    with pytest.raises(InputError, match="not a TFLite model"):
        costs_of_file(path)
