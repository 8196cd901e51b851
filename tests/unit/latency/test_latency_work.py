"""Units of work counted by hand, and what holds for any operator."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.latency import cores, work
from edgecnn.latency.cost import OperatorCost, of_convolution, of_depthwise, of_non_multiplying

_L2 = 512 * 1024
_SIZES = st.integers(1, 64)


def convolution(*, pixels: int = 100, inputs: int = 16, outputs: int = 16, taps: int = 9,
                groups: int = 1) -> OperatorCost:  # fmt: skip
    return of_convolution(
        name="CONV_2D",
        pixels=pixels,
        in_channels=inputs,
        out_channels=outputs,
        taps=taps,
        groups=groups,
        input_elements=pixels * inputs,
    )


def done(operator: OperatorCost, l2_bytes: int = _L2) -> dict[str, float]:
    amounts = work.amounts(operator, l2_bytes)
    return {name: each for name, each in zip(work.NAMES, amounts, strict=True) if each}


def test_a_convolution_gathers_its_windows_and_writes_its_output() -> None:
    assert done(convolution()) == {
        "convolution_mac": 100 * 9 * 16 * 16,
        "convolution_gather": 100 * 9 * 16,
        "convolution_output": 100 * 16,
        "weight_byte": (9 * 16 * 16 + 16) * 4,
        "operator": 1,
    }


def test_a_pointwise_convolution_reads_its_input_as_it_lies() -> None:
    assert "convolution_gather" not in done(convolution(taps=1))
    assert done(convolution(taps=1))["pointwise_mac"] == 100 * 16 * 16


@pytest.mark.parametrize(("outputs", "rounded"), [(1, 8), (8, 8), (9, 16), (16, 16)])
def test_output_channels_are_done_in_vectors(outputs: int, rounded: int) -> None:
    assert done(convolution(outputs=outputs))["convolution_mac"] == 100 * 9 * 16 * rounded


def test_weights_that_fit_the_cache_are_read_once() -> None:
    small = convolution()
    assert "weight_byte_again" not in done(small, l2_bytes=small.weight_bytes)
    assert done(small, l2_bytes=small.weight_bytes - 100)["weight_byte_again"] == 100 * 12


def test_a_dense_layer_takes_as_long_as_reading_its_weights() -> None:
    assert set(done(convolution(pixels=1, taps=1))) == {"weight_byte", "operator"}


def test_groups_run_in_the_reference_kernel() -> None:
    grouped = convolution(groups=2)
    assert done(grouped) == {"reference_mac": grouped.macs, "operator": 1}


def test_a_clamp_costs_its_bytes_and_a_sigmoid_its_arithmetic() -> None:
    relu = of_non_multiplying("activation", "RELU", output_shape=(4, 4, 8), input_elements=128)
    sigmoid = of_non_multiplying(
        "activation", "LOGISTIC", output_shape=(4, 4, 8), input_elements=128
    )
    assert done(relu) == {"elementwise_byte": 1024, "light_operator": 1}
    assert done(sigmoid) == {"activation_element": 128, "light_operator": 1}


def test_a_change_of_shape_costs_nothing() -> None:
    assert (
        done(of_non_multiplying("free", "RESHAPE", output_shape=(128,), input_elements=128)) == {}
    )


@given(pixels=_SIZES, inputs=_SIZES, outputs=_SIZES, kernel=st.integers(1, 7))
def test_no_amount_is_negative_and_more_pixels_are_never_less(
    pixels: int, inputs: int, outputs: int, kernel: int
) -> None:
    few = convolution(pixels=pixels, inputs=inputs, outputs=outputs, taps=kernel * kernel)
    more = convolution(pixels=pixels + 1, inputs=inputs, outputs=outputs, taps=kernel * kernel)
    pairs = list(zip(work.amounts(few, _L2), work.amounts(more, _L2), strict=True))
    assert all(0.0 <= one <= other for one, other in pairs)


@given(pixels=_SIZES, channels=_SIZES)
def test_a_depthwise_convolution_has_no_products(pixels: int, channels: int) -> None:
    operator = of_depthwise(
        name="DEPTHWISE_CONV_2D",
        pixels=pixels,
        in_channels=channels,
        out_channels=channels,
        taps=9,
        input_elements=pixels * channels,
    )
    assert not {"convolution_mac", "pointwise_mac"} & done(operator).keys()


@pytest.mark.parametrize(
    ("core", "nearest"),
    [("cortex-a57", "cortex-a72"), ("cortex-a77", "cortex-a76"), ("cortex-a55", "cortex-a53")],
)
def test_a_sibling_executes_in_the_same_order(core: str, nearest: str) -> None:
    among = {"cortex-a53", "cortex-a72", "cortex-a76"}
    assert cores.sibling(cores.find(core), among).name == nearest
