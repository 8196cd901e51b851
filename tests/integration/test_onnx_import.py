"""Every operator, lowered and converted, computes what onnxruntime computes."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_cases import Case, answer, feeds_of, lowered, model_of, network_of, operators, reference, snr_db
from onnx_operator_cases import CASES

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_operator(case: Case) -> None:
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
