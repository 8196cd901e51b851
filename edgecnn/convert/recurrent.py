"""Recurrent layers as plain operators: their loops written out where they are short.

A loop is a WHILE in a .tflite: no recipe quantizes what is in it, ONNX writes it otherwise, and
each step crosses into a subgraph. Written out, a bidirectional LSTM of 24 steps ran 7.5 times as
fast under LiteRT, of 64 steps three times, of 256 steps as fast; converting takes longer with
every step. Both forms kept 129 dB against Keras.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

# Over all recurrent layers of a network.
MAX_STEPS = 512


@contextlib.contextmanager
def unrolled(model: Any, run: Callable[[], object]) -> Generator[None, None, None]:  # noqa: ANN401 - a keras.Model
    """Within it, calling the model writes its recurrent layers' loops out, unless they are long.

    Args:
        model: any Keras model; one without recurrent layers costs nothing.
        run: calls the model once at the sizes it will be traced at, to count the steps.
    """
    import keras

    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]  # noqa: SLF001 - no public walk
    if not layers or _steps(layers, run) > MAX_STEPS:
        yield
        return
    before = [layer.unroll for layer in layers]
    turned = [layer for layer in layers if _loses_its_mask(layer)]
    try:
        for layer in layers:
            layer.unroll = True
        for layer in turned:
            vars(layer)["inner_loop"] = _masked(layer)
        yield
    finally:
        for layer, value in zip(layers, before, strict=True):
            layer.unroll = value
        for layer in turned:
            vars(layer).pop("inner_loop")
            layer.zero_output_for_mask = True


def _loses_its_mask(layer: Any) -> bool:  # noqa: ANN401 - a keras.layers.RNN
    """Whether its outputs go by a mask that the layer reads backwards: half a Bidirectional.

    Written out by Keras 3.15, such a layer blanks what the mask says forwards; its loop does not.
    """
    backwards = bool(layer.go_backwards and layer.return_sequences)
    return backwards and bool(getattr(layer, "zero_output_for_mask", False))


def _masked(layer: Any) -> Callable[..., Any]:  # noqa: ANN401 - a keras.layers.RNN
    """The layer's steps with the outputs blanked by the mask as the steps read it."""
    import keras

    loop = layer.inner_loop
    layer.zero_output_for_mask = False

    def steps(sequences: Any, initial_state: Any, mask: Any, **options: Any) -> Any:  # noqa: ANN401 - tensors
        last, outputs, states = loop(sequences, initial_state, mask, **options)
        if mask is not None:
            kept = keras.ops.flip(keras.ops.cast(mask, "bool"), axis=1)[..., None]
            outputs = keras.ops.where(kept, outputs, keras.ops.zeros_like(outputs))
        return last, outputs, states

    return steps


def _steps(layers: list[Any], run: Callable[[], object]) -> int:
    """The steps all layers take together; a layer called twice counts twice."""
    steps: list[int] = []

    def counting(loop: Any) -> Any:  # noqa: ANN401 - a method of Keras
        def counted(sequences: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - tensors
            steps.append(int(sequences.shape[1]))
            return loop(sequences, *arguments, **options)

        return counted

    try:
        for layer in layers:
            vars(layer)["inner_loop"] = counting(layer.inner_loop)
        run()
    finally:
        for layer in layers:
            vars(layer).pop("inner_loop", None)
    return sum(steps)
