"""The zoo's table: names, suggestions, and that it costs nothing to read."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.errors import InputError
from edgecnn.zoo import MODELS, find
from edgecnn.zoo.suggest import suggest
from edgecnn.zoo.width import MAX_WIDTH, check_width, scale_channels

if TYPE_CHECKING:
    from edgecnn.records import ModelSpec


def test_the_six_networks_of_the_documents() -> None:
    parameters = {name: spec.parameters for name, spec in MODELS.items()}
    assert parameters == {
        "vgg": 1_186_378,
        "resnet": 68_671_236,
        "densenet": 2_065_686,
        "inception": 1_373_284,
        "xception-mini": 4_456_548,
        "xception": 22_910_480,
    }


@pytest.mark.parametrize("spec", MODELS.values(), ids=MODELS.keys())
def test_an_entry_is_whole(spec: ModelSpec) -> None:
    module, _, function = spec.builder.partition(":")
    assert importlib.util.find_spec(module) is not None
    assert function == "build"
    assert 0 < spec.trainable_parameters <= spec.parameters
    assert 0 < spec.activations < spec.macs
    assert spec.min_input_size is not None
    assert spec.min_input_size < spec.input_size
    assert spec.summary


def test_small_images_are_scaled_to_one_and_xceptions_around_zero() -> None:
    for name, spec in MODELS.items():
        (mean,), (std,) = spec.preprocessing.mean, spec.preprocessing.std
        low = -1.0 if name == "xception" else 0.0
        assert (0 - mean) / std == pytest.approx(low)
        assert (255 - mean) / std == pytest.approx(1.0)


def test_find_ignores_case() -> None:
    assert find("XceptioN-Mini") is MODELS["xception-mini"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("exception", "xception"), ("resnet50", "resnet"), ("xception_mini", "xception-mini")],
)
def test_a_misspelt_name_is_answered_with_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(InputError, match="no model named") as caught:
        find(typed)
    assert caught.value.hint.startswith("Did you mean")
    assert meant in caught.value.hint


def test_a_name_like_no_other_is_answered_with_all() -> None:
    with pytest.raises(InputError) as caught:
        find("qqqq")
    assert all(name in caught.value.hint for name in MODELS)


def test_suggestions_keep_the_case_of_the_known_name() -> None:
    assert suggest("mobilenetv3smal", ["MobileNetV3Small", "VGG16"]) == (
        "Did you mean MobileNetV3Small?"
    )


def _found(name: str) -> str | None:
    try:
        return find(name).name
    except InputError:
        return None


@given(st.text() | st.sampled_from(list(MODELS)))
def test_any_name_is_found_or_refused(name: str) -> None:
    assert _found(name) == (name.lower() if name.lower() in MODELS else None)


@pytest.mark.parametrize("module", ["edgecnn.zoo", "edgecnn.zoo.keras_applications"])
def test_the_tables_import_nothing_heavy(module: str) -> None:
    code = (
        f"import sys, {module}\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'onnx', 'h5py'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@given(st.integers(1, 4096), st.floats(0.01, MAX_WIDTH))
def test_scaled_channels_are_the_nearest_multiple_of_eight(channels: int, width: float) -> None:
    scaled = scale_channels(channels, width)
    assert scaled >= 8
    assert scaled % 8 == 0
    assert scaled == 8 or abs(scaled - channels * width) <= 4


@given(st.integers(1, 512).map(lambda groups: groups * 8))
def test_width_one_changes_no_multiple_of_eight(channels: int) -> None:
    assert scale_channels(channels, 1.0) == channels


@given(st.integers(1, 4096), st.floats(0.01, MAX_WIDTH), st.floats(0.01, MAX_WIDTH))
def test_a_wider_network_never_has_fewer_channels(channels: int, one: float, two: float) -> None:
    narrow, wide = sorted((one, two))
    assert scale_channels(channels, narrow) <= scale_channels(channels, wide)


@pytest.mark.parametrize("width", [0.0, -1.0, 4.01, float("inf"), float("nan")])
def test_a_senseless_width_is_refused(width: float) -> None:
    with pytest.raises(InputError, match="--width"):
        check_width(width)
