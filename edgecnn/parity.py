"""How close a file's outputs are to the float network's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import files, layouts
from edgecnn.errors import InputError
from edgecnn.records import ParityInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from edgecnn.progress import Progress
    from edgecnn.records import EndLayouts, Endpoint, OutputInfo
    from edgecnn.runtime.session import Session

    Array = NDArray[Any]

# Axes with more groups than this are positions or classes, not kinds of numbers; but of a table,
# such as a detector's 84 columns by 8400 cells, the shorter axis has the kinds.
_MOST_GROUPS = 16
_MOST_COLUMNS = 256
_MATRIX = 2
_PICTURES = ("uint8", "int8")
# What varies by less than this share of its power is rounding around a constant.
_CONSTANT = 1e-10
_FEWEST_NOISY = 2  # samples with an error, for their spread
_TINY = 2.2250738585072014e-308  # float64's smallest normal number


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network gives for a number of runs; the runs lie one behind the other along axis 0.

    Attributes:
        outputs: an array for every output, in the network's order and layout, real numbers.
        logits: what enters the softmax that an output ends in, in the output's shape; None for an
            output without one.
        runs: how many.
    """

    outputs: tuple[Array, ...]
    logits: tuple[Array | None, ...]
    runs: int


def comparable(reference: Answers, measured: Answers, index: int) -> tuple[Array, Array, bool]:
    """What two networks are compared on at an output: logits where both have them.

    Returns:
        The reference's array, the other's, and whether they are logits.
    """
    expected, actual = reference.logits[index], measured.logits[index]
    if expected is None or actual is None:
        return reference.outputs[index], measured.outputs[index], False
    return expected, actual, True


def joined(parts: Sequence[Answers]) -> Answers:
    """The answers of several sets of runs as those of one, one set behind the other."""
    logits = zip(*(part.logits for part in parts), strict=True)
    return Answers(
        tuple(_joined(column) for column in zip(*(p.outputs for p in parts), strict=True)),
        tuple(None if column[0] is None else _joined(column) for column in logits),
        sum(part.runs for part in parts),
    )


def compare(
    reference: Answers, measured: Answers, outputs: Sequence[OutputInfo], *, on_values: bool = False
) -> tuple[ParityInfo, ...]:
    """Measure every output against the reference's.

    Args:
        reference: of the float network.
        measured: of the file under test, on the same inputs.
        outputs: what the outputs are.
        on_values: compare the outputs themselves, not the logits in front of a softmax.

    Raises:
        InputError: the shapes differ, numbers are not finite, or the float network gives the same
            for every sample, so that no ratio says how far the two are apart.
    """
    return tuple(
        _compare_output(reference, measured, index, info, on_values=on_values)
        for index, info in enumerate(outputs)
    )


def worst(parities: Sequence[ParityInfo]) -> ParityInfo:
    """Of the output that lost most."""
    return min(parities, key=lambda parity: _ratio(parity.snr_db))


def _ratio(snr_db: float | None) -> float:
    return math.inf if snr_db is None else snr_db


def _compare_output(
    reference: Answers, measured: Answers, index: int, info: OutputInfo, *, on_values: bool
) -> ParityInfo:
    import numpy as np

    expected, actual, on_logits = comparable(reference, measured, index)
    if on_values:
        expected, actual, on_logits = reference.outputs[index], measured.outputs[index], False
    _check(expected, actual, info.name)
    ratio_db = snr_db(expected, actual)
    is_distance = expected.dtype.kind == "f" or expected.dtype in _PICTURES
    expected, actual = expected.astype(np.float64), actual.astype(np.float64)
    group_db, group = worst_group(expected, actual, info.layout)
    return ParityInfo(
        snr_db=ratio_db,
        cosine=_cosine(expected, actual),
        max_abs_error=float(np.abs(expected - actual).max(initial=0.0)),
        top1_agreement=_class_agreement(expected, actual, info),
        samples=reference.runs,
        output=info.name,
        measured_on="logits" if on_logits else "values",
        worst_group_db=group_db,
        worst_group=group,
        pixel_agreement=_pixel_agreement(expected, actual, info),
        spread_db=_own_spread_db(expected, actual, info.layout) if is_distance else None,
    )


def _check(expected: Array, actual: Array, name: str) -> None:
    import numpy as np

    if expected.shape != actual.shape:
        raise InputError(
            f"The file's output {name!r} is {actual.shape}, the float network's {expected.shape}."
        )
    if not np.isfinite(expected).all():
        raise InputError(
            f"The float model's own output {name!r} is not finite on the reference samples.",
            hint="Look at its weights, and at how its input is scaled.",
        )
    if not np.isfinite(actual).all():
        raise InputError(
            f"The file's output {name!r} is not finite.", hint="Look at the model's weights."
        )
    if expected.dtype.kind == "f" and actual.any() and not expected.any():
        raise InputError(
            f"The float model's output {name!r} is all zero on the reference samples, the file's is"
            " not.",
            hint="Train the model first: its last layer is still zero.",
        )


def snr_db(reference: Array, actual: Array) -> float | None:
    """10 log10 of the reference's variance about its mean over the samples, over the error's power.

    A constant offset, such as that of a regression around 2000, is no signal. Where the samples
    all give the same, or there is one only, the mean over all values takes the place of the mean
    over the samples; where all values are one number, that number is the signal.

    Of integers, such as indices of classes, the distance means nothing: the ratio is that of all
    values to those that differ. Integers of 8 bits are pictures, and measured as such.

    Returns:
        None when there is no error at all; -inf where the reference is all zeros and there is one.
    """
    import numpy as np

    if reference.dtype.kind != "f" and reference.dtype not in _PICTURES:
        differing = int((reference != actual).sum())
        return 10 * math.log10(reference.size / differing) if differing else None
    expected = reference.astype(np.float64)
    noise = float(np.square(expected - actual).sum())
    if noise == 0:
        return None
    signal = _signal(expected)
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def _signal(expected: Array) -> float:
    import numpy as np

    power = float(np.square(expected).sum())
    for variation in (_varies(expected), float(np.square(expected - expected.mean()).sum())):
        if variation > _CONSTANT * power:
            return variation
    return power


def _varies(expected: Array) -> float:
    """Power about the mean over the samples, which lie along the first axis."""
    import numpy as np

    return float(np.square(expected - expected.mean(axis=0)).sum()) if expected.ndim else 0.0


def worst_group(expected: Array, actual: Array, layout: str = "") -> tuple[float | None, str]:
    """The SNR of the group of numbers that lost most, and which it is.

    A tensor that mixes kinds of numbers (boxes beside scores) does so along an axis of few groups:
    the channels of an image layout, else any axis but the samples'. A group that does not vary over
    the samples is passed over, since nothing can be told of it.
    """
    ratios = {
        name: _ratio(snr_db(part, actual_part))
        for name, part, actual_part in _groups(expected, actual, layout)
    }
    if not ratios:
        return None, ""
    name = min(ratios, key=lambda group: ratios[group])
    return (None, "") if math.isinf(ratios[name]) else (ratios[name], name)


def worst_noise(expected: Array, actual: Array, layout: str = "") -> Array:
    """Where SNR is lost, sample by sample: in the worst group, or in the whole if that is worse.

    Args:
        expected: real numbers, the samples along the first axis.
        actual: likewise.
        layout: of both, as `worst_group` takes it.

    Returns:
        float64 (samples,): each one's error power over the signal of all; -10 log10 of their sum
        is the lower of `snr_db` and `worst_group`'s.
    """
    import numpy as np

    parts = [("", expected, actual), *_groups(expected, actual, layout)]
    _, part, actual_part = min(parts, key=lambda group: _ratio(snr_db(group[1], group[2])))
    squares = np.square(part.astype(np.float64) - actual_part).reshape(len(part), -1).sum(axis=1)
    signal = _signal(part.astype(np.float64))
    shares: Array = squares / signal if signal > 0 else np.where(squares > 0, np.inf, 0.0)
    return shares


def spread_db(noise: Array, other: Array | None = None) -> float:
    """Standard error over the images of an SNR, or of one's gain over another (jackknife).

    Args:
        noise: each image's share, as `worst_noise` has it.
        other: likewise, of the same images.
    """
    import numpy as np

    count = len(noise)
    left = noise.sum() - noise
    ratios = left if other is None else left / np.maximum(other.sum() - other, _TINY)
    values = 10 * np.log10(np.maximum(ratios, _TINY))
    return float(np.sqrt((count - 1) / count * np.square(values - values.mean()).sum()))


def _own_spread_db(expected: Array, actual: Array, layout: str) -> float | None:
    """Of the lower of `snr_db` and `worst_group`'s; None where it cannot be told."""
    import numpy as np

    if expected.ndim == 0 or len(expected) == 1:
        return None
    noise = worst_noise(expected, actual, layout)
    if not np.isfinite(noise).all() or np.count_nonzero(noise) < _FEWEST_NOISY:
        return None
    return spread_db(noise)


def _groups(expected: Array, actual: Array, layout: str) -> Iterator[tuple[str, Array, Array]]:
    """The groups that vary over the samples: their names, and both sides' numbers."""
    import numpy as np

    for axis in _group_axes(expected.shape, layout):
        for group in range(expected.shape[axis]):
            part, actual_part = np.take(expected, group, axis), np.take(actual, group, axis)
            if _varies(part) > _CONSTANT * float(np.square(part).sum()):
                yield f"axis {axis}, group {group}", part, actual_part


def _group_axes(shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    if "C" in layout and len(layout) == len(shape):
        candidates: tuple[int, ...] = (layout.index("C"),)
    else:
        candidates = tuple(range(1, len(shape)))
    columns = min(candidates, key=lambda axis: shape[axis], default=0)
    most = dict.fromkeys(candidates, _MOST_GROUPS)
    if len(shape) > _MATRIX:
        most[columns] = _MOST_COLUMNS
    return tuple(axis for axis in candidates if 1 < shape[axis] <= most[axis])


def _cosine(expected: Array, actual: Array) -> float:
    import numpy as np

    norms = float(np.linalg.norm(expected) * np.linalg.norm(actual))
    if not norms:
        return float(np.array_equal(expected, actual))
    return float((expected * actual).sum()) / norms


def _class_agreement(expected: Array, actual: Array, info: OutputInfo) -> float | None:
    """`top1_agreement` where each row is the scores of classes, of which the best is the answer."""
    if info.kind == "values" or expected.ndim != _MATRIX or expected.shape[1] <= 1:
        return None
    return top1_agreement(expected, actual)


def _pixel_agreement(expected: Array, actual: Array, info: OutputInfo) -> float | None:
    """Of maps of classes (scores, or integers), the share of pixels with the same class."""
    if len(info.shape) <= _MATRIX or not info.shape:
        return None
    if info.dtype.startswith(("int", "uint")):
        return float((expected == actual).mean())
    if info.kind == "values" or "C" not in info.layout:
        return None
    axis = info.layout.index("C")
    if expected.shape[axis] == 1:
        border = 0.5 if info.kind == "probabilities" else 0.0
        return float(((expected > border) == (actual > border)).mean())
    return float((expected.argmax(axis) == actual.argmax(axis)).mean())


def top1_agreement(reference: Array, actual: Array) -> float:
    """Share of samples with the same best class.

    int8 logits tie often. A tie that includes the reference's class counts as one over the number
    of tied classes: what breaking ties at random would give on average, no more.
    """
    import numpy as np

    best = reference.argmax(axis=1)
    tied = actual == actual.max(axis=1, keepdims=True)
    hits = tied[np.arange(len(actual)), best]
    return float((hits / tied.sum(axis=1)).mean())


def answers(
    model: bytes | Path | str,
    feeds: Iterable[Sequence[Array]],
    *,
    inputs: Sequence[Endpoint],
    outputs: Sequence[Endpoint],
    file_layouts: EndLayouts | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> Answers:
    """Run a file, and return its outputs and its logits as real numbers.

    For a foreign file call it through `isolation.run`: the runtime is native code.

    Args:
        model: the bytes of a .tflite, or the path of a .tflite or .onnx.
        feeds: of each run an array for every input, in the network's own layout and dtype;
            transposed and quantized here as the file asks.
        inputs: of the network the file was made from.
        outputs: likewise; what is returned has their layout.
        file_layouts: of the file's ends; None where they are the network's.
        threads: of one inference.
        progress: advanced by one for each run.

    Raises:
        InputError: the file is damaged, its runtime refuses it, or its ends are not the network's.
        MissingPartError: its runtime is not installed.
    """
    session, taps = open_tapped(model, threads)
    _check_ends(session, inputs, outputs)
    rows: list[list[Array]] = []
    for feed in feeds:
        fed = _fed(session, feed, inputs, file_layouts)
        rows.append(_real(session, session.run(fed), outputs, taps, file_layouts))
        if progress is not None:
            progress.advance()
    columns = [_joined([row[k] for row in rows]) for k in range(len(rows[0]))]
    count = len(outputs)
    tapped = dict(zip(taps, columns[count:], strict=True))
    return Answers(tuple(columns[:count]), tuple(tapped.get(k) for k in range(count)), len(rows))


def _joined(parts: Sequence[Array]) -> Array:
    import numpy as np

    return np.concatenate([np.atleast_1d(part) for part in parts])


def open_tapped(model: bytes | Path | str, threads: int) -> tuple[Session, tuple[int, ...]]:
    """Load a file with its logits as further outputs, and say to which outputs those belong."""
    data = model if isinstance(model, bytes) else files.read_bytes(model)
    if not isinstance(model, bytes) and Path(model).suffix == ".onnx":
        from edgecnn.formats import onnx_taps
        from edgecnn.runtime.onnxrt import OnnxSession

        tapped, taps = onnx_taps.tap(data)
        return OnnxSession(tapped, threads=threads), taps
    from edgecnn.formats import tflite_logits
    from edgecnn.runtime.litert import LiteRTSession

    tapped, taps = tflite_logits.tap(data)
    return LiteRTSession(tapped, threads=threads), taps


def _check_ends(session: Session, inputs: Sequence[Endpoint], outputs: Sequence[Endpoint]) -> None:
    have = (len(session.inputs), len(session.outputs))
    if have[0] != len(inputs) or have[1] < len(outputs):
        raise InputError(
            f"The file has {have[0]} inputs and {have[1]} outputs, the network {len(inputs)} and"
            f" {len(outputs)}.",
            hint="Export it again; the file is not of this network.",
        )


def _fed(
    session: Session,
    feed: Sequence[Array],
    inputs: Sequence[Endpoint],
    file_layouts: EndLayouts | None,
) -> list[Array]:
    from edgecnn.runtime.session import quantize_input

    own = [endpoint.layout for endpoint in inputs]
    of_file = own if file_layouts is None else file_layouts.inputs
    return [
        quantize_input(layouts.convert(values, source, target), info)
        for values, source, target, info in zip(feed, own, of_file, session.inputs, strict=True)
    ]


def _real(
    session: Session,
    results: Sequence[Array],
    outputs: Sequence[Endpoint],
    taps: Sequence[int],
    file_layouts: EndLayouts | None,
) -> list[Array]:
    """Outputs, and behind them the logits of those at `taps`, in the network's own layout."""
    from edgecnn.runtime.session import dequantize_output

    own = [endpoint.layout for endpoint in outputs]
    of_file = own if file_layouts is None else file_layouts.outputs
    real = [
        dequantize_output(result, info)
        for result, info in zip(results, session.outputs, strict=True)
    ]
    count = len(outputs)
    # What a RESHAPE behind the softmax did to the probabilities is not done to its input.
    shaped = [values.reshape(real[k].shape) for k, values in zip(taps, real[count:], strict=True)]
    places = [*range(count), *taps]
    return [
        layouts.convert(values, of_file[place], own[place])
        for place, values in zip(places, [*real[:count], *shaped], strict=True)
    ]
