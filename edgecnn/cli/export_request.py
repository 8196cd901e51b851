"""From `edgecnn export`'s flags to what the public API takes; conflicts are refused here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from edgecnn.cli.group import HintedUsageError
from edgecnn.cli.scaling_options import ScalingFlags, preprocessing
from edgecnn.recipes import FORMATS, RECIPES

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.records import OutputKind, Preprocessing

_DECIBEL = re.compile(r"(\d{1,4}(?:\.\d{1,4})?)\s*(?:dB)?", re.IGNORECASE)
DEFAULT_RECIPE = "int8"


class Flags(ScalingFlags):
    """The parsed command line, as click hands it over; the keys are the API's names."""

    float32: bool
    float16: bool
    dynamic: bool
    int8: bool
    int16x8: bool
    every: bool
    format: str
    weights: str | None
    classes: int | None
    input_size: int | tuple[int, int] | None
    input_shapes: dict[str, tuple[int, ...]]
    width: float | None
    convolution: str | None
    seed: int
    io: str | None
    calibration: str | None
    calibration_samples: int
    calibration_method: str | None
    min_snr: str | None
    max_drop: float | None
    data: str | None
    task: str | None
    annotations: Path | None
    masks: Path | None
    limit: int | None
    outputs: dict[str, OutputKind]
    strict: bool
    out: Path | None
    threads: int | None
    plot: Path | None
    quiet: bool
    verbose: bool
    as_json: bool


# Handed to the API as they are.
_PLAIN = (
    "weights",
    "classes",
    "input_size",
    "input_shapes",
    "outputs",
    "strict",
    "width",
    "convolution",
    "seed",
    "io",
    "calibration",
    "calibration_samples",
    "out",
    "threads",
)


def api_options(model: str, flags: Flags) -> dict[str, Any]:
    """Return the keyword arguments of `edgecnn.export`.

    Raises:
        HintedUsageError: flags that contradict each other, or have no effect together.
        InputError: a preprocessing that cannot be meant.
    """
    recipes = chosen_recipes(flags)
    formats = chosen_formats(flags)
    _check_io(flags, recipes, formats)
    _check_method(flags, recipes)
    options: dict[str, Any] = {name: value for name, value in flags.items() if name in _PLAIN}
    return {
        **options,
        "recipes": tuple(name for name in recipes if _has_any(name, formats) or not flags["every"]),
        "formats": formats,
        "calibration_method": flags["calibration_method"] or "auto",
        "preprocessing": _preprocessing(model, flags),
        "min_snr_db": _min_snr_db(flags, recipes, formats),
    }


# What measures a loss, and goes to `edgecnn.evaluate`.
_EVALUATION = ("task", "annotations", "masks", "limit")


def budget_options(flags: Flags) -> dict[str, Any] | None:
    """What `edgecnn.export_within` takes besides; None where no budget is set.

    Raises:
        HintedUsageError: flags of a budget without one, or one without data.
    """
    values: dict[str, object] = {**flags}
    evaluation = {name: values[name] for name in _EVALUATION if values[name] is not None}
    most, data = flags["max_drop"], flags["data"]
    if most is None:
        named = next(iter(evaluation), "data" if data is not None else None)
        if named is None:
            return None
        raise HintedUsageError(
            f"--{named} goes with --max-drop.",
            hint="Add --max-drop POINTS, or measure accuracy with `edgecnn evaluate`.",
        )
    if data is None:
        raise HintedUsageError(
            "--max-drop needs data to measure accuracy on.",
            hint="Add --data DIR: images in folders of classes, or without labels.",
        )
    return {"max_drop_points": most, "data": data, "evaluation": evaluation}


def chosen_formats(flags: Flags) -> tuple[str, ...]:
    """The file formats asked for."""
    return FORMATS if flags["format"] == "both" else (flags["format"],)


def chosen_recipes(flags: Flags) -> tuple[str, ...]:
    """The recipes asked for, in the table's order; the default where none is.

    Raises:
        HintedUsageError: --all beside single recipes.
    """
    named = named_recipes(flags)
    if flags["every"] and named:
        raise HintedUsageError(
            f"--all and --{named[0]} contradict each other.",
            hint="--all is every recipe; name single ones to have fewer.",
        )
    return tuple(RECIPES) if flags["every"] else named or (DEFAULT_RECIPE,)


def named_recipes(flags: Flags) -> tuple[str, ...]:
    """The recipes with a flag of their own on the command line."""
    values: dict[str, object] = {**flags}
    return tuple(name for name in RECIPES if values[name])


def left_out(flags: Flags) -> tuple[str, ...]:
    """The recipes of --all that the asked format cannot have."""
    formats = chosen_formats(flags)
    return tuple(name for name in RECIPES if flags["every"] and not _has_any(name, formats))


def _has_any(recipe: str, formats: tuple[str, ...]) -> bool:
    return any(name in formats for name in RECIPES[recipe].formats)


def _check_io(flags: Flags, recipes: tuple[str, ...], formats: tuple[str, ...]) -> None:
    if flags["io"] is None:
        return
    if "int8" not in recipes or "tflite" not in formats:
        raise HintedUsageError(
            f"--io {flags['io']}: it sets the input and output of the int8 .tflite, which is not"
            " asked for.",
            hint="Drop it, or add --int8 and --format tflite.",
        )


def _min_snr_db(flags: Flags, recipes: tuple[str, ...], formats: tuple[str, ...]) -> float | None:
    """Read `--min-snr 25dB`; the unit may be left out."""
    text = flags["min_snr"]
    if text is None:
        return None
    if "int8" not in recipes or "tflite" not in formats:
        raise HintedUsageError(
            f"--min-snr {text}: it keeps layers of the int8 .tflite in float32, which is not asked"
            " for.",
            hint="Drop it, or add --int8 and --format tflite.",
        )
    match = _DECIBEL.fullmatch(text.strip())
    if match is None:
        raise HintedUsageError(
            f"--min-snr takes a number of dB above 0, not '{text}'.", hint="For example: 25dB."
        )
    return float(match[1])


def _check_method(flags: Flags, recipes: tuple[str, ...]) -> None:
    if flags["calibration_method"] is None or any(RECIPES[recipe].calibrated for recipe in recipes):
        return
    calibrated = " or ".join(f"--{name}" for name, recipe in RECIPES.items() if recipe.calibrated)
    raise HintedUsageError(
        "--calibration-method: no recipe asked for measures activation ranges.",
        hint=f"Drop it, or add {calibrated}.",
    )


def _preprocessing(model: str, flags: Flags) -> Preprocessing | None:
    parsed = preprocessing(flags)
    if parsed is not None and _knows_its_preprocessing(model):
        raise HintedUsageError(
            f"{model} has a preprocessing of its own.",
            hint="Drop --input-range, --mean, --std and --channel-order: they are for your own"
            " model files.",
        )
    return parsed


def _knows_its_preprocessing(model: str) -> bool:
    from edgecnn.zoo import MODELS, keras_applications

    return model.lower() in MODELS or model.lower().startswith(keras_applications.PREFIX)
