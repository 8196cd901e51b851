"""How open sizes of inputs are fixed, and what is said where they are not."""

from __future__ import annotations

import pytest

from edgecnn.building import BuildRequest
from edgecnn.building.shapes import OpenEnd, fix_inputs
from edgecnn.errors import InputError

Shape = tuple[int | None, ...]


def fix(
    *shapes: Shape,
    size: int | tuple[int, int] | None = None,
    asked: tuple[tuple[str, tuple[int, ...]], ...] = (),
) -> list[tuple[tuple[int, ...], str]]:
    ends = [OpenEnd(f"in{k}", "float32", shape) for k, shape in enumerate(shapes)]
    fixed = fix_inputs("net", ends, BuildRequest("net", input_size=size, input_shapes=asked))
    return [(end.shape, end.layout) for end in fixed]


@pytest.mark.parametrize(
    ("shape", "size", "fixed", "layout"),
    [
        ((None, 32, 32, 3), None, (1, 32, 32, 3), "NHWC"),
        ((8, 32, 48, 1), None, (8, 32, 48, 1), "NHWC"),
        ((None, 32, 32, 3), 32, (1, 32, 32, 3), "NHWC"),
        ((None, None, None, 3), 96, (1, 96, 96, 3), "NHWC"),
        ((None, None, None, 1), (50, 150), (1, 50, 150, 1), "NHWC"),
        ((None, None, 48, 3), (32, 48), (1, 32, 48, 3), "NHWC"),
        ((None, 3, 3, 64), None, (1, 3, 3, 64), "NHWC"),
        ((None, 3, 224, 224), None, (1, 3, 224, 224), "NCHW"),
        ((None, 3, None, None), (40, 60), (1, 3, 40, 60), "NCHW"),
        ((None, 10), None, (1, 10), ""),
        ((None, 128, 3), None, (1, 128, 3), ""),
        ((None, 4, 8, 8, 3), None, (1, 4, 8, 8, 3), ""),
    ],
)
def test_one_input(
    shape: Shape, size: int | tuple[int, int] | None, fixed: tuple[int, ...], layout: str
) -> None:
    assert fix(shape, size=size) == [(fixed, layout)]


def test_shapes_are_given_by_name_or_to_the_only_input() -> None:
    assert fix((None, None, 3), asked=(("", (2, 128, 3)),)) == [((2, 128, 3), "")]
    two: tuple[Shape, Shape] = ((None, None, None, 3), (None, None))
    assert fix(*two, size=(8, 16), asked=(("in1", (1, 7)),)) == [
        ((1, 8, 16, 3), "NHWC"),
        ((1, 7), ""),
    ]


@pytest.mark.parametrize(
    ("shape", "size", "asked", "said"),
    [
        ((None, 32, 32, 3), 64, (), "fixed at 32x32"),
        ((None, 10), 64, (), "no input of the rank of images"),
        ((None, None, 3), None, (("", (1, 128, 4)),), "is (?, ?, 3)"),
        ((None, None, 3), None, (("", (1, 128)),), "is (?, ?, 3)"),
        ((None, None, 3), None, (("wrong", (1, 128, 3)),), "no input of that name"),
        ((None, 32, 32, None), None, (), "variable shape (?, 32, 32, ?)"),
    ],
)
def test_what_cannot_be(
    shape: Shape,
    size: int | None,
    asked: tuple[tuple[str, tuple[int, ...]], ...],
    said: str,
) -> None:
    with pytest.raises(InputError) as caught:
        fix(shape, size=size, asked=asked)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "option"),
    [
        ((None, None, None, 3), "--input-size HEIGHT,WIDTH"),
        ((None, None, None, 3), "--input-shape in0=1x128x128x3"),
        ((None, None, 3), "--input-shape in0=1x128x3"),
    ],
)
def test_an_open_size_says_which_options_fix_it(shape: Shape, option: str) -> None:
    with pytest.raises(InputError) as caught:
        fix(shape)
    assert option in caught.value.hint


def test_a_shape_without_a_name_needs_a_single_input() -> None:
    with pytest.raises(InputError, match="has 2 inputs") as caught:
        fix((None, 3), (None, 4), asked=(("", (1, 3)),))
    assert "in0, in1" in caught.value.hint
