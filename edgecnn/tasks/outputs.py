"""An output of a network as the tasks read it, and the errors they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class TaskError(ValueError):
    """Outputs that a task cannot read: a sentence, and what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True, eq=False)
class Output:
    """An output of one run.

    Attributes:
        name: the model's own.
        values: real numbers (dequantized), or integers where the model gives them; batch first,
            of which the first sample is read.
        kind: "probabilities", "logits" or "values", as the manifest has it.
        layout: of the values: "NHWC", "NCHW", ...; "" where it is not known.
    """

    name: str
    values: NDArray[Any]
    kind: str = "values"
    layout: str = ""


def shapes_text(outputs: Sequence[Output]) -> str:
    """All outputs with their shapes, for a sentence."""
    return ", ".join(f"{output.name} {tuple(output.values.shape)}" for output in outputs)


def sigmoid(values: NDArray[Any]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)), without overflow."""
    exact = np.asarray(values, np.float64)
    result: NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.5 * exact))
    return result


def softmax(values: NDArray[Any]) -> NDArray[np.float64]:
    """Over the last axis."""
    exact = np.asarray(values, np.float64)
    powers = np.exp(exact - exact.max(axis=-1, keepdims=True))
    result: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return result


def image_map(output: Output, size: tuple[int, int]) -> NDArray[Any]:
    """The first sample of a map over the image, channels first: (C, h, w).

    Args:
        output: of rank 4 with channels in either place, or of rank 3, (N, h, w), as one channel.
        size: height and width of the network's input: where no layout is told, the axes that
            have its proportions are those of the image.

    Raises:
        TaskError: it is no such map.
    """
    values: NDArray[Any] = output.values
    if values.ndim == _MAP_RANK - 1:
        return values[:1]
    if values.ndim != _MAP_RANK:
        raise TaskError(
            f"The output {output.name} has shape {tuple(values.shape)}: no map over the image.",
            "A map is (1, height, width, channels), (1, channels, height, width) or"
            " (1, height, width).",
        )
    sample: NDArray[Any] = values[0]
    return sample if _channels_first(output, size) else sample.transpose(2, 0, 1)


_MAP_RANK = 4


def _channels_first(output: Output, size: tuple[int, int]) -> bool:
    if output.layout in {"NCHW", "NHWC"}:
        return output.layout == "NCHW"
    _, first, second, third = output.values.shape
    if not all((first, second, third)):
        raise TaskError(f"The output {output.name} is empty.", "Look at it with --task none.")
    fits_first = second * size[1] == third * size[0]
    fits_last = first * size[1] == second * size[0]
    # Where both fit, channels are fewer than the pixels of a row.
    return fits_first and (not fits_last or first <= third)
