"""A source becomes two sets of images that share none."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from edgecnn.calibration import photographs, sampleset
from edgecnn.calibration.preprocessing import preprocess
from edgecnn.calibration.sampleset import SampleSet, Split, from_arrays, from_pixels
from edgecnn.calibration.sources import NOISE, Sampling, load
from edgecnn.errors import InputError
from edgecnn.records import Endpoint, Preprocessing

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (12, 10)


def fill(folder: Path, count: int) -> Path:
    folder.mkdir(exist_ok=True)
    for seed in range(count):
        noise = np.random.default_rng(seed).integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{seed}.png")
    return folder


def image(channels: int = 3) -> Endpoint:
    return Endpoint("image", "float32", (1, *SIZE, channels), "NHWC")


def split(
    source: Path | str | None,
    samples: int = 6,
    held_out: int = 2,
    inputs: tuple[Endpoint, ...] = (image(),),
    *,
    calibrated: bool = True,
) -> Split:
    text = None if source is None else str(source)
    return load(Sampling(text, samples, held_out, calibrated=calibrated), inputs)


def images(samples: SampleSet) -> set[bytes]:
    return {value.tobytes() for value in samples.arrays[0]}


def test_a_folder_gives_two_sets_that_share_nothing(tmp_path: Path) -> None:
    result = split(fill(tmp_path / "cats", 10))
    assert result.calibration.source == result.held_out.source == "cats"
    assert (result.calibration.samples, result.held_out.samples) == (6, 2)
    assert result.warnings == ()
    assert not images(result.calibration) & images(result.held_out)


def test_a_small_folder_is_divided_and_that_is_said(tmp_path: Path) -> None:
    result = split(fill(tmp_path / "cats", 4))
    assert (result.calibration.samples, result.held_out.samples) == (3, 1)
    (warning,) = result.warnings
    assert warning.startswith(
        "cats has 4 usable images: 3 for calibration (requested: 6), 1 held out to measure"
    )
    assert "rough" in warning


def test_one_image_is_checked_on_the_photographs_and_that_is_said(tmp_path: Path) -> None:
    result = split(fill(tmp_path / "cats", 1))
    assert (result.calibration.source, result.calibration.samples) == ("cats", 1)
    assert (result.held_out.source, result.held_out.samples) == (photographs.SOURCE, 2)
    assert "one usable image" in result.warnings[0]


def test_an_npz_is_fed_as_it_is(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(8, *SIZE, 3)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x)
    result = split(tmp_path / "x.npz")
    assert result.calibration.source == "x.npz"
    feeds = result.held_out.feeds((image(),), Preprocessing((99.0,), (7.0,)))
    fed = np.concatenate([feed[0] for feed in feeds])
    assert np.array_equal(fed, x[-2:])
    assert not images(result.calibration) & images(result.held_out)


def test_an_npz_may_have_any_number_of_channels(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(8, *SIZE, 6)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x)
    result = split(tmp_path / "x.npz", inputs=(image(6),))
    assert result.calibration.arrays[0].shape == (6, *SIZE, 6)


@pytest.mark.parametrize("source", [None, "fashion-mnist", "folder"])
def test_images_for_six_channels_are_refused(source: str | None) -> None:
    with pytest.raises(InputError, match=r"image \(N, 12, 10, 6\) float32") as caught:
        split(source, inputs=(image(6),))
    assert ".npz" in caught.value.hint


def test_a_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    fill(tmp_path / "cats", 8)
    assert split("~/cats").calibration.source == "cats"


def test_a_folder_may_be_named_like_an_archive(tmp_path: Path) -> None:
    assert split(fill(tmp_path / "odd.npz", 8)).calibration.source == "odd.npz"


@pytest.mark.parametrize(
    ("source", "words", "hint"),
    [
        ("nowhere", "there is no 'nowhere'", "folder of images"),
        ("nowhere.npz", "there is no", "folder of images"),
        ("", "there is no ''", "folder of images"),
        ("Fashion_MNIST", "there is no", "did you mean fashion-mnist"),
        ("photo.jpg", "neither a folder of images nor an .npz", "folder that the image is in"),
        ("x.npy", "neither a folder of images nor an .npz", "numpy.savez"),
    ],
)
def test_what_is_no_source_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str, hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").touch()
    (tmp_path / "x.npy").touch()
    with pytest.raises(InputError, match=words) as caught:
        split(source)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("samples", "held_out", "words"),
    [(0, 2, "at least one"), (-3, 2, "at least one"), (10**7, 2, "do not fit into 2 GiB")],
)
def test_a_senseless_number_of_samples_is_refused(
    tmp_path: Path, samples: int, held_out: int, words: str
) -> None:
    fill(tmp_path / "cats", 2)
    with pytest.raises(InputError, match=words):
        split(tmp_path / "cats", samples, held_out)


def test_feed_yields_one_preprocessed_image_at_a_time() -> None:
    pixels = np.arange(2 * 2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 2, 3)
    preprocessing = Preprocessing((3.0,), (2.0,), "BGR")
    end = Endpoint("image", "float32", (1, 2, 2, 3), "NHWC")
    fed = [feed[0] for feed in from_pixels("x", pixels).feeds((end,), preprocessing)]
    assert [item.shape for item in fed] == [(1, 2, 2, 3)] * 2
    assert np.array_equal(np.concatenate(fed), preprocess(pixels, preprocessing))


def test_the_content_address_depends_on_content_order_and_type_alone() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    address = from_pixels("a", pixels).sha256
    assert address == from_pixels("b", np.asfortranarray(pixels), ("warned",)).sha256
    others: list[npt.NDArray[np.uint8]] = [pixels[::-1], pixels.reshape(2, 1, 4, 3), pixels + 1]
    addresses = {address, *(from_pixels("a", other).sha256 for other in others)}
    addresses.add(from_arrays("a", 2, [pixels.astype(np.float32)]).sha256)
    assert len(addresses) == 5


def test_a_split_survives_the_way_to_another_process(tmp_path: Path) -> None:
    result = split(fill(tmp_path / "cats", 8))
    copy: Split = pickle.loads(pickle.dumps(result))  # noqa: S301 - made in this line
    assert copy.calibration.sha256 == sampleset.content_address(*copy.calibration.arrays)
    assert images(copy.held_out) == images(result.held_out)


def test_channels_first_networks_are_fed_channels_first() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), np.uint8)
    end = Endpoint("images", "float32", (2, 3, 5, 6), "NCHW")
    samples = from_pixels("x", pixels, image=end)
    assert samples.samples == 2  # two pictures a run
    (first,), (second,) = samples.feeds((end,), Preprocessing((0.0,), (255.0,)))
    assert first.shape == second.shape == end.shape
    expected = (pixels[2:] / np.float32(255)).transpose(0, 3, 1, 2)
    assert np.allclose(second, expected)


def test_an_input_of_uint8_gets_pixels_as_they_are() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 6, 3), np.uint8)
    end = Endpoint("images", "uint8", (1, 3, 5, 6), "NCHW")
    feeds = list(from_pixels("x", pixels, image=end).feeds((end,), Preprocessing((9.0,), (3.0,))))
    assert feeds[1][0].dtype == np.uint8
    assert np.array_equal(feeds[1][0], pixels[1:2].transpose(0, 3, 1, 2))


PICTURE_AND_NUMBERS = (
    Endpoint("picture", "float32", (1, *SIZE, 3), "NHWC"),
    Endpoint("numbers", "float32", (1, 4)),
)


def test_several_inputs_are_fed_by_name_whatever_the_order_in_the_file(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(8, 4)).astype(np.float32)
    picture = generator.normal(size=(8, *SIZE, 3)).astype(np.float32)
    np.savez(tmp_path / "x.npz", numbers=numbers, picture=picture)
    result = split(tmp_path / "x.npz", inputs=PICTURE_AND_NUMBERS)
    feeds = list(result.held_out.feeds(PICTURE_AND_NUMBERS, Preprocessing()))
    assert np.array_equal(feeds[0][0], picture[6:7])
    assert np.array_equal(feeds[1][1], numbers[7:8])


def test_pictures_alone_cannot_feed_several_inputs(tmp_path: Path) -> None:
    fill(tmp_path / "cats", 3)
    with pytest.raises(
        InputError, match=r"it has 2 inputs: picture .*numbers \(N, 4\) float32"
    ) as no:
        split(tmp_path / "cats", inputs=PICTURE_AND_NUMBERS)
    assert "an array for each input" in no.value.hint


def test_a_network_without_pictures_is_compared_on_random_numbers_only_if_not_calibrated() -> None:
    ends = (Endpoint("series", "float32", (1, 16, 3)), Endpoint("ids", "int64", (1, 4)))
    result = split(None, inputs=ends, calibrated=False)
    assert result.calibration.source == NOISE
    assert NOISE in result.warnings[0]
    assert [a.shape for a in result.calibration.arrays] == [(6, 16, 3), (6, 4)]
    with pytest.raises(InputError, match="images have 3 channels"):
        split(None, inputs=ends)


def test_the_first_samples_are_a_set_of_their_own() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 2, 2, 3), np.uint8)
    end = Endpoint("images", "uint8", (2, 2, 2, 3), "NHWC")
    samples = from_pixels("x", pixels, image=end).first(2, (end,))
    assert samples.samples == 2
    assert np.array_equal(samples.arrays[0], pixels[:4])
