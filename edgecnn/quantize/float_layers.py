"""In which order layers are worth keeping in float: by how much of the logits' error that removes.

A tensor is spared its rounding when the layer that makes it and all that read it compute in float,
a layer's weights when that layer does. So layers come in groups, those first that remove most of
the error for each layer (greedily, with `noise_flow`'s contributions). What the order is worth is
then measured; nothing rests on the predicted numbers but the order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.calibration.statistics import tap
from edgecnn.formats import tflite_file as tfl
from edgecnn.quantize import noise_flow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from edgecnn.quantize.integer import FloatSource
    from edgecnn.quantize.noise_flow import Contribution

    Names = frozenset[str]

_NEGLIGIBLE = 1e-6


@dataclass(frozen=True)
class LayerNode:
    """One operator of the float model, as far as sparing its rounding goes.

    Attributes:
        name: of its output.
        reads: names of the tensors it reads.
        moves: whether it only moves steps about in the integer model.
    """

    name: str
    reads: tuple[str, ...]
    moves: bool


class Trade:
    """The error that is left when some layers compute in float, as predicted.

    Args:
        nodes: the float model's operators, in order.
        found: contribution of each by the name of its output.
        ends: names of the tensors whose dtype is fixed from outside: they are rounded in any case.
    """

    def __init__(
        self, nodes: Sequence[LayerNode], found: dict[str, Contribution], ends: Iterable[str]
    ) -> None:
        self.nodes = {node.name: node for node in nodes}
        self._found, self._ends = found, frozenset(ends)
        self._readers: dict[str, set[str]] = {name: set() for name in self.nodes}
        for node in nodes:
            for source in node.reads:
                if source in self._readers:
                    self._readers[source].add(node.name)

    def left_at(self, name: str, kept: Names) -> float:
        """What one layer still contributes when `kept` compute in float."""
        each = self._found.get(name)
        if each is None:
            return 0.0
        in_float = name in kept
        spared = in_float and name not in self._ends and self._readers[name] <= kept
        moves = self.nodes[name].moves and not in_float
        return (0.0 if in_float else each.weights) + (0.0 if spared or moves else each.rounding)

    def left(self, kept: Names) -> float:
        """What all layers still contribute."""
        return sum(self.left_at(name, kept) for name in self.nodes)

    def order(self, given: Names) -> list[Names]:
        """Groups of layers, the one that removes most for each of its layers first.

        Args:
            given: layers that compute in float anyway.
        """
        kept = given
        groups: list[Names] = []
        limit = _NEGLIGIBLE * max(self.left(kept), 1e-300)
        while True:
            best = max(self._candidates(kept), key=lambda pair: pair[0], default=None)
            if best is None or best[0] <= limit:
                break
            groups.append(best[1])
            kept |= best[1]
        rest = frozenset(self.nodes) - kept
        return [*groups, rest] if rest else groups

    def _candidates(self, kept: Names) -> list[tuple[float, Names]]:
        """For each layer: what keeping it, or it and its readers, removes for each layer."""
        found = []
        for name, readers in self._readers.items():
            for wanted in (frozenset([name]), frozenset([name, *readers])):
                missing = wanted - kept
                if missing:
                    found.append((self._gain(missing, kept) / len(missing), missing))
        return found

    def _gain(self, missing: Names, kept: Names) -> float:
        touched = set(missing)
        for name in missing:
            touched.update(source for source in self.nodes[name].reads if source in self.nodes)
        after = kept | missing
        return sum(self.left_at(name, kept) - self.left_at(name, after) for name in touched)


def trade(
    integer: bytes,
    source: FloatSource,
    feeds: Sequence[NDArray[np.float32]],
    *,
    logits: int,
    float_ends: bool,
    threads: int,
) -> Trade:
    """Run the integer model and the float one on some images, and tell where its error arises.

    Args:
        integer: the integer model.
        source: the float model it was laid out from.
        feeds: (1, H, W, C) float32.
        logits: index of the float tensor whose error counts.
        float_ends: whether the file's ends will be float32.
        threads: of one inference.
    """
    real, model = tfl.read(source.data), tfl.read(integer)
    graph = tfl.main_graph(real)
    seen = _seen(model, real, feeds, threads)
    found = noise_flow.contributions_of(real, source.statistics, logits, seen)
    nodes = []
    for operator in graph.operators:
        reads = (int(tensor) for tensor in operator.inputs if int(tensor) != tfl.NO_TENSOR)
        nodes.append(
            LayerNode(
                _name(graph, int(operator.outputs[0])),
                tuple(_name(graph, tensor) for tensor in reads),
                tfl.operator_name(real, operator) in noise_flow.KEEPS_STEPS,
            )
        )
    ends = [] if float_ends else [_name(graph, int(tensor)) for tensor in graph.outputs]
    return Trade(nodes, {_name(graph, t): each for t, each in found.items()}, ends)


def _name(graph: tfl.SubGraphT, tensor: int) -> str:
    return tfl.tensor_name(graph.tensors[tensor])


def _seen(
    model: tfl.ModelT, real: tfl.ModelT, feeds: Sequence[NDArray[np.float32]], threads: int
) -> dict[int, noise_flow.Seen]:
    graph, real_graph = tfl.main_graph(model), tfl.main_graph(real)
    operators = {_name(graph, int(op.outputs[0])): op for op in graph.operators}
    twins = [
        op for op in real_graph.operators if _name(real_graph, int(op.outputs[0])) in operators
    ]
    pairs = {int(op.outputs[0]): operators[_name(real_graph, int(op.outputs[0]))] for op in twins}
    noise = _noise(model, real, {t: int(op.outputs[0]) for t, op in pairs.items()}, feeds, threads)
    found = {}
    for twin in twins:
        real_tensor = int(twin.outputs[0])
        operator = pairs[real_tensor]
        tensor = graph.tensors[int(operator.outputs[0])]
        channels = len(noise[real_tensor])
        scale, low, high = _range(tensor)
        kernel, bias = noise_flow.weights_error(model, operator, real, twin) or (None, None)
        found[real_tensor] = noise_flow.Seen(
            noise[real_tensor],
            np.full(channels, scale),
            np.stack([np.full(channels, low), np.full(channels, high)]),
            kernel,
            bias,
        )
    return found


def _range(tensor: tfl.TensorT) -> tuple[float, float, float]:
    """(step, lowest, highest) of a quantized tensor."""
    quantization = tfl.quantization_of(tensor)
    assert quantization is not None  # noqa: S101 - every tensor of an integer model has one
    scale, zero_point = float(quantization[0][0]), int(quantization[1][0])
    info = np.iinfo(tfl.dtype_of(tensor))
    return scale, (info.min - zero_point) * scale, (info.max - zero_point) * scale


def _noise(
    model: tfl.ModelT,
    real: tfl.ModelT,
    tensors: dict[int, int],
    feeds: Sequence[NDArray[np.float32]],
    threads: int,
) -> dict[int, NDArray[np.float64]]:
    """Mean squared error of each channel, by float tensor."""
    from edgecnn.runtime.litert import LiteRTSession
    from edgecnn.runtime.session import dequantize_output, quantize_input

    ours = LiteRTSession(tap(model, list(tensors.values())), threads)
    theirs = LiteRTSession(tap(real, list(tensors)), threads)
    sums: dict[int, NDArray[np.float64]] = {}
    for feed in feeds:
        found = ours.run_in_place([quantize_input(feed, ours.inputs[0])])
        wanted = theirs.run_in_place([feed])
        for tensor, info, one, other in zip(tensors, ours.outputs, found, wanted, strict=True):
            error = np.square(dequantize_output(one, info) - other, dtype=np.float64)
            by_channel = error.reshape(-1, error.shape[-1] if error.ndim else 1).mean(axis=0)
            sums[tensor] = sums.get(tensor, 0.0) + by_channel / len(feeds)
        del found, wanted, one, other  # no view may outlive its inference
    return sums
