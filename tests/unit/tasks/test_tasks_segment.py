"""Masks: the class of each pixel, and the way from the map to the picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.tasks import segment
from edgecnn.tasks.outputs import Output, TaskError
from edgecnn.tasks.placing import FITS, place

SIZE = (32, 48)
CLASSES = np.random.default_rng(0).integers(0, 4, (8, 12))


def scores(layout: str) -> np.ndarray:
    maps = np.random.default_rng(1).uniform(0, 0.5, (1, 4, 8, 12))
    np.put_along_axis(maps, CLASSES[np.newaxis, np.newaxis], 0.9, axis=1)
    return maps if layout == "NCHW" else maps.transpose(0, 2, 3, 1)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("told", [True, False])
def test_the_largest_channel_in_either_layout(layout: str, told: bool) -> None:  # noqa: FBT001
    output = Output("y", scores(layout), layout=layout if told else "")
    np.testing.assert_array_equal(segment.class_map(output, SIZE), CLASSES)
    assert segment.class_count(output, SIZE) == 4


def test_integers_are_classes_already() -> None:
    for shape in ((1, 8, 12), (1, 8, 12, 1), (1, 1, 8, 12)):
        output = Output("y", CLASSES.reshape(shape))
        np.testing.assert_array_equal(segment.class_map(output, SIZE), CLASSES)
        assert segment.class_count(output, SIZE) is None


@pytest.mark.parametrize(
    ("kind", "values", "mask"),
    [
        ("probabilities", [0.2, 0.6], [0, 1]),
        ("logits", [0.2, -0.6], [1, 0]),
        ("values", [0.2, 0.6], [0, 1]),
        ("values", [-3.0, 0.2], [0, 1]),
    ],
)
def test_one_channel_has_a_threshold(kind: str, values: list[float], mask: list[int]) -> None:
    plane = np.repeat(np.repeat(np.array(values), 6)[np.newaxis], 8, axis=0)[np.newaxis]
    wanted = np.repeat(np.repeat(mask, 6)[np.newaxis], 8, axis=0)
    output = Output("y", plane[..., np.newaxis], kind)
    np.testing.assert_array_equal(segment.class_map(output, SIZE), wanted)
    assert segment.class_map(output, SIZE, above=9.0).max() == 0


@given(
    height=st.integers(1, 200), width=st.integers(1, 200), fit=st.sampled_from(FITS),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_every_pixel_has_the_class_of_the_place_it_lay_in(
    height: int, width: int, fit: str, seed: int
) -> None:
    placement = place((height, width), SIZE, fit)
    mask = segment.at_picture(CLASSES, placement)
    assert mask.shape == (height, width)
    y, x = np.random.default_rng(seed).integers(0, [height, width])
    row = ((y + 0.5) * placement.scale_y + placement.top) * 8 / SIZE[0]
    column = ((x + 0.5) * placement.scale_x + placement.left) * 12 / SIZE[1]
    inside = 0 <= row < 8 and 0 <= column < 12
    assert mask[y, x] == (CLASSES[int(row), int(column)] if inside else segment.UNSEEN)
    assert fit == "cover" or segment.UNSEEN not in mask


def test_shares_are_of_the_pixels_that_were_seen() -> None:
    mask = np.array([[2, 2, 2, 0], [segment.UNSEEN] * 4])
    assert segment.shares(mask) == {2: 0.75, 0: 0.25}
    assert segment.shares(np.full((2, 2), segment.UNSEEN)) == {}


def test_the_output_that_is_a_mask() -> None:
    small, large, flat = (Output("y", np.zeros(s)) for s in ((1, 4, 4, 2), (1, 8, 8, 2), (1, 99)))
    assert segment.choose([small, flat, large]) is large
    with pytest.raises(TaskError, match="Several outputs"):
        segment.choose([large, large])
    with pytest.raises(TaskError, match="No output can be the mask"):
        segment.choose([flat])
    with pytest.raises(TaskError, match="no map over the image"):
        segment.class_map(flat, SIZE)
