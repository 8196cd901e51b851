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


AS_IT_IS = Preprocessing(mean=(0.0,), std=(1.0,))
"""A pixel is fed as the number it is, 0 to 255; arrays likewise."""


def resolve(
    known: Preprocessing | None, *, takes_pictures: bool, feeds_pictures: bool, own_scaling: str
) -> tuple[Preprocessing, tuple[str, ...]]:
    """How pixels become inputs, once the network was looked at.

    Args:
        known: as the user or the zoo says; None where nobody did.
        takes_pictures: whether the network has one input, a float image.
        feeds_pictures: whether pictures are to be fed now, not arrays.
        own_scaling: what the network itself does to pixels first; "" for nothing.

    Returns:
        The preprocessing, and warnings for the user.

    Raises:
        InputError: pixels have to be scaled, and neither the user nor the network says how.
    """
    if known is not None:
        twice = takes_pictures and own_scaling and _largest(known) < _LARGEST_SCALED
        return known, (_TWICE.format(own_scaling=own_scaling),) if twice else ()
    if not takes_pictures or not feeds_pictures:
        return AS_IT_IS, ()
    if own_scaling:
        return AS_IT_IS, (_SCALES_ITSELF.format(own_scaling=own_scaling),)
    raise InputError(
        "How the network's input is scaled is not known, and wrongly scaled images would silently"
        " spoil the calibration.",
        hint="Give --input-range 0,1 (or -1,1, or 0,255), or --mean and --std;"
        " or give --calibration FILE.npz with arrays that are fed as they are.",
    )


_TWICE = (
    "The network {own_scaling} itself, and --input-range, --mean or --std scales its input too:"
    " pictures would be scaled twice. --input-range 0,255 feeds pixels as they are."
)
_SCALES_ITSELF = (
    "The network {own_scaling} itself: it is fed pixels as they are, 0 to 255. Where that is"
    " wrong, say --input-range."
)
_LARGEST_SCALED = 32.0


def _largest(preprocessing: Preprocessing) -> float:
    """The largest magnitude that a pixel becomes."""
    ends = [
        abs((pixel - mean) / std)
        for pixel in (0.0, 255.0)
        for mean in preprocessing.mean
        for std in preprocessing.std
    ]
    return max(ends)


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
        option, missing, neutral = ("--mean", "--std", 1) if std is None else ("--std", "--mean", 0)
        raise InputError(
            f"{option} is given without {missing}", hint=f"add {missing} {neutral} if it is neutral"
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
