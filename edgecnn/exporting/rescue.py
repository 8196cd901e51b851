"""Layers that stay float because an int8 file would be too far from the float network.

A small network can lose an answer altogether: a head whose numbers hardly move, boxes beside
scores, a recurrence that adds its rounding up. Where its worst group of numbers keeps less than
20 dB on calibration samples that a file was not made of, the cheapest layers that mend it stay in
float32, and the file says so.
Large networks are left alone (the user is warned): the search would cost minutes and the layers
latency; `--min-snr` asks for it. `--strict` asks for integers throughout.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn import parity
from edgecnn.calibration import statistics
from edgecnn.exporting.min_snr import CHOICE_SAMPLES
from edgecnn.quantize import float_operators, mixed
from edgecnn.quantize.mixed import Mixture

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgecnn.exporting.ingredients import Ingredients
    from edgecnn.formats.tflite_graph import Graph
    from edgecnn.parity import Answers
    from edgecnn.quantize.integer import IntegerModel
    from edgecnn.records import ParityInfo

LEAST_DB, WANTED_DB = mixed.LEAST_DB, mixed.WANTED_DB
_MOST_LOST_DB = 12.0
_QUARTER, _FEWEST = 4, 8


@dataclass(frozen=True)
class Rescue:
    """A file some of whose layers stay float.

    Attributes:
        graph: with the ends that were asked for.
        after_db: of the worst group of the worst output, on calibration samples.
        float_ops: operators that compute on floats, name to count.
        note: for the manifest.
    """

    graph: Graph
    after_db: float
    float_ops: dict[str, int]
    note: str


def allowed(basis: Ingredients, macs: int) -> bool:
    """Whether layers may stay float unasked: of a small, trained network, without --strict."""
    random = basis.plan.identity.has_random_weights
    return not basis.options.strict and not random and macs <= mixed.MOST_MACS


def needed(parities: Sequence[ParityInfo]) -> bool:
    """Whether a file is too far from the float network."""
    return worst_db(parities) < LEAST_DB


def wanted_of_logits_db(parities: Sequence[ParityInfo]) -> float:
    """What is asked of logits so that the outputs have `LEAST_DB`.

    A softmax can make little of much: the probability of a class that seldom comes moves less than
    its logit's error lets it. Where it makes next to nothing of it, the samples do not show what
    the class is like, and logits are asked for no more than otherwise.

    Args:
        parities: of both.
    """
    of_logits = [info for info in parities if info.measured_on == "logits"]
    lost_db = worst_db(of_logits) - worst_db(parities)
    known = of_logits and lost_db <= _MOST_LOST_DB
    return max(WANTED_DB, LEAST_DB + lost_db) if known else WANTED_DB


def all_parities(expected: Answers, measured: Answers, basis: Ingredients) -> list[ParityInfo]:
    """Of the outputs, and of the logits in front of them."""
    outputs = basis.floats.outputs
    return [
        *parity.compare(expected, measured, outputs),
        *parity.compare(expected, measured, outputs, on_values=True),
    ]


def left_out(samples: int, seed: int) -> tuple[int, ...]:
    """Calibration samples for a file to be tried on that it is not made of: a quarter.

    None where those would be too few to tell signal from noise by: then a file is tried on what it
    is made of.

    Args:
        samples: that there are.
        seed: of which.
    """
    parts = statistics.deal(samples, seed)
    quarter = np.flatnonzero(parts < (int(parts.max(initial=-1)) + 1) // _QUARTER)
    return tuple(quarter.tolist()) if len(quarter) >= _FEWEST else ()


def attempt(
    quantized: IntegerModel,
    basis: Ingredients,
    finish: Callable[[Graph], None],
    wanted_db: float = WANTED_DB,
    *,
    float_ends: bool = False,
) -> Rescue | None:
    """The cheapest layers in float that mend a file; None where they would not be worth it.

    Args:
        quantized: with its source.
        basis: the samples to choose on.
        finish: gives a graph its ends, in place.
        wanted_db: of the worst group of what is judged, the logits or the outputs.
        float_ends: whether those are float32.
    """
    known = basis.statistics
    assert known is not None  # noqa: S101 - the int8 recipe collects them
    basis.progress.stage("int8 alone is too inaccurate: choosing layers to keep in float32")
    mixture = Mixture(
        quantized,
        list(itertools.islice(basis.file_feeds("tflite"), CHOICE_SAMPLES)),
        known.answers,
        float_ends=float_ends,
        by_groups=True,
        threads=basis.plan.threads,
        finish=finish,
        progress=basis.progress,
    )
    before_db, best_db = mixture.snr_db(frozenset()), mixture.snr_db(mixture.everything())
    if best_db < before_db + mixed.WORTH_DB:
        return None
    layers = mixture.cheapest(min(wanted_db, best_db - mixed.WORTH_DB / 2))
    if not layers:
        return None
    graph = mixture.build(layers)
    finish(graph)
    after_db = mixture.snr_db(layers)
    note = (
        f"int8 alone has {before_db:.1f} dB SNR in the worst group of the logits or outputs on"
        f" calibration samples: {len(layers)} of {mixture.layers} layers stay in float32"
        f" ({after_db:.1f} dB); they are: {', '.join(sorted(layers))}"
    )
    return Rescue(graph, after_db, float_operators.in_graph(graph), note)


def fewest_last(most: int, snr_db: Callable[[int], float]) -> int | None:
    """How many of the last layers have to stay float; None where even all but the first do not do.

    Args:
        most: of layers.
        snr_db: of the worst group of the outputs with so many of the last layers in float.
    """
    low, high, best = 1, most, None
    while low <= high:
        middle = (low + high) // 2
        if snr_db(middle) >= WANTED_DB:
            best, high = middle, middle - 1
        else:
            low = middle + 1
    return best


def worst_db(parities: Sequence[ParityInfo]) -> float:
    """SNR of the worst group of the worst output; infinite where nothing differs."""
    ratios = [ratio for info in parities for ratio in (info.snr_db, info.worst_group_db)]
    return min((math.inf if ratio is None else ratio for ratio in ratios), default=math.inf)
