"""What a user may ask of `train`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.records import Preprocessing


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Everything but the model.

    Attributes:
        data: "fashion-mnist", or a folder with one folder of images for each class.
        epochs: passes over the training images.
        samples: images of each epoch, drawn once; None for all.
        test_samples: images to measure accuracy on at the end; None for all.
        batch_size: images of one step.
        learning_rate: of Adam at the start; it falls to zero along a cosine.
        seed: of weights, drawn samples and their order.
        weights: to start from; None for random ones.
        input_size: height and width, pixels; None for the model's own.
        width: width multiplier, where the model has one.
        convolution: "normal" for the twin of a network with depthwise convolutions.
        preprocessing: how images become the model's input; None for the model's own.
        out: folder for model.keras and training.json; None for artifacts/<model>/trained.
    """

    data: str
    epochs: int = 5
    samples: int | None = None
    test_samples: int | None = None
    batch_size: int = 64
    learning_rate: float = 1e-3
    seed: int = 0
    weights: str | None = None
    input_size: int | None = None
    width: float | None = None
    convolution: str | None = None
    preprocessing: Preprocessing | None = None
    out: Path | None = None

    def check(self) -> None:
        """Hold that the numbers make sense.

        Raises:
            InputError: one does not; it is named.
        """
        at_least_one = {
            "--epochs": self.epochs,
            "--samples": self.samples,
            "--test-samples": self.test_samples,
            "--batch-size": self.batch_size,
        }
        for option, value in at_least_one.items():
            if value is not None and value < 1:
                raise InputError(f"{option} {value}: it must be at least 1.")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InputError(f"--learning-rate {self.learning_rate:g}: it must be above 0.")
