"""What may be said of sizes that a file leaves open, and what is said of what may not."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from edgecnn.errors import InputError
from edgecnn.inspection.shapes import InputSizes, resolve
from edgecnn.records import TensorInfo

IMAGE = TensorInfo("images", "float32", (-1, 3, -1, -1))
IDS = TensorInfo("ids", "int64", (-1, -1))
FIXED = TensorInfo("fixed", "float32", (1, 3, 8, 8))
LAST = TensorInfo("picture", "float32", (1, -1, -1, 3))
ODD = TensorInfo("a=b 'c'\n", "float32", (1, -1))


def shapes(*inputs: TensorInfo, file_format: str = "onnx", **given: Any) -> tuple[object, ...]:  # noqa: ANN401 - fields of InputSizes
    return resolve(inputs, InputSizes(**given), file_format, "net")


def test_an_open_batch_is_one_unless_it_is_said() -> None:
    assert shapes(TensorInfo("x", "float32", (-1, 3, 8, 8))) == ((1, 3, 8, 8),)
    assert shapes(IMAGE, shapes={"images": (2, 3, 8, 8)}) == ((2, 3, 8, 8),)


def test_a_size_is_height_and_width_in_either_layout() -> None:
    assert shapes(IMAGE, size=32) == ((1, 3, 32, 32),)
    assert shapes(LAST, size=(50, 150)) == ((1, 50, 150, 3),)
    assert shapes(LAST, size=(50, 150), file_format="tflite") == ((1, 50, 150, 3),)
    assert shapes(IMAGE, IDS, size=8, shapes={"ids": (1, 7)}) == ((1, 3, 8, 8), (1, 7))


def test_a_name_may_be_anything() -> None:
    assert shapes(ODD, shapes={"a=b 'c'\n": (1, 4)}) == ((1, 4),)
    with pytest.raises(InputError) as caught:
        shapes(ODD)
    option, word = shlex.split(caught.value.hint.partition("example: ")[2])
    assert (option, word) == ("--input-shape", "a=b 'c'\n=1x320")


def test_what_is_said_can_be_pasted() -> None:
    given = InputSizes({"images": (1, 3, 8, 8), "": (2,), "a b": (1, 4)}, (50, 150))
    words = " --input-size 50,150 --input-shape images=1x3x8x8 --input-shape 2"
    assert given.words == f"{words} --input-shape 'a b=1x4'"
    assert InputSizes().words == ""


@pytest.mark.parametrize(
    ("inputs", "given", "said"),
    [
        ((IMAGE,), {}, "leaves sizes of its inputs open: images"),
        ((IMAGE,), {"shapes": {"": (1, 3, 8)}}, "has 4 axes, .x3x.x.; 1x3x8 has 3"),
        ((IMAGE,), {"shapes": {"image": (1, 3, 8, 8)}}, "no input 'image'"),
        ((IMAGE,), {"shapes": {"": (1, 3, 0, 8)}}, "a size below 1"),
        ((IMAGE,), {"shapes": {"": (1, 3, -8, 8)}}, "a size below 1"),
        ((IMAGE,), {"shapes": {"": (1, 3, 10**9, 10**9)}}, "elements, more than"),
        ((IMAGE,), {"shapes": {"": (1, 4, 8, 8)}}, "only what is open"),
        ((IMAGE,), {"size": (0, 8)}, "a size below 1"),
        ((IMAGE,), {"size": 99_999}, "elements, more than"),
        ((IMAGE, IDS), {"shapes": {"": (1, 7)}}, "a shape needs a name"),
        ((IMAGE, IDS), {"size": 8}, "open: ids"),
        ((IDS,), {"size": 8}, "no image input with an open height and width"),
        ((FIXED,), {"size": 8}, "--input-size cannot change net: it fixes"),
        ((FIXED,), {"shapes": {"": (1, 3, 9, 9)}}, "--input-shape cannot change net"),
    ],
)
def test_what_cannot_be_is_told(
    inputs: tuple[TensorInfo, ...], given: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        shapes(*inputs, **given)


def test_an_onnx_file_that_is_converted_may_get_another_shape() -> None:
    given = InputSizes({"": (1, 3, 9, 9)})
    assert resolve((FIXED,), given, "onnx", "net", overrides=True) == ((1, 3, 9, 9),)
    with pytest.raises(InputError, match="--input-size cannot change"):
        resolve((FIXED,), InputSizes(size=9), "onnx", "net", overrides=True)
