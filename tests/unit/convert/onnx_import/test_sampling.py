"""Where resized axes take their elements from."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.convert.onnx_import.sampling import Axis, nearest, taps


def test_nearest_by_two_repeats_each_element() -> None:
    for mode, rounding in (("asymmetric", "floor"), ("half_pixel", "round_prefer_floor")):
        assert nearest(Axis(3, 6, 2.0, mode), rounding).tolist() == [0, 0, 1, 1, 2, 2]


def test_rounding_decides_ties() -> None:
    axis = Axis(4, 8, 2.0, "asymmetric")
    assert nearest(axis, "round_prefer_floor").tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert nearest(axis, "round_prefer_ceil").tolist() == [0, 1, 1, 2, 2, 3, 3, 3]


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_weights_of_an_element_sum_to_one(mode: str) -> None:
    weights = [weight for _, weight in taps(Axis(5, 13, 2.6, "half_pixel"), mode, -0.75)]
    assert np.allclose(np.sum(weights, axis=0), 1, atol=1e-6)


def test_corners_stay_where_they_are() -> None:
    axis = Axis(4, 10, 2.5, "align_corners")
    assert axis.coordinates[[0, -1]].tolist() == [0, 3]
