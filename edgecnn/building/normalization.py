"""Gives a network's BatchNormalization layers the statistics of real images.

A network with random weights has moving statistics of 0 and 1, so its activations shrink or grow
from layer to layer to sizes that no trained network has, and quantizing them measures nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import keras
    import numpy as np
    import numpy.typing as npt


def adapt_batch_normalization(model: keras.Model, images: npt.NDArray[np.float32]) -> None:
    """Store in every BatchNormalization the mean and variance of what these images bring it.

    One pass in inference mode (Dropout off): each normalization takes the statistics of its own
    input over batch, height and width, stores them exactly, without momentum, and normalizes with
    them, as Ioffe and Szegedy, arXiv:1502.03167, algorithm 1, does in training. The same images
    give the same bytes in every process of one machine and thread count.

    Args:
        model: a functional Keras model with one input; its moving statistics are overwritten.
        images: (N, height, width, channels) float32, preprocessed; 16 suffice, and memory grows
            with N, since the statistics are those of the whole batch.

    Raises:
        InputError: there is no image, the model is no functional one, or one of its
            normalizations lies inside a nested model.
    """
    if not len(images):
        raise InputError("Adapting the normalization statistics needs at least one image.")
    layers = _normalizations(model)
    adapted = list(_run_and_adapt(model, images))
    missing = [layer.name for layer in layers if layer not in adapted]
    if missing:
        raise InputError(
            f"{model.name}: the statistics of {missing[0]} cannot be adapted: it lies inside a"
            " nested model.",
            hint="Use trained weights: --weights FILE.",
        )


def _normalizations(model: keras.Model) -> list[keras.Layer]:
    import keras

    nested = (model, *model._flatten_layers(include_self=False))  # noqa: SLF001 - no public walk
    return [layer for layer in nested if isinstance(layer, keras.layers.BatchNormalization)]


def _run_and_adapt(model: keras.Model, images: npt.NDArray[np.float32]) -> Iterator[keras.Layer]:
    """Run the graph node by node, dropping each tensor after its last use; yield what it adapts.

    Keras's own call keeps every tensor to the end (gigabytes), and a tf.function costs its tracing.
    """
    import keras
    import tensorflow as tf

    nodes = [node for node in _nodes(model) if not node.is_input]
    uses = Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    live: dict[int, Any] = {id(model.inputs[0]): tf.constant(images)}
    for node in nodes:
        arguments, options = node.arguments.fill_in(live)
        layer = node.operation
        if isinstance(layer, keras.layers.BatchNormalization):
            _store_statistics(layer, arguments[0])
            yield layer
        output = layer(*arguments, **options)
        del arguments
        _release(node, uses, live)
        for symbol, value in zip(node.outputs, keras.tree.flatten(output), strict=True):
            if uses[id(symbol)]:
                live[id(symbol)] = value
        del output


def _nodes(model: keras.Model) -> Iterator[Any]:
    """The nodes of a functional model, each after those it reads."""
    by_depth = getattr(model, "_nodes_by_depth", None)
    if by_depth is None:
        raise InputError(f"{model.name} is no functional Keras model: its graph is not known.")
    for depth in sorted(by_depth, reverse=True):
        yield from by_depth[depth]


def _store_statistics(layer: keras.Layer, values: Any) -> None:  # noqa: ANN401 - a tensor
    import tensorflow as tf

    rank = len(values.shape)
    axes = [axis for axis in range(rank) if axis != layer.axis % rank]
    mean, variance = tf.nn.moments(values, axes)
    layer.moving_mean.assign(mean)
    layer.moving_variance.assign(variance)


def _release(node: Any, uses: Counter[int], live: dict[int, Any]) -> None:  # noqa: ANN401 - Keras's
    for tensor in node.input_tensors:
        uses[id(tensor)] -= 1
        if not uses[id(tensor)]:
            live.pop(id(tensor), None)
