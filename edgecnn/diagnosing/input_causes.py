"""Causes that lie before the first layer: how samples are scaled, what inputs have room for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.diagnosing.record import Cause
from edgecnn.records import Preprocessing

if TYPE_CHECKING:
    from edgecnn.diagnosing.commands import Context
    from edgecnn.diagnosing.record import Observations, ObservedInput

_PIXELS = 255.0
# Dividing by 255, 127.5 or a standard deviation of about 58, once too often.
_ONCE_MORE = 40.0
_BEYOND = 0.1
_ROOM = 2.0
# In a trained net with its normalization the first layer's outputs vary as much as they are large.
_HARDLY_STIRS = 0.03


def scaled_twice(observed: Observations, context: Context) -> list[Cause]:
    """The samples are scaled already, and were scaled again; or not at all."""
    return _pixels_scaled(context) or [
        cause for entry in observed.inputs for cause in _fed_far_off(entry, context)
    ]


def _pixels_scaled(context: Context) -> list[Cause]:
    scale = max(context.preprocessing.std)
    if context.pixel_high is None or context.pixel_high > 1 or scale <= 1:
        return []
    as_they_are = replace(context, preprocessing=Preprocessing(mean=(0.0,), std=(1.0,)))
    finding = (
        f"The images' pixels are {context.pixel_high:g} at most: they are in 0..1 already, or all"
        f" black, and are divided by {scale:.3g} once more before the network sees them."
    )
    return [Cause("double normalization", "", finding, as_they_are.export())]


def _fed_far_off(entry: ObservedInput, context: Context) -> list[Cause]:
    """Compare what is fed with the range the file was calibrated for, then with what it stirs."""
    fed = max(abs(entry.fed_low), abs(entry.fed_high))
    if entry.range_low is not None and entry.range_high is not None and fed > 0:
        room = max(abs(entry.range_low), abs(entry.range_high))
        if room / fed > _ONCE_MORE or fed / room > _ONCE_MORE:
            return [_far_off(entry, context, room, fed)]
    if entry.stirring is not None and entry.stirring < _HARDLY_STIRS:
        finding = (
            f"What is fed ({entry.fed_low:.3g} to {entry.fed_high:.3g}) barely changes the"
            f" first layer's outputs: they vary by {entry.stirring:.1%} of their size. The network"
            " expects larger numbers: it may scale its input itself, and this is scaled already."
        )
        unscaled = replace(context, preprocessing=Preprocessing(mean=(0.0,), std=(1.0,)))
        return [Cause("double normalization", entry.first_layer, finding, unscaled.export())]
    return []


def _far_off(entry: ObservedInput, context: Context, room: float, fed: float) -> Cause:
    """Tell which side is wrong: samples that hardly stir the float network are."""
    times, way = (room / fed, "smaller") if room > fed else (fed / room, "larger")
    finding = (
        f"What is fed ({entry.fed_low:.3g} to {entry.fed_high:.3g}) is {times:.0f} times {way} than"
        f" what the input was calibrated for ({entry.range_low:.3g} to {entry.range_high:.3g}): the"
        " samples were scaled once more, or once less, there than here."
    )
    if room > fed and entry.stirring is not None and entry.stirring < _HARDLY_STIRS:
        finding += (
            " In float too the first layer hardly responds to these: they are scaled wrongly."
        )
        return Cause("double normalization", entry.name, finding, context.diagnose())
    return Cause("double normalization", entry.name, finding, context.export())


def input_scale(observed: Observations, context: Context) -> list[Cause]:
    """Each input's scale and zero point against the range the preprocessing gives."""
    return [cause for entry in observed.inputs for cause in _input_scale(entry, context)]


def _input_scale(entry: ObservedInput, context: Context) -> list[Cause]:
    if entry.range_low is None or entry.range_high is None:
        return []
    low, high = _possible(context, entry)
    width, room = high - low, entry.range_high - entry.range_low
    if width <= 0:
        return []
    missing = max(entry.range_low - low, high - entry.range_high, 0.0) / width
    has_steps_to_spare = entry.steps > _PIXELS
    if missing <= _BEYOND and (has_steps_to_spare or room <= _ROOM * width):
        return []
    wrong = (
        f"{missing:.0%} of that span is clipped"
        if missing > _BEYOND
        else f"the range is {room / width:.1f} times too wide, and so are its steps"
    )
    finding = (
        f"The input's range is {entry.range_low:.3g} to {entry.range_high:.3g}, and the samples"
        f" span {low:.3g} to {high:.3g}: {wrong}."
    )
    return [Cause("input scale", entry.name, finding, context.export())]


def _possible(context: Context, entry: ObservedInput) -> tuple[float, float]:
    """What preprocessing makes of pixels 0..255; of arrays fed as they are, what was fed.

    Zero is always inside: a tensor's range holds it, whatever the samples.
    """
    low, high = entry.fed_low, entry.fed_high
    if context.pixel_high is not None:
        mean, std = context.preprocessing.mean, context.preprocessing.std
        pairs = (
            [(m, s) for m in mean for s in std]
            if len(mean) != len(std)
            else [*zip(mean, std, strict=False)]
        )
        low = min(-m / s for m, s in pairs)
        high = max((_PIXELS - m) / s for m, s in pairs)
    return min(low, 0.0), max(high, 0.0)
