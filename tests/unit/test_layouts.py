"""Layouts: a permutation and its way back, what a file has, and which inputs are pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn import layouts
from edgecnn.records import Endpoint


def end(layout: str, *shape: int, dtype: str = "float32") -> Endpoint:
    return Endpoint("image", dtype, shape, layout)


def test_an_image_becomes_channels_last() -> None:
    image = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    moved = layouts.convert(image, "NCHW", "NHWC")
    assert moved.shape == (2, 4, 5, 3)
    assert moved.flags.c_contiguous
    for channel in range(3):
        np.testing.assert_array_equal(moved[..., channel], image[:, channel])


@given(st.permutations("NCDHW"), st.integers(1, 5))
def test_there_and_back(letters: list[str], rank: int) -> None:
    source = "NCDHW"[:rank]
    target = "".join(letter for letter in letters if letter in source)
    array = np.arange(np.prod(range(2, 2 + rank))).reshape(range(2, 2 + rank))
    moved = layouts.convert(array, source, target)
    assert moved.shape == tuple(2 + source.index(letter) for letter in target)
    np.testing.assert_array_equal(layouts.convert(moved, target, source), array)


@pytest.mark.parametrize(
    ("source", "target"), [("NHWC", "NHWC"), ("", ""), ("", "NHWC"), ("NCHW", ""), ("NCHW", "NWC")]
)
def test_what_is_the_same_or_not_known_stays(source: str, target: str) -> None:
    array = np.zeros((1, 2, 3, 4))
    assert layouts.axes(source, target) is None
    assert layouts.convert(array, source, target) is array


@pytest.mark.parametrize(
    ("layout", "tflite"),
    [("NCHW", "NHWC"), ("NHWC", "NHWC"), ("NCW", "NWC"), ("NCDHW", "NDHWC"), ("NC", "NC"),
     ("", ""), ("NT", "NT")],
)  # fmt: skip
def test_a_tflite_is_channels_last_and_an_onnx_as_its_source(layout: str, tflite: str) -> None:
    assert layouts.in_file(end(layout, *[1] * len(layout)), "tflite") == tflite
    assert layouts.in_file(end(layout, *[1] * len(layout)), "onnx") == layout


def test_channels_last_is_what_it_says() -> None:
    for rank, layout in layouts.CHANNELS_LAST.items():
        assert len(layout) == rank
        assert layout[0] + layout[-1] == "NC"


@pytest.mark.parametrize(
    ("endpoint", "is_image"),
    [
        (end("NHWC", 1, 8, 9, 3), True),
        (end("NCHW", 1, 1, 8, 9), True),
        (end("NHWC", 1, 8, 9, 4), False),
        (end("NCHW", 1, 8, 9, 3), False),  # eight channels
        (end("", 1, 8, 9, 3), False),
        (end("NWC", 1, 8, 3), False),
    ],
)
def test_pictures_feed_grey_and_rgb_images_of_a_known_layout(
    endpoint: Endpoint,
    *,
    is_image: bool,
) -> None:
    assert layouts.is_image(endpoint) == is_image


def test_the_size_of_an_image_in_either_layout() -> None:
    assert layouts.image_size(end("NHWC", 1, 8, 9, 3)) == ((8, 9), 3)
    assert layouts.image_size(end("NCHW", 1, 3, 8, 9)) == ((8, 9), 3)
