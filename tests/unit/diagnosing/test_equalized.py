"""What tells a file whose channels were scaled from one whose weights were only rounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgecnn.calibration.layer_inputs import LayerInputs
from edgecnn.diagnosing.matching import Pair
from edgecnn.diagnosing.observe import scales_channels
from edgecnn.formats.tflite_graph import Operator, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

WEIGHTS = np.array([[1.0, -2.0, 0.5], [0.3, 1.5, -0.7]], np.float32)


def dense(kernel: NDArray[np.floating]) -> Operator:
    values = np.asarray(kernel, np.float32)
    source = Tensor("in", "FLOAT32", (1, 3))
    out = Tensor("out", "FLOAT32", (1, 2))
    return Operator("FULLY_CONNECTED", [source, Tensor("w", "FLOAT32", data=values)], [out])


@pytest.mark.parametrize(
    ("changed", "power", "scaled"),
    [
        (WEIGHTS + 0.01, np.ones(3), False),
        (WEIGHTS * [[2.0], [1.0]], np.ones(3), True),
        (WEIGHTS * [1.0, 0.0, 1.0], np.ones(3), True),
        # What never stirs, rounding may move anywhere.
        (WEIGHTS * [1.0, 0.0, 1.0], np.array([1.0, 0.0, 1.0]), False),
    ],
)
def test_weights_of_inputs_that_never_stir_do_not_count(
    changed: NDArray[np.floating], power: NDArray[np.float64], *, scaled: bool
) -> None:
    pair = Pair(0, dense(changed), dense(WEIGHTS), "name")
    known = {"out": LayerInputs(np.zeros(3), power, None)}
    assert scales_channels([pair], known) is scaled
