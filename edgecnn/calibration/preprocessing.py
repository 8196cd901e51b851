"""From pixels to what a network is fed: (pixel - mean) / std, and the options that say so."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from edgecnn.errors import InputError
from edgecnn.records import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def preprocess(
    pixels: npt.NDArray[np.uint8], preprocessing: Preprocessing
) -> npt.NDArray[np.float32]:
    """Compute (pixel - mean) / std in float32.

    The channels are put into the network's order first, so mean and std are in that order too,
    as in Keras's `imagenet_utils.preprocess_input(mode="caffe")`.

    Args:
        pixels: (..., channels) uint8, RGB or grey.
        preprocessing: mean and std in pixel units, one value or one for each channel.

    Returns:
        (..., channels) float32, contiguous.

    Raises:
        InputError: mean or std has neither one value nor one for each channel.
    """
    import numpy as np

    channels = pixels.shape[-1]
    check_channels(preprocessing, channels)
    if preprocessing.channel_order == "BGR" and channels == 3:  # noqa: PLR2004 - red, green, blue
        pixels = pixels[..., ::-1]
    mean = np.asarray(preprocessing.mean, np.float32)
    std = np.asarray(preprocessing.std, np.float32)
    scaled = (pixels.astype(np.float32) - mean) / std
    return np.ascontiguousarray(scaled, np.float32)


def check_channels(preprocessing: Preprocessing, channels: int) -> None:
    """Hold that mean and std fit an input of so many channels.

    Raises:
        InputError: they do not.
    """
    for name, values in (("mean", preprocessing.mean), ("std", preprocessing.std)):
        if len(values) not in {1, channels}:
            raise InputError(
                f"{name} has {len(values)} values, but the network's input has {channels} channels",
                hint=f"give one value, or {channels}",
            )


def parse_preprocessing(
    *,
    input_range: str | None = None,
    mean: str | None = None,
    std: str | None = None,
    channel_order: Literal["RGB", "BGR"] = "RGB",
) -> Preprocessing | None:
    """Read `--input-range LOW,HIGH`, or `--mean M[,M,M] --std S[,S,S]`.

    Returns:
        The preprocessing they ask for; None when none of the three is given.

    Raises:
        InputError: they contradict each other, or a value cannot be meant.
    """
    if input_range is not None:
        if mean is not None or std is not None:
            raise InputError("--input-range and --mean/--std say the same thing twice; give one")
        return _from_range(_numbers("--input-range", input_range), channel_order)
    if mean is None and std is None:
        return None
    if mean is None or std is None:
        given, missing, neutral = ("--mean", "--std", 1) if std is None else ("--std", "--mean", 0)
        raise InputError(
            f"{given} is given without {missing}", hint=f"add {missing} {neutral} if it is neutral"
        )
    return _from_mean_std(_numbers("--mean", mean), _numbers("--std", std), channel_order)


def _from_range(values: tuple[float, ...], channel_order: Literal["RGB", "BGR"]) -> Preprocessing:
    if len(values) != 2 or not values[0] < values[1]:  # noqa: PLR2004 - low and high
        raise InputError(
            f"--input-range takes LOW,HIGH with LOW below HIGH, not {_text(values)}",
            hint="for example --input-range 0,1 or --input-range=-1,1",
        )
    scale = Preprocessing.from_range(values[0], values[1])
    if not all(map(math.isfinite, scale.mean + scale.std)) or not scale.std[0] > 0:
        raise InputError(f"--input-range {_text(values)} is too wide or too narrow to compute with")
    return Preprocessing(scale.mean, scale.std, channel_order)


def _from_mean_std(
    mean: tuple[float, ...], std: tuple[float, ...], channel_order: Literal["RGB", "BGR"]
) -> Preprocessing:
    if min(std) <= 0:
        raise InputError(f"--std must be above zero, not {_text(std)}")
    if max(std) < 1:
        # PyTorch states ImageNet's 0.229 for pixels in 0..1. Read as pixel units it would feed
        # the network numbers up to a thousand, and nothing would fail: only the answers.
        raise InputError(
            f"--std {_text(std)} looks like a value for pixels in 0..1; here pixels are 0..255",
            hint="multiply both by 255: --mean "
            f"{_text(tuple(v * 255 for v in mean))} --std {_text(tuple(v * 255 for v in std))}",
        )
    return Preprocessing(mean, std, channel_order)


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if not values or not all(map(math.isfinite, values)):
        raise InputError(
            f"{option} takes finite numbers separated by commas, not '{text}'",
            hint=f"for example {option}=-1,1" if option == "--input-range" else "for example 127.5",
        )
    return values


def _text(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:g}" for value in values)
