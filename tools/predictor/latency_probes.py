"""How much nearer predictions come once ten networks were measured on a device.

Each device is taken for a new one: neither its rows nor its source's are in the fit. Ten of its
networks (two thirds of them where there are fewer than fifteen), run by one thread of its fastest
core, are given back as `edgecnn devices calibrate` would measure them; the other networks are
predicted, on that core with any number of threads.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.latency.calibration import unit_factors
from predictor import latency_fit, latency_validation
from predictor.latency_conformal import APART
from predictor.latency_model import Design, Times
from predictor.latency_sources import publisher
from predictor.latency_validation import LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from predictor.latency_rows import Row
    from predictor.latency_validation import Validation

Array = np.ndarray
PROBES = 10
_MIN_ROWS, _DRAWS = 20, 3
_BUILDS = {"xnnpack", "ruy"}


@dataclasses.dataclass(frozen=True)
class Probed:
    """A row predicted before and after its device was calibrated."""

    before: LeftOut
    after: LeftOut


def after_probes(validation: Validation) -> list[Probed]:
    """All devices with enough rows of one source, precision and build."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in validation.rows:
        if row.runtime in _BUILDS and row.device not in APART:
            groups[publisher(row), row.device].append(row)
    result = []
    for (source, device), rows in sorted(groups.items()):
        others = [r for r in validation.some if publisher(r) != source and r.device != device]
        if len(rows) < _MIN_ROWS:
            continue
        x = validation.fit(others, f"without {source} and {device}")
        x = latency_validation.adopted(x, validation.names, others)
        for precision in ("float32", "int8"):
            own = _on_fastest([row for row in rows if row.precision == precision])
            if len(own) >= _MIN_ROWS:
                result += list(_draws(x, own, validation))
    return result


def _on_fastest(rows: Sequence[Row]) -> list[Row]:
    """Those that ran on the fastest cores, these alone or with others."""
    clocks = [(row.clusters[0].clock_ghz, row.clusters[0].core) for row in rows]
    return [row for row, clock in zip(rows, clocks, strict=True) if clock[1] == max(clocks)[1]]


def _draws(x: Array, rows: Sequence[Row], validation: Validation) -> Iterator[Probed]:
    nets = sorted({(row.model, row.input_size) for row in rows})
    for seed in range(_DRAWS):
        order = np.random.default_rng(seed).permutation(len(nets))
        drawn = {nets[place] for place in order[: min(PROBES, len(nets) * 2 // 3)]}
        rest = [row for row in rows if (row.model, row.input_size) not in drawn]
        yield from _calibrated(x, [_of_one_thread(rows, net) for net in drawn], rest, validation)


def _of_one_thread(rows: Sequence[Row], net: tuple[str, int]) -> Row:
    own = [row for row in rows if (row.model, row.input_size) == net]
    return min(own, key=lambda row: (row.threads, -row.clusters[0].clock_ghz))


def _calibrated(
    x: Array, probes: Sequence[Row], rest: Sequence[Row], validation: Validation
) -> Iterator[Probed]:
    names = validation.names
    design = Design(probes, names)
    times = Times(x, design, sources=False)
    whole = np.exp(times.log_ms) / times.parts.sum(axis=1)
    factors = unit_factors(times.parts * whole[:, None], [row.latency_ms for row in probes])
    parts = Times(x, Design(rest, names), sources=False).parts
    change = np.log((parts * factors).sum(axis=1) / parts.sum(axis=1))
    before = latency_fit.log_errors(x, rest, names)
    for row, error, shift in zip(rest, before, change, strict=True):
        out = LeftOut(row, "source and device", row.device, float(error), "no rows")
        yield Probed(
            out, dataclasses.replace(out, log_error=float(error - shift), basis="calibrated")
        )
