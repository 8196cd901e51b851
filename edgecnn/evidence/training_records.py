"""What experiments found by training networks; `records` has them too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgecnn.evidence.words import Convolution, Match  # noqa: TC001 - cattrs resolves the types

GradientKind = Literal["plain", "residual", "plain + batch norm", "residual + batch norm"]


@dataclass(frozen=True)
class GradientRun:
    """Gradient norms of one network at its initialization.

    Attributes:
        kind: whether blocks have a skip, and whether normalizations follow the convolutions.
        depth: convolutions.
        initializer: of the kernels, as Keras names it.
        seed: of weights and images.
        gradient_norms: L2 norm of the loss's gradient with respect to each convolution's kernel,
            from the input to the output.
        accuracy: on test images after brief training, 0..1; None where it was not trained.
    """

    kind: GradientKind
    depth: int
    initializer: str
    seed: int
    gradient_norms: tuple[float, ...]
    accuracy: float | None = None


@dataclass(frozen=True)
class TwinRun:
    """One trained network.

    Attributes:
        network: zoo name.
        convolution: of its blocks.
        match: what is equal between it and the separable network.
        width: width multiplier.
        input_size: height and width, pixels.
        seed: of weights and of the order of images.
        parameters: all of them.
        macs: of one inference.
        training_samples: images it saw in each epoch.
        epochs: passes over them.
        test_samples: images it was evaluated on.
        accuracy: top-1 on them, 0..1, of the float network.
        training_seconds: wall time, on a machine that may have been busy.
    """

    network: str
    convolution: Convolution
    match: Match
    width: float
    input_size: int
    seed: int
    parameters: int
    macs: int
    training_samples: int
    epochs: int
    test_samples: int
    accuracy: float
    training_seconds: float


@dataclass(frozen=True)
class RecipeRun:
    """A trained network's file under one recipe.

    Attributes:
        network: zoo name.
        convolution: of its blocks.
        match: as in `TwinRun`.
        seed: likewise.
        recipe: of `edgecnn.recipes.RECIPES`.
        accuracy: top-1, 0..1.
        float_accuracy: of the float32 file, on the same images.
        test_samples: how many images both numbers are of.
        snr_db: of the logits against float; None: identical.
        size_bytes: of the .tflite.
        latency_ms: median on the header's machine, one thread; None where it was not measured.
    """

    network: str
    convolution: Convolution
    match: Match
    seed: int
    recipe: str
    accuracy: float
    float_accuracy: float
    test_samples: int
    snr_db: float | None
    size_bytes: int
    latency_ms: float | None = None
