"""Which input and output shapes can be exported."""

from __future__ import annotations

import pytest

from edgecnn.building.shapes import fix_classes, fix_input_shape
from edgecnn.errors import InputError


@pytest.mark.parametrize(
    ("shape", "input_size", "fixed"),
    [
        ((None, 32, 32, 3), None, (1, 32, 32, 3)),
        ((1, 32, 48, 1), None, (1, 32, 48, 1)),
        ((None, 32, 32, 3), 32, (1, 32, 32, 3)),
        ((None, None, None, 3), 96, (1, 96, 96, 3)),
        ((None, 3, 3, 64), None, (1, 3, 3, 64)),
    ],
)
def test_what_can_be_fixed(
    shape: tuple[int | None, ...], input_size: int | None, fixed: tuple[int, ...]
) -> None:
    assert fix_input_shape("net", shape, input_size) == fixed


@pytest.mark.parametrize(
    ("shape", "input_size", "said"),
    [
        ((None, None, None, 3), None, "variable"),
        ((None, 32, 32, 3), 64, "fixed at 32"),
        ((8, 32, 32, 3), None, "batch is fixed at 8"),
        ((None, 3, 224, 224), None, "channels-first"),
        ((None, 3, None, None), None, "channels-first"),
        ((None, 32, 32, None), None, "channels is variable"),
        ((None, 10), None, "shape (?, 10)"),
        ((None, 8, 32, 32, 3), None, "take one"),
    ],
)
def test_what_cannot(shape: tuple[int | None, ...], input_size: int | None, said: str) -> None:
    with pytest.raises(InputError) as caught:
        fix_input_shape("net", shape, input_size)
    assert said in str(caught.value)


def test_a_variable_size_says_which_option_fixes_it() -> None:
    with pytest.raises(InputError) as caught:
        fix_input_shape("net", (None, None, None, 3), None)
    assert "--input-size" in caught.value.hint


def test_classes_are_the_outputs_last_axis() -> None:
    assert fix_classes("net", (None, 10)) == 10
    assert fix_classes("net", (None, 32, 32, 21)) == 21
    for shape in ((None, None), (1,), ()):
        with pytest.raises(InputError, match="last axis"):
            fix_classes("net", shape)
