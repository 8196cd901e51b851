"""Every operator with an integer kernel is quantized; what stays float is what was said to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import integer_cases as cases
import numpy as np
import pytest

from edgecnn.calibration import statistics
from edgecnn.errors import InputError
from edgecnn.formats.tflite_graph import Operator
from edgecnn.inspection import check_recipe, inspect
from edgecnn.quantize import composites, integer, measured
from edgecnn.quantize.passes import io_dtype

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecnn.formats.tflite_graph import Graph
    from edgecnn.quantize.integer import IntegerModel

LEAST_DB = 18.0


def quantized(graph: Graph, net: cases.Net, bits: int = 8, *, judge: bool = True) -> IntegerModel:
    feeds = net.feeds(40)
    names = [tensor.name for tensor in graph.outputs]
    known = statistics.collect(graph, feeds, answers=names, runs=len(feeds), threads=1)
    return integer.quantize(graph, known, judged=names, activation_bits=bits, threads=1,
                            judge=judge)  # fmt: skip


def snr_db(graph: Graph, made: IntegerModel, net: cases.Net) -> dict[str, float]:
    """About the mean over samples calibration did not see, by output."""
    feeds = net.feeds(16, seed=2)
    names = [tensor.name for tensor in graph.outputs]
    wanted = measured.answers(graph, feeds, names, threads=1)
    found = measured.answers(made.graph, feeds, names, threads=1)
    return {name: _snr_db(wanted[name], found[name]) for name in names}


def _snr_db(wanted: NDArray[Any], found: NDArray[Any]) -> float:
    noise = np.mean(np.square(wanted - found))
    spread = np.mean(np.square(wanted - wanted.mean(axis=0)))
    return float(10 * np.log10(spread / noise)) if noise > 0 else float("inf")


def checked(made: IntegerModel, folder: Path, bits: int = 8) -> None:
    path = folder / "model.tflite"
    io_dtype.apply(made.graph, "float32")
    path.write_bytes(made.data)
    recipe = "int8" if bits == 8 else "int16x8"
    check_recipe(inspect(path, delegate=False), recipe, "float32", float_ops=made.float_ops)


@pytest.mark.parametrize("name", cases.INTEGER)
def test_an_operator_with_an_integer_kernel_is_quantized(name: str, tmp_path: Path) -> None:
    graph, net = cases.around(cases.INTEGER[name][0])
    made = quantized(graph, net)
    assert made.float_ops == {}
    assert made.integer == "full"
    assert min(snr_db(graph, made, net).values()) >= LEAST_DB
    checked(made, tmp_path)


@pytest.mark.parametrize("name", [name for name, (_, both) in cases.INTEGER.items() if both])
def test_and_at_16_bits_where_there_is_one(name: str, tmp_path: Path) -> None:
    graph, net = cases.around(cases.INTEGER[name][0])
    made = quantized(graph, net, bits=16)
    assert made.float_ops == {}
    assert min(snr_db(graph, made, net).values()) >= LEAST_DB
    checked(made, tmp_path, bits=16)


@pytest.mark.parametrize("name", cases.MIXED)
def test_what_has_no_kernel_or_spans_magnitudes_stays_float_and_is_named(
    name: str, tmp_path: Path
) -> None:
    make, stay = cases.MIXED[name]
    graph, net = cases.around(make)
    made = quantized(graph, net)
    assert made.float_ops == stay
    assert made.integer == "mixed"
    assert any("in float32" in note for note in made.notes)
    assert min(snr_db(graph, made, net).values()) >= LEAST_DB
    checked(made, tmp_path)


def test_float_operators_in_a_row_have_one_conversion_on_each_side() -> None:
    graph, net = cases.around(cases.sine)
    made = quantized(graph, net)
    assert made.float_ops == {"FLOOR": 1, "SIN": 1}
    names = [operator.name for operator in made.graph.operators]
    assert names == ["CONV_2D", "DEQUANTIZE", "SIN", "FLOOR", "QUANTIZE", "CONV_2D"]


def test_parts_of_other_extent_are_joined_in_float() -> None:
    net = cases.Net()
    features = net.conv(net.image)
    score = net.unary("LOGISTIC", net.conv(features, 2))
    box = net.op("MUL", [net.unary("LOGISTIC", net.conv(features, 2)),
                         net.fixed(160.0, np.float32)], (1, 8, 8, 2),
                 cases.options("MulOptions"))  # fmt: skip
    both = net.op("CONCATENATION", [box, score], (1, 8, 8, 4),
                  cases.options("ConcatenationOptions", axis=3))  # fmt: skip
    graph = net.finish(both)
    made = quantized(graph, net)
    assert made.float_ops == {"CONCATENATION": 1}
    feeds, name = net.feeds(16, seed=2), graph.outputs[0].name
    wanted = measured.answers(graph, feeds, [name], threads=1)[name]
    found = measured.answers(made.graph, feeds, [name], threads=1)[name]
    assert min(_snr_db(wanted[..., k], found[..., k]) for k in range(4)) >= LEAST_DB
    assert quantized(graph, net, judge=False).float_ops == {}


def test_a_small_spread_around_a_large_value_leaves_as_float32() -> None:
    net = cases.Net((1, 16))
    last = net.dense(net.image, 1)
    last_bias = net.graph.operators[-1].inputs[2]
    assert last_bias is not None
    last_bias.data = np.asarray([100.0], np.float32)
    graph = net.finish(last)
    made = quantized(graph, net)
    assert made.graph.outputs[0].dtype == "FLOAT32"
    assert made.float_ops == {"FULLY_CONNECTED": 1}
    said = io_dtype.apply(made.graph, "int8").notes
    assert said == (f"float32, and not int8: {graph.inputs[0].name}, {graph.outputs[0].name}",)


def test_integers_that_count_things_pass_through() -> None:
    net = cases.Net()
    best = net.op("ARG_MAX", [net.conv(net.image, 5), net.fixed(3)], (1, 8, 8),
                  cases.options("ArgMaxOptions", outputType=2), "INT32")  # fmt: skip
    graph = net.finish(best)
    made = quantized(graph, net)
    assert made.float_ops == {}
    feeds, name = net.feeds(8, seed=2), graph.outputs[0].name
    wanted = measured.answers(graph, feeds, [name], threads=1)[name]
    found = measured.answers(made.graph, feeds, [name], threads=1)[name]
    assert np.mean(wanted == found) > 0.95


def test_each_end_has_the_type_that_was_asked_for_it() -> None:
    net = cases.Net()
    graph = net.finish(net.conv(net.image), net.conv(net.image))
    made = quantized(graph, net)
    first, second = (tensor.name for tensor in made.graph.outputs)
    io_dtype.apply(made.graph, "float32", ends={second: "uint8"})
    assert [t.dtype for t in (*made.graph.inputs, *made.graph.outputs)] == [
        "FLOAT32", "FLOAT32", "UINT8"]  # fmt: skip
    assert [t.name for t in made.graph.outputs] == [first, second]


def test_a_loop_is_refused_with_a_way_out() -> None:
    net = cases.Net()
    graph = net.finish(net.op("WHILE", [net.image], cases.SHAPE, cases.options("WhileOptions")))
    known = statistics.Statistics({}, {}, {})
    with pytest.raises(InputError, match="WHILE") as caught:
        integer.quantize(graph, known, judged=[], activation_bits=8)
    assert "dynamic" in (caught.value.hint or "")
    assert isinstance(graph.operators[0], Operator)


@pytest.mark.parametrize("hidden", [-1e9, -1e4])
def test_a_mask_that_is_fed_is_added_in_float(hidden: float) -> None:
    net = cases.Net()
    mask = net.graph.add_tensor("mask", shape=(1, 8, 8, 1))
    net.graph.inputs = [net.image, mask]
    total = net.op("ADD", [net.conv(net.image), mask], cases.SHAPE, cases.options("AddOptions"))
    top = net.op("REDUCE_MAX", [total, net.fixed([1, 2])], (1, 8), cases.options("ReducerOptions"))
    graph = net.finish(net.dense(top))

    def feeds(count: int, seed: int) -> list[list[NDArray[Any]]]:
        drawn = np.random.default_rng(seed).random((count, 1, 8, 8, 1)) < 0.3
        masks = np.where(drawn, np.float32(hidden), np.float32(0))
        return [[*feed, row] for feed, row in zip(net.feeds(count, seed), masks, strict=True)]

    names = [graph.outputs[0].name]
    known = statistics.collect(graph, feeds(40, 1), answers=names, runs=40, threads=1)
    made = integer.quantize(graph, known, judged=names, activation_bits=8, threads=1)
    assert made.float_ops == {"ADD": 1, "FULLY_CONNECTED": 1, "REDUCE_MAX": 1}
    wanted, found = (
        measured.answers(each, feeds(16, 2), names, threads=1)[names[0]]
        for each in (graph, made.graph)
    )
    assert _snr_db(wanted, found) >= LEAST_DB


def test_what_computes_places_to_read_at_stays_float() -> None:
    net = cases.Net((1, 8))
    table = net.fixed(net.normal(16, 4), np.float32)
    scaled = net.op("MUL", [net.image, net.fixed([7.5], np.float32)], (1, 8))
    at = net.op("CAST", [net.op("FLOOR", [scaled], (1, 8))], (1, 8), dtype="INT32")
    net.op("GATHER", [table, at], (1, 8, 4), cases.options("GatherOptions"))
    kept = composites.places(net.graph)
    assert {operator.name for operator in kept} == {"MUL", "FLOOR", "CAST"}
