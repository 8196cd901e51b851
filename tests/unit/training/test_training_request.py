"""What `train` refuses before TensorFlow is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import edgecnn
from edgecnn.errors import InputError
from edgecnn.training import run as training_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for number in range(10):
            Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("model", "options", "match"),
    [
        ("vgg", {"epochs": 0}, "--epochs 0"),
        ("vgg", {"samples": 0}, "--samples 0"),
        ("vgg", {"test_samples": -1}, "--test-samples -1"),
        ("vgg", {"batch_size": 0}, "--batch-size 0"),
        ("vgg", {"learning_rate": 0.0}, "--learning-rate 0"),
        ("vgg", {"learning_rate": float("nan")}, "--learning-rate nan"),
        ("vgg", {"width": 0.5}, "no width"),
        ("vgg", {"convolution": "normal"}, "no twin"),
        ("xception", {"convolution": "round"}, "--convolution round"),
        ("vgg", {"input_size": 4}, "too small"),
        ("vgg", {"preprocessing": edgecnn.Preprocessing()}, "its own preprocessing"),
        ("vgg", {"weights": "nowhere.npz"}, "nowhere.npz"),
        ("vggg", {}, "no model named"),
        ("model.tflite", {}, "model.tflite"),
    ],
)
def test_refusals(photos: Path, model: str, options: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        edgecnn.train(model, data=str(photos), out=photos / "out", **options)
    assert not (photos / "out").exists()


def test_data_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        edgecnn.train("vgg", data=str(tmp_path / "nowhere"))


def test_a_training_replaces_an_earlier_one_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "training.json").write_text('{"model": "vgg", "test_accuracy": 0.9}')
    (tmp_path / "model.keras").write_bytes(b"weights")
    training_run._require_replaceable(tmp_path)  # noqa: SLF001 - else a network would be trained
    (tmp_path / "thesis.txt").write_text("three years")
    with pytest.raises(InputError, match=r"it holds thesis\.txt"):
        training_run._require_replaceable(tmp_path)  # noqa: SLF001 - likewise
