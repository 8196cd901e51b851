"""Widens the range of a branch that all but vanishes in the sum it goes into.

XNNPACK adds int8 tensors whose scales are at most 2^10 finer than the sum's
(xnn_define_binary, add); a finer one stays outside the delegate and cuts the graph in two. All that
such a branch holds is less than an eighth of one step of the sum, whatever its own steps are: its
steps can be made coarser, and the sum does not notice. Networks with weights that were never
trained have such branches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.formats import tflite_file as tfl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgecnn.quantize.ranges import Range

_FINEST_RATIO = 1 / 1000  # of a summand's scale to the sum's; XNNPACK's own limit is 1 / 1024
# What makes a summand without steps of its own: it would have to give up the same range.
_SAME_RANGE = {"MAX_POOL_2D", "RESHAPE", "RELU"}


def widen(model: tfl.ModelT, ranges: dict[int, Range]) -> int:
    """Widen in place.

    Args:
        model: the float model the ranges are of.
        ranges: (low, high) by tensor index; changed.

    Returns:
        How many ranges were widened.
    """
    graph = tfl.main_graph(model)
    widened = 0
    for operator in graph.operators:
        if tfl.operator_name(model, operator) != "ADD":
            continue
        wanted = _width(ranges.get(int(operator.outputs[0]))) * _FINEST_RATIO
        for summand in map(int, operator.inputs):
            widened += _widen(ranges, list(_line(model, graph, summand)), wanted)
    return widened


def _widen(ranges: dict[int, Range], line: list[int], wanted: float) -> int:
    if not line or line[0] not in ranges or _width(ranges[line[0]]) >= wanted:
        return 0
    factor = wanted / _width(ranges[line[0]])
    found = [tensor for tensor in line if tensor in ranges]
    for tensor in found:
        low, high = ranges[tensor]
        ranges[tensor] = (low * factor, high * factor)
    return len(found)


def _line(model: tfl.ModelT, graph: tfl.SubGraphT, tensor: int) -> Iterator[int]:
    """The summand and the tensors before it that share its range; none that others read too."""
    makers, readers = tfl.producers(graph), tfl.consumers(graph)
    while len(readers[tensor]) == 1:
        yield tensor
        maker = graph.operators[makers[tensor]] if tensor in makers else None
        if maker is None or tfl.operator_name(model, maker) not in _SAME_RANGE:
            return
        tensor = int(maker.inputs[0])


def _width(limits: Range | None) -> float:
    return 0.0 if limits is None else limits[1] - limits[0]
