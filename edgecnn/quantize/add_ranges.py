"""Widens the range of a branch that all but vanishes in the sum it goes into.

XNNPACK adds int8 tensors whose scales are at most 2^10 finer than the sum's
(xnn_define_binary, add); a finer one stays outside the delegate and cuts the graph in two. All that
such a branch holds is less than an eighth of one step of the sum, whatever its own steps are: its
steps can be made coarser, and the sum does not notice. Networks with weights that were never
trained have such branches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from edgecnn.formats.tflite_graph import Graph, Operator, Tensor
    from edgecnn.quantize.ranges import Range

_FINEST_RATIO = 1 / 1000  # of a summand's scale to the sum's; XNNPACK's own limit is 1 / 1024
# What makes a summand without steps of its own: it would have to give up the same range.
_SAME_RANGE = {"MAX_POOL_2D", "RESHAPE", "RELU"}


def widen(graph: Graph, ranges: dict[str, Range], in_float: Collection[Operator] = ()) -> int:
    """Widen in place.

    Args:
        graph: the float graph the ranges are of.
        ranges: (low, high) by tensor name; changed.
        in_float: operators that compute on real numbers: a mask of -1e9 is added by one of these.

    Returns:
        How many ranges were widened.
    """
    widened = 0
    for operator in graph.operators:
        if operator.name != "ADD" or operator in in_float:
            continue
        least = _width(ranges.get(operator.output.name)) * _FINEST_RATIO
        for summand in operator.read:
            widened += _widen(ranges, [t.name for t in _line(graph, summand)], least)
    return widened


def _widen(ranges: dict[str, Range], line: list[str], least: float) -> int:
    if not line or line[0] not in ranges or _width(ranges[line[0]]) >= least:
        return 0
    factor = least / _width(ranges[line[0]])
    tensors = [tensor for tensor in line if tensor in ranges]
    for tensor in tensors:
        low, high = ranges[tensor]
        ranges[tensor] = (low * factor, high * factor)
    return len(tensors)


def _line(graph: Graph, tensor: Tensor) -> Iterator[Tensor]:
    """The summand and the tensors before it that share its range; none that others read too."""
    while len(graph.consumers(tensor)) == 1:
        yield tensor
        maker = graph.producer(tensor)
        if maker is None or maker.name not in _SAME_RANGE:
            return
        tensor = maker.source


def _width(limits: Range | None) -> float:
    return 0.0 if limits is None else limits[1] - limits[0]
