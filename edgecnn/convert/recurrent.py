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
    try:
        for layer in layers:
            layer.unroll = True
        yield
    finally:
        for layer, value in zip(layers, before, strict=True):
            layer.unroll = value


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
