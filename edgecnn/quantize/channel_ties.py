"""Which channels of a float graph must be scaled together for its function to stay the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.quantize import affine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edgecnn.calibration.statistics import TensorStatistics
    from edgecnn.formats.tflite_graph import Graph, Operator

_NONE, _RELU = 0, 1  # schema.fbs: ActivationFunctionType; a ReLU6 commutes with no scale
# max(a * x) = a * max(x), and so on: these commute with a positive scale of each channel.
_HOMOGENEOUS = ("RELU", "MAX_POOL_2D", "AVERAGE_POOL_2D", "MEAN", "PAD")


@dataclass(frozen=True)
class Ties:
    """One variable for each set of channels that share a scale.

    Attributes:
        count: number of variables.
        variables: tensor name to the variable of each of its channels, (C,).
        fixed: whether a variable must stay 1, (count,).
    """

    count: int
    variables: dict[str, NDArray[np.int64]]
    fixed: NDArray[np.bool_]


class _Builder:
    def __init__(self, statistics: Mapping[str, TensorStatistics]) -> None:
        self.nodes: dict[str, NDArray[np.int64]] = {}
        start = 0
        for tensor, stats in statistics.items():
            stop = start + stats.channels
            self.nodes[tensor] = np.arange(start, stop)
            start = stop
        self.fixed = np.zeros(start, bool)
        self.left: list[NDArray[np.int64]] = []
        self.right: list[NDArray[np.int64]] = []

    def tie(self, first: NDArray[np.int64], other: NDArray[np.int64]) -> None:
        self.left.append(first)
        self.right.append(other)

    def fix(self, tensors: list[str]) -> None:
        for tensor in tensors:
            if tensor in self.nodes:
                self.fixed[self.nodes[tensor]] = True

    def result(self) -> Ties:
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        size = len(self.fixed)
        left = np.concatenate([*self.left, np.empty(0, np.int64)])
        right = np.concatenate([*self.right, np.empty(0, np.int64)])
        links = coo_matrix((np.ones(len(left), np.int8), (left, right)), shape=(size, size))
        count, labels = connected_components(links, directed=False)
        fixed = np.zeros(count, bool)
        np.logical_or.at(fixed, labels, self.fixed)
        variables = {t: labels[n].astype(np.int64) for t, n in self.nodes.items()}
        return Ties(count, variables, fixed)


def find_ties(graph: Graph, statistics: Mapping[str, TensorStatistics]) -> Ties:
    """Walk the operators; one that is not known to commute with scales fixes all it touches."""
    builder = _Builder(statistics)
    builder.fix([tensor.name for tensor in (*graph.inputs, *graph.outputs)])
    for operator in graph.operators:
        variable = [tensor.name for tensor in operator.read if tensor.name in statistics]
        if not _commutes(operator, variable, builder):
            builder.fix([*variable, *(tensor.name for tensor in operator.outputs)])
    return builder.result()


def _commutes(operator: Operator, variable: list[str], builder: _Builder) -> bool:
    """Tie what the operator ties; False when it does not commute with scales at all."""
    if len(operator.outputs) != 1 or operator.output.name not in builder.nodes:
        return False
    output = operator.output.name
    scalable = affine.fused_activation(operator) in {_NONE, _RELU}
    if operator.name in affine.CONVOLUTIONS:
        if not scalable:
            builder.fix([output])  # its weights still take up any scale of its input
        return len(variable) == 1 and affine.weights(operator) is not None
    if operator.name in _SHUFFLES:
        return scalable and bool(variable) and _SHUFFLES[operator.name](variable, output, builder)
    return (
        scalable and _is_homogeneous(operator, variable) and _tie_whole(variable, output, builder)
    )


def _is_homogeneous(operator: Operator, variable: list[str]) -> bool:
    """Whether f(a * x) = a * f(x), channel by channel."""
    if operator.name == "ADD":  # of two tensors, or of a constant that can be scaled along
        return len(variable) != 1 or affine.channel_constant(operator) is not None
    if operator.name == "MUL":
        return len(variable) == 1
    if operator.name == "MEAN":
        return _keeps_channels(operator)
    return operator.name in _HOMOGENEOUS


def _keeps_channels(operator: Operator) -> bool:
    """Whether a MEAN leaves the last axis alone."""
    axes, rank = operator.constant(1), len(operator.source.shape)
    return axes is not None and not np.any((axes % rank) == rank - 1)


def _tie_whole(variable: list[str], output: str, builder: _Builder) -> bool:
    channels = len(builder.nodes[output])
    if any(len(builder.nodes[tensor]) != channels for tensor in variable):
        return False
    for tensor in variable:
        builder.tie(builder.nodes[tensor], builder.nodes[output])
    return True


def _tie_slices(variable: list[str], output: str, builder: _Builder) -> bool:
    joined = np.concatenate([builder.nodes[tensor] for tensor in variable])
    if len(joined) != len(builder.nodes[output]):
        return False
    builder.tie(joined, builder.nodes[output])
    return True


def _tie_flattened(variable: list[str], output: str, builder: _Builder) -> bool:
    before, after = builder.nodes[variable[0]], builder.nodes[output]
    if len(after) % len(before):
        return False
    builder.tie(np.tile(before, len(after) // len(before)), after)
    return True


_SHUFFLES = {"CONCATENATION": _tie_slices, "RESHAPE": _tie_flattened}
