"""The training loop. Runs in a child process, which keeps TensorFlow's noise and memory."""

from __future__ import annotations

import importlib
import itertools
import math
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.errors import InputError
from edgecnn.training.record import Epoch

if TYPE_CHECKING:
    from collections.abc import Iterator

    import keras
    from numpy.typing import NDArray

    from edgecnn.building import BuildRequest, BuiltModel
    from edgecnn.datasets.labelled import LabelledSet
    from edgecnn.progress import Progress
    from edgecnn.records import Preprocessing

    Batch = tuple[NDArray[np.float32], NDArray[np.int64]]

MODEL = "model.keras"
_TEST_BATCH = 250
# 512 images of 64x64: the statistics are those of all images at once, and so is the memory.
_SETTLING_PIXELS = 512 * 64 * 64
_LEAST_SETTLING = 16


@dataclass(frozen=True)
class Fed:
    """How labelled images are fed to the network."""

    training: LabelledSet
    test: LabelledSet
    preprocessing: Preprocessing
    batch_size: int
    seed: int

    def training_batches(
        self, shape: tuple[int, int, int], epoch: int, progress: Progress
    ) -> Iterator[Batch]:
        """One epoch, in an order of its own; damaged images are told of and left out."""
        return self.training.batches(
            size=shape[:2],
            channels=shape[2],
            preprocessing=self.preprocessing,
            batch_size=self.batch_size,
            shuffle_seed=self.seed * 1000 + epoch,
            on_unusable=progress.warn,
        )

    def test_batches(self, shape: tuple[int, int, int], progress: Progress) -> Iterator[Batch]:
        """The test images, in their own order, likewise."""
        return self.test.batches(
            size=shape[:2],
            channels=shape[2],
            preprocessing=self.preprocessing,
            batch_size=_TEST_BATCH,
            on_unusable=progress.warn,
        )


@dataclass(frozen=True)
class Fitted:
    """What the loop found."""

    parameters: int
    input_size: int
    epochs: tuple[Epoch, ...]
    test_samples: int
    test_accuracy: float
    seconds: float


def fit(
    request: BuildRequest,
    folder: str,
    fed: Fed,
    *,
    epochs: int,
    learning_rate: float,
    progress: Progress,
) -> Fitted:
    """Build, train, evaluate, and write model.keras into a folder.

    Adam (Kingma and Ba, arXiv:1412.6980) on the cross-entropy, its rate falling to zero along a
    cosine (Loshchilov and Hutter, arXiv:1608.03983, without restarts).

    Args:
        request: what to build.
        folder: gets model.keras.
        fed: the data.
        epochs: passes over the training images.
        learning_rate: of the first step.
        progress: told of each batch.

    Raises:
        InputError: as `building.build`; the network cannot be trained, or its loss is not finite.
    """
    from edgecnn import building
    from edgecnn.convert.float_stage import TENSORFLOW

    os.environ.update(TENSORFLOW)
    progress.stage("importing TensorFlow")
    importlib.import_module("tensorflow")
    built = building.build(request)
    model = built.keras_model
    if model is None or not model.trainable_weights:
        raise InputError(
            f"{built.identity.name} cannot be trained: it has no trainable Keras weights.",
            hint="Train a zoo name, keras:NAME, or a .keras or .h5 model.",
        )
    _check_classes(built.classes, fed)
    shape = _image_shape(built)
    steps = epochs * math.ceil(fed.training.count / fed.batch_size)
    _compile(model, learning_rate, steps)
    start = time.monotonic()
    history = tuple(_epoch(model, fed, shape, number, epochs, progress) for number in range(epochs))
    _settle(model, fed, shape, progress)
    seconds = time.monotonic() - start
    evaluated, right = _evaluate(model, fed, shape, progress)
    model.save(os.path.join(folder, MODEL))  # noqa: PTH118 - Keras takes text
    return Fitted(
        built.parameters, shape[0], history, evaluated, right / max(evaluated, 1), seconds
    )


def _image_shape(built: BuiltModel) -> tuple[int, int, int]:
    if len(built.network.inputs) != 1 or built.network.inputs[0].layout != "NHWC":
        raise InputError(
            f"{built.identity.name} cannot be trained here: it does not take one image.",
            hint="`edgecnn train` is for classifiers of images.",
        )
    _, height, width, channels = built.input_shape
    return height, width, channels


def _check_classes(classes: int, fed: Fed) -> None:
    if classes != len(fed.training.classes):
        raise InputError(
            f"The model has {classes} outputs, {fed.training.source} has"
            f" {len(fed.training.classes)} classes.",
            hint="Train a model whose last layer has one output for each class.",
        )


def _compile(model: keras.Model, learning_rate: float, steps: int) -> None:
    import keras

    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    model.compile(
        keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )


def _epoch(
    model: keras.Model,
    fed: Fed,
    shape: tuple[int, int, int],
    number: int,
    epochs: int,
    progress: Progress,
) -> Epoch:
    progress.stage(f"epoch {number + 1} of {epochs}", fed.training.count)
    count, loss, right = 0, 0.0, 0.0
    for images, labels in fed.training_batches(shape, number, progress):
        model.reset_metrics()  # what is returned would otherwise be a mean over earlier batches
        metrics = model.train_on_batch(images, labels, return_dict=True)
        count += len(labels)
        loss += float(metrics["loss"]) * len(labels)
        right += float(metrics["accuracy"]) * len(labels)
        progress.advance(len(labels))
    # A ReLU takes NaN for 0: the loss may look finite when the weights no longer are.
    finite = all(np.isfinite(weight.numpy()).all() for weight in model.trainable_weights)
    if not (math.isfinite(loss) and finite):
        raise InputError(
            f"Training has diverged in epoch {number + 1}: its loss is {loss / max(count, 1):.3g},"
            f" its weights are {'finite' if finite else 'not finite'}.",
            hint="Take a smaller --learning-rate, such as 1e-4.",
        )
    return Epoch(loss / max(count, 1), right / max(count, 1))


def _settle(model: keras.Model, fed: Fed, shape: tuple[int, int, int], progress: Progress) -> None:
    """Take the normalizations' statistics anew, over training images and with Dropout off.

    The moving averages of training lag behind the weights, and behind a Dropout they are of a
    variance that inference never sees (Li et al., arXiv:1801.05134, section 4.2). xception-mini,
    whose skips are a chain of both, was right on 60 % of the test images before this step and on
    80 % after it (width 0.5, 12,000 images x 2 of Fashion-MNIST).
    """
    import keras

    from edgecnn import building

    if not any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers):
        return
    progress.stage("settling the normalizations' statistics")
    pixels = shape[0] * shape[1]
    samples = max(_LEAST_SETTLING, _SETTLING_PIXELS // pixels)
    batches = itertools.islice(
        fed.training_batches(shape, 0, progress), math.ceil(samples / fed.batch_size)
    )
    try:
        building.adapt_batch_normalization(model, np.concatenate([images for images, _ in batches]))
    except InputError as error:  # a nested or subclassed model of the user's own
        progress.warn(f"The normalizations keep their moving averages: {error}")


def _evaluate(
    model: keras.Model, fed: Fed, shape: tuple[int, int, int], progress: Progress
) -> tuple[int, int]:
    """How many test images there were, and how many were answered rightly."""
    progress.stage("evaluating", fed.test.count)
    evaluated = right = 0
    for images, labels in fed.test_batches(shape, progress):
        answers = model.predict_on_batch(images)
        right += int((answers.argmax(axis=-1) == labels).sum())
        evaluated += len(labels)
        progress.advance(len(labels))
    return evaluated, right
