"""A float file to a full-integer one: close to float, whole under XNNPACK, the same every time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_nets import Drawn, RandomNet, logits_of, networks, operators, statistics_of

from edgecnn import parity
from edgecnn.calibration.statistics import collect
from edgecnn.errors import EdgeCnnError
from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize import integer, layout, litert, measured
from edgecnn.runtime.litert import partitions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgecnn.quantize.integer import IntegerModel


def quantized(
    data: bytes,
    feeds: Sequence[NDArray[np.float32]],
    *,
    bits: int = 8,
    method: str = "auto",
    threads: int = 1,
) -> tuple[IntegerModel, float]:
    """The integer model, and the SNR of its logits on the calibration inputs."""
    known, logits = statistics_of(data, feeds)
    made = integer.quantize(
        Graph.read(data), known, judged=[logits], activation_bits=bits, method=method,
        trial=[[feed] for feed in feeds], threads=threads,
    )  # fmt: skip
    found = parity.snr_db(known.answers[logits], logits_of(made.graph.write(), feeds))
    return made, float("inf") if found is None else found


def residual_net(seed: int = 0) -> tuple[bytes, list[NDArray[np.float32]]]:
    net = RandomNet(seed)
    x = net.conv(net.image, 8)
    for _ in range(2):
        x = net.sum_of(net.depthwise(net.conv(net.relu(x), 8)), x)
    x = net.pool(net.relu(x), "MAX_POOL_2D")
    return net.finish(net.softmax(net.dense(net.flatten(x), 5))), net.feeds(8)


def test_a_residual_network_is_one_partition_of_integers_and_close_to_float() -> None:
    data, feeds = residual_net()
    made, snr_db = quantized(data, feeds)
    assert partitions(made.graph.write()) == (
        1,
        {"SOFTMAX": 1},
    )  # the last, which XNNPACK has no int8 of
    assert "RELU" not in operators(made.graph.write())
    graph = Graph.read(made.graph.write())
    assert {t.dtype for t in graph.tensors} <= {"INT8", "INT32"}
    assert snr_db > 25


@settings(max_examples=25)
@given(net=networks(), bits=st.sampled_from([8, 16]))
def test_any_network_is_quantized_and_close_to_float(*, net: Drawn, bits: int) -> None:
    assume(net.operators)
    made, _ = quantized(net.data, net.feeds, bits=bits)
    wanted, got = logits_of(net.data, net.feeds), logits_of(made.graph.write(), net.feeds)
    # By power: a few feeds say little about their mean. int8 is coarse for a random chain of
    # normalizations; a wrong graph is below 10.
    noise = float(np.square(wanted - got).sum())
    assert noise == 0 or 10 * np.log10(float(np.square(wanted).sum()) / noise) > 15
    assert made.choice.settings.method in {"minmax", "mse"}


def test_sixteen_bits_are_closer_than_eight() -> None:
    data, feeds = residual_net()
    assert quantized(data, feeds, bits=16)[1] > quantized(data, feeds)[1] + 3


def test_a_method_that_is_asked_for_is_not_compared_with_others() -> None:
    data, feeds = residual_net(1)
    for method in ("minmax", "mse", "percentile"):
        choice = quantized(data, feeds, method=method)[0].choice
        assert choice.settings.method == method
        assert all(text.startswith(f"{method} ranges") for text in choice.tried)


def test_the_same_bytes_whatever_the_threads() -> None:
    data, feeds = residual_net()
    one, two = (quantized(data, feeds, threads=n)[0].graph.write() for n in (1, 2))
    assert one == two


def test_a_layer_without_bias_gets_one() -> None:
    net = RandomNet(0)
    data = net.finish(net.dense(net.image, 4, bias=False))
    made, snr_db = quantized(data, net.feeds())
    assert len(made.graph.operators[-1].read) == 3
    assert snr_db > 30


@pytest.mark.parametrize("dead", ["tensor", "logits", "input"])
def test_what_is_zero_throughout_does_not_break_the_file(dead: str) -> None:
    net = RandomNet(0)
    nothing = np.zeros(3, np.float32)
    x = net.mul(net.image, nothing) if dead == "tensor" else net.image
    x = net.dense(net.flatten(net.relu(net.conv(x, 4))), 3)
    if dead == "logits":
        x = net.mul(x, nothing)
    data = net.finish(x)
    feeds = net.feeds()
    if dead == "input":
        feeds = [np.zeros_like(feed) for feed in feeds]
    made, snr_db = quantized(data, feeds)
    assert operators(made.graph.write())
    assert snr_db > 30


def test_a_grouped_convolution_is_quantized_too() -> None:
    net = RandomNet(0, (1, 6, 6, 4))
    x = net.relu(net.conv(net.conv(net.image, 8), 8, groups=2))
    made, snr_db = quantized(net.finish(net.conv(x, 4)), net.feeds())
    assert operators(made.graph.write()).count("CONV_2D") == 3
    assert snr_db > 25


def test_a_tensor_without_a_range_is_told() -> None:
    net = RandomNet(0)
    data = net.finish(net.conv(net.image, 4))
    with pytest.raises(EdgeCnnError, match="is not known") as caught:
        layout.lay_out(Graph.read(data), {}, 8)
    assert caught.value.hint


def test_dynamic_keeps_float_ends_and_the_answers() -> None:
    net = RandomNet(0)
    x = net.depthwise(net.conv(net.image, 16))
    data = net.finish(net.dense(net.flatten(x), 8))
    feeds = net.feeds()
    made = litert.dynamic(Graph.read(data)).write()
    known, logits = statistics_of(data, feeds)
    found = parity.snr_db(known.answers[logits], logits_of(made, feeds))
    assert found is not None
    assert found > 30
    assert len(made) < len(data)


def test_the_quantizers_chatter_stays_out_of_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    data, feeds = residual_net()
    quantized(data, feeds)
    assert capfd.readouterr().out == ""


def two_ends() -> Graph:
    """Two inputs, and two outputs of unlike sizes: a map, and numbers a hundred times as large."""
    net = RandomNet(7)
    other = net.tiny.tensor("float32", (1, 8, 8, 3), name="other")
    x = net.sum_of(net.conv(net.image, 4), net.conv(other, 4), activation="RELU")
    loud = net.mul(net.dense(net.flatten(x), 3), np.full(3, 100, np.float32))
    net.tiny.border([net.image, other], [net.conv(x, 2), loud])
    graph = Graph.read(net.tiny.to_bytes())
    graph.rename_ends(["image", "other"], ["map", "numbers"])
    graph.set_signature()
    return graph


def test_every_output_of_several_counts() -> None:
    graph, net = two_ends(), RandomNet(1)
    feeds = [net.feeds(2) for _ in range(8)]
    judged = ["map", "numbers"]
    before = graph.write()
    known = collect(graph, feeds, answers=judged, runs=8, threads=1)
    made = integer.quantize(graph, known, judged=judged, activation_bits=8, trial=feeds)
    assert graph.write() == before
    assert [tensor.name for tensor in made.graph.outputs] == judged
    assert {text.split()[0] for text in made.choice.tried} == {"minmax", "mse"}
    found = measured.answers(made.graph, feeds, judged, threads=1)
    for name in judged:
        assert found[name].shape == known.answers[name].shape
        ratio = parity.snr_db(known.answers[name], found[name])
        assert ratio is not None
        assert ratio > 25
