"""The twins with normal convolutions, written down: the documents' ratio, layer by layer."""

from __future__ import annotations

import pytest
from experiment_twins import TWINS

from edgecnn.errors import InputError
from edgecnn.latency.zoo_nets import costs_of_zoo


def test_every_separable_layer_costs_what_document_002_says() -> None:
    """A depthwise and a pointwise convolution: 1/N + 1/9 of the normal one with N filters."""
    separable, normal = (costs_of_zoo("xception", convolution=c) for c in ("separable", "normal"))
    convolutions = iter(op for op in normal.operators if op.macs)
    ratios = []
    operators = iter(op for op in separable.operators if op.macs)
    for operator in operators:
        other = next(convolutions)
        if operator.kind != "depthwise":
            assert operator.macs == other.macs
            continue
        pointwise = next(operators)
        assert (operator.macs + pointwise.macs) / other.macs == pytest.approx(
            1 / pointwise.out_channels + 1 / 9
        )
        ratios.append(other)
    assert len(ratios) == 34


def test_a_twin_has_a_name_of_its_own() -> None:
    assert costs_of_zoo("xception-mini", convolution="normal").name == "xception-mini-normal"


@pytest.mark.parametrize("name", ["vgg", "inception"])
def test_what_has_no_depthwise_convolutions_has_no_twin(name: str) -> None:
    assert costs_of_zoo(name, convolution="separable") == costs_of_zoo(name)
    with pytest.raises(InputError, match="no twin"):
        costs_of_zoo(name, convolution="normal")


def test_the_twins_that_are_trained_have_equal_widths_or_parameters() -> None:
    for own, wide, narrow in zip(TWINS[::3], TWINS[1::3], TWINS[2::3], strict=True):
        assert {each.network for each in (own, wide, narrow)} == {own.network}
        assert (own.width, own.convolution) == (wide.width, "separable")
        assert len({each.samples * each.epochs for each in (own, wide, narrow)}) == 1
        parameters = [
            costs_of_zoo(
                each.network,
                input_size=each.input_size,
                width=each.width,
                classes=10,
                convolution=each.convolution,
            ).weight_elements
            for each in (own, narrow)
        ]
        assert parameters[1] == pytest.approx(parameters[0], rel=0.03)
