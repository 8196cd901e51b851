"""Whatever a file's bytes say, its prediction is a number or a clear error."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from random_nets import Drawn, networks
from tiny_tflite import float_net, int8_net

from edgecnn.errors import EdgeCnnError
from edgecnn.inspection import tflite
from edgecnn.latency import profiles
from edgecnn.latency.files import costs_of_inspection
from edgecnn.latency.prediction import predict_run
from edgecnn.latency.subjects import Subject, recipe_of

VALID = [float_net().to_bytes(), int8_net().to_bytes()]
PROFILE = profiles.find("raspberry-pi-4b")


def predicts(data: bytes) -> None:
    try:
        cost = costs_of_inspection("fuzz", tflite.read(data, "fuzz.tflite"))
        run = predict_run(Subject("fuzz", recipe_of(cost), cost), PROFILE, 1)
    except EdgeCnnError:
        return
    assert 0 <= run.low_ms <= run.latency_ms <= run.high_ms
    assert math.isfinite(run.high_ms)


@settings(max_examples=400)
@given(st.sampled_from(VALID), st.integers(2, 500), st.integers(0, 2**32 - 1))
def test_a_changed_word(data: bytes, word: int, value: int) -> None:
    position = word * 4 % (len(data) - 4)
    predicts(data[:position] + value.to_bytes(4, "little") + data[position + 4 :])


@settings(max_examples=400)
@given(
    st.sampled_from(VALID),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=30),
)
def test_changed_bytes(data: bytes, changes: list[tuple[int, int]]) -> None:
    changed = bytearray(data)
    for position, value in changes:
        changed[8 + position % (len(changed) - 8)] = value
    predicts(bytes(changed))


@settings(max_examples=30)
@given(networks())
def test_any_network(drawn: Drawn) -> None:
    predicts(drawn.data)
