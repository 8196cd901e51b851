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
    _, data, logits = with_softmax(reshape=reshape)
    assert tflite_logits.find(data) == tflite_logits.Logits(logits, has_softmax=True)


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
    found = tflite_logits.find(changed)
    softmax = next(op for op in graph.operators if op.name == "SOFTMAX")
    logits_at = graph.named_tensors().index(softmax.source)
    assert found == tflite_logits.Logits(logits_at, has_softmax=True)


def test_a_file_without_softmax_has_its_output_for_logits() -> None:
    net = float_net()
    found = tflite_logits.find(net.to_bytes())
    assert found == tflite_logits.Logits(net.graph.outputs[0], has_softmax=False)


def test_what_a_quantize_hides_without_a_softmax_is_not_the_logits() -> None:
    net = RandomNet(0)
    x = net.reshape(net.relu(net.dense(net.image, 6)), (6,))
    assert tflite_logits.find(net.finish(x)).tensor == x


def test_an_input_that_is_the_output() -> None:
    net = RandomNet(0)
    assert tflite_logits.find(net.finish(net.image)).tensor == net.image


def test_a_ring_of_reshapes_ends() -> None:
    net = TinyModel()
    one, other = net.tensor("float32", (1, 4)), net.tensor("float32", (1, 4))
    net.operator("RESHAPE", [one], [other])
    net.operator("RESHAPE", [other], [one])
    net.border([], [one])
    assert tflite_logits.find(net.to_bytes()) == tflite_logits.Logits(one, has_softmax=False)


@pytest.mark.parametrize("reshape", [False, True])
def test_a_tap_changes_one_number_and_the_file_answers_with_its_logits(*, reshape: bool) -> None:
    net, data, _ = with_softmax(reshape=reshape)
    tapped = tflite_logits.tap(data)
    assert len(tapped) == len(data)
    changed = np.flatnonzero(np.frombuffer(tapped, np.uint8) != np.frombuffer(data, np.uint8))
    assert 1 <= len(changed) <= 4
    assert changed[-1] - changed[0] < 4
    feeds = net.feeds()
    logits, probabilities = run(tapped, feeds)[0], run(data, feeds)[0]
    powers = np.exp(logits.reshape(len(feeds), -1))
    wanted = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities.reshape(wanted.shape), wanted, rtol=1e-4)


def test_a_tap_of_a_file_without_softmax_is_the_file() -> None:
    data = int8_net().to_bytes(buffers_behind=True)
    assert tflite_logits.tap(data) == data


def test_a_tapped_file_keeps_its_weights_behind_the_flatbuffer() -> None:
    net, inside, _ = with_softmax()
    behind = net.tiny.to_bytes(buffers_behind=True)
    feeds = net.feeds(1)
    wanted, found = (run(tflite_logits.tap(data), feeds)[0] for data in (inside, behind))
    np.testing.assert_array_equal(found, wanted)


VALID = [with_softmax()[1], with_softmax(reshape=True)[1], int8_net().to_bytes(buffers_behind=True)]


def answers(data: bytes) -> bool:
    """Whether the logits were found; only an InputError may say that they were not."""
    try:
        found = tflite_logits.find(data)
    except InputError as error:
        assert error.hint  # noqa: PT017 - either outcome is right
        return False
    assert isinstance(found.tensor, int)
    assert len(tflite_logits.tap(data)) == len(data)
    return True


@settings(max_examples=300)
@given(st.binary(max_size=300))
@example(b"")
@example(bytes(4))
@example(bytes(400))
@example(b"\xff" * 400)
def test_random_bytes_are_answered(data: bytes) -> None:
    answers(data)


@pytest.mark.parametrize("data", VALID, ids=["softmax", "reshape", "int8"])
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
