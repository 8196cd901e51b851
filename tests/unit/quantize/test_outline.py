"""What an export may write, laid out before it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import integer_cases as cases
import numpy as np
import pytest

from edgecnn.calibration import statistics
from edgecnn.quantize import integer, outline

if TYPE_CHECKING:
    from edgecnn.calibration.statistics import Statistics
    from edgecnn.formats.tflite_graph import Graph
    from edgecnn.quantize.outline import Outlines

# A fourth of those that become integers: `test_integer_operators` holds all of them.
MAKERS = {name: make for name, (make, _) in (*[*cases.INTEGER.items()][::4], *cases.MIXED.items())}


def seen(graph: Graph, net: cases.Net) -> Statistics:
    feeds = net.feeds(40)
    names = [tensor.name for tensor in graph.outputs]
    return statistics.collect(graph, feeds, answers=names, runs=len(feeds), threads=1)


def outlined(
    graph: Graph, known: Statistics | None, net: cases.Net, *, may_mix: bool = False
) -> Outlines:
    judged = [tensor.name for tensor in graph.outputs]
    samples = None if known is None else outline.Samples(known, net.feeds(8), 1)
    return outline.outlines(graph, samples, judged, random=False, may_mix=may_mix)


def operators(graph: Graph) -> list[str]:
    return [operator.name for operator in graph.operators]


@pytest.mark.parametrize("name", MAKERS)
def test_the_expected_file_has_the_operators_that_are_written(name: str) -> None:
    graph, net = cases.around(MAKERS[name])
    known = seen(graph, net)
    names = [tensor.name for tensor in graph.outputs]
    made = integer.quantize(graph, known, judged=names, activation_bits=8, threads=1)
    expected = outlined(graph, known, net).expected
    assert operators(expected.graph) == operators(made.graph)
    assert expected.float_ops == made.float_ops
    assert len(expected.graph.write()) == pytest.approx(len(made.graph.write()), rel=0.02, abs=64)


@pytest.mark.parametrize("name", cases.MIXED)
def test_without_samples_the_shape_alone_decides(name: str) -> None:
    graph, net = cases.around(MAKERS[name])
    laid_out = outlined(graph, None, net)
    assert operators(laid_out.expected.graph) == operators(laid_out.by_shape.graph)
    assert set(laid_out.by_shape.float_ops) <= set(cases.MIXED[name][1])


def test_every_layer_may_be_float_where_files_are_measured_alone() -> None:
    graph, net = cases.around(next(iter(MAKERS.values())))
    known = seen(graph, net)
    in_float = outlined(graph, known, net, may_mix=True).in_float
    assert in_float is not None
    assert operators(in_float.graph) == operators(graph)
    assert outlined(graph, known, net).in_float is None


def test_joins_of_the_same_tensors_are_read_on_one_scale_unless_they_are_parted() -> None:
    net = cases.Net()
    outputs = [net.conv(net.image), net.conv(net.image)]
    for count in (2, 3):
        joined = net.op("CONCATENATION", outputs, (1, 8, 8, 8 * count),
                        cases.options("ConcatenationOptions", axis=3))  # fmt: skip
        outputs.append(net.conv(joined))
    graph = net.finish(outputs[-1])
    laid_out = outlined(graph, seen(graph, net), net)
    assert operators(laid_out.expected.graph).count("QUANTIZE") == 0
    assert operators(laid_out.apart.graph).count("QUANTIZE") == 4


def test_layers_are_given_back_to_float_where_integers_are_too_far_off() -> None:
    """Steep functions in a row make much of every rounding."""
    net = cases.Net()
    last = net.image
    for _ in range(6):
        last = net.conv(last)
        weights = net.graph.operators[-1].inputs[1]
        assert weights is not None
        assert weights.data is not None
        weights.data = weights.data * np.float32(6.0)
        last = net.unary("TANH", last)
    graph = net.finish(net.conv(last))
    laid_out = outlined(graph, seen(graph, net), net, may_mix=True)
    assert "CONV_2D" in laid_out.expected.float_ops
    assert any("back to float32" in reason for reason in laid_out.expected.reasons)
    assert outlined(graph, seen(graph, net), net).expected.float_ops == {}
