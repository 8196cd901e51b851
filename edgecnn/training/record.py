"""What a training was and what came of it: training.json beside the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.records import Preprocessing  # noqa: TC001 - cattrs reads the annotation

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Epoch:
    """One pass over the training images.

    Attributes:
        loss: mean cross-entropy, natural logarithm, while the weights were changing.
        accuracy: likewise, 0..1.
    """

    loss: float
    accuracy: float


@dataclass(frozen=True)
class TrainingRecord:
    """training.json.

    Attributes:
        model: what was trained, as manifests name it.
        data: the data set.
        classes: names, in the order of the network's outputs.
        input_size: height and width, pixels.
        width: width multiplier; None where the model has none.
        preprocessing: what the network is fed.
        parameters: all of them.
        training_samples: images of each epoch.
        batch_size: images of one step.
        learning_rate: of Adam at the start; it fell to zero along a cosine.
        seed: of weights, drawn samples and their order.
        epochs: one entry each.
        test_samples: images accuracy was measured on.
        test_accuracy: top-1 on them, 0..1, of the float network.
        seconds: wall time of the epochs, on a machine that may have been busy.
        versions: package to version.
    """

    model: str
    data: str
    classes: tuple[str, ...]
    input_size: int
    width: float | None
    preprocessing: Preprocessing
    parameters: int
    training_samples: int
    batch_size: int
    learning_rate: float
    seed: int
    epochs: tuple[Epoch, ...]
    test_samples: int
    test_accuracy: float
    seconds: float
    versions: dict[str, str]
    schema: int = 1


@dataclass(frozen=True)
class TrainResult:
    """What `train` wrote.

    Attributes:
        folder: holds model.keras and training.json.
        record: the latter.
        export_command: what exports these weights, to paste.
    """

    folder: Path
    record: TrainingRecord
    export_command: str
