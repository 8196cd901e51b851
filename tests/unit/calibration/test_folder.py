"""Folders of images: what is chosen, replaced, left out, and said."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecnn.calibration import folder
from edgecnn.errors import InputError

SIZE = (12, 12)


def picture(seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (20, 24, 3), np.uint8)
    return Image.fromarray(noise)


def fill(path: Path, count: int, *, first: int = 0) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        picture(seed).save(path / f"{seed}.png")


def load(path: Path, wanted: int, seed: int = 0) -> tuple[np.ndarray, tuple[str, ...]]:
    return folder.load(path, size=SIZE, channels=3, most=wanted, seed=seed)


def test_the_seed_decides_and_nothing_else(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    pixels, warnings = load(tmp_path, 8)
    again, _ = load(tmp_path, 8)
    other, _ = load(tmp_path, 8, seed=1)
    assert pixels.shape == (8, *SIZE, 3)
    assert warnings == ()
    assert np.array_equal(pixels, again)
    assert not np.array_equal(pixels, other)


def test_a_larger_sample_begins_with_the_smaller(tmp_path: Path) -> None:
    fill(tmp_path, 12)
    assert np.array_equal(load(tmp_path, 10)[0][:4], load(tmp_path, 4)[0])


def test_classes_take_turns_whatever_their_size(tmp_path: Path) -> None:
    fill(tmp_path / "cats", 30)
    fill(tmp_path / "dogs", 3, first=100)
    fill(tmp_path / "deep" / "birds", 10, first=200)
    listing = folder.list_images(tmp_path)
    names = list(folder.choose(listing, 0))
    assert len(names) == len(set(names)) == len(listing) == 43
    assert Counter(str(Path(name).parent) for name in names[:9]) == {
        "cats": 3,
        "dogs": 3,
        "deep/birds": 3,
    }


def test_only_what_is_chosen_is_decoded(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    chosen = list(folder.choose(folder.list_images(tmp_path), 0))
    for name in chosen[5:]:
        (tmp_path / name).write_bytes(b"damaged")
    assert load(tmp_path, 5)[1] == ()


def test_damaged_files_are_replaced_and_named(tmp_path: Path) -> None:
    fill(tmp_path, 12)
    chosen = list(folder.choose(folder.list_images(tmp_path), 0))
    for name in chosen[:5]:
        (tmp_path / name).write_bytes(b"")
    pixels, (warning,) = load(tmp_path, 6)
    assert len(pixels) == 6
    assert warning.startswith("5 of 11 images could not be used: ")
    assert f"{chosen[0]} (empty file)" in warning
    assert warning.endswith("and 2 more.")


def test_the_search_for_replacements_ends(tmp_path: Path) -> None:
    fill(tmp_path, 40)
    chosen = list(folder.choose(folder.list_images(tmp_path), 0))
    for name in chosen[1:39]:
        (tmp_path / name).write_bytes(b"")
    pixels, warnings = load(tmp_path, 2)
    assert len(pixels) == 1
    assert "7 of 8 images" in warnings[0]


def test_exact_copies_are_left_out_whatever_their_names_and_formats(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    for name in ("copy.bmp", "again.PNG"):
        picture(0).save(tmp_path / name)
    pixels, (warning,) = load(tmp_path, 5)
    assert len(pixels) == 3
    assert warning.startswith("2 of 5 images are exact copies")


def test_remarks_are_counted(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    for seed in range(50, 54):
        picture(seed).convert("L").save(tmp_path / f"{seed}.png")
    _, (warning,) = load(tmp_path, 7)
    assert warning.startswith("4 of 7 images used are grey, repeated to three channels: ")
    assert warning.endswith("and 1 more.")


def test_other_files_are_counted_and_hidden_ones_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    fill(tmp_path / ".cache", 2, first=50)
    (tmp_path / "._0.jpg").write_bytes(b"resource fork")
    (tmp_path / "holiday.HEIC").touch()
    (tmp_path / "LICENSE").touch()
    pixels, (warning,) = load(tmp_path, 9)
    assert len(pixels) == 2
    assert "1 .heic" in warning
    assert "1 no suffix" in warning


def test_suffixes_are_told_in_any_case(tmp_path: Path) -> None:
    for seed, suffix in enumerate(("JPG", "Jpeg", "TIFF", "WebP")):
        picture(seed).save(tmp_path / f"{seed}.{suffix}")
    assert len(load(tmp_path, 9)[0]) == 4


def test_links_are_followed_and_cannot_loop(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", 3)
    data = tmp_path / "data"
    data.mkdir()
    (data / "class").symlink_to(tmp_path / "elsewhere")
    (data / "same").symlink_to(tmp_path / "elsewhere")
    (data / "loop").symlink_to(data)
    (data / "gone.png").symlink_to(tmp_path / "nothing")
    listing = folder.list_images(data)
    assert dict(listing.classes) == {"class": [f"class/{n}.png" for n in _names(listing)]}
    assert len(listing) == 3


def _names(listing: folder.Listing) -> list[str]:
    return [Path(name).stem for name in listing.classes["class"]]


def test_a_pipe_with_an_images_name_does_not_hang(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    os.mkfifo(tmp_path / "pipe.png")
    assert len(load(tmp_path, 2)[0]) == 1


def test_a_name_that_is_not_utf8_can_be_printed(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x1b[2J.png")).touch()
    _, (warning,) = load(tmp_path, 2)
    assert "\N{REPLACEMENT CHARACTER}" in warning
    assert warning.isprintable()
    warning.encode()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it is empty"):
        load(tmp_path, 3)


def test_a_folder_without_images_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").touch()
    with pytest.raises(InputError, match=r"it holds 1 \.txt") as caught:
        load(tmp_path, 3)
    assert ".webp" in caught.value.hint


def test_a_folder_of_damaged_images_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "b.jpg").write_text("no picture")
    with pytest.raises(InputError, match=r"none of 2 images can be used: .*a\.png \(empty file\)"):
        load(tmp_path, 3)
