"""Which channels of a float graph must be scaled together for its function to stay the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats import tflite_file as tfl
from edgecnn.quantize.passes import affine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edgecnn.calibration.statistics import TensorStatistics

_NONE, _RELU = 0, 1  # schema.fbs: ActivationFunctionType; a ReLU6 commutes with no scale
# max(a * x) = a * max(x), and so on: these commute with a positive scale of each channel.
_HOMOGENEOUS = ("RELU", "MAX_POOL_2D", "AVERAGE_POOL_2D", "MEAN", "PAD")


@dataclass(frozen=True)
class Ties:
    """One variable for each set of channels that share a scale.

    Attributes:
        count: number of variables.
        variables: tensor index to the variable of each of its channels, (C,).
        fixed: whether a variable must stay 1, (count,).
    """

    count: int
    variables: dict[int, NDArray[np.int64]]
    fixed: NDArray[np.bool_]


class _Builder:
    def __init__(self, statistics: Mapping[int, TensorStatistics]) -> None:
        self.nodes: dict[int, NDArray[np.int64]] = {}
        start = 0
        for tensor, found in statistics.items():
            stop = start + found.channels
            self.nodes[tensor] = np.arange(start, stop)
            start = stop
        self.fixed = np.zeros(start, bool)
        self.left: list[NDArray[np.int64]] = []
        self.right: list[NDArray[np.int64]] = []

    def tie(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> None:
        self.left.append(one)
        self.right.append(other)

    def fix(self, tensors: list[int]) -> None:
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


def find_ties(
    model: tfl.ModelT, graph: tfl.SubGraphT, statistics: Mapping[int, TensorStatistics]
) -> Ties:
    """Walk the operators; one that is not known to commute with scales fixes all it touches."""
    builder = _Builder(statistics)
    builder.fix([int(t) for t in (*graph.inputs, *graph.outputs)])
    for operator in graph.operators:
        variable = [int(t) for t in operator.inputs if int(t) in statistics]
        outputs = [int(t) for t in operator.outputs]
        if not _commutes(model, graph, operator, variable, builder):
            builder.fix([*variable, *outputs])
    return builder.result()


def _commutes(
    model: tfl.ModelT,
    graph: tfl.SubGraphT,
    operator: tfl.OperatorT,
    variable: list[int],
    builder: _Builder,
) -> bool:
    """Tie what the operator ties; False when it does not commute with scales at all."""
    name = tfl.operator_name(model, operator)
    output = int(operator.outputs[0])
    if output not in builder.nodes:
        return False
    scalable = affine.fused_activation(operator) in {_NONE, _RELU}
    if name in affine.CONVOLUTIONS:
        if not scalable:
            builder.fix([output])  # its weights still take up any scale of its input
        return len(variable) == 1 and affine.weights(model, graph, operator) is not None
    if name in _SHUFFLES:
        return scalable and _SHUFFLES[name](variable, output, builder)
    return (
        scalable
        and _is_homogeneous(model, graph, operator, variable)
        and _tie_whole(variable, output, builder)
    )


def _is_homogeneous(
    model: tfl.ModelT, graph: tfl.SubGraphT, operator: tfl.OperatorT, variable: list[int]
) -> bool:
    """Whether f(a * x) = a * f(x), channel by channel."""
    name = tfl.operator_name(model, operator)
    if name == "ADD":  # of two tensors, or of a constant that can be scaled along
        return len(variable) != 1 or affine.channel_constant(model, graph, operator) is not None
    if name == "MUL":
        return len(variable) == 1
    if name == "MEAN":
        return _keeps_channels(model, graph, operator)
    return name in _HOMOGENEOUS


def _keeps_channels(model: tfl.ModelT, graph: tfl.SubGraphT, operator: tfl.OperatorT) -> bool:
    """Whether a MEAN leaves the last axis alone."""
    axes = tfl.constant(model, graph, int(operator.inputs[1]))
    rank = len(graph.tensors[int(operator.inputs[0])].shape)
    return axes is not None and not np.any((axes % rank) == rank - 1)


def _tie_whole(variable: list[int], output: int, builder: _Builder) -> bool:
    channels = len(builder.nodes[output])
    if any(len(builder.nodes[tensor]) != channels for tensor in variable):
        return False
    for tensor in variable:
        builder.tie(builder.nodes[tensor], builder.nodes[output])
    return True


def _tie_slices(variable: list[int], output: int, builder: _Builder) -> bool:
    joined = np.concatenate([builder.nodes[tensor] for tensor in variable])
    if len(joined) != len(builder.nodes[output]):
        return False
    builder.tie(joined, builder.nodes[output])
    return True


def _tie_flattened(variable: list[int], output: int, builder: _Builder) -> bool:
    before, after = builder.nodes[variable[0]], builder.nodes[output]
    if len(after) % len(before):
        return False
    builder.tie(np.tile(before, len(after) // len(before)), after)
    return True


_SHUFFLES = {"CONCATENATION": _tie_slices, "RESHAPE": _tie_flattened}
