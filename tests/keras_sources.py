"""Small Keras networks as sources of an export, with their answers: for tests with TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf  # noqa: TID251 - writes models as users do
from judging import Source

if TYPE_CHECKING:
    from pathlib import Path

    Array = np.ndarray[Any, Any]

JUDGED, CALIBRATED = 12, 100
layers = keras.layers


def signals(shape: tuple[int, ...], count: int, seed: int, scale: float = 1.0) -> Array:
    """Samples that differ in the mean of each channel, and in detail: pooling keeps something."""
    random = np.random.default_rng(seed)
    level = random.uniform(-1.4, 1.4, (count, *[1] * (len(shape) - 1), shape[-1]))
    detail = random.normal(0, 0.4, (count, *shape))
    values: Array = ((level + detail) * scale).astype(np.float32)
    return values


def pictures(shape: tuple[int, ...], count: int, seed: int, high: float = 1.0) -> Array:
    """Likewise, as pixels of 0..high."""
    values: Array = (np.clip(signals(shape, count, seed) / 4 + 0.5, 0, 1) * high).astype(np.float32)
    return values


def source(
    folder: Path,
    model: keras.Model,
    kind: str = ".keras",
    *,
    sizes: tuple[int, ...] | None = None,
    high: float | None = None,
) -> Source:
    """Save a model and ask it.

    Args:
        folder: where.
        model: any number of inputs and outputs.
        kind: ".keras", ".h5", "" (a SavedModel) or ".float16.tflite".
        sizes: of the only input, where the model leaves some open.
        high: inputs are pixels of 0..high; None for signals around zero.
    """
    shapes = [sizes] if sizes else [tensor.shape[1:] for tensor in model.inputs]

    def draw(count: int, seed: int) -> list[Array]:
        if high is not None:
            return [pictures(shape, count, seed + k, high) for k, shape in enumerate(shapes)]
        return [signals(shape, count, seed + k) for k, shape in enumerate(shapes)]

    names = [tensor.name for tensor in model.inputs]
    judged, calibrated = draw(JUDGED, 100), draw(CALIBRATED, 200)
    answers = keras.tree.flatten(model(judged if len(judged) > 1 else judged[0], training=False))
    np.savez(folder / "calibration.npz", **dict(zip(names, calibrated, strict=True)))
    return Source(
        save(folder, model, kind),
        dict(zip(names, judged, strict=True)),
        {name: np.asarray(y) for name, y in zip(_output_names(model, kind), answers, strict=True)},
        folder / "calibration.npz",
    )


def _output_names(model: keras.Model, kind: str) -> list[str]:
    """Of the layers; a signature, which SavedModels and converted files have, numbers them."""
    if kind in {"", ".float16.tflite"}:
        return [f"output_{k}" for k in range(len(model.outputs))]
    return list(model.output_names)


def save(folder: Path, model: keras.Model, kind: str) -> Path:
    """Write a model in one of the ways users have."""
    path = folder / f"net{kind}"
    if kind == "":
        model.export(str(path), verbose=False)
    elif kind == ".float16.tflite":
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        path.write_bytes(converter.convert())
    else:
        model.save(path)
    return path
