"""What a pixel becomes, and the options that say so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgecnn.calibration.preprocessing import AS_IT_IS, parse_preprocessing, preprocess, resolve
from edgecnn.errors import InputError
from edgecnn.records import Preprocessing

VALUE = st.floats(-300, 300, width=32)
DIVISOR = st.floats(1, 300, width=32)


@given(
    pixels=arrays.arrays(np.uint8, (2, 3, 3)),
    mean=st.tuples(VALUE, VALUE, VALUE),
    std=st.tuples(DIVISOR, DIVISOR, DIVISOR),
)
def test_preprocess_is_the_formula_in_float32(
    pixels: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    fed = preprocess(pixels, Preprocessing(mean, std))
    assert fed.dtype == np.float32
    for channel in range(3):
        expected = (np.float32(1) * pixels[..., channel] - np.float32(mean[channel])) / np.float32(
            std[channel]
        )
        assert np.array_equal(fed[..., channel], expected)


@given(pixels=arrays.arrays(np.uint8, (2, 2, 3)))
def test_bgr_swaps_the_channels_before_the_mean_is_taken_off(pixels: np.ndarray) -> None:
    fed = preprocess(pixels, Preprocessing((1.0, 2.0, 3.0), (1.0,), "BGR"))
    assert np.array_equal(fed[..., 0], pixels[..., 2].astype(np.float32) - 1)
    assert np.array_equal(fed[..., 2], pixels[..., 0].astype(np.float32) - 3)
    assert fed.flags.c_contiguous


@given(
    low=st.floats(-1000, 1000, width=32),
    span=st.floats(0.5, 2000, width=32),
)
def test_an_input_range_maps_black_to_low_and_white_to_high(low: float, span: float) -> None:
    preprocessing = parse_preprocessing(input_range=f"{low},{low + span}")
    assert preprocessing is not None
    fed = preprocess(np.array([[[0], [255]]], np.uint8), preprocessing).ravel()
    assert fed == pytest.approx([low, low + span], rel=1e-4, abs=1e-3 * span)


def test_mean_and_std_are_read_for_each_channel() -> None:
    preprocessing = parse_preprocessing(mean="123.7, 116.8,103.9", std="58,57,57.5")
    assert preprocessing == Preprocessing((123.7, 116.8, 103.9), (58.0, 57.0, 57.5))


def test_nothing_given_is_nothing_said() -> None:
    assert parse_preprocessing() is None


def test_values_for_pixels_in_0_to_1_are_refused_with_the_right_ones_in_the_hint() -> None:
    with pytest.raises(InputError, match=r"0\.\.255") as caught:
        parse_preprocessing(mean="0.485,0.456,0.406", std="0.229,0.224,0.225")
    assert "123.675,116.28,103.53" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"input_range": "0,1", "mean": "0"}, "twice"),
        ({"input_range": "1,0"}, "LOW below HIGH"),
        ({"input_range": "1,1"}, "LOW below HIGH"),
        ({"input_range": "0"}, "LOW,HIGH"),
        ({"input_range": "0,inf"}, "finite"),
        ({"input_range": "0,1e-320"}, "too wide or too narrow"),
        ({"input_range": "-1e308,1e308"}, "too wide or too narrow"),
        ({"input_range": "a,b"}, "'a,b'"),
        ({"mean": "1"}, "--mean is given without --std"),
        ({"std": "1"}, "--std is given without --mean"),
        ({"mean": "0", "std": "0"}, "above zero"),
        ({"mean": "0", "std": "-2"}, "above zero"),
        ({"mean": "nan", "std": "1"}, "finite"),
        ({"mean": "", "std": "1"}, "finite"),
    ],
)
def test_contradictions_and_nonsense_are_refused(options: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_preprocessing(**options)  # type: ignore[arg-type]  # only str options here


def test_three_means_for_a_grey_input_are_refused() -> None:
    with pytest.raises(InputError, match=r"3 values.*1 channels"):
        preprocess(np.zeros((2, 2, 1), np.uint8), Preprocessing((1.0, 2.0, 3.0), (1.0,)))


HALVES = Preprocessing.from_range(0, 1)


def test_what_is_known_is_taken_without_a_word() -> None:
    for takes in (True, False):
        for feeds in (True, False):
            found = resolve(HALVES, takes_pictures=takes, feeds_pictures=feeds, own_scaling="")
            assert found == (HALVES, ())


def test_pixels_scaled_by_the_user_and_by_the_network_are_warned_of() -> None:
    found, (warning,) = resolve(
        HALVES, takes_pictures=True, feeds_pictures=True, own_scaling="divides its input by 255"
    )
    assert found == HALVES
    assert "divides its input by 255 itself" in warning
    assert "scaled twice" in warning
    assert "--input-range 0,255" in warning


def test_pixels_fed_as_they_are_are_not_scaled_twice() -> None:
    kept = Preprocessing.from_range(0, 255)
    assert resolve(
        kept, takes_pictures=True, feeds_pictures=True, own_scaling="divides its input by 255"
    ) == (kept, ())


def test_a_network_that_scales_itself_is_fed_pixels_and_the_user_told() -> None:
    found, (warning,) = resolve(
        None, takes_pictures=True, feeds_pictures=True, own_scaling="divides its input by 255"
    )
    assert found == AS_IT_IS
    assert "0 to 255" in warning
    assert "--input-range" in warning


@pytest.mark.parametrize(("takes", "feeds"), [(True, False), (False, True), (False, False)])
@pytest.mark.parametrize("own", ["", "divides its input by 255"])
def test_arrays_and_what_is_no_picture_need_no_scaling(
    takes: bool,  # noqa: FBT001 - a parameter
    feeds: bool,  # noqa: FBT001 - likewise
    own: str,
) -> None:
    found = resolve(None, takes_pictures=takes, feeds_pictures=feeds, own_scaling=own)
    assert found == (AS_IT_IS, ())


def test_pixels_that_nobody_says_how_to_scale_are_refused_with_both_ways_out() -> None:
    with pytest.raises(InputError, match="is not known") as caught:
        resolve(None, takes_pictures=True, feeds_pictures=True, own_scaling="")
    assert "--input-range 0,1" in caught.value.hint
    assert "--calibration FILE.npz" in caught.value.hint
