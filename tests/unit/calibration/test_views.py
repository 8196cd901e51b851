"""Views of few pictures: of their kind, the same from the same seed, and left out with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.calibration import views
from edgecnn.calibration.sampleset import from_arrays
from edgecnn.records import Endpoint

IMAGE = Endpoint(name="image", shape=(1, 12, 16, 3), dtype="float32", layout="NHWC")


def pictures(count: int, dtype: str = "uint8") -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    values = np.random.default_rng(5).integers(20, 200, (count, 12, 16, 3))
    return values.astype(dtype)


@given(st.integers(1, 40), st.sampled_from(["uint8", "float32"]), st.integers(0, 3))
def test_few_pictures_get_views_and_stay_in_front(count: int, dtype: str, seed: int) -> None:
    given_pictures = pictures(count, dtype)
    enlarged = views.enlarge(from_arrays("mine", count, (given_pictures,)), (IMAGE,), seed)
    (values,) = enlarged.samples.arrays
    missing = max(views.ENOUGH - count, count) if count < views.ENOUGH else 0
    assert len(values) == enlarged.samples.samples == count + missing
    assert enlarged.views == missing
    assert np.array_equal(values[:count], given_pictures)
    assert values.dtype == dtype
    assert values.min() >= given_pictures.min()
    assert values.max() <= given_pictures.max()
    assert np.array_equal(enlarged.origin[:count], np.arange(count))
    assert set(enlarged.origin) == set(range(count))
    assert bool(enlarged.note) == (count < views.ENOUGH)


def test_a_view_is_another_picture_of_the_same_kind() -> None:
    given_pictures = pictures(4)
    enlarged = views.enlarge(from_arrays("mine", 4, (given_pictures,)), (IMAGE,), 0)
    (values,) = enlarged.samples.arrays
    assert len({view.tobytes() for view in values}) == len(values)
    assert views.enlarge(enlarged.samples, (IMAGE,), 0).samples is enlarged.samples
    for view, origin in zip(values[4:], enlarged.origin[4:], strict=True):
        light = np.abs(view.mean(axis=(0, 1)) - given_pictures[origin].mean(axis=(0, 1)))
        assert light.max() < 0.35 * 180


def test_the_seed_says_which_views() -> None:
    samples = from_arrays("mine", 3, (pictures(3),))
    one, same, other = (views.enlarge(samples, (IMAGE,), seed) for seed in (1, 1, 2))
    assert one.samples.sha256 == same.samples.sha256
    assert one.samples.sha256 != other.samples.sha256


def test_the_layout_of_what_is_fed_is_kept() -> None:
    values = pictures(2, "float32").transpose(0, 3, 1, 2)
    image = replace(IMAGE, shape=(1, 3, 12, 16), layout="NCHW")
    first = views.enlarge(from_arrays("mine", 2, (values,)), (image,), 0).samples.arrays[0]
    last = views.enlarge(from_arrays("mine", 2, (pictures(2, "float32"),)), (IMAGE,), 0)
    assert np.array_equal(first.transpose(0, 2, 3, 1), last.samples.arrays[0])


@pytest.mark.parametrize(
    ("inputs", "seed"),
    [
        ((IMAGE,), None),
        ((IMAGE, IMAGE), 0),
        ((replace(IMAGE, shape=(2, 12, 16, 3)),), 0),
        ((replace(IMAGE, shape=(1, 12, 16, 7)),), 0),
        ((replace(IMAGE, layout=""),), 0),
    ],
)
def test_what_is_no_picture_gets_none(inputs: tuple[Endpoint, ...], seed: int | None) -> None:
    samples = from_arrays("mine", 4, (pictures(4),) * len(inputs))
    enlarged = views.enlarge(samples, inputs, seed)
    assert enlarged.samples is samples
    assert (enlarged.views, enlarged.note) == (0, "")
