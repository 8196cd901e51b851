"""What is said of a file without running it: its arena, its names, its boards."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_tflite import float_net, int8_net

from edgecnn.errors import InputError
from edgecnn.inspection import arena, flatbuffer
from edgecnn.micro import naming
from edgecnn.micro.code import MOST_ARRAY_BYTES
from edgecnn.micro.fitting import room
from edgecnn.tflm import cycles, operators
from edgecnn.tflm.boards import BOARDS


def test_activations_are_planned_by_hand_as_by_the_program() -> None:
    model = flatbuffer.parse(int8_net().to_bytes(), "net")
    # 8x8x4 twice at once; the input (192) and the result (128) lie where one of them was.
    assert arena.estimate(model, "net").planned_bytes == 2 * 256


def test_a_graph_with_open_sizes_has_no_estimate() -> None:
    net = float_net()
    net.graph.tensors[3].shapeSignature = [1, -1, -1, 4]
    net.graph.tensors[3].shape = [1, 1, 1, 4]
    with pytest.raises(InputError, match="open"):
        arena.estimate(flatbuffer.parse(net.to_bytes(), "net"), "net")


def test_several_subgraphs_have_no_estimate() -> None:
    net = int8_net()
    net.subgraph()
    with pytest.raises(InputError, match="2 subgraphs"):
        arena.estimate(flatbuffer.parse(net.to_bytes(), "net"), "net")


@given(st.text())
def test_any_name_becomes_an_identifier(text: str) -> None:
    name = naming.identifier(text)
    assert name.isascii()
    assert name.isidentifier()
    assert name[0].isalpha()
    assert len(name) <= 44
    assert naming.camel(name).isalnum()


def test_the_examples_of_naming() -> None:
    tried = doctest.testmod(naming)
    assert tried.attempted > 0
    assert tried.failed == 0


def test_operators_that_are_missing_are_told_once() -> None:
    assert operators.missing(("TILE", "CONV_2D", "FlexErf", "TILE")) == ("FlexErf", "TILE")
    assert operators.METHODS["RESIZE_NEAREST_NEIGHBOR"] == "AddResizeNearestNeighbor"


def test_every_board_says_where_its_numbers_are_from() -> None:
    assert all(len(board.source) > 30 for board in BOARDS)
    assert max(board.flash_bytes for board in BOARDS) < MOST_ARRAY_BYTES


def test_room_says_what_is_short() -> None:
    nano = BOARDS[0]
    assert room(1000, 1000, nano) == ""
    assert room(2_000_000, 300_000, nano) == (
        "needs 2.00 MB of 1.05 MB flash and 300 kB of 262 kB RAM"
    )
    assert room(1000, None, nano) == "the arena is not known"


def test_time_is_told_only_for_a_core_and_memory_that_rows_are_of() -> None:
    told = {board.name: cycles.expect(1_000_000, board) for board in BOARDS}
    assert [name for name, found in told.items() if found] == ["Arduino Nano 33 BLE Sense"]
    nano = told["Arduino Nano 33 BLE Sense"]
    assert nano is not None
    # Between 3.7 and 4.8 cycles a multiply-accumulate at 64 MHz.
    assert 58 < nano.latency_ms < 75
    assert nano.low_ms < nano.latency_ms < nano.high_ms


def test_the_published_row_itself_lies_in_the_interval() -> None:
    found = cycles.cycles_per_mac()
    assert found == tuple(sorted(found))
    assert 3.5 < found[0] < found[-1] < 5
