"""Multiply-accumulates and bytes of each operator of a .tflite file."""

from __future__ import annotations

import pytest
from tiny_tflite import FLOAT_NET_MACS, TinyModel, float_net, int8_net

from edgecnn.errors import InputError
from edgecnn.profiling.operator_costs import bytes_of, tflite_costs


def test_a_float_net_costs_what_its_shapes_say() -> None:
    costs = tflite_costs(float_net().to_bytes(), "net")
    kinds = ["CONV_2D", "RELU", "RESHAPE", "FULLY_CONNECTED"]
    assert [cost.kind for cost in costs] == kinds
    assert [cost.index for cost in costs] == [0, 1, 2, 3]
    assert sum(cost.macs for cost in costs) == FLOAT_NET_MACS
    convolution = 4 * (8 * 8 * 3 + 4 * 27 + 4 + 8 * 8 * 4)
    assert [costs[0].bytes_moved, costs[1].bytes_moved] == [convolution, 2 * 4 * 8 * 8 * 4]
    assert costs[3].name == "logits"


def test_int8_activations_are_a_byte_and_its_bias_four() -> None:
    first = tflite_costs(int8_net().to_bytes(), "net")[0]
    assert first.compute_dtype == "int8"
    assert first.bytes_moved == 8 * 8 * 3 + 4 * 27 + 4 * 4 + 8 * 8 * 4


def test_a_tensor_read_twice_is_moved_once() -> None:
    net = TinyModel()
    source, target = net.tensor("float32", (1, 4)), net.tensor("float32", (1, 4))
    net.operator("ADD", [source, source], [target])
    net.border([source], [target])
    assert tflite_costs(net.to_bytes(), "net")[0].bytes_moved == 2 * 16


@pytest.mark.parametrize(
    ("dtype", "shape", "size"),
    [
        ("float32", (2, 3), 24),
        ("int4", (3,), 2),
        ("uint8", (), 1),
        ("bool", (5,), 5),
        ("int64", (-1, 2), 16),
    ],
)
def test_sizes_follow_the_width_of_an_element(
    dtype: str, shape: tuple[int, ...], size: int
) -> None:
    assert bytes_of(dtype, shape) == size


def test_a_file_that_is_no_model_is_refused() -> None:
    with pytest.raises(InputError, match="broken"):
        tflite_costs(b"TFL3" * 20, "broken")
