"""Fit the speeds of cores on the published latencies of tools/data.

    python tools/fit_profiles.py        # about five minutes; writes edgecnn/latency/fitted.json

Nothing else is read but the device profiles: the result follows from the repository alone.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import latency_fit
import latency_prior
import latency_validation
import numpy as np
import published_nets
from latency_model import CORE, CORE_UNIT, DEVICE, SERIAL, THREADS_PRIOR, Layout

import edgecnn.latency
from edgecnn.latency import fitted, predictor
from edgecnn.latency.fitted import Fitted, Interval, Reference, Sharing
from edgecnn.latency.nearness import mac_shares
from edgecnn.latency.work import NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from latency_model import Names
    from latency_rows import Row
    from latency_validation import LeftOut, Validation

Array = np.ndarray
_TAIL = (1.0 - predictor.INTERVAL) / 2.0
# Fewer left-out rows do not show how far a device strays.
_MIN_ROWS = 40
# What has twelve cores, or one of its own design, says little of how sure other devices are.
APART = {"jetson-agx-orin", "jetson-agx-xavier"}


def main() -> None:
    """Fit, find out how far left-out rows lie from their predictions, and write both."""
    validation = latency_validation.load(lambda what: print(f"fitting {what} ...", file=sys.stderr))
    families = validation.by_family()
    left_out = {
        "extrapolated": families,
        "interpolated": validation.by_network(),
        "no rows": validation.by_device(),
    }
    x = validation.fit([*validation.rows, *validation.bench], "everything")
    found = build(x, validation, left_out)
    target = Path(edgecnn.latency.__file__).with_name(fitted.FILE)
    target.write_text(fitted.written(found), encoding="utf-8")
    print(f"wrote {target.name}")


def build(x: Array, validation: Validation, left_out: dict[str, list[LeftOut]]) -> Fitted:
    """The record of fitted parameters and intervals."""
    names, layout = validation.names, Layout(validation.names)
    rows = [*validation.rows, *validation.bench]
    pooled = {
        basis: [each for each in errors if each.row.device not in APART]
        for basis, errors in left_out.items()
    }
    intervals = {
        basis: {
            p: interval([e for e in errors if e.row.precision == p]) for p in ("float32", "int8")
        }
        for basis, errors in pooled.items()
    }
    return Fitted(
        units=_units(x, names, layout),
        sharing=_sharing(x, layout),
        serial_shift={
            device: SERIAL * float(shift)
            for device, shift in zip(
                names.devices, layout.block(x, "serial", len(names.devices)), strict=True
            )
        },
        factors=_factors(x, rows, names, layout),
        references=_references(rows),
        runtimes={
            device: tuple(sorted({row.runtime for row in rows if row.device == device}))
            for device in names.devices
        },
        intervals=intervals,
        spreads=_spreads(left_out["extrapolated"], intervals["extrapolated"]),
    )


def interval(errors: Sequence[LeftOut]) -> Interval:
    """Where the middle 80% of measured over predicted lie; repeated rows count once."""
    values = np.array([each.log_error for each in errors])
    weights = latency_fit.weights([each.row for each in errors])
    low, high = (
        latency_validation.weighted_quantile(values, weights, share) for share in (_TAIL, 1 - _TAIL)
    )
    return Interval(float(np.exp(low)), float(np.exp(high)))


def _units(x: Array, names: Names, layout: Layout) -> dict[str, dict[str, dict[str, float]]]:
    two, cores, units = len(latency_prior.PRECISIONS), len(names.cores), len(NAMES)
    base = layout.block(x, "base", two, units) * latency_prior.spreads()
    core = layout.block(x, "core", two, cores) * CORE
    own = layout.block(x, "core_unit", two, cores, units) * CORE_UNIT
    found: dict[str, dict[str, dict[str, float]]] = {}
    for c, name in enumerate(names.cores):
        found[name] = {}
        for p, precision in enumerate(latency_prior.PRECISIONS):
            logs = latency_prior.log_units(name, precision) + base[p] + core[p, c] + own[p, c]
            found[name][precision] = dict(zip(NAMES, np.exp(logs).tolist(), strict=True))
    return found


def _sharing(x: Array, layout: Layout) -> dict[str, Sharing]:
    threads = THREADS_PRIOR + layout.block(x, "threads", len(THREADS_PRIOR))
    shares = (1.0 / (1.0 + np.exp(-threads))).tolist()
    dispatch = float(np.exp(threads[5]))
    return {
        precision: Sharing(shares[p], shares[2 + p], shares[4], dispatch)
        for p, precision in enumerate(latency_prior.PRECISIONS)
    }


def _factors(
    x: Array, rows: Sequence[Row], names: Names, layout: Layout
) -> dict[str, dict[str, float]]:
    two, devices = len(latency_prior.PRECISIONS), len(names.devices)
    logs = layout.block(x, "device", two, devices) * DEVICE
    measured = {(row.device, row.precision) for row in rows}
    return {
        device: {
            precision: float(np.exp(logs[p, d]))
            for p, precision in enumerate(latency_prior.PRECISIONS)
            if (device, precision) in measured
        }
        for d, device in enumerate(names.devices)
    }


def _references(rows: Sequence[Row]) -> dict[str, dict[str, tuple[Reference, ...]]]:
    """The smallest and the largest of each mix of operators, for each device and precision."""
    found: dict[str, dict[str, dict[tuple[tuple[str, float], ...], set[int]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(set))
    )
    for row in rows:
        cost = published_nets.find(row.model, row.input_size)
        mix = tuple((kind, round(share, 1)) for kind, share in mac_shares(cost).items())
        found[row.device][row.precision][mix].add(cost.macs)
    return {
        device: {
            precision: tuple(
                Reference(macs, dict(mix))
                for mix, sizes in sorted(mixes.items())
                for macs in sorted({min(sizes), max(sizes)})
            )
            for precision, mixes in by.items()
        }
        for device, by in found.items()
    }


def _spreads(errors: Sequence[LeftOut], common: dict[str, Interval]) -> dict[str, float]:
    found = {}
    for device in sorted({each.row.device for each in errors}):
        own = [each for each in errors if each.row.device == device]
        if len(own) < _MIN_ROWS:
            continue
        ratios = [
            each.log_error / np.log(_end(common[each.row.precision], each.log_error))
            for each in own
        ]
        weights = latency_fit.weights([each.row for each in own])
        width = latency_validation.weighted_quantile(np.array(ratios), weights, predictor.INTERVAL)
        if width > 1.0:
            found[device] = width
    return found


def _end(common: Interval, log_error: float) -> float:
    return common.high if log_error > 0.0 else common.low


if __name__ == "__main__":
    main()
