"""In which order layers are worth keeping in float: by how much of the logits' error that removes.

A tensor is spared its rounding when the layer that makes it and all that read it compute in float,
a layer's weights when that layer does. So layers come in groups, those first that remove most of
the error, for each of their layers or for the latency they lose (greedily, with `noise_flow`'s
contributions and `float_cost`). What an order is worth is then measured; nothing rests on the
predicted numbers but the order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.quantize import float_cost, measured, noise_flow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from edgecnn.formats.tflite_graph import Graph, Operator, Tensor
    from edgecnn.quantize.float_cost import FloatCost
    from edgecnn.quantize.integer import FloatSource
    from edgecnn.quantize.noise_flow import Contribution

    Names = frozenset[str]

_NEGLIGIBLE = 1e-6
_LEAST_COST = 1.0


@dataclass(frozen=True)
class LayerNode:
    """One operator of the float model, as far as sparing its rounding goes.

    Attributes:
        name: of its output.
        reads: names of the tensors it reads.
        moves: whether it only moves steps about in the integer model.
        cost: of computing it in float.
    """

    name: str
    reads: tuple[str, ...]
    moves: bool
    cost: FloatCost = float_cost.EQUAL


class Trade:
    """The error that is left when some layers compute in float, and what they cost, as predicted.

    Args:
        nodes: the float model's operators, in order.
        parts: contribution of each by the name of its output.
        ends: names of the tensors whose dtype is fixed from outside: they are rounded in any case.
    """

    def __init__(
        self, nodes: Sequence[LayerNode], parts: dict[str, Contribution], ends: Iterable[str]
    ) -> None:
        self.nodes = {node.name: node for node in nodes}
        self._parts, self._ends = parts, frozenset(ends)
        self._readers: dict[str, set[str]] = {name: set() for name in self.nodes}
        for node in nodes:
            for source in node.reads:
                if source in self._readers:
                    self._readers[source].add(node.name)

    def left_at(self, name: str, kept: Names) -> float:
        """What one layer still contributes when `kept` compute in float."""
        part = self._parts.get(name)
        if part is None:
            return 0.0
        in_float = name in kept
        spared = in_float and name not in self._ends and self._readers[name] <= kept
        moves = self.nodes[name].moves and not in_float
        return (0.0 if in_float else part.weights) + (0.0 if spared or moves else part.rounding)

    def left(self, kept: Names) -> float:
        """What all layers still contribute."""
        return sum(self.left_at(name, kept) for name in self.nodes)

    def cost(self, kept: Names) -> float:
        """What it costs that `kept` compute in float, conversions where they meet integers too."""
        return sum(self._cost_at(name, kept) for name in self.nodes)

    def _cost_at(self, name: str, kept: Names) -> float:
        cost, in_float = self.nodes[name].cost, name in kept
        readers = self._readers[name]
        crosses = not readers <= kept if in_float else bool(readers & kept)
        return cost.layer * in_float + cost.crossing * crosses

    def order(self, always: Names, *, by_cost: bool) -> list[Names]:
        """Groups of layers, the one that removes most first.

        Args:
            always: layers that compute in float anyway.
            by_cost: for what it costs, not for each of its layers.
        """
        kept = always
        groups: list[Names] = []
        limit = _NEGLIGIBLE * max(self.left(kept), 1e-300)
        while True:
            candidates = self._candidates(kept, limit, by_cost=by_cost)
            best = max(candidates, key=lambda pair: pair[0], default=None)
            if best is None:
                break
            groups.append(best[1])
            kept |= best[1]
        rest = frozenset(self.nodes) - kept
        return [*groups, rest] if rest else groups

    def spares(self, kept: Names) -> list[str]:
        """Layers without which `kept` costs less, the one that saves most for its worth first."""
        worth = {}
        for name in sorted(kept & self.nodes.keys()):
            error, cost = self._change(frozenset([name]), kept - {name})
            if cost > 0:
                worth[name] = error / cost
        return sorted(worth, key=worth.__getitem__)

    def _candidates(self, kept: Names, limit: float, *, by_cost: bool) -> list[tuple[float, Names]]:
        """What keeping a layer, or it and its readers, is worth, where it removes enough."""
        candidates = []
        for name, readers in self._readers.items():
            for group in (frozenset([name]), frozenset([name, *readers])):
                gain, cost = self._change(group - kept, kept)
                if gain > limit:
                    # Filling a gap between float layers can save more conversions than it costs.
                    price = max(cost, _LEAST_COST) if by_cost else len(group - kept)
                    candidates.append((gain / price, group - kept))
        return candidates

    def _change(self, missing: Names, kept: Names) -> tuple[float, float]:
        """(error that goes, cost that comes) when these compute in float too."""
        touched = set(missing)
        for name in missing:
            touched.update(source for source in self.nodes[name].reads if source in self.nodes)
        after = kept | missing
        gain = sum(self.left_at(name, kept) - self.left_at(name, after) for name in touched)
        cost = sum(self._cost_at(name, after) - self._cost_at(name, kept) for name in touched)
        return gain, cost


def trade(
    integer: Graph,
    source: FloatSource,
    feeds: Sequence[Sequence[NDArray[Any]]],
    *,
    judged: Sequence[str],
    float_ends: bool,
    threads: int,
) -> Trade:
    """Run the integer model and the float one on some inputs, and tell where its error arises.

    Args:
        integer: the integer graph.
        source: the float one it was laid out from.
        feeds: for every run an array for each input of the float model.
        judged: names of the float tensors whose error counts.
        float_ends: whether the file's ends will be float32.
        threads: of one inference.
    """
    real = source.graph
    tensors = _tensor_noise(integer, real, feeds, threads)
    contributions = noise_flow.contributions_of(real, source.statistics, judged, tensors)
    nodes = [
        LayerNode(
            operator.output.name,
            tuple(tensor.name for tensor in operator.read),
            operator.name in noise_flow.KEEPS_STEPS,
            float_cost.of(operator),
        )
        for operator in real.operators
        if operator.outputs
    ]
    ends = [] if float_ends else [tensor.name for tensor in real.outputs]
    return Trade(nodes, contributions, ends)


def _tensor_noise(
    integer: Graph, real: Graph, feeds: Sequence[Sequence[NDArray[Any]]], threads: int
) -> dict[str, noise_flow.TensorNoise]:
    operators = integer.by_output()
    pairs = [
        (twin, operators[name])
        for name, twin in real.by_output().items()
        if name in operators and _is_compared(twin, operators[name])
    ]
    noise = _noise(integer, real, pairs, feeds, threads)
    noise_seen = {}
    for twin, operator in pairs:
        name = twin.output.name
        channels = len(noise[name])
        scale, low, high = _range(operator.output)
        kernel, bias = noise_flow.weights_error(operator, twin) or (None, None)
        noise_seen[name] = noise_flow.TensorNoise(
            noise[name],
            np.full(channels, scale),
            np.stack([np.full(channels, low), np.full(channels, high)]),
            kernel,
            bias,
        )
    return noise_seen


def _is_compared(twin: Operator, operator: Operator) -> bool:
    """Whether an operator rounds its output, and the float one's is of the same size."""
    real, other = twin.output, operator.output
    return real.is_float and other.quantization is not None and real.elements == other.elements > 0


def _range(tensor: Tensor) -> tuple[float, float, float]:
    """(step, lowest, highest) of a quantized tensor."""
    assert tensor.quantization is not None  # noqa: S101 - the caller looked
    scale, zero_point = (
        float(tensor.quantization.scale[0]),
        int(tensor.quantization.zero_point[0]),
    )
    info = np.iinfo(tensor.numpy_dtype)
    return scale, (info.min - zero_point) * scale, (info.max - zero_point) * scale


def _noise(
    integer: Graph,
    real: Graph,
    pairs: Sequence[tuple[Operator, Operator]],
    feeds: Sequence[Sequence[NDArray[Any]]],
    threads: int,
) -> dict[str, NDArray[np.float64]]:
    """Mean squared error of each channel, by float tensor."""
    from edgecnn.runtime.litert import LiteRTSession
    from edgecnn.runtime.session import dequantize_output

    ours = LiteRTSession(integer.tapped([operator.output for _, operator in pairs]), threads)
    theirs = LiteRTSession(real.tapped([twin.output for twin, _ in pairs]), threads)
    names = [twin.output.name for twin, _ in pairs]
    sums: dict[str, NDArray[np.float64]] = {}
    for feed in feeds:
        outputs = ours.run_in_place(measured.fed(feed, ours.inputs))
        references = theirs.run_in_place(feed)
        for name, info, output, other in zip(names, ours.outputs, outputs, references, strict=True):
            error = np.square(dequantize_output(output, info) - other, dtype=np.float64)
            by_channel = error.reshape(-1, error.shape[-1] if error.ndim else 1).mean(axis=0)
            sums[name] = sums.get(name, 0.0) + by_channel / len(feeds)
        del outputs, references, output, other  # no view may outlive its inference
    return sums
