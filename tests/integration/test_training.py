"""Training on a folder of images: it learns, it is evaluated, exported, and fails cleanly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import cattrs
import command_line
import keras
import numpy as np
import pytest
from PIL import Image

import edgecnn
from edgecnn.errors import InputError
from edgecnn.training import TrainingRecord

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("warm_children")]

COLOURS = {"blue": (20, 40, 220), "green": (30, 200, 40), "red": (220, 30, 30)}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes that a colour tells apart."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for split, count in (("train", 60), ("test", 20)):
        for name, colour in COLOURS.items():
            place = folder / split / name
            place.mkdir(parents=True)
            if name == "red":
                (place / "damaged.png").write_bytes(b"not a picture")
            for number in range(count):
                noise = random.integers(-20, 21, (16, 16, 3))
                pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")
    return folder


def test_it_learns_and_its_weights_go_through_export(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "trained"
    done = command_line.run(
        *("train", "vgg", "--data", photos, "--input-size", "16", "--epochs", "4"),
        *("--batch-size", "16", "--out", out),
    )
    assert done.returncode == 0, done.stderr
    assert not any(word in done.stderr for word in command_line.NOISE)
    record = cattrs.structure(json.loads((out / "training.json").read_text()), TrainingRecord)
    assert record.classes == tuple(sorted(COLOURS))
    assert (record.training_samples, record.test_samples) == (181, 60)
    assert "damaged.png" in done.stderr
    assert record.test_accuracy > 0.9
    assert len(record.epochs) == 4
    assert record.epochs[-1].loss < record.epochs[0].loss
    # The command it prints is one that works.
    command = next(line for line in done.stdout.splitlines() if "edgecnn export" in line)
    words = command.split()[1:]
    exported = command_line.forked(
        *words, "--format", "tflite", "--calibration-samples", "2", "--out", tmp_path / "exported"
    )
    assert exported.returncode == 0, exported.stderr
    (found,) = edgecnn.evaluate(tmp_path / "exported" / "int8", data=str(photos)).evaluations
    assert found.top1 == pytest.approx(record.test_accuracy, abs=0.05)


def test_the_same_seed_starts_from_the_same_weights(photos: Path, tmp_path: Path) -> None:
    """One step at a rate too small to change anything."""
    folders = [tmp_path / name for name in ("first", "again", "other")]
    for folder, seed in zip(folders, (1, 1, 2), strict=True):
        edgecnn.train(
            "vgg",
            data=str(photos),
            input_size=8,
            epochs=1,
            samples=4,
            test_samples=4,
            learning_rate=1e-30,
            seed=seed,
            out=folder,
        )
    first, again, other = (
        keras.saving.load_model(folder / "model.keras", compile=False).get_weights()[0]
        for folder in folders
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("learning_rate", [1e30, 1e38])
def test_a_training_that_diverges_says_so_and_leaves_nothing(
    photos: Path, tmp_path: Path, learning_rate: float
) -> None:
    """The smaller one leaves a finite loss behind, and weights that are not."""
    with pytest.raises(InputError, match="diverged") as caught:
        edgecnn.train(
            "vgg",
            data=str(photos),
            input_size=8,
            learning_rate=learning_rate,
            out=tmp_path / "trained",
        )
    assert "--learning-rate" in (caught.value.hint or "")
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_ones_own_must_have_an_output_for_each_class(
    photos: Path, tmp_path: Path
) -> None:
    layers = [keras.Input((8, 8, 3)), keras.layers.Flatten()]
    keras.Sequential([*layers, keras.layers.Dense(5)]).save(tmp_path / "five.keras")
    with pytest.raises(InputError, match=r"5 outputs.*3 classes"):
        edgecnn.train(
            str(tmp_path / "five.keras"),
            data=str(photos),
            preprocessing=edgecnn.Preprocessing(),
            out=tmp_path / "trained",
        )


def test_killed_it_leaves_the_earlier_weights(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "trained"
    out.mkdir()
    (out / "model.keras").write_text("the earlier one")
    arguments = ("train", "vgg", "--data", str(photos), "--input-size", "8", "--epochs", "1000",
                 "--out", str(out))  # fmt: skip
    with subprocess.Popen(
        [*command_line.COMMAND, *arguments], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "epoch 2" in line:
                break
        os.kill(process.pid, signal.SIGKILL)
    assert (out / "model.keras").read_text() == "the earlier one"
    deadline = time.monotonic() + 30
    while _running(str(out)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _running(str(out))


def _running(word: str) -> bool:
    found = subprocess.run(["pgrep", "-f", word], capture_output=True, check=False)  # noqa: S607 - procps is everywhere
    return found.returncode == 0
