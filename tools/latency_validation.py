"""Predicts rows that were left out of the fit: a family, some networks, or a device at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import latency_fit
import latency_prior
import latency_rows
import numpy as np
from latency_model import Layout, Names

from edgecnn.latency import cores
from edgecnn.latency.work import UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from latency_rows import Row

Array = np.ndarray
Basis = Literal["interpolated", "extrapolated", "no rows"]
_FOLDS = 5
# Of NAS-Bench-201, every so-manieth network: enough where it is not what is asked about.
_NASBENCH_STEP = 6
_SEED = 0


@dataclass(frozen=True)
class LeftOut:
    """A row and what was predicted without it.

    Attributes:
        row: the published one.
        left_out: what was left out with it.
        log_error: log of measured over predicted.
    """

    row: Row
    left_out: str
    log_error: float

    @property
    def error(self) -> float:
        """Predicted over measured, less one: +0.1 is 10% too slow."""
        return float(np.exp(-self.log_error)) - 1.0


class Validation:
    """The rows, a fit of them all, and fits without some of them.

    Args:
        rows: ImageNet-size ones.
        bench: NAS-Bench-201's.
        told: is told of every fit.
    """

    def __init__(
        self, rows: Sequence[Row], bench: Sequence[Row], told: Callable[[str], None]
    ) -> None:
        self.rows, self.bench, self._told = list(rows), list(bench), told
        self.names = Names.of([*rows, *bench])
        self._some_bench = every(self.bench, _NASBENCH_STEP, 0)
        self._start: Array | None = None

    def fit(self, rows: Sequence[Row], what: str) -> Array:
        """Parameters for some rows."""
        self._told(what)
        found = latency_fit.fit(rows, self.names, self._start)
        if self._start is None:
            self._start = found
        return found

    def by_family(self) -> list[LeftOut]:
        """Each family of networks left out on all devices."""
        self.fit([*self.rows, *self._some_bench], "all rows")
        return self._without({row.family: row.family for row in self.rows}, lambda row: row.family)

    def by_network(self) -> list[LeftOut]:
        """A fifth of the networks left out on all devices; others of their family stay."""
        models = sorted({row.model for row in self.rows})
        order = np.random.default_rng(_SEED).permutation(len(models))
        folds = {models[place]: f"fold {rank % _FOLDS}" for rank, place in enumerate(order)}
        return self._without(folds, lambda row: row.model)

    def by_device(self) -> list[LeftOut]:
        """Each device left out: its cores are known from other devices, or from similar cores."""
        devices = {row.device: row.device for row in self.rows if row.runtime == "xnnpack"}
        found = self._without(devices, lambda row: row.device)
        return [each for each in found if each.row.runtime == "xnnpack"]

    def _without(self, folds: dict[str, str], key: Callable[[Row], str]) -> list[LeftOut]:
        found = []
        for fold in sorted(set(folds.values())):
            out = [row for row in self.rows if folds.get(key(row)) == fold]
            kept = [row for row in self.rows if folds.get(key(row)) != fold]
            bench = [row for row in self._some_bench if folds.get(key(row)) != fold]
            x = self.fit([*kept, *bench], f"without {fold}")
            x = adopted(x, self.names, [*kept, *bench])
            errors = latency_fit.log_errors(x, out, self.names)
            found += [LeftOut(r, fold, float(e)) for r, e in zip(out, errors, strict=True)]
        return found

    def bench_halves(self) -> list[LeftOut]:
        """NAS-Bench-201: fitted with every other network, the others predicted."""
        x = self.fit([*self.rows, *every(self.bench, 2, 0)], "half of NAS-Bench-201")
        out = every(self.bench, 2, 1)
        errors = latency_fit.log_errors(x, out, self.names)
        return [LeftOut(r, "half", float(e)) for r, e in zip(out, errors, strict=True)]


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


def load(told: Callable[[str], None]) -> Validation:
    """With the rows of tools/data."""
    return Validation(latency_rows.published(), latency_rows.nasbench(), told)


def weighted_quantile(values: Array, weights: Array, share: float) -> float:
    """The value that so much of the weight lies below."""
    order = np.argsort(values)
    below = np.cumsum(weights[order]) - weights[order] / 2
    return float(np.interp(share * weights.sum(), below, values[order]))
