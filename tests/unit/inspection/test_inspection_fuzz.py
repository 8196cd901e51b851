"""Whatever the bytes, reading a .tflite ends, and with an answer or an EdgeCnnError."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tflite import float_net, int8_net

from edgecnn.errors import EdgeCnnError
from edgecnn.inspection import Inspection, inspect, tflite

if TYPE_CHECKING:
    from pathlib import Path

VALID = [
    float_net().to_bytes(),
    int8_net().to_bytes(),
    int8_net().to_bytes(buffers_behind=True),
]
_MANY = settings(max_examples=400, deadline=None)
flips = st.lists(
    st.tuples(
        st.integers(8, 2000), st.one_of(st.sampled_from([0, 1, 127, 255]), st.integers(0, 255))
    ),
    min_size=1,
    max_size=30,
)


def answers(data: bytes) -> bool:
    """Whether the bytes were taken for a model; raises what is no EdgeCnnError."""
    try:
        found = tflite.read(data, "fuzz.tflite")
    except EdgeCnnError as error:
        assert "fuzz.tflite" in error.message  # noqa: PT017 - either outcome is right
        return False
    assert isinstance(found, Inspection)
    return True


def flipped(data: bytes, changes: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for position, value in changes:
        changed[8 + (position - 8) % (len(changed) - 8)] = value
    return bytes(changed)


@_MANY
@given(st.binary(max_size=400))
def test_random_bytes_are_refused(data: bytes) -> None:
    assert not answers(data)


@_MANY
@given(st.binary(min_size=4, max_size=4), st.binary(max_size=400))
def test_random_bytes_with_the_identifier_are_answered(root: bytes, rest: bytes) -> None:
    answers(root + b"TFL3" + rest)


@_MANY
@given(st.sampled_from(VALID), st.floats(0, 1, exclude_max=True))
def test_truncations_are_answered(data: bytes, share: float) -> None:
    answers(data[: int(len(data) * share)])


@_MANY
@given(st.sampled_from(VALID), flips)
def test_flipped_bytes_are_answered(data: bytes, changes: list[tuple[int, int]]) -> None:
    answers(flipped(data, changes))


@_MANY
@given(st.sampled_from(VALID), st.integers(2, 500), st.integers(0, 2**32 - 1))
def test_a_changed_offset_or_length_is_answered(data: bytes, word: int, value: int) -> None:
    position = word * 4 % (len(data) - 4)
    answers(data[:position] + value.to_bytes(4, "little") + data[position + 4 :])


@pytest.mark.parametrize("seed", range(6))
def test_native_code_meets_flipped_bytes_in_a_child(seed: int, tmp_path: Path) -> None:
    """Weights are no structure: the file stays readable, and LiteRT may make of it what it will."""
    path = tmp_path / "flipped.tflite"
    path.write_bytes(flipped(VALID[1], [(8 + 97 * (seed + step), 200) for step in range(3)]))
    try:
        found = inspect(path)
    except EdgeCnnError as error:
        assert str(path) in error.message  # noqa: PT017 - either outcome is right
    else:
        assert found.graph.ops
