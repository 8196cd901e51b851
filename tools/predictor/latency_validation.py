"""Predicts rows that were left out of the fit: a source, and a family or device with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgecnn.latency import cores
from edgecnn.latency.work import UNITS
from predictor import latency_fit, latency_prior, latency_rows
from predictor.latency_model import Layout, Names
from predictor.latency_sources import Known, publisher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from edgecnn.latency.predictor import Basis
    from predictor.latency_rows import Row

Array = np.ndarray
Without = Literal["source", "source and family", "source and device", "family", "half"]
# Of NAS-Bench-201, every so-manieth network: enough where it is not what is asked about.
_NASBENCH_STEP = 12


@dataclass(frozen=True)
class LeftOut:
    """A row and what was predicted without it.

    Attributes:
        row: the published one.
        without: what was left out with it.
        left_out: the name of that family, source or device.
        log_error: log of measured over predicted.
        basis: what the predictor would call it.
        same_build: whether rows of its build stayed: else the answer was not meant for it.
    """

    row: Row
    without: Without
    left_out: str
    log_error: float
    basis: Basis = "extrapolated"
    same_build: bool = True

    @property
    def error(self) -> float:
        """Predicted over measured, less one: +0.1 is 10% too slow."""
        return float(np.exp(-self.log_error)) - 1.0

    @property
    def source(self) -> str:
        """Who published the row."""
        return publisher(self.row)


class Validation:
    """The rows, a fit of them all, and fits without some of them.

    Args:
        rows: ImageNet-size ones.
        bench: NAS-Bench-201's.
        report: is called with what every fit is of.
    """

    def __init__(
        self, rows: Sequence[Row], bench: Sequence[Row], report: Callable[[str], None]
    ) -> None:
        self.rows, self.bench, self._report = list(rows), list(bench), report
        self.names = Names.of([*rows, *bench])
        self.some = [*self.rows, *every(self.bench, _NASBENCH_STEP, 0)]
        self._start: Array | None = None

    def fit(self, rows: Sequence[Row], what: str) -> Array:
        """Parameters for some rows."""
        self._report(what)
        parameters = latency_fit.fit(rows, self.names, self._start)
        if self._start is None:
            self._start = parameters
        return parameters

    def by_source(self) -> list[LeftOut]:
        """Each source left out; what a user measures is a new source."""
        errors = []
        for source in sorted({publisher(row) for row in self.some}):
            out = [row for row in self.some if publisher(row) == source]
            kept = [row for row in self.some if publisher(row) != source]
            errors += self._predicted(out, kept, "source", source)
        return errors

    def by_source_and(self, what: Literal["family", "device"]) -> list[LeftOut]:
        """Each source left out together with each of its families, or devices, everywhere."""
        return [error for part in self._with(what) for error in part]

    def _with(self, what: Literal["family", "device"]) -> Iterator[list[LeftOut]]:
        for source in sorted({publisher(row) for row in self.some}):
            others = [row for row in self.some if publisher(row) != source]
            own = [row for row in self.some if publisher(row) == source]
            for name in sorted({getattr(row, what) for row in own}):
                kept = [row for row in others if getattr(row, what) != name]
                if len(kept) < len(others):  # else it is left out with the source
                    out = [row for row in own if getattr(row, what) == name]
                    without: Without = (
                        "source and family" if what == "family" else "source and device"
                    )
                    yield self._predicted(out, kept, without, source)

    def by_family(self) -> list[LeftOut]:
        """Each family of networks left out on all devices; the rows' sources stay."""
        errors = []
        for family in sorted({row.family for row in self.rows}):
            out = [row for row in self.rows if row.family == family]
            kept = [row for row in self.some if row.family != family]
            errors += self._predicted(out, kept, "family", family)
        return errors

    def _predicted(
        self, out: Sequence[Row], kept: Sequence[Row], without: Without, name: str
    ) -> list[LeftOut]:
        if self._start is None:
            self.fit(self.some, "all rows")
        x = self.fit(kept, f"without {without} {name}")
        errors = latency_fit.log_errors(adopted(x, self.names, kept), out, self.names, kept)
        known = Known(kept)
        return [
            LeftOut(row, without, name, float(e), known.basis(row), known.has_build(row))
            for row, e in zip(out, errors, strict=True)
        ]

    def bench_halves(self) -> list[LeftOut]:
        """NAS-Bench-201: fitted with every other network, the others predicted."""
        kept, out = [*self.rows, *every(self.bench, 2, 0)], every(self.bench, 2, 1)
        x = self.fit(kept, "half of NAS-Bench-201")
        errors = latency_fit.log_errors(x, out, self.names, kept)
        return [LeftOut(r, "half", "half", float(e)) for r, e in zip(out, errors, strict=True)]


def adopted(x: Array, names: Names, rows: Sequence[Row]) -> Array:
    """Give cores that no row measured what the predictor would: a similar core's efficiency."""
    x, layout = x.copy(), Layout(names)
    for place, precision in enumerate(latency_prior.PRECISIONS):
        known = {row.clusters[0].core for row in rows if row.precision == precision}
        for index, name in enumerate(names.cores):
            if name in known:
                continue
            other = names.cores.index(cores.sibling(cores.find(name), known).name)
            for block, width in (("core", 1), ("core_unit", len(UNITS))):
                part = layout.block(x, block, 2, len(names.cores), width)
                part[place, index] = part[place, other]
    return x


def every(bench: Sequence[Row], step: int, offset: int) -> list[Row]:
    """Every so-manieth network of NAS-Bench-201, on both devices."""
    models = list(dict.fromkeys(row.model for row in bench))
    chosen = set(models[offset::step])
    return [row for row in bench if row.model in chosen]


def load(report: Callable[[str], None]) -> Validation:
    """With the rows of tools/data."""
    return Validation(latency_rows.published(), latency_rows.nasbench(), report)
