"""Likely causes of a quantized file's error, each found from what was seen, each with its command.

Thresholds are chosen so that files in order (trained networks, calibrated on samples like those
they are diagnosed on) show none of them; each stands beside its test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.diagnosing.input_causes import input_scale, scaled_twice
from edgecnn.diagnosing.record import Cause
from edgecnn.text import percent_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edgecnn.diagnosing.commands import Context
    from edgecnn.diagnosing.record import Layer, Observations

    Search = Callable[[Observations, Context], list[Cause]]

# A range by mean squared error cuts off a fraction of a per mille on purpose.
_CLIPPED = 0.01
_CLIPPING_DB = 30.0
_FEWEST_VALUES = 8
# Their range is fixed by TFLite's quantization specification, whatever calibration saw, and by what
# they compute.
_FIXED_RANGE = {"SOFTMAX", "LOGISTIC", "TANH", "Softmax", "Sigmoid", "Tanh"}
# Of a trained net's tensors on photographs hardly one has a range four times what others show.
_TOO_WIDE = 4.0
_MOST_LEVELS = 255
_WIDE_TENSORS = 0.5
_SATURATED, _SATURATED_DB = 0.01, 25.0
_LOST = 0.02
_SILENT = 0.6
_FEWEST_STEPS = 8.0
_UNEVEN = 2.0


_SYMPTOMS = ("saturating tensors", "dead channels", "uneven branches")
# What a cause brings about of itself: to fix the symptom alone would be the wrong command.
_EXPLAINS = {
    "double normalization": ("input scale", "range too narrow", "range too wide", *_SYMPTOMS),
    "input scale": _SYMPTOMS,
    "range too narrow": _SYMPTOMS,
    "range too wide": _SYMPTOMS,
}


def find(observed: Observations, context: Context) -> tuple[Cause, ...]:
    """Every cause that is found, the first to be tried first; what follows from it is left out."""
    causes = [cause for search in _SEARCHES for cause in search(observed, context)]
    explained = {kind for cause in causes for kind in _EXPLAINS.get(cause.kind, ())}
    return tuple(cause for cause in causes if cause.kind not in explained)


def range_too_narrow(observed: Observations, context: Context) -> list[Cause]:
    """Values of these samples lie beyond the range that calibration chose."""
    clipped = [layer for layer in _calibrated(observed) if _is_clipped(layer)]
    if not clipped:
        return []
    worst = max(clipped, key=lambda layer: layer.clipped_share)
    finding = (
        f"In {_count(clipped, 'tensor')} 1% or more of the float values are outside the range of"
        f" the file: in this one {percent_text(worst.clipped_share)}; its range is"
        f" {_span(worst.range_low, worst.range_high)}, the values {_span(worst.low, worst.high)}."
        " It was calibrated on samples unlike these."
    )
    return [Cause("range too narrow", worst.layer, finding, context.export_on_more())]


def _is_clipped(layer: Layer) -> bool:
    """A share worth naming, of values enough to tell, and so far beyond that it counts."""
    return (
        layer.clipped_share >= _CLIPPED
        and layer.clipped_share * layer.values >= _FEWEST_VALUES
        and layer.clipping_db is not None
        and layer.clipping_db < _CLIPPING_DB
    )


def range_too_wide(observed: Observations, context: Context) -> list[Cause]:
    """Most steps of the ranges are never used on these samples."""
    ranged = [layer for layer in _calibrated(observed) if _excess(layer) is not None]
    wide = [layer for layer in ranged if (_excess(layer) or 0) > _TOO_WIDE]
    if not ranged or len(wide) < _WIDE_TENSORS * len(ranged):
        return []
    worst = max(wide, key=lambda layer: _excess(layer) or 0)
    used = _MOST_LEVELS / (_excess(worst) or 1)
    finding = (
        f"{len(wide)} of {_count(ranged, 'tensor')} have a range more than {_TOO_WIDE:g} times what"
        f" these samples need: this one reaches {_span(worst.range_low, worst.range_high)}, the"
        f" values {_span(worst.low, worst.high)}, which is {used:.0f} of its 255 steps. It was"
        " calibrated on other samples, or on samples scaled otherwise."
    )
    return [Cause("range too wide", worst.layer, finding, context.export_on_more())]


def _excess(layer: Layer) -> float | None:
    """How many times wider an int8 tensor's range is than its values."""
    if layer.step is None or layer.range_low is None or layer.range_high is None:
        return None
    width = layer.range_high - layer.range_low
    if width / layer.step > _MOST_LEVELS + 1:  # 16 bits have steps to spare
        return None
    reach = max(layer.high, 0.0) - min(layer.low, 0.0)
    return width / reach if reach > 0 else None


def saturating(observed: Observations, context: Context) -> list[Cause]:
    """The file's own values stand on the last step, where no activation puts them."""
    layers = [
        layer
        for layer in _calibrated(observed)
        if layer.saturated_share >= _SATURATED
        and layer.snr_db is not None
        and layer.snr_db < _SATURATED_DB
    ]
    if not layers:
        return []
    worst = max(layers, key=lambda layer: layer.saturated_share)
    finding = (
        f"In {_count(layers, 'tensor')} 1% of the file's values or more stand on the last step of"
        f" the range, beyond what a ReLU explains: in this one"
        f" {percent_text(worst.saturated_share)}, at {_span(worst.range_low, worst.range_high)}."
    )
    return [
        Cause(
            "saturating tensors",
            worst.layer,
            finding,
            context.export(more="--calibration-method minmax"),
        )
    ]


def lost_channels(observed: Observations, context: Context) -> list[Cause]:
    """Channels that speak in float and are zero throughout in the file."""
    # Not of a softmax, whose step is fixed: most classes are below it, and meant to be.
    lost = [layer for layer in _calibrated(observed) if layer.lost_share >= _LOST]
    if lost:
        worst = max(lost, key=lambda layer: layer.lost_share)
        finding = (
            f"{worst.lost_channels} of its {worst.channels} channels are zero throughout, though"
            f" in float they hold {percent_text(worst.lost_share)} of its power"
            f" ({_count(lost, 'tensor')} like it): they are smaller than the step"
            f" ({worst.step or 0:.3g}) that louder channels set."
        )
        return [Cause("dead channels", worst.layer, finding, context.export_wider())]
    return _silent(observed, context)


def _silent(observed: Observations, context: Context) -> list[Cause]:
    silent = [row for row in observed.layers if row.silent_channels > _SILENT * row.channels]
    if not silent:
        return []
    worst = max(silent, key=lambda layer: layer.silent_channels / layer.channels)
    finding = (
        f"{worst.silent_channels} of its {worst.channels} channels are zero on these samples, in"
        f" float too ({_count(silent, 'tensor')} like it): either the network never uses them, or"
        " these samples, or their scaling, do not stir it."
    )
    return [Cause("dead channels", worst.layer, finding, context.export_on_more())]


def uneven_sums(observed: Observations, context: Context) -> list[Cause]:
    """A branch of a sum of which only a few steps are left."""
    coarse = [
        (min(add.widths) / add.step, add)
        for add in observed.adds
        if add.step > 0 and 0 < min(add.widths) < _FEWEST_STEPS * add.step
    ]
    if not coarse:
        return []
    steps, worst = min(coarse, key=lambda pair: pair[0])
    finding = (
        f"{_count([add for _, add in coarse], 'sum')} of two branches with widely different"
        f" ranges: here {max(worst.widths):.3g} against {min(worst.widths):.3g}, and the sum's step"
        f" is {worst.step:.2g}: the smaller branch has {steps:.1f} steps left."
    )
    return [Cause("uneven branches", worst.layer, finding, context.export_wider())]


def per_tensor_weights(observed: Observations, context: Context) -> list[Cause]:
    """Weights with one scale where each output channel could have its own."""
    uneven = [weights for weights in observed.per_tensor if weights.spread > _UNEVEN]
    if not uneven:
        return []
    worst = max(uneven, key=lambda weights: weights.spread)
    finding = (
        f"{_count(uneven, 'convolution')} with one scale for all weights, where each output channel"
        f" could have its own: here the largest of {worst.channels} channels has weights"
        f" {worst.spread:.1f} times the median channel's."
    )
    return [Cause("per-tensor weights", worst.layer, finding, context.export())]


def _calibrated(observed: Observations) -> list[Layer]:
    return [layer for layer in observed.layers if layer.operator not in _FIXED_RANGE]


def _count(things: Iterable[object], name: str) -> str:
    number = len(list(things))
    return f"{number} {name}{'' if number == 1 else 's'}"


def _span(low: float | None, high: float | None) -> str:
    return f"{low or 0.0:.3g} to {high or 0.0:.3g}"


_SEARCHES: tuple[Search, ...] = (
    scaled_twice,
    input_scale,
    range_too_narrow,
    range_too_wide,
    saturating,
    lost_channels,
    per_tensor_weights,
    uneven_sums,
)
