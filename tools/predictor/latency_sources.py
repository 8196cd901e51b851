"""Who published a row, what build it was measured with, and how near the rest of the rows are.

A source is one publisher: all of MLPerf's tables come from one harness of one team, and two tables
of one page from one desk. What a user measures is a source of its own.
"""

from __future__ import annotations

import csv
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import published_nets

from edgecnn.latency.nearness import reference_of, resembles

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.latency.fitted import Reference
    from edgecnn.latency.predictor import Basis
    from predictor.latency_rows import Row

_TITLES = Path(__file__).parents[1] / "data" / "sources.csv"
_NASBENCH = "HW-NAS-Bench"


@functools.cache
def _publishers() -> tuple[str, ...]:
    with _TITLES.open(encoding="utf-8") as file:
        titles = [row["title"] for row in csv.DictReader(file)]
    return tuple(_publisher(title) for title in titles)


def _publisher(title: str) -> str:
    """The repository or page, without a release's number.

    >>> _publisher("github mlcommons/inference_results_v3.0 open/Krai/results/odroid-tflite")
    'mlcommons/inference_results'
    """
    place = title.removeprefix("github ").split(" ")[0]
    return re.sub(r"_v[\d.]+$", "", place)


def publisher(row: Row) -> str:
    """Who published a row."""
    return _publishers()[row.source] if row.source >= 0 else _NASBENCH


class Known:
    """What some rows know of each device, precision and build."""

    def __init__(self, rows: Iterable[Row]) -> None:
        measured: dict[tuple[str, str, str], set[tuple[str, int]]] = {}
        for row in rows:
            place = row.device, row.precision, row.runtime
            measured.setdefault(place, set()).add((row.model, row.input_size))
        self._references = {
            place: [_reference(*net) for net in sorted(nets)] for place, nets in measured.items()
        }
        self._builds = {runtime for _, _, runtime in measured}

    def basis(self, row: Row) -> Basis:
        """What a prediction of a row's network rests on, for the build that ran it."""
        references = self._references.get((row.device, row.precision, _build(row)))
        if not references:
            return "no rows"
        cost = published_nets.find(row.model, row.input_size)
        return "interpolated" if resembles(cost, references) else "extrapolated"

    def has_build(self, row: Row) -> bool:
        """Whether any device was measured with a row's build."""
        return _build(row) in self._builds


def _build(row: Row) -> str:
    """The answer a row is held against: XNNPACK's own benchmark runs what TFLite with it runs."""
    return "xnnpack" if row.runtime == "library" else row.runtime


@functools.cache
def _reference(model: str, input_size: int) -> Reference:
    return reference_of(published_nets.find(model, input_size))
