"""Finding a file's logits: through what stands around the softmax, and through any damage."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from random_nets import RandomNet, run, statistics_of
from tiny_tflite import TinyModel, float_net, int8_net

from edgecnn.errors import InputError
from edgecnn.formats import tflite_logits
from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize import integer
from edgecnn.quantize.passes import io_dtype


def only(data: bytes) -> tflite_logits.Logits:
    """What is found behind a file's one output."""
    (found,) = tflite_logits.find(data)
    return found


def softmax_of(name: str, tensor: int) -> tflite_logits.Logits:
    return tflite_logits.Logits(tensor, name, has_softmax=True, has_sigmoid=False)


def bare(name: str, tensor: int) -> tflite_logits.Logits:
    return tflite_logits.Logits(tensor, name, has_softmax=False, has_sigmoid=False)


def with_softmax(*, reshape: bool = False) -> tuple[RandomNet, bytes, int]:
    """A network, its file, and its logits' tensor; a RESHAPE on both sides of the softmax."""
    net = RandomNet(0)
    logits = net.dense(net.flatten(net.conv(net.image, 4)), 6)
    if not reshape:
        return net, net.finish(net.softmax(logits)), logits
    logits = net.reshape(logits, (1, 1, 1, 6))
    return net, net.finish(net.reshape(net.softmax(logits), (1, 6))), logits


@pytest.mark.parametrize("reshape", [False, True])
def test_the_softmaxs_input_is_found(*, reshape: bool) -> None:
    net, data, logits = with_softmax(reshape=reshape)
    assert only(data) == softmax_of(net.name(logits), logits)


@pytest.mark.parametrize("ends", ["int8", "uint8", "float32"])
def test_quantize_and_dequantize_are_looked_through(ends: str) -> None:
    net, data, _ = with_softmax()
    feeds = net.feeds()
    known, logits = statistics_of(data, feeds)
    made = integer.quantize(
        Graph.read(data), known, judged=[logits], activation_bits=8, method="minmax"
    )
    graph = made.graph
    io_dtype.apply(graph, ends)  # type: ignore[arg-type] # one of IoDtype
    changed = graph.write()
    softmax = next(op for op in graph.operators if op.name == "SOFTMAX")
    logits_at = graph.named_tensors().index(softmax.source)
    assert only(changed) == softmax_of(softmax.source.name, logits_at)


def test_a_file_without_softmax_has_its_output_for_logits() -> None:
    net = float_net()
    output = net.graph.outputs[0]
    assert only(net.to_bytes()) == bare(net.graph.tensors[output].name, output)


def test_what_a_quantize_hides_without_a_softmax_is_not_the_logits() -> None:
    net = RandomNet(0)
    x = net.reshape(net.relu(net.dense(net.image, 6)), (6,))
    assert only(net.finish(x)) == bare(net.name(x), x)


def test_an_input_that_is_the_output() -> None:
    net = RandomNet(0)
    assert only(net.finish(net.image)) == bare("image", net.image)


def test_a_ring_of_reshapes_ends() -> None:
    net = TinyModel()
    one, other = net.tensor("float32", (1, 4)), net.tensor("float32", (1, 4))
    net.operator("RESHAPE", [one], [other])
    net.operator("RESHAPE", [other], [one])
    net.border([], [one])
    assert only(net.to_bytes()) == bare(net.graph.tensors[one].name, one)


@pytest.mark.parametrize("behind", [(), ("RESHAPE",)])
def test_a_sigmoid_is_told(behind: tuple[str, ...]) -> None:
    net = RandomNet(0)
    x = net.op("LOGISTIC", [net.dense(net.flatten(net.image), 6)], (1, 6))
    for _ in behind:
        x = net.reshape(x, (6,))
    found = only(net.finish(x))
    assert found == tflite_logits.Logits(x, net.name(x), has_softmax=False, has_sigmoid=True)
    inside = net.dense(x, 3) if not behind else net.dense(net.reshape(x, (1, 6)), 3)
    assert only(net.finish(inside)) == bare(net.name(inside), inside)


def several() -> tuple[RandomNet, bytes, tuple[int, int, int, int]]:
    """Scores, a map, the same softmax's scores once more in another shape, and a sigmoid."""
    net = RandomNet(0)
    features = net.conv(net.image, 4)
    logits = net.dense(net.flatten(features), 6)
    scores = net.softmax(logits)
    apart = net.op("LOGISTIC", [net.dense(net.flatten(features), 1)], (1, 1))
    ends = (scores, features, net.reshape(scores, (6,)), apart)
    return net, net.finish(*ends), (logits, features, logits, apart)


def test_every_output_is_looked_behind_in_order() -> None:
    net, data, places = several()
    found = tflite_logits.find(data)
    assert tuple(each.tensor for each in found) == places
    assert [each.name for each in found] == [net.name(place) for place in places]
    assert [each.has_softmax for each in found] == [True, False, True, False]
    assert [each.has_sigmoid for each in found] == [False, False, False, True]


def test_logits_become_outputs_behind_the_files_own() -> None:
    net, data, _ = several()
    tapped, taps = tflite_logits.tap(data)
    assert taps == (0, 2)
    feeds = net.feeds(2)
    own, answers = run(data, feeds), run(tapped, feeds)
    assert len(answers) == len(own) + 2
    for one, other in zip(own, answers, strict=False):
        np.testing.assert_array_equal(other, one)
    scores, logits, again = own[0], answers[4], answers[5]
    np.testing.assert_array_equal(again, logits)
    powers = np.exp(logits)
    np.testing.assert_allclose(scores, powers / powers.sum(axis=-1, keepdims=True), rtol=1e-4)


@pytest.mark.parametrize("reshape", [False, True])
def test_a_tap_changes_one_number_and_the_file_answers_with_its_logits(*, reshape: bool) -> None:
    net, data, _ = with_softmax(reshape=reshape)
    tapped, taps = tflite_logits.tap(data)
    assert taps == (0,)
    before = np.frombuffer(data, np.uint8)
    changed = np.flatnonzero(np.frombuffer(tapped[: len(data)], np.uint8) != before)
    assert 1 <= len(changed) <= 4  # where the list of outputs lies; it is put behind the file
    assert changed[-1] - changed[0] < 4
    assert len(tapped) - len(data) < 4 + 3 * 4
    feeds = net.feeds()
    (probabilities,), (same, logits) = run(data, feeds), run(tapped, feeds)
    np.testing.assert_array_equal(same, probabilities)
    powers = np.exp(logits.reshape(len(feeds), -1))
    wanted = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities.reshape(wanted.shape), wanted, rtol=1e-4)


def test_a_tap_of_a_file_without_softmax_is_the_file() -> None:
    data = int8_net().to_bytes(buffers_behind=True)
    assert tflite_logits.tap(data) == (data, ())


def test_a_tapped_file_keeps_its_weights_behind_the_flatbuffer() -> None:
    net, inside, _ = with_softmax()
    behind = net.tiny.to_bytes(buffers_behind=True)
    feeds = net.feeds(1)
    wanted, found = (run(tflite_logits.tap(data)[0], feeds) for data in (inside, behind))
    for one, other in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(other, one)


VALID = [
    with_softmax()[1],
    with_softmax(reshape=True)[1],
    int8_net().to_bytes(buffers_behind=True),
    several()[1],
]


def answers(data: bytes) -> bool:
    """Whether the logits were found; only an InputError may say that they were not."""
    try:
        found = tflite_logits.find(data)
    except InputError as error:
        assert error.hint  # noqa: PT017 - either outcome is right
        return False
    assert all(isinstance(each.tensor, int) for each in found)
    tapped, taps = tflite_logits.tap(data)
    assert taps == tuple(place for place, each in enumerate(found) if each.has_softmax)
    assert tapped[: len(data)] == data or taps
    longer = len(tapped) - len(data)
    assert longer == (-len(data) % 4 + 4 * (1 + len(found) + len(taps)) if taps else 0)
    return True


@settings(max_examples=300)
@given(st.binary(max_size=300))
@example(b"")
@example(bytes(4))
@example(bytes(400))
@example(b"\xff" * 400)
def test_random_bytes_are_answered(data: bytes) -> None:
    answers(data)


@pytest.mark.parametrize("data", VALID, ids=["softmax", "reshape", "int8", "several"])
def test_every_truncation_is_answered(data: bytes) -> None:
    assert answers(data)
    found = [answers(data[:length]) for length in range(0, len(data), 3)]
    assert not all(found)
    assert not found[0]


flips = st.lists(
    st.tuples(
        st.integers(0, 4000), st.one_of(st.sampled_from([0, 1, 127, 128, 255]), st.integers(0, 255))
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=400)
@given(st.sampled_from(VALID), flips)
def test_changed_bytes_are_answered(data: bytes, changes: list[tuple[int, int]]) -> None:
    changed = bytearray(data)
    for position, value in changes:
        changed[position % len(changed)] = value
    answers(bytes(changed))


def test_vectors_that_claim_more_than_the_file_holds_end_soon() -> None:
    data = VALID[0]
    refused = 0
    for position in range(0, len(data) - 4, 4):
        changed = bytearray(data)
        changed[position : position + 4] = b"\xff\xff\xff\x7f"
        refused += not answers(bytes(changed))
    assert refused > 10


def hostile(count: int) -> bytes:
    """Its operators are one table many times over, with outputs as many: the square to read."""
    data = bytearray(float_net().to_bytes())
    data += bytes(-len(data) % 4)
    graph = tflite_logits._graph(bytes(data))  # noqa: SLF001 - to find the field to change
    field = graph.Pos + graph.Offset(10)
    operators = len(data)
    table = operators + 4 + 4 * count + 12
    struct.pack_into("<I", data, field, operators - field)
    entries = (table - (operators + 4 + 4 * index) for index in range(count))
    data += struct.pack(f"<{count + 1}I", count, *entries)
    data += struct.pack("<6H", 10, 8, 0, 0, 4, 0)  # the vtable: outputs at 4
    data += struct.pack(f"<iI{count + 1}i", 12, 4, count, *range(count))
    return bytes(data)


def test_a_hostile_file_that_is_the_square_to_read_is_refused() -> None:
    with pytest.raises(InputError, match="more outputs than the file has room for"):
        tflite_logits.find(hostile(100_000))
