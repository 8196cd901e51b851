"""Weights of an int8 .onnx: no pair overflows, and files run alike on every processor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from onnx_nets import Net, classifier, images, run, snr_db

from edgecnn.calibration.layer_inputs import LayerInputs
from edgecnn.errors import CheckFailedError
from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import array_of, from_proto, to_proto
from edgecnn.inspection import inspect
from edgecnn.inspection.check import check_recipe
from edgecnn.quantize import rounding
from edgecnn.quantize.onnx_qdq import to_int8
from edgecnn.quantize.onnx_recurrence import recurrent
from edgecnn.quantize.onnx_saturation import LARGEST_PAIR, largest_pairs, safe_scale
from edgecnn.quantize.onnx_weights import quantize

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def _drawn(seed: int, outputs: int, inputs: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weights, most of them of one sign, and a covariance of inputs that vary together."""
    random = np.random.default_rng(seed)
    weights = (random.standard_normal((outputs, inputs)) + 1).astype(np.float32)
    seen = random.standard_normal((4 * inputs, inputs)) @ random.standard_normal((inputs, inputs))
    return weights, np.cov(seen, rowvar=False).reshape(inputs, inputs).astype(np.float32)


def _saturating(weights: NDArray[Any], activations: NDArray[Any]) -> NDArray[np.int64]:
    """As VPMADDUBSW has it: products are added two at a time, in 16 bits that saturate."""
    products = activations.astype(np.int64)[:, None, :] * weights.astype(np.int64)[None]
    if products.shape[-1] % 2:
        products = np.pad(products, ((0, 0), (0, 0), (0, 1)))
    pairs = products.reshape(*products.shape[:2], -1, 2).sum(axis=-1)
    sums: NDArray[np.int64] = np.clip(pairs, -(2**15), 2**15 - 1).sum(axis=-1)
    return sums


@given(st.integers(0, 2**16), st.integers(1, 5), st.integers(2, 70))
@settings(max_examples=30, deadline=None)
def test_no_pair_overflows(seed: int, outputs: int, inputs: int) -> None:
    weights, covariance = _drawn(seed, outputs, inputs)
    scale = rounding.symmetric_scale(weights)
    chosen, step = rounding.in_pairs(weights, scale, covariance)
    nearest = rounding.nearest(weights, safe_scale(weights, scale))
    assert (step >= scale).all()
    random = np.random.default_rng(seed)
    # The worst there is, for either sign, and anything else.
    loud = np.concatenate([(chosen > 0) * 255, (chosen < 0) * 255, (nearest > 0) * 255])
    activations = np.concatenate([loud, random.integers(0, 256, (20, inputs))])
    for integers in (chosen, nearest):
        assert largest_pairs(integers).max() <= LARGEST_PAIR
        exact = activations @ integers.astype(np.int64).T
        np.testing.assert_array_equal(_saturating(integers, activations), exact)


def test_a_bound_on_pairs_costs_less_than_a_step_that_needs_none() -> None:
    weights, covariance = _drawn(1, 16, 64)
    scale = rounding.symmetric_scale(weights)
    chosen, step = rounding.in_pairs(weights, scale, covariance)
    coarse = safe_scale(weights, scale)
    plain = rounding.error(weights, rounding.nearest(weights, coarse), coarse, covariance)
    assert (coarse > scale).any()
    assert rounding.error(weights, chosen, step, covariance).sum() < 0.6 * plain.sum()


@pytest.mark.parametrize("exact", [True, False])
def test_the_bias_takes_back_what_rounding_shifts(*, exact: bool) -> None:
    net = Net((1, 24))
    model = net.model(net.node("Gemm", "input", net.normal(24, 6, scale=1.0)), (1, 6))
    random = np.random.default_rng(3)
    feeds = [np.abs(f) for f in (random.normal(5, 1, (200, 1, 24))).astype(np.float32)]
    seen = np.concatenate(feeds).astype(np.float64)
    inputs = LayerInputs(seen.mean(0), np.square(seen).mean(0), None)
    expected, editable = run(model, feeds), from_proto(model)
    graph, span = editable.graph, {"input": (0.0, 10.0)}
    overrides, _ = quantize(graph, {"output": inputs}, span, kept_float=(), exact=exact, threads=1)
    ((name, steps),) = overrides.items()
    weights = array_of(graph.initializers[name])
    assert weights is not None
    integers = weights / np.array([step["scale"] for step in steps])
    np.testing.assert_allclose(integers, np.rint(integers), atol=1e-4)
    error = run(to_proto(editable), feeds) - expected
    assert error.std(axis=0).max() > 1e-3
    assert np.abs(error.mean(axis=0)).max() < 1e-4


def _sessions(data: bytes, feeds: list[NDArray[Any]]) -> list[NDArray[Any]]:
    answers = []
    for exact in ("0", "1"):
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.x64quantprecision", exact)
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        answers.append(np.concatenate([session.run(None, {"input": f})[0] for f in feeds]))
    return answers


def test_a_plain_session_computes_what_an_exact_one_does(tmp_path: Path) -> None:
    for seed in range(3):
        onnx_file.save(from_proto(classifier(seed=seed)), tmp_path / "float.onnx")
        to_int8(tmp_path / "float.onnx", tmp_path / "int8.onnx", images(20), runs=20)
        plain, exact = _sessions((tmp_path / "int8.onnx").read_bytes(), images(20, seed=9))
        np.testing.assert_array_equal(plain, exact)


def _two_towers() -> onnx.ModelProto:
    """Two pictures' worth of the same weights, which share their constants."""
    net = Net()
    image = net.node("Transpose", "input", perm=[0, 3, 1, 2])
    half = net.node("MaxPool", image, kernel_shape=[1, 1])
    weight, bias = net.normal(8, 3, 3, 3), net.normal(8)
    towers = [net.node("Relu", net.node("Conv", x, weight, bias)) for x in (image, half)]
    return net.model(net.node("Concat", *towers, axis=1), (1, 16, 6, 6))


def test_shared_weights_stay_shared(tmp_path: Path) -> None:
    onnx_file.save(from_proto(_two_towers()), tmp_path / "float.onnx")
    to_int8(tmp_path / "float.onnx", tmp_path / "int8.onnx", images(20), runs=20)
    model = onnx.load(str(tmp_path / "int8.onnx"))
    large = [item for item in model.graph.initializer if numpy_helper.to_array(item).size == 216]
    assert len(large) == 1
    expected, found = (
        run((tmp_path / name).read_bytes(), images(9, seed=9))
        for name in ("float.onnx", "int8.onnx")
    )
    assert snr_db(expected, found) > 30


def test_uint8_weights_pass_for_int8(tmp_path: Path) -> None:
    onnx_file.save(from_proto(classifier()), tmp_path / "float.onnx")
    result = to_int8(tmp_path / "float.onnx", tmp_path / "int8.onnx", images(20), runs=20)
    found = inspect(tmp_path / "int8.onnx")
    assert "uint8" in {operator.weights_dtype for operator in found.operators}
    assert any("zero point 128" in note for note in result.notes)
    check_recipe(found, "int8", "float32", float_ops=result.float_ops)
    assert result.float_ops["Gemm"] == 1
    with pytest.raises(CheckFailedError, match="1 Gemm"):
        check_recipe(found, "int8", "float32")


def _recurrence(*, steps: int) -> onnx.ModelProto:
    net = Net((1, 8))
    weight, state = net.normal(8, 8), "input"
    for _ in range(steps):
        state = net.node("Tanh", net.node("MatMul", state, weight))
    return net.model(net.node("MatMul", state, net.normal(8, 4)), (1, 4))


def test_an_unrolled_recurrence_stays_float() -> None:
    graph = from_proto(_recurrence(steps=4)).graph
    assert recurrent(graph) == set(graph[:7])
    assert recurrent(from_proto(_recurrence(steps=1)).graph) == set()
    assert recurrent(from_proto(_two_towers()).graph) == set()
