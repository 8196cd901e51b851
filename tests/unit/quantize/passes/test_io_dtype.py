"""Other ends on an integer model: the same numbers, in another dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_nets import RandomNet, logits_of, operators, run, statistics_of

from edgecnn.errors import CheckFailedError
from edgecnn.formats.tflite_graph import Graph
from edgecnn.inspection import check_recipe, tflite
from edgecnn.quantize import integer
from edgecnn.quantize.passes import io_dtype
from edgecnn.runtime.litert import LiteRTSession, partitions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.recipes import IoDtype


def int8_file(seed: int = 0, *, two_outputs: bool = False, bits: int = 8) -> bytes:
    net = RandomNet(seed)
    x = net.conv(net.image, 4, activation="RELU")
    outputs = [net.dense(net.flatten(x), 5)]
    if two_outputs:
        outputs.append(net.conv(x, 2))
    data = net.finish(*outputs)
    known, logits = statistics_of(data, net.feeds())
    made = integer.quantize(
        Graph.read(data), known, judged=[logits], activation_bits=bits, method="minmax"
    )
    return made.graph.write()


def with_ends(data: bytes, dtype: IoDtype) -> bytes:
    graph = Graph.read(data)
    io_dtype.apply(graph, dtype)
    return graph.write()


def steps(seed: int, shape: tuple[int, ...]) -> NDArray[np.int8]:
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def dequantized(values: NDArray[Any], info: Any) -> NDArray[np.float32]:  # noqa: ANN401 - a TensorInfo
    real: NDArray[np.float32] = np.float32(info.scale) * (
        values.astype(np.int32) - info.zero_point
    ).astype(np.float32)
    return real


@given(seed=st.integers(0, 2**16), two_outputs=st.booleans())
@settings(max_examples=15)
def test_uint8_ends_are_the_int8_ones_moved_by_128(*, seed: int, two_outputs: bool) -> None:
    plain = int8_file(seed % 3, two_outputs=two_outputs)
    moved = with_ends(plain, "uint8")
    feed = steps(seed, (1, 8, 8, 3))
    for wanted, found in zip(
        run(plain, [feed]),
        run(moved, [(feed.astype(np.int16) + 128).astype(np.uint8)]),
        strict=True,
    ):
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found.astype(np.int16) - 128, wanted)


@given(seed=st.integers(0, 2**16), two_outputs=st.booleans())
@settings(max_examples=15)
def test_float32_ends_stand_for_the_same_numbers(*, seed: int, two_outputs: bool) -> None:
    plain = int8_file(seed % 3, two_outputs=two_outputs)
    session = LiteRTSession(plain)
    feed = steps(seed, (1, 8, 8, 3))
    real = dequantized(feed, session.inputs[0])
    for wanted, found, info in zip(
        session.run([feed]), run(with_ends(plain, "float32"), [real]), session.outputs, strict=True
    ):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found[0], dequantized(wanted, info))


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_the_names_and_the_signature_stay(dtype: IoDtype) -> None:
    plain = int8_file(two_outputs=True)
    before, after = LiteRTSession(plain), LiteRTSession(with_ends(plain, dtype))
    assert [t.name for t in after.inputs] == [t.name for t in before.inputs]
    assert [t.name for t in after.outputs] == [t.name for t in before.outputs]
    assert {t.dtype for t in (*after.inputs, *after.outputs)} == {dtype}
    graph = Graph.read(with_ends(plain, dtype))
    (signature,) = graph.signatures
    assert [tensor for _, tensor in signature.inputs] == graph.inputs
    assert [tensor for _, tensor in signature.outputs] == graph.outputs


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_the_graph_stays_one_partition(dtype: IoDtype) -> None:
    assert partitions(with_ends(int8_file(), dtype))[0] == 1


@pytest.mark.parametrize(("bits", "dtype"), [(8, "int8"), (16, "int16")])
def test_ends_that_are_right_already_stay(bits: int, dtype: IoDtype) -> None:
    data = int8_file(bits=bits)
    graph = Graph.read(data)
    assert io_dtype.apply(graph, dtype).changes == 0
    assert operators(graph.write()) == operators(data)


def test_float32_ends_on_int16() -> None:
    plain = int8_file(bits=16)
    session = LiteRTSession(plain)
    feed = steps(0, (1, 8, 8, 3)).astype(np.int16) * 200
    real = dequantized(feed, session.inputs[0])
    wanted = dequantized(session.run([feed])[0], session.outputs[0])
    np.testing.assert_array_equal(run(with_ends(plain, "float32"), [real])[0][0], wanted)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_softmax_with_a_float_output_computes_in_float(bits: int) -> None:
    net = RandomNet(4)
    x = net.conv(net.image, 4, activation="RELU")
    data = net.finish(net.softmax(net.dense(net.flatten(x), 5)))
    known, logits = statistics_of(data, net.feeds())
    plain = integer.quantize(
        Graph.read(data), known, judged=[logits], activation_bits=bits, method="minmax"
    ).graph.write()
    changed = with_ends(plain, "float32")
    check_recipe(tflite.read(changed, "changed"), "int8" if bits == 8 else "int16x8", "float32")
    feed = net.feeds(1)[0]
    (probabilities,) = run(changed, [feed])[0]
    assert probabilities.shape == (1, 5)
    assert probabilities.dtype == np.float32
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-6)
    wanted = np.exp(logits_of(changed, [feed])[0].astype(np.float64))
    np.testing.assert_allclose(probabilities[0], wanted / wanted.sum(), rtol=1e-4)
    if bits == 8:
        assert partitions(changed) == (1, {})
        assert partitions(plain)[1] == {"SOFTMAX": 1}


def test_a_float_softmax_in_the_middle_is_still_refused() -> None:
    net = RandomNet(5)
    x = net.softmax(net.conv(net.image, 4))
    data = net.finish(net.dense(net.flatten(x), 5))
    with pytest.raises(CheckFailedError, match="SOFTMAX"):
        check_recipe(tflite.read(data, "float"), "int8", "float32")
