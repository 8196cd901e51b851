"""Every operator, lowered and converted, computes what onnxruntime computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_lowering import (
    Case,
    answer,
    feeds_of,
    lowered,
    model_of,
    network_of,
    operators,
    random,
    reference,
    snr_db,
)
from onnx_network_cases import NETWORKS
from onnx_operator_cases import CASES

from edgecnn.convert import onnx_import
from edgecnn.errors import InputError

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize("case", [*CASES, *NETWORKS], ids=lambda case: case.name)
def test_case(case: Case) -> None:
    model, feeds = model_of(case), feeds_of(case)

    result, data = lowered(model, network_of(model, images=case.images))
    arrays, _ = answer(result, data, feeds)

    for wanted, seen in zip(reference(model, feeds), arrays, strict=True):
        assert seen.dtype == wanted.dtype
        if wanted.dtype.kind == "f":
            assert snr_db(wanted, seen) >= 90
        else:
            assert np.array_equal(wanted, seen)
    if case.transposes is not None:
        assert operators(data)["TRANSPOSE"] == case.transposes


def _operators(
    *nodes: tuple[str, str, str, dict[str, Any]],
    **constants: Any,  # noqa: ANN401 - arrays
) -> set[str]:
    case = Case("fused", nodes, {"x": (1, 4, 9, 9)}, constants)
    model = model_of(case)
    return set(operators(lowered(model, network_of(model))[1]))


def test_activations_become_one_operator() -> None:
    assert _operators(("HardSwish", "x", "y", {})) == {"HARD_SWISH"}
    assert _operators(("PRelu", "x a", "y", {}), a=random(4, 1, 1)) == {"PRELU"}
    assert _operators(("LeakyRelu", "x", "y", {})) == {"LEAKY_RELU"}
    bounds = {"lo": np.float32(0), "hi": np.float32(6)}
    assert _operators(("Clip", "x lo hi", "y", {}), **bounds) == {"RELU6"}
    swish: list[tuple[str, str, str, dict[str, Any]]] = [
        ("Sigmoid", "x", "s", {}),
        ("Mul", "x s", "y", {}),
    ]
    assert _operators(*swish) == {"LOGISTIC", "MUL"}


def test_convolution_takes_up_normalization_and_activation() -> None:
    numbers = {name: np.abs(random(6, seed=i)) + 0.5 for i, name in enumerate("sbmv")}
    nodes: list[tuple[str, str, str, dict[str, Any]]] = [
        ("Conv", "x w", "c", {"pads": [1, 1, 1, 1]}),
        ("BatchNormalization", "c s b m v", "n", {}),
        ("Relu", "n", "y", {}),
    ]
    assert _operators(*nodes, w=random(6, 4, 3, 3), **numbers) == {"CONV_2D"}


def test_strided_padding_stays_within_xnnpack() -> None:
    nodes: list[tuple[str, str, str, dict[str, Any]]] = [
        ("Conv", "x w", "c", {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
        ("MaxPool", "c", "y", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ]
    seen = _operators(*nodes, w=random(6, 4, 3, 3))
    assert seen <= {"CONV_2D", "MAX_POOL_2D", "PAD", "SLICE", "CONCATENATION"}


def test_ends_keep_order_and_names() -> None:
    case = Case(
        "ends",
        [("Conv", "image/0 w", "map:0", {}), ("GlobalAveragePool", "map:0", "g", {}),
         ("Flatten", "g", "f", {}), ("Add", "f numbers", "7", {}),
         ("Relu", "map:0", "Map:0", {})],
        {"numbers": (1, 6), "image/0": (1, 4, 8, 9)}, {"w": random(6, 4, 1, 1)},
        outputs=("Map:0", "7", "map:0"),
    )  # fmt: skip
    model, feeds = model_of(case), feeds_of(case)

    result, data = lowered(model, network_of(model))
    arrays, _ = answer(result, data, feeds)

    assert [end.endpoint.name for end in result.inputs] == ["numbers", "image/0"]
    assert [end.endpoint.name for end in result.outputs] == ["Map:0", "7", "map:0"]
    assert [(e.endpoint.layout, e.layout) for e in result.inputs] == [("", ""), ("NCHW", "NHWC")]
    assert [e.layout for e in result.outputs] == ["NHWC", "", "NHWC"]
    for wanted, seen in zip(reference(model, feeds), arrays, strict=True):
        assert snr_db(wanted, seen) > 100


def test_refusals_name_the_node_and_the_reason() -> None:
    case = Case("lengths", [("MaxPool", "x", "y z", {"kernel_shape": [2, 2]})],
                {"x": (1, 4, 6, 6)}, outputs=("y", "z"))  # fmt: skip
    model = model_of(case)
    with pytest.raises(InputError, match=r"MaxPool \(n0\).*indices are asked for"):
        onnx_import.lower(model, network_of(model))
