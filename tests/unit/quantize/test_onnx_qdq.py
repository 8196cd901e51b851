"""Full-integer ONNX: what stands in the file, how close it is, and that it is reproducible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper
from onnx_nets import Net, classifier, images, logits, operators, run, snr_db

from edgecnn.errors import InputError
from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import from_proto, to_proto
from edgecnn.quantize.onnx_prepare import prepare
from edgecnn.quantize.onnx_qdq import to_int8

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def float_path(tmp_path: Path) -> Path:
    path = tmp_path / "float.onnx"
    onnx_file.save(from_proto(classifier()), path)
    return path


def _quantized(float_path: Path, **options: Any) -> onnx.ModelProto:  # noqa: ANN401 - to_int8's own
    out = float_path.with_name("int8.onnx")
    to_int8(float_path, out, images(20), **options)
    return onnx.load(str(out))


def _logits(model: onnx.ModelProto) -> Any:  # noqa: ANN401 - a numpy array
    return logits(model, images(30, seed=9))


@pytest.mark.parametrize("method", ["minmax", "percentile", "mse"])
def test_logits_stay_close(float_path: Path, method: str) -> None:
    reference = _logits(onnx.load(str(float_path)))
    assert snr_db(reference, _logits(_quantized(float_path, method=method))) > 25


def test_signed_and_unsigned_activations_are_the_same_numbers(float_path: Path) -> None:
    signed = _logits(_quantized(float_path, activations="int8"))
    unsigned = _logits(_quantized(float_path, activations="uint8"))
    np.testing.assert_allclose(signed, unsigned, atol=0.05 * float(np.abs(unsigned).max()))


def test_weights_have_8_bits_and_a_scale_for_each_output_channel(float_path: Path) -> None:
    model = _quantized(float_path)
    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    makers = {node.output[0]: node for node in model.graph.node}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert convolutions
    for node in convolutions:
        dequantize = makers[node.input[1]]
        weight, scale, zero = (constants[name] for name in dequantize.input)
        assert weight.dtype == zero.dtype
        assert (weight.dtype.name, set(zero.tolist())) in [("int8", {0}), ("uint8", {128})]
        assert scale.shape == (weight.shape[0],)


def test_input_and_output_stay_float32_and_the_logits_are_not_rounded(float_path: Path) -> None:
    model = _quantized(float_path)
    ends = [*model.graph.input, *model.graph.output]
    assert {i.type.tensor_type.elem_type for i in ends} == {TensorProto.FLOAT}
    makers = {node.output[0]: node.op_type for node in model.graph.node}
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    assert makers[softmax.input[0]] == "Gemm"


def test_no_operator_is_left_between_float_tensors(float_path: Path, tmp_path: Path) -> None:
    """What onnxruntime makes of the file: integer operators up to the head, which stays float."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    data = _quantized(float_path).SerializeToString()
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    found = operators(onnx.load(options.optimized_model_filepath))
    assert "QLinearConv" in found
    assert set(found).isdisjoint({"Conv", "Relu", "Add", "Mul", "Concat"})
    assert found.count("DequantizeLinear") == 1


def test_the_same_input_gives_the_same_bytes(float_path: Path) -> None:
    first, second = float_path.with_name("a.onnx"), float_path.with_name("b.onnx")
    to_int8(float_path, first, iter(images(5)))
    to_int8(float_path, second, iter(images(5)))
    assert first.read_bytes() == second.read_bytes()


def test_given_ranges_take_the_place_of_measured_ones(float_path: Path) -> None:
    model = _quantized(float_path, ranges={"gemm_1": (-1.0, 1.0), "transpose_1": (0.0, 51.0)})
    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    scales = [
        float(constants[node.input[1]])
        for node in model.graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] == "transpose_1"
    ]
    assert scales == [pytest.approx(0.2)]


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"no_such": (0.0, 1.0)}, "no_such"),
        ({"conv_1": (1.0, 2.0)}, "leaves out zero"),
        ({"conv_1": (0.0, 0.0)}, "empty"),
        ({"conv_1": (0.0, float("nan"))}, "not finite"),
        ({"conv_1": (0.0, float("inf"))}, "not finite"),
    ],
)
def test_ranges_that_cannot_be_meant_are_refused(
    float_path: Path, ranges: dict[str, tuple[float, float]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        _quantized(float_path, ranges=ranges)


def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("hello")
    with pytest.raises(InputError, match=r"text\.onnx is not an ONNX model"):
        to_int8(path, tmp_path / "out.onnx", images(1))


def test_nothing_is_written_when_calibration_fails(float_path: Path) -> None:
    out = float_path.with_name("out.onnx")
    with pytest.raises(InputError):
        to_int8(float_path, out, [])
    assert not out.exists()


def test_preparing_keeps_the_function() -> None:
    model = onnx_file.canonicalize(from_proto(classifier()))
    reference = run(to_proto(model), images(3))
    prepare(model)
    prepared = to_proto(model)
    np.testing.assert_allclose(run(prepared, images(3)), reference, rtol=1e-5, atol=1e-6)
    assert "Mul" not in operators(prepared)


def test_a_relu_gets_a_sum_of_its_own() -> None:
    net = Net()
    total = net.node("Add", "input", net.node("Exp", "input"))
    proto = net.model(net.node("Mul", total, net.node("Relu", total)), net.shape)
    model = onnx_file.canonicalize(from_proto(proto))
    prepare(model)
    assert operators(to_proto(model)).count("Add") == 2
