"""An int8 ONNX file in the making: what stays float in it, and what that is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
from onnx_nets import Net, classifier, images, operators, run, snr_db

from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import from_proto, name_of, to_proto
from edgecnn.quantize.onnx_qdq import draft, to_int8

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

    from edgecnn.quantize.onnx_draft import Draft


@pytest.fixture
def drafted(tmp_path: Path) -> Draft:
    path = tmp_path / "float.onnx"
    onnx_file.save(from_proto(classifier()), path)
    return draft(path, images(20))


def _answers(model: onnx.ModelProto) -> list[float]:
    return [float(x) for answer in run(model, images(20, seed=5)) for x in answer.ravel()]


def test_activations_that_were_only_moved_are_one_group(drafted: Draft) -> None:
    groups = drafted.activation_groups
    names = [name for group in groups for name in group]
    assert len(names) == len(set(names)) > len(groups)
    for node in drafted.prepared.graph:
        if node.op_type in {"Transpose", "Relu"}:
            ends = {name_of(v) for v in (node.inputs[0], node.outputs[0])} & set(names)
            assert len({group for group in groups if group & ends}) <= 1


def test_with_all_activations_in_float_only_the_weights_are_rounded(drafted: Draft) -> None:
    every = frozenset().union(*drafted.activation_groups)
    model = to_proto(drafted.model(every))
    assert "QuantizeLinear" not in operators(model)
    expected = run(to_proto(drafted.prepared), images(20, seed=5))
    np.testing.assert_allclose(run(model, images(20, seed=5)), expected, rtol=1e-4, atol=1e-5)


def test_a_relu_whose_result_stays_float_stays(drafted: Draft) -> None:
    """Elsewhere the QuantizeLinear behind it starts at zero and does its work."""
    relus = operators(to_proto(drafted.prepared)).count("Relu")
    every = frozenset().union(*drafted.activation_groups)
    assert relus
    assert operators(to_proto(drafted.model())).count("Relu") == 0
    assert operators(to_proto(drafted.model(every))).count("Relu") == relus


def test_every_group_in_float_brings_the_file_closer_or_changes_little(drafted: Draft) -> None:
    expected = np.array(_answers(to_proto(drafted.prepared)))
    before = snr_db(expected, np.array(_answers(to_proto(drafted.model()))))
    groups = drafted.activation_groups
    for group in groups:
        assert snr_db(expected, np.array(_answers(to_proto(drafted.model(group))))) > before - 1.5
    every = frozenset().union(*groups)
    assert snr_db(expected, np.array(_answers(to_proto(drafted.model(every))))) > before + 20


def test_a_convolution_over_three_axes_stays_float(tmp_path: Path) -> None:
    """Optimized, onnxruntime gives other sums than its own reference."""
    net = Net((1, 2, 6, 8, 8))
    weight, bias = net.normal(4, 2, 3, 3, 3), net.normal(4)
    volume = net.node("Conv", net.node("Relu", net.node("Conv", "input", weight, bias)),
                      net.normal(4, 4, 2, 2, 2))  # fmt: skip
    flat = net.node("Flatten", net.node("Relu", volume))
    model = net.model(net.node("Gemm", flat, net.normal(300, 3), net.normal(3)), (1, 3))
    path, out = tmp_path / "float.onnx", tmp_path / "int8.onnx"
    onnx_file.save(from_proto(model), path)
    feeds = [np.random.default_rng(k).normal(size=net.shape).astype(np.float32) for k in range(24)]
    result = to_int8(path, out, feeds)
    assert result.float_ops["Conv"] == 2
    whole, exact = (onnxruntime.InferenceSession(str(p)) for p in (out, path))
    answers = [np.stack([s.run(None, {"input": x})[0] for x in feeds]) for s in (exact, whole)]
    assert snr_db(*answers) > 25
