"""The zoo's networks written down without TensorFlow; the files are compared in test_export_zoo."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.errors import InputError
from edgecnn.latency.zoo_nets import costs_of_zoo
from edgecnn.recipes import RECIPES
from edgecnn.zoo import MODELS


@pytest.mark.parametrize("name", MODELS)
def test_multiplications_are_the_tables(name: str) -> None:
    found = costs_of_zoo(name)
    # inception's average pooling is exported as a depthwise convolution.
    pooling = 512 * 4 if name == "inception" else 0
    assert found.macs - pooling == MODELS[name].macs
    # Normalizations are folded, but for the biases they leave.
    assert found.weight_elements == pytest.approx(MODELS[name].parameters, rel=0.003)
    assert found.unknown == {}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_change_no_multiplication(name: str, recipe: str) -> None:
    float32, found = costs_of_zoo(name), costs_of_zoo(name, recipe=recipe)
    assert found.macs == float32.macs
    products: list[str] = [each.precision for each in found.operators if each.macs]
    depthwise = sum(each.kind == "depthwise" for each in found.operators)
    expected = len(products) - (depthwise if recipe == "dynamic" else 0)
    assert products.count(recipe) == expected
    if recipe == "int8":
        assert found.weight_bytes == found.weight_elements
        assert "RELU" not in {each.name for each in found.operators}


@given(st.integers(32, 400), st.floats(0.05, 2.0), st.integers(2, 2000))
def test_any_xception(input_size: int, width: float, classes: int) -> None:
    found = costs_of_zoo("xception", input_size=input_size, width=width, classes=classes)
    assert found.operators[-1].output_elements == classes
    assert len(found.operators) == len(costs_of_zoo("xception").operators)
    assert all(each.in_channels % 8 == 0 for each in found.operators[1:-1] if each.macs)
    assert min(each.pixels for each in found.operators) >= 1


@pytest.mark.parametrize("name", MODELS)
def test_smallest_inputs_leave_a_pixel(name: str) -> None:
    smallest = MODELS[name].min_input_size
    assert smallest is not None
    assert min(each.pixels for each in costs_of_zoo(name, input_size=smallest).operators) >= 1
    with pytest.raises(InputError, match="too small"):
        costs_of_zoo(name, input_size=smallest - 1)


def test_larger_and_wider_is_more() -> None:
    usual = costs_of_zoo("xception")
    assert costs_of_zoo("xception", input_size=320).macs > usual.macs
    narrow = costs_of_zoo("xception", width=0.5)
    assert narrow.macs == pytest.approx(usual.macs / 4, rel=0.1)


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("exception", {}, "no model named"),
        ("vgg", {"width": 0.5}, "no width multiplier"),
        ("xception", {"width": 0.0}, "above 0"),
        ("vgg", {"recipe": "int9"}, "no recipe"),
    ],
)
def test_what_cannot_be_is_refused(name: str, options: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        costs_of_zoo(name, **options)


def test_no_tensorflow_and_no_numpy_is_loaded() -> None:
    code = (
        "import sys; from edgecnn.latency.zoo_nets import costs_of_zoo; costs_of_zoo('xception');"
        "print([m for m in ('numpy', 'tensorflow', 'keras') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
