"""Fashion-MNIST's files, made small: found, read, fitted, and refused when damaged."""

from __future__ import annotations

import gzip
import struct
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn.calibration import fashion_mnist
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

IMAGES = "train-images-idx3-ubyte.gz"
LABELS = "train-labels-idx1-ubyte.gz"


def idx(values: npt.NDArray[np.uint8]) -> bytes:
    header = struct.pack(f">{1 + values.ndim}I", 0x0800 + values.ndim, *values.shape)
    return header + values.tobytes()


def write(folder: Path, counts: tuple[int, int] = (20, 6)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, count in zip(("train", "t10k"), counts, strict=True):
        images = np.random.default_rng(count).integers(0, 256, (count, 28, 28), np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path)
    monkeypatch.setenv(fashion_mnist.VARIABLE, str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_both_splits_are_read() -> None:
    images, labels = fashion_mnist.load("train")
    assert images.shape == (20, 28, 28)
    assert images.dtype == labels.dtype == np.uint8
    assert labels.tolist() == [*range(10), *range(10)]
    assert fashion_mnist.load("test")[0].shape == (6, 28, 28)


@pytest.mark.usefixtures("folder")
def test_a_32_pixel_input_gets_a_black_border() -> None:
    pixels = fashion_mnist.draw("train", 20, size=(32, 32), channels=3, seed=0)
    images, _ = fashion_mnist.load("train")
    assert pixels.shape == (20, 32, 32, 3)
    inner = pixels[:, 2:-2, 2:-2]
    assert (inner == inner[..., :1]).all()
    assert {image.tobytes() for image in images} == {
        np.ascontiguousarray(image[..., 0]).tobytes() for image in inner
    }
    assert pixels.sum(dtype=int) == inner.sum(dtype=int)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("size", [(24, 24), (64, 48)])
def test_other_inputs_get_it_scaled(size: tuple[int, int]) -> None:
    pixels = fashion_mnist.draw("train", 5, size=size, channels=1, seed=0)
    assert pixels.shape == (5, *size, 1)
    assert pixels[:, 0].max() > 0


@pytest.mark.usefixtures("folder")
def test_the_seed_draws_without_repeats() -> None:
    def drawn(seed: int) -> npt.NDArray[np.uint8]:
        return fashion_mnist.draw("train", 10, size=(28, 28), channels=1, seed=seed)

    assert np.array_equal(drawn(0), drawn(0))
    assert not np.array_equal(drawn(0), drawn(1))
    assert len({image.tobytes() for image in drawn(0)}) == 10


def test_a_folder_that_is_named_and_incomplete_is_not_passed_over(folder: Path) -> None:
    (folder / LABELS).unlink()
    with pytest.raises(InputError, match=f"{fashion_mnist.VARIABLE} names") as caught:
        fashion_mnist.load("train")
    assert "apt install dataset-fashion-mnist" in caught.value.hint
    assert "keras.datasets" in caught.value.hint


def test_the_environments_prefix_and_keras_cache_are_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(fashion_mnist.VARIABLE, raising=False)
    monkeypatch.setattr("sys.prefix", str(tmp_path / "prefix"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    cache = tmp_path / "keras" / "datasets" / "fashion-mnist"
    debian = tmp_path / "prefix" / "share" / "datasets" / "fashion-mnist"
    write(cache)
    assert fashion_mnist.usual_folders()[-1] == cache
    write(debian)
    assert fashion_mnist.find() == debian


def test_not_found_names_the_three_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fashion_mnist.VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="nowhere") as caught:
        fashion_mnist.find()
    for way in ("dataset-fashion-mnist", "keras", fashion_mnist.VARIABLE):
        assert way in caught.value.hint


IMAGE = np.zeros((3, 28, 28), np.uint8)
LABEL = np.zeros(3, np.uint8)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (IMAGES, b"", "ends within its IDX header"),
        (IMAGES, b"not gzip", "damaged gzip file"),
        (IMAGES, gzip.compress(idx(IMAGE))[:-9], "damaged gzip file"),
        (IMAGES, gzip.compress(idx(IMAGE))[:20] + bytes(30), "damaged gzip file"),
        (IMAGES, gzip.compress(b"short"), "ends within its IDX header"),
        (IMAGES, gzip.compress(idx(LABEL)), "ends within its IDX header|not Fashion-MNIST"),
        (IMAGES, gzip.compress(idx(IMAGE[:, :20])), "not Fashion-MNIST"),
        (IMAGES, gzip.compress(idx(IMAGE)[:-1]), "less data"),
        (IMAGES, gzip.compress(idx(IMAGE) + b"x"), "more data"),
        (IMAGES, gzip.compress(idx(IMAGE[:0])), "not Fashion-MNIST"),
        (IMAGES, gzip.compress(struct.pack(">4I", 0x803, 2**31, 28, 28)), "not Fashion-MNIST"),
        (IMAGES, gzip.compress(idx(IMAGE)), "3 images, but 20 labels"),
        (LABELS, gzip.compress(idx(np.full(20, 10, np.uint8))), "labels above 9"),
    ],
    # The contents would name the tests otherwise, and gzip writes the time into them.
    ids=range(13),
)
def test_damage_is_refused_by_name(folder: Path, name: str, content: bytes, words: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        fashion_mnist.load("train")
    assert str(folder) in caught.value.message
