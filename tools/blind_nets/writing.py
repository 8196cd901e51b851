"""Writes the networks as files that `edgecnn export` takes, with arrays to calibrate on.

Weights come from a seed, moving statistics from photographs; the classifiers of `TRAINED` learn for
a minute which photograph a crop is from, so that some of the networks are as sure of themselves as
networks are that somebody means to use.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from blind_nets import onnx_nets
from edgecnn.calibration import photographs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

KERAS = (
    "lenet", "keyword_spotting", "resnet8", "visual_wake_words", "anomaly_autoencoder",
    "mobilenet_v2", "mobilenet_v3", "efficientnet_pieces", "nasnet_cells", "small_unet",
    "two_inputs", "two_outputs", "centroids", "decoder", "raw_audio", "depthwise_only",
    "squeeze_excite", "shuffle_net", "fire_modules", "two_scales", "temporal_net", "gestures",
    "pyramid", "leaky_detector", "small_densenet", "gates_of_places", "mixer_with_gelu",
)  # fmt: skip
ONNX = ("plain", "residuals", "separables", "enlarging")
TRAINED = {"lenet", "keyword_spotting", "resnet8", "visual_wake_words"}
NAMES = (*KERAS, *ONNX)
_SEED = 7
_SAMPLES, _EPOCHS = 64, 4
_IMAGE_RANK, _NARROWEST = 3, 10  # without the batch; pixels
_SETTLING = 16


def write(folder: Path, names: set[str]) -> Iterator[Path]:
    """Write the networks of these names that are not there yet; all of them come back.

    Args:
        folder: for NAME.keras or NAME.onnx, and NAME.npz where no picture can be fed.
        names: of `NAMES`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (name for name in KERAS if name in names):
        path = folder / f"{name}.keras"
        if not path.is_file():
            _write_keras(name, path)
        yield path
    for name in (name for name in ONNX if name in names):
        path = folder / f"{name}.onnx"
        if not path.is_file():
            path.write_bytes(getattr(onnx_nets, name)().SerializeToString())
        yield path


def _write_keras(name: str, path: Path) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    from blind_nets import keras_nets  # which imports TensorFlow

    keras.backend.clear_session()
    keras.utils.set_random_seed(_SEED)
    net = getattr(keras_nets, name)()
    arrays = [_samples(tensor.shape) for tensor in net.inputs]
    if name in TRAINED:
        _train(net)
    else:
        _settle(net, [values[:_SETTLING] for values in arrays])
    net.save(path)
    if not all(_is_picture(tensor.shape[1:]) for tensor in net.inputs) or len(arrays) > 1:
        named = {tensor.name: values for tensor, values in zip(net.inputs, arrays, strict=True)}
        np.savez(path.with_suffix(".npz"), **named)  # type: ignore[arg-type] # numpy means allow_pickle


def _is_picture(sizes: Sequence[int | None]) -> bool:
    return len(sizes) == _IMAGE_RANK and sizes[-1] in {1, 3} and (sizes[1] or 0) >= _NARROWEST


def _settle(net: keras.Model, fed: list[NDArray[np.float32]]) -> None:
    """Moving statistics as these inputs have them: one pass of training that learns nothing."""
    import keras

    layers = [x for x in net.layers if isinstance(x, keras.layers.BatchNormalization)]
    kept = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    net(fed[0] if len(fed) == 1 else fed, training=True)
    for layer, momentum in zip(layers, kept, strict=True):
        layer.momentum = momentum


def _samples(shape: tuple[int | None, ...]) -> NDArray[np.float32]:
    """Photographs for pictures, smooth noise for anything else."""
    sizes = [size or 1 for size in shape[1:]]
    if _is_picture(sizes):
        return _crops(photographs.CALIBRATION, sizes)
    noise = np.random.default_rng(_SEED).standard_normal((_SAMPLES, *sizes)).astype(np.float32)
    return (np.cumsum(noise, axis=1) / 4).astype(np.float32) if len(sizes) > 1 else noise


def _crops(names: tuple[str, ...], sizes: list[int]) -> NDArray[np.float32]:
    pixels = photographs.crops(
        names, _SAMPLES, size=(sizes[0], sizes[1]), channels=sizes[2], seed=_SEED
    )
    return pixels.astype(np.float32) / np.float32(255)


def _train(net: keras.Model) -> None:
    sizes, outputs = list(net.inputs[0].shape[1:]), net.outputs[0].shape[-1]
    crops = [_crops((name,), sizes) for name in photographs.CALIBRATION[:outputs]]
    labels = np.repeat(np.arange(len(crops)), _SAMPLES)
    net.compile("adam", "sparse_categorical_crossentropy")
    net.fit(np.concatenate(crops), labels, 32, _EPOCHS, verbose=0)
