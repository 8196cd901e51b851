"""From flags to the API's options, and the conflicts that are refused."""

from __future__ import annotations

from typing import cast

import pytest

from edgecnn.cli.export_request import Flags, api_options, budget_options, left_out
from edgecnn.cli.group import HintedUsageError
from edgecnn.errors import InputError
from edgecnn.recipes import RECIPES
from edgecnn.records import Preprocessing


def flags(**given: object) -> Flags:
    defaults = Flags(
        float32=False, float16=False, dynamic=False, int8=False, int16x8=False, every=False,
        format="both", weights=None, classes=None, input_size=None, width=None, seed=0, io=None,
        calibration=None, calibration_samples=100, calibration_method=None, min_snr=None,
        convolution=None, input_range=None, mean=None, std=None, channel_order=None, out=None,
        threads=None, quiet=False, verbose=False, as_json=False, input_shapes={}, outputs={},
        strict=False, max_drop=None, data=None, task=None, annotations=None, masks=None, limit=None,
        plot=None,
    )  # fmt: skip
    assert given.keys() <= defaults.keys()
    return cast("Flags", {**defaults, **given})


def test_without_a_recipe_it_is_int8_in_both_formats() -> None:
    options = api_options("xception", flags())
    assert options["recipes"] == ("int8",)
    assert options["formats"] == ("tflite", "onnx")
    assert options["calibration_method"] == "auto"
    assert options["preprocessing"] is None


def test_what_only_concerns_printing_stays_here() -> None:
    assert not {"quiet", "as_json", "every", "int8", "mean"} & api_options("vgg", flags()).keys()


def test_recipes_come_in_the_tables_order() -> None:
    options = api_options("vgg", flags(int16x8=True, float32=True))
    assert options["recipes"] == ("float32", "int16x8")


def test_all_is_every_recipe_that_the_format_can_have() -> None:
    assert api_options("vgg", flags(every=True))["recipes"] == tuple(RECIPES)
    onnx = flags(every=True, format="onnx")
    assert "int16x8" not in api_options("vgg", onnx)["recipes"]
    assert left_out(onnx) == ("int16x8",)


def test_a_named_recipe_that_the_format_cannot_have_is_left_for_the_api_to_refuse() -> None:
    onnx = flags(int16x8=True, format="onnx")
    assert api_options("vgg", onnx)["recipes"] == ("int16x8",)
    assert left_out(onnx) == ()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"every": True, "int8": True}, "--all and --int8"),
        ({"float32": True, "io": "uint8"}, "--io uint8"),
        ({"format": "onnx", "io": "uint8"}, "--io uint8"),
        ({"float16": True, "calibration_method": "mse"}, "--calibration-method"),
        ({"dynamic": True, "min_snr": "25dB"}, "--min-snr"),
        ({"min_snr": "25%"}, "--min-snr"),
        ({"min_snr": "-3"}, "--min-snr"),
        ({"channel_order": "BGR"}, "--channel-order"),
        ({"input_range": "0,1"}, "preprocessing of its own"),
        ({"mean": "127.5", "std": "127.5"}, "preprocessing of its own"),
    ],
)
@pytest.mark.parametrize("model", ["Xception", "keras:MobileNetV2"])
def test_conflicts_are_refused_with_a_hint(
    model: str, given: dict[str, object], named: str
) -> None:
    with pytest.raises(HintedUsageError, match=named) as refused:
        api_options(model, flags(**given))
    assert refused.value.hint
    assert refused.value.exit_code == 2


def test_own_model_has_the_preprocessing_that_is_said() -> None:
    options = api_options("own.keras", flags(input_range="-1,1", channel_order="BGR"))
    scale = Preprocessing.from_range(-1, 1)
    assert options["preprocessing"] == Preprocessing(scale.mean, scale.std, "BGR")


def test_range_and_mean_contradict_each_other() -> None:
    with pytest.raises(InputError, match="--input-range"):
        api_options("own.keras", flags(input_range="0,1", mean="0"))


@pytest.mark.parametrize("text", ["25", "25dB", "25 dB", "25.0db"])
def test_min_snr_is_read_with_or_without_its_unit(text: str) -> None:
    assert api_options("vgg", flags(min_snr=text))["min_snr_db"] == 25


def test_a_budget_and_its_data_go_together() -> None:
    assert budget_options(flags()) is None
    given = budget_options(flags(max_drop=0.5, data="photos", limit=20))
    assert given == {"max_drop_points": 0.5, "data": "photos", "evaluation": {"limit": 20}}
    with pytest.raises(HintedUsageError, match="--max-drop needs data"):
        budget_options(flags(max_drop=0.5))
    for name in ("data", "task", "limit"):
        with pytest.raises(HintedUsageError, match=f"--{name} goes with --max-drop"):
            budget_options(flags(**{name: "x"}))
