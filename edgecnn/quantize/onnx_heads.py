"""Last layers that int8 would ruin: those whose answers are small differences of large sums.

A head behind a global pooling often multiplies features that hardly change from picture to picture
with large weights that nearly cancel; the rounding of its weights and of its input is then as large
as what it tells pictures apart by. Such a layer costs next to nothing and stays float.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.formats.onnx_graph import array_of, maker_of, name_of
from edgecnn.quantize.onnx_islands import tail
from edgecnn.quantize.onnx_ranges import LEVELS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx_ir as ir
    from numpy.typing import NDArray

# Rounding by the layer alone; what comes before it adds to that. As float a small layer costs
# nothing, a large one four times its size.
_LEAST_DB, _LEAST_DB_OF_SMALL = 18.0, 26.0
_SMALL = 1 << 15  # weights
_STILL = 1e-12  # of its power: the variance of a result that does not change
_ROWS_PER_RUN = 32
_MOST_ROWS = 1024
_FEWEST_ROWS = 16  # fewer do not tell what a layer tells apart
_LARGEST = 127  # of a symmetric int8 weight
_MATRIX = 2
# Between the last integer convolution and the layer: cheap, and rounds once more if quantized.
_CHEAP = {"Flatten", "GlobalAveragePool", "Reshape", "Squeeze"}

_SOFTMAX = {"LogSoftmax", "Softmax"}
# Between a head and its softmax. A bias is the same for every sample.
_FORM = {"Add", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}


class Rows:
    """Some of the rows a matrix product takes, of every run; see `onnx_ranges.measure`."""

    def __init__(self) -> None:
        self._rows: list[NDArray[Any]] = []
        self._count = 0

    def add(self, values: NDArray[Any]) -> None:
        """Take one run's values (..., inputs): some of the rows, evenly spaced."""
        flat = values.reshape(-1, values.shape[-1])
        some = flat[:: -(-len(flat) // _ROWS_PER_RUN)]
        if self._count < _MOST_ROWS:
            self._rows.append(some.copy())
            self._count += len(some)

    @property
    def values(self) -> NDArray[np.float64]:
        """All of them, (rows, inputs)."""
        return np.concatenate(self._rows).astype(np.float64)


def heads(graph: ir.Graph) -> list[ir.Node]:
    """Products with constant weights that no other weighted operator follows."""
    makers = [value.producer() for value in tail(graph)]
    return [
        node
        for node in makers
        if node is not None
        and node.op_type in {"Gemm", "MatMul"}
        and not node.attributes.get_int("transA", 0)
        and array_of(node.inputs[0]) is None
        and getattr(array_of(node.inputs[1]), "ndim", 0) == _MATRIX
    ]


def sensitive(
    graph: ir.Graph, ranges: Mapping[str, tuple[float, float]], rows: Mapping[str, Rows]
) -> tuple[set[ir.Node], list[str]]:
    """The heads that must stay float.

    Returns:
        The heads and the cheap operators in front of them; and a sentence for each head.
    """
    kept = {
        node: _kept_db(node, rows[source].values, ranges[source])
        for node in heads(graph)
        if (source := name_of(node.inputs[0])) in ranges
        and len(rows[source].values) >= _FEWEST_ROWS
    }
    # What one of them reads as float is not rounded for the others either.
    sources = {node.inputs[0] for node, left in kept.items() if left < _least(node)}
    floats: set[ir.Node] = set()
    notes = []
    for node, left in kept.items():
        if node.inputs[0] not in sources:
            continue
        floats.add(node)
        name = node.outputs[0].name
        notes.append(
            f"The last layer ({name}) stays float32: with int8 weights {left:.0f} dB"
            " of what it tells samples apart by would be left."
            if left < _least(node)
            else f"The last layer ({name}) stays float32, as another that reads the same features."
        )
    for features in sources:
        maker = maker_of(features)
        while maker is not None and maker.op_type in _CHEAP:
            floats.add(maker)
            maker = maker_of(maker.inputs[0])
    return floats, notes


def _weight(node: ir.Node) -> NDArray[Any]:
    return np.asarray(array_of(node.inputs[1]))


def _least(node: ir.Node) -> float:
    return _LEAST_DB_OF_SMALL if _weight(node).size < _SMALL else _LEAST_DB


def _kept_db(node: ir.Node, x: NDArray[np.float64], span: tuple[float, float]) -> float:
    """The variance of the layer's results over the noise that int8 would add, in dB.

    Under a softmax of all results together, else of the result that keeps least.
    """
    weight = _weight(node).astype(np.float64)
    weight = weight.T if node.attributes.get_int("transB", 0) else weight
    scale = np.maximum(np.abs(weight).max(axis=0), 1e-30) / _LARGEST
    wrong = np.rint(weight / scale) * scale - weight
    shared = _leads_to_softmax(node.outputs[0])
    if shared:  # what all classes share does not count
        weight, wrong = (w - w.mean(axis=1, keepdims=True) for w in (weight, wrong))
    step = (span[1] - span[0]) / (LEVELS - 1)
    noise = np.square(x @ wrong).mean(axis=0) + step**2 / 12 * np.square(weight).sum(axis=0)
    answers = x @ weight
    signal = answers.var(axis=0)
    if shared:
        signal, noise = signal.sum(keepdims=True), noise.sum(keepdims=True)
    # One sample, or an answer that is always the same, tells nothing.
    moving = (signal > _STILL * np.square(answers).mean(axis=0).max()) & (noise > 0)
    return float(10 * np.log10((signal[moving] / noise[moving]).min(initial=np.inf)))


def _leads_to_softmax(tensor: ir.Value) -> bool:
    readers = tensor.consumers()
    return bool(readers) and all(
        reader.op_type in _SOFTMAX
        or (reader.op_type in _FORM and _leads_to_softmax(reader.outputs[0]))
        for reader in readers
    )
