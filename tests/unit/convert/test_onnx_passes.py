"""Each rewrite keeps the function, and leaves the nodes it promises."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx_nets import Net, classifier, images, operators, run

from edgecnn.convert.onnx_passes import simplify
from edgecnn.formats.onnx_graph import from_proto, to_proto


def _simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    """The simplified model, once it is proved to compute what the model computed."""
    editable = from_proto(model)
    simplify(editable)
    twin = to_proto(editable)
    onnx.checker.check_model(twin, full_check=True)
    feeds = images(3)
    np.testing.assert_allclose(run(twin, feeds), run(model, feeds), rtol=1e-4, atol=1e-5)
    return twin


def _image(net: Net) -> str:
    return net.node("Transpose", "input", perm=[0, 3, 1, 2])


def test_normalization_behind_a_convolution_folds_into_it() -> None:
    net = Net()
    result = net.affine(net.affine(net.conv(_image(net), 3, 4), 4), 4)
    assert operators(_simplified(net.model(result, (1, 4, 6, 6)))) == ["Transpose", "Conv"]


def test_a_constant_may_come_first() -> None:
    net = Net()
    conv = net.conv(_image(net), 3, 4)
    scaled = net.node("Mul", net.normal(1, 4, 1, 1), conv)
    result = net.node("Relu", net.node("Add", net.normal(1, 4, 1, 1), scaled))
    found = operators(_simplified(net.model(result, (1, 4, 6, 6))))
    assert found == ["Transpose", "Conv", "Relu"]


def test_a_convolution_that_others_read_is_not_folded_into() -> None:
    net = Net()
    conv = net.conv(_image(net), 3, 4)
    result = net.node("Add", conv, net.affine(conv, 4))
    found = operators(_simplified(net.model(result, (1, 4, 6, 6))))
    assert found == ["Transpose", "Conv", "Mul", "Add", "Add"]


def test_a_chain_of_normalizations_becomes_one() -> None:
    net = Net()
    result = net.node("Relu", net.conv(_image(net), 3, 4))
    for _ in range(3):
        result = net.affine(result, 4)
    found = operators(_simplified(net.model(result, (1, 4, 6, 6))))
    assert found == ["Transpose", "Conv", "Relu", "Mul", "Add"]


def test_a_scale_is_not_moved_into_the_next_convolution() -> None:
    net = Net()
    normal = net.affine(net.node("Relu", net.conv(_image(net), 3, 4)), 4)
    model = net.model(net.conv(normal, 4, 5), (1, 5, 4, 4))
    assert operators(_simplified(model)) == ["Transpose", "Conv", "Relu", "Mul", "Add", "Conv"]


def test_a_flatten_in_nhwc_order_needs_no_transpose() -> None:
    net = Net()
    back = net.node("Transpose", net.conv(_image(net), 3, 4), perm=[0, 2, 3, 1])
    flat = net.node("Reshape", back, net.constant(np.array([1, 144])))
    result = net.node("Gemm", flat, net.normal(144, 5), net.normal(5))
    assert operators(_simplified(net.model(result, (1, 5)))) == [
        "Transpose",
        "Conv",
        "Flatten",
        "Gemm",
    ]


@pytest.mark.parametrize("opset", [17, 18])
def test_a_mean_over_the_image_is_a_global_pooling(opset: int) -> None:
    net = Net()
    back = net.node("Transpose", net.conv(_image(net), 3, 4), perm=[0, 2, 3, 1])
    if opset < 18:
        mean = net.node("ReduceMean", back, axes=[1, 2], keepdims=0)
    else:
        mean = net.node("ReduceMean", back, net.constant(np.array([1, 2])), keepdims=0)
    found = operators(_simplified(net.model(mean, (1, 4), opset=opset)))
    assert found == ["Transpose", "Conv", "GlobalAveragePool", "Flatten"]


def test_a_mean_over_channels_stays() -> None:
    net = Net()
    back = net.node("Transpose", net.conv(_image(net), 3, 4), perm=[0, 2, 3, 1])
    model = net.model(net.node("ReduceMean", back, axes=[2, 3], keepdims=0), (1, 6))
    assert "ReduceMean" in operators(_simplified(model))


@pytest.mark.parametrize(
    ("fill", "expected"), [(0.0, ["Transpose", "Conv"]), (1.0, ["Transpose", "Pad", "Conv"])]
)
def test_only_zeros_become_padding(fill: float, expected: list[str]) -> None:
    net = Net()
    pads = net.constant(np.array([0, 0, 1, 0, 0, 0, 2, 1]))
    padded = net.node("Pad", _image(net), pads, net.constant(np.float32(fill)))
    model = net.model(net.conv(padded, 3, 4, strides=[2, 2]), (1, 4, 5, 4))
    assert operators(_simplified(model)) == expected


def test_identities_and_idle_dropout_go_even_at_the_output() -> None:
    net = Net()
    result = net.node("Identity", net.node("Dropout", net.node("Relu", "input")))
    assert operators(_simplified(net.model(result, net.shape))) == ["Relu"]


def test_a_whole_network_keeps_its_function() -> None:
    _simplified(classifier())


def _padded_pool(*, behind_relu: bool) -> onnx.ModelProto:
    net = Net()
    conv = net.conv(_image(net), 3, 4)
    far_down = net.node("Sub", conv, net.constant(np.float32(50.0)))
    source = net.node("Relu", conv) if behind_relu else far_down
    pads = net.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1]))
    padded = net.node("Pad", source, pads, net.constant(np.float32(0.0)))
    pooled = net.node("MaxPool", padded, kernel_shape=[3, 3], strides=[2, 2])
    return net.model(pooled, (1, 4, 3, 3))


def test_zeros_around_negative_values_stay_the_largest() -> None:
    model = from_proto(_padded_pool(behind_relu=False))
    simplify(model)
    (answer,) = run(to_proto(model), images(1))
    assert np.abs(answer[..., 0, :]).max() < 1e-30  # -50 where onnxruntime folds the Pad
    assert answer[..., 1:, 1:].max() < -40


def test_zeros_around_what_is_not_negative_are_left_alone() -> None:
    model = _simplified(_padded_pool(behind_relu=True))
    constants = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    fills = [constants[n.input[2]] for n in model.graph.node if n.op_type == "Pad"]
    assert [fill.tolist() for fill in fills] == [0.0]


def test_negative_pads_at_the_ends_of_a_transposed_convolution_are_padding_of_its_output() -> None:
    net = Net()
    source, weights = _image(net), net.normal(3, 4, 3, 3)
    result = net.node("ConvTranspose", source, weights, strides=[2, 2], pads=[0, 0, -1, -1])
    model = from_proto(net.model(result, (1, 4, 18, 18)))
    simplify(model)
    (convolution,) = [node for node in model.graph if node.op_type == "ConvTranspose"]
    assert list(convolution.attributes.get_ints("pads") or ()) == [0, 0, 0, 0]
    assert list(convolution.attributes.get_ints("output_padding") or ()) == [1, 1]
    assert run(to_proto(model), images(1))[0].shape == (4, 18, 18)
