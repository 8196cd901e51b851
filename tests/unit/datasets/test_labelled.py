"""Labelled sets: what is found where, how it is split, streamed, and refused."""

from __future__ import annotations

import gzip
import os
import pickle
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgecnn.calibration import fashion_mnist
from edgecnn.datasets.folders import _part_of
from edgecnn.datasets.labelled import open_labelled
from edgecnn.errors import InputError
from edgecnn.records import Preprocessing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecnn.datasets.labelled import LabelledSet, Part

PIXELS = Preprocessing(mean=(0.0,), std=(1.0,))


def idx(values: NDArray[np.uint8]) -> bytes:
    header = struct.pack(f">{1 + values.ndim}I", 0x0800 + values.ndim, *values.shape)
    return gzip.compress(header + values.tobytes())


def write_idx(folder: Path) -> None:
    """Each picture's grey value is its place in the split."""
    folder.mkdir(exist_ok=True)
    for prefix, count in (("train", 30), ("t10k", 12)):
        images = np.repeat(np.arange(count, dtype=np.uint8), 28 * 28).reshape(count, 28, 28)
        labels = (np.arange(count) % 10).astype(np.uint8)
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(idx(labels))


def fill(folder: Path, count: int, *, grey: int = 0) -> None:
    """Pictures of one grey value, which tells the class."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.new("L", (12, 12), grey).save(folder / f"{index}.png")


def batches(
    data: LabelledSet,
    batch_size: int = 4,
    **options: Any,  # noqa: ANN401 - of `LabelledSet.batches`
) -> list[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    chosen = {"size": (8, 8), "channels": 3, "preprocessing": PIXELS, **options}
    return list(data.batches(batch_size=batch_size, **chosen))


def names(data: LabelledSet) -> tuple[str, ...]:
    return data.images.names  # type: ignore[attr-defined,no-any-return] # of a folder


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_idx(tmp_path / "files")
    monkeypatch.setenv(fashion_mnist.VARIABLE, str(tmp_path / "files"))
    return tmp_path / "files"


@pytest.mark.usefixtures("installed")
def test_fashion_mnist_with_its_border_and_in_its_order() -> None:
    data = open_labelled("fashion-mnist", "train")
    assert (data.count, data.notes, len(data.classes)) == (30, (), 10)
    assert data.classes[9] == "Ankle boot"
    pixels, labels = zip(*batches(data, 7, size=(32, 32)), strict=True)
    assert [len(part) for part in pixels] == [7, 7, 7, 7, 2]
    together = np.concatenate(pixels)
    assert together.dtype == np.float32
    assert together.shape == (30, 32, 32, 3)
    assert together[:, 16, 16, 1].tolist() == list(range(30))
    assert together[:, :2].sum() == 0
    assert np.concatenate(labels).tolist() == [place % 10 for place in range(30)]
    assert labels[0].dtype == np.int64


@pytest.mark.usefixtures("installed")
def test_shuffling_keeps_each_image_with_its_label() -> None:
    data = open_labelled("fashion-mnist", "train")
    orders = []
    for seed in (0, 0, 1):
        parts = batches(data, 8, size=(28, 28), channels=1, shuffle_seed=seed)
        values = np.concatenate([images[:, 0, 0, 0] for images, _ in parts]).astype(int)
        assert (values % 10 == np.concatenate([labels for _, labels in parts])).all()
        assert sorted(values) == list(range(30))
        orders.append(values.tolist())
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != list(range(30))


@pytest.mark.usefixtures("installed")
def test_a_limit_draws_without_repeats_and_says_so() -> None:
    data = open_labelled("fashion-mnist", "test", limit=5, seed=3)
    again = open_labelled("fashion-mnist", "test", limit=5, seed=3)
    ((pixels, labels),) = batches(data, 9)
    assert len(np.unique(pixels[:, 0, 0, 0])) == data.count == 5
    assert (pixels[:, 4, 4, 0] % 10 == labels).all()
    assert (data.labels == again.labels).all()
    assert data.notes == ("5 of the 12 images of the test split, drawn by seed 3.",)
    assert open_labelled("fashion-mnist", "test", limit=12).notes == ()


@pytest.mark.usefixtures("installed")
def test_a_set_travels_to_a_child_process_without_its_pictures() -> None:
    data = open_labelled("fashion-mnist", "train").take(np.arange(0, 30, 3))
    sent = pickle.dumps(data)
    assert len(sent) < 5_000
    ((pixels, _),) = batches(pickle.loads(sent), 16, size=(28, 28))  # noqa: S301 - our own
    assert pixels[:, 0, 0, 0].tolist() == list(range(0, 30, 3))


def test_an_idx_folder_that_the_user_names(tmp_path: Path) -> None:
    write_idx(tmp_path / "digits")
    data = open_labelled(str(tmp_path / "digits"), "test")
    assert (data.source, data.count, data.classes[3]) == ("digits", 12, "3")
    assert "do not name them" in data.notes[0]


def test_a_folder_with_train_and_test(tmp_path: Path) -> None:
    for split, count in (("train", 3), ("test", 2)):
        fill(tmp_path / split / "dogs", count, grey=200)
        fill(tmp_path / split / "cats" / "kittens", count, grey=100)
    (tmp_path / ".git").mkdir()
    data = open_labelled(str(tmp_path), "test")
    assert (data.classes, data.count, data.notes) == (("cats", "dogs"), 4, ())
    ((pixels, labels),) = batches(data)
    assert labels.tolist() == [0, 0, 1, 1]
    assert pixels[:, 0, 0, 0].tolist() == [100, 100, 200, 200]
    assert open_labelled(str(tmp_path), "train").count == 6


def test_a_folder_of_classes_is_split_once_and_for_all(tmp_path: Path) -> None:
    fill(tmp_path / "cats", 10)
    fill(tmp_path / "dogs", 20)
    train, test = (open_labelled(str(tmp_path), split) for split in ("train", "test"))
    assert np.bincount(train.labels).tolist() == [8, 16]
    assert np.bincount(test.labels).tolist() == [2, 4]
    assert not set(names(train)) & set(names(test))
    assert names(open_labelled(str(tmp_path), "test")) == names(test)
    assert names(open_labelled(str(tmp_path), "test", seed=1)) != names(test)
    assert "a fifth of each class is the test split, by seed 0" in test.notes[0]


@given(st.sets(st.text(min_size=1), min_size=2, max_size=40), st.integers(0, 9))
def test_both_parts_are_whole_and_apart(files: set[str], seed: int) -> None:
    images = sorted(name.encode("utf-8", "replace").decode() for name in files)
    train, test = (_part_of(images, part, seed) for part in ("train", "test"))
    assert sorted(train + test) == images
    assert train
    assert len(test) == max(1, round(len(images) / 5))


def test_val_stands_in_for_test(tmp_path: Path) -> None:
    for split in ("train", "val"):
        fill(tmp_path / split / "a", 1)
        fill(tmp_path / split / "b", 1)
    data = open_labelled(str(tmp_path), "test")
    assert data.count == 2
    assert "val/ is taken" in data.notes[0]


def test_a_test_split_alone(tmp_path: Path) -> None:
    fill(tmp_path / "test" / "a", 1)
    fill(tmp_path / "test" / "b", 1)
    assert open_labelled(str(tmp_path), "test").count == 2
    with pytest.raises(InputError, match="no train/ folder"):
        open_labelled(str(tmp_path), "train")


def test_labels_are_the_places_among_the_training_classes(tmp_path: Path) -> None:
    for name in "abc":
        fill(tmp_path / "train" / name, 1)
    fill(tmp_path / "test" / "a", 1)
    fill(tmp_path / "test" / "c", 1)
    data = open_labelled(str(tmp_path), "test")
    assert (data.classes, data.labels.tolist()) == (("a", "b", "c"), [0, 2])
    assert data.notes == ("test/ has no images of b.",)
    fill(tmp_path / "test" / "d", 1)
    with pytest.raises(InputError, match=r"test/ has classes that train/ has not: d\."):
        open_labelled(str(tmp_path), "test")


def test_what_is_no_image_of_a_class_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "a", 2)
    fill(tmp_path / "b", 2)
    fill(tmp_path, 3)
    (tmp_path / "a" / "notes.txt").write_text("")
    notes = open_labelled(str(tmp_path), "train").notes
    assert notes[0] == "3 images are in no class's folder, and are skipped."
    assert notes[1] == "1 files that are no images are passed over."


def test_damaged_images_are_refused_or_told_and_left_out(tmp_path: Path) -> None:
    fill(tmp_path / "train" / "a", 3, grey=10)
    fill(tmp_path / "train" / "b", 3, grey=20)
    (tmp_path / "train" / "a" / "1.png").write_bytes(b"no picture")
    data = open_labelled(str(tmp_path), "train")
    with pytest.raises(InputError, match=r"a/1\.png \(not an image, or damaged\)"):
        batches(data)
    told: list[str] = []
    parts = batches(data, on_unusable=told.append)
    assert told == ["a/1.png (not an image, or damaged)"]
    assert [len(labels) for _, labels in parts] == [3, 2]
    for pixels, labels in parts:
        assert pixels[:, 0, 0, 0].tolist() == [10 * (label + 1) for label in labels]


def test_a_batch_of_nothing_but_damage_is_passed_over(tmp_path: Path) -> None:
    fill(tmp_path / "train" / "a", 2)
    fill(tmp_path / "train" / "b", 2)
    for file in (tmp_path / "train" / "a").iterdir():
        file.write_bytes(b"")
    told: list[str] = []
    parts = batches(open_labelled(str(tmp_path), "train"), 2, on_unusable=told.append)
    assert [labels.tolist() for _, labels in parts] == [[1, 1]]
    assert [sentence.partition(" ")[2] for sentence in told] == ["(empty file)"] * 2


def test_hostile_names_and_loops(tmp_path: Path) -> None:
    hostile = tmp_path / "train" / os.fsdecode(b"bad\xff\x1b[31m")
    fill(hostile, 2)
    fill(tmp_path / "train" / "good", 2)
    (tmp_path / "train" / "good" / "again").symlink_to(tmp_path / "train")
    data = open_labelled(str(tmp_path), "train")
    assert data.count == 4
    assert all(name.isprintable() for name in data.classes)
    assert sum(len(labels) for _, labels in batches(data)) == 4


def test_two_names_for_one_folder_are_no_two_classes(tmp_path: Path) -> None:
    fill(tmp_path / "a", 2)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(InputError, match="no images of b") as caught:
        open_labelled(str(tmp_path), "train")
    assert "two names" in caught.value.hint


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        ({}, "no folders of classes"),
        ({"only": 3}, "only one class, only"),
        ({"a": 3, "b": 0}, "no images of b"),
        ({"a": 3, "b": 1}, "one image only of b"),
        ({"train/a": 2, "train/b": 0, "test/a": 1}, "no images of b"),
        ({"train/a": 2, "test/a": 1}, "only one class, a"),
        ({"train/a": 2, "train/b": 2, "test": 0}, None),
    ],
)
def test_too_little_to_tell_apart(
    tmp_path: Path, folders: dict[str, int], said: str | None
) -> None:
    for name, count in folders.items():
        fill(tmp_path / name, count)
    if said is None:
        assert open_labelled(str(tmp_path), "train").count == 4
        with pytest.raises(InputError, match="no images in its test split"):
            open_labelled(str(tmp_path), "test")
        return
    with pytest.raises(InputError, match=said):
        open_labelled(str(tmp_path), "train")


@pytest.mark.parametrize(
    ("source", "said", "hint"),
    [
        ("fashion_minst", "there is no", "Did you mean fashion-mnist?"),
        ("", "there is no", "Give a folder"),
        ("a\0b", "cannot be a folder|there is no", ""),
        ("x" * 5000, "cannot be a folder|there is no", ""),
        (__file__, "is no folder", "a folder of images for each class"),
    ],
)
def test_a_source_that_is_none(source: str, said: str, hint: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        open_labelled(source, "train")
    assert hint in caught.value.hint


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("split", "limit", "said"), [("all", None, "no split 'all'"), ("test", 0, "leaves none")]
)
def test_a_part_that_is_none(split: Part, limit: int | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        open_labelled("fashion-mnist", split, limit=limit)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"channels": 4}, "input has 4"),
        ({"size": (0, 8)}, "No batch is"),
        ({"preprocessing": Preprocessing((0.0, 1.0), (1.0,))}, "mean has 2 values"),
    ],
)
def test_an_input_that_no_image_fits(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        batches(open_labelled("fashion-mnist", "test"), **options)
