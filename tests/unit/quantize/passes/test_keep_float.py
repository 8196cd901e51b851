"""Layers given back to float: the same function, one partition, nothing rounded between them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import integer_cases as cases
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_nets import Drawn, RandomNet, logits_of, networks, statistics_of

from edgecnn.calibration import statistics
from edgecnn.formats.tflite_graph import Graph, Operator
from edgecnn.quantize import integer
from edgecnn.quantize.passes import io_dtype, keep_float, round_trips
from edgecnn.runtime.litert import LiteRTSession, partitions

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from edgecnn.quantize.integer import FloatSource, IntegerModel


def quantized(data: bytes, feeds: list[object]) -> tuple[IntegerModel, FloatSource]:
    known, logits = statistics_of(data, feeds)  # type: ignore[arg-type] # float arrays
    made = integer.quantize(
        Graph.read(data),
        known,
        judged=[logits],
        activation_bits=8,
        method="minmax",
        with_source=True,
        judge=False,  # every layer is an integer one until it is given back
    )
    assert made.source is not None
    return made, made.source


def names(source: FloatSource) -> list[str]:
    return list(source.graph.by_output())


def kept(made: IntegerModel, layers: Collection[str], *, io: str = "int8") -> bytes:
    assert made.source is not None
    graph = Graph.read(made.graph.write())
    assert keep_float.apply(graph, made.source.graph, layers).changes == len(layers)
    io_dtype.apply(graph, io)  # type: ignore[arg-type] # a dtype
    round_trips.apply(graph)
    return graph.write()


def distance_db(data: bytes, other: bytes, feeds: list[object]) -> float:
    """Power of the float logits over the error's: few feeds say little about their mean."""
    wanted, found = (logits_of(each, feeds).astype(np.float64) for each in (data, other))  # type: ignore[arg-type] # likewise
    noise = float(np.square(wanted - found).sum())
    return 10 * math.log10(float(np.square(wanted).sum()) / noise) if noise else math.inf


def residual() -> tuple[bytes, list[object]]:
    net = RandomNet(2)
    x = net.conv(net.image, 8)
    x = net.sum_of(net.depthwise(net.conv(net.relu(x), 8)), x)
    x = net.pool(net.relu6(x), "MAX_POOL_2D")
    return net.finish(net.softmax(net.dense(net.flatten(x), 5))), list(net.feeds(8))


def test_with_every_layer_in_float_only_the_ends_are_rounded() -> None:
    data, feeds = residual()
    made, source = quantized(data, feeds)
    whole = kept(made, names(source), io="float32")
    graph = Graph.read(whole)
    assert {tensor.dtype for tensor in graph.tensors} == {"FLOAT32", "INT32"}
    assert distance_db(data, whole, feeds) > 80
    rounded = kept(made, names(source))
    assert partitions(rounded)[0] == 1
    assert distance_db(data, rounded, feeds) > distance_db(data, made.graph.write(), feeds)


def test_no_layer_kept_changes_nothing() -> None:
    data, feeds = residual()
    made, _ = quantized(data, feeds)
    assert distance_db(made.graph.write(), kept(made, []), feeds) == math.inf


def test_two_layers_in_a_row_spare_the_tensor_between_them() -> None:
    data, feeds = residual()
    made, source = quantized(data, feeds)
    pair = names(source)[-3:-1]  # the flatten and the dense layer
    graph = Graph.read(kept(made, pair))
    operators = [operator.name for operator in graph.operators]
    place = operators.index("FULLY_CONNECTED")
    assert operators[place - 2 : place + 2] == [
        "DEQUANTIZE",
        "RESHAPE",
        "FULLY_CONNECTED",
        "QUANTIZE",
    ]
    weights = graph.operators[place].inputs[1]
    assert weights is not None
    assert weights.is_float


@settings(max_examples=20)
@given(net=networks(), picked=st.sets(st.integers(0, 40)))
def test_any_choice_of_any_network_runs_and_stays_close(*, net: Drawn, picked: set[int]) -> None:
    assume(net.operators)
    made, source = quantized(net.data, list(net.feeds))
    every = names(source)
    layers = {every[number % len(every)] for number in picked}
    assert distance_db(net.data, kept(made, layers), list(net.feeds)) > 12


@pytest.mark.parametrize("io", ["float32", "uint8", "int8"])
def test_ends_of_any_dtype(io: str) -> None:
    data, feeds = residual()
    made, source = quantized(data, feeds)
    every = names(source)
    for layers in (every[:1], every[-2:], every[-1:], every):
        file = kept(made, layers, io=io)
        assert distance_db(data, file, feeds) > 20
        graph = Graph.read(file)
        ends = [*graph.inputs, *graph.outputs]
        assert {end.dtype for end in ends} == {io.upper()}
        (signature,) = graph.signatures
        assert [tensor for _, tensor in signature.outputs] == graph.outputs


def test_places_beside_the_best_stay_whole_numbers(tmp_path: Path) -> None:
    net = cases.Net()
    x = net.conv(net.image)
    best = net.graph.add_tensor("best", shape=(1, 8, 8, 3))
    places = net.graph.add_tensor("places", "INT32", (1, 8, 8, 3))
    chosen = cases.options("TopKV2Options")
    net.graph.operators.append(Operator("TOPK_V2", [x, net.fixed(3)], [best, places], chosen))
    graph = net.finish(best, places)
    known = statistics.collect(graph, net.feeds(8), answers=["best"], runs=8, threads=1)
    made = integer.quantize(
        graph, known, judged=["best"], activation_bits=8, threads=1, with_source=True
    )
    assert made.source is not None
    assert keep_float.apply(made.graph, made.source.graph, ["best"]).changes == 1
    (tmp_path / "model.tflite").write_bytes(made.graph.write())
    session = LiteRTSession(tmp_path / "model.tflite", threads=1)
    assert [output.dtype for output in session.outputs] == ["int8", "int32"]
    (kept,) = (op for op in made.graph.operators if op.name == "TOPK_V2")
    assert [tensor.dtype for tensor in kept.outputs] == ["FLOAT32", "INT32"]
