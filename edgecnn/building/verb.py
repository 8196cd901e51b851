"""The verb `build`: the Keras model of a network by name, in the caller's own process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.building.models import build as build_request
from edgecnn.building.request import BuildRequest, identify
from edgecnn.errors import InputError

if TYPE_CHECKING:
    import keras


def build(
    model: str,
    *,
    weights: str | None = None,
    classes: int | None = None,
    input_size: int | None = None,
    width: float | None = None,
    convolution: str | None = None,
    seed: int = 0,
) -> keras.Model:
    """Build a network, or load a Keras file, as `edgecnn.export` does. Imports TensorFlow.

    Keras's global state (layer names, random seeds, float type) is set to known values first, so
    that the same call gives the same model.

    Args:
        model: a name of the zoo, `keras:NAME`, or a path to a .keras or .h5 file.
        weights: "random", "imagenet" (keras:NAME), or a path to .weights.h5, .h5, .keras or .npz;
            None for random ones, or the file's own.
        classes: size of the softmax; None for the model's own.
        input_size: height and width of the input, pixels; None for the model's own.
        width: width multiplier, where the model has one.
        convolution: "normal" for the twin with normal convolutions, where the model has one.
        seed: of random weights, 0 to 2**32 - 1.

    Returns:
        The Keras model, not compiled: float32 (N, height, width, 3) to probabilities (N, classes)
        where the model has a name.

    Raises:
        InputError: an unknown name, a file or option that does not fit, or a model that is no
            Keras model.
    """
    request = BuildRequest(
        model,
        classes=classes,
        input_size=input_size,
        width=width,
        weights=weights,
        seed=seed,
        convolution=convolution,
    )
    kind = identify(request).kind
    if kind not in {"zoo", "keras", "keras-file"}:
        raise InputError(
            f"{model}: a {kind} file holds no Keras model.",
            hint="Give a name of `edgecnn models`, keras:NAME, or a .keras or .h5 file.",
        )
    built = build_request(request).keras_model
    assert built is not None  # noqa: S101 - for the type checker: refused above
    return built
