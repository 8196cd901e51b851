"""A network trained by Keras: `evaluate` counts what Keras counts, from every form of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
from PIL import Image

import edgecnn
from edgecnn.errors import CheckFailedError
from edgecnn.records import Preprocessing

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("float_stage_here")]

SIDE, CLASSES = 16, 6
FED = Preprocessing.from_range(-1, 1)


def pictures(random: np.random.Generator, count: int) -> tuple[Any, Any]:
    """Noise with a square whose place tells the class, not always well."""
    labels = np.arange(count) % CLASSES
    pixels = random.integers(0, 256, (count, SIDE, SIDE, 3))
    for image, label in zip(pixels, labels, strict=True):
        row, column = divmod(int(label), 3)
        image[row * 8 : row * 8 + 5, column * 5 : column * 5 + 5] += random.integers(0, 60)
    return np.clip(pixels, 0, 255).astype(np.uint8), labels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """net.keras, trained a little, and the test images it has not seen."""
    made = tmp_path_factory.mktemp("evaluate")
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            keras.layers.Conv2D(12, 5, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    random = np.random.default_rng(0)
    pixels, labels = pictures(random, 600)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(pixels / 127.5 - 1, labels, epochs=6, verbose=0)
    model.save(made / "net.keras")
    pixels, labels = pictures(random, 300)
    for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        into = made / "images" / "test" / f"class-{label}"
        into.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(into / f"{number}.png")
    answers = model.predict(pixels / 127.5 - 1, verbose=0).argmax(axis=1)
    np.save(made / "right.npy", answers == labels)
    return made


def test_the_model_and_its_exports(folder: Path, tmp_path: Path) -> None:
    right = np.load(folder / "right.npy")
    assert 0.3 < right.mean() < 0.97
    images = str(folder / "images")
    model = edgecnn.evaluate(folder / "net.keras", data=images, preprocessing=FED).evaluations[0]
    assert (model.format, model.recipe, model.images) == ("keras", "float32", 300)
    assert model.top1 == pytest.approx(right.mean(), abs=1 / 300)
    assert model.top5 is not None
    assert model.top5 > model.top1

    edgecnn.export(
        str(folder / "net.keras"),
        recipes=("float32", "int8"),
        calibration=images,
        preprocessing=FED,
        out=tmp_path / "net",
    )
    report = edgecnn.evaluate(tmp_path / "net", data=images)
    assert [each.recipe for each in report.evaluations] == ["float32"] * 2 + ["int8"] * 2
    for each in report.evaluations[:2]:
        assert each.top1 == pytest.approx(model.top1, abs=1 / 300)
    for change in report.differences:
        assert change.low <= change.difference <= change.high
        assert abs(change.difference) < 0.1
    assert report.warnings == ()


def test_a_budget_of_accuracy_is_held_or_refused(folder: Path, tmp_path: Path) -> None:
    images = str(folder / "images")
    given: dict[str, Any] = {
        "data": images,
        "calibration": str(folder / "images" / "test" / "class-1"),
        "preprocessing": FED,
        "formats": ("tflite",),
        "out": tmp_path / "net",
    }
    model = str(folder / "net.keras")
    with pytest.raises(CheckFailedError, match="too few to tell") as refusal:
        edgecnn.export_within(model, max_drop_points=0.3, **given)
    assert "images" in str(refusal.value.hint)
    assert not (tmp_path / "net").exists()

    held = edgecnn.export_within(model, max_drop_points=8.0, **given)
    (loss,) = held.losses
    assert loss.high is not None
    assert loss.points <= loss.high <= 8.0
    assert [artifact.folder.name for artifact in held.result.artifacts] == ["int8"]
    edgecnn.export(
        model,
        recipes=("float32",),
        **{name: value for name, value in given.items() if name != "data"},
    )
    (change,) = edgecnn.evaluate(tmp_path / "net", data=images).differences
    assert -100 * change.difference == pytest.approx(loss.points)
