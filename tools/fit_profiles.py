"""Fit the speeds of cores on the published latencies of tools/data.

    python tools/fit_profiles.py        # about ten minutes; writes edgecnn/latency/fitted.json

Nothing else is read but the device profiles: the result follows from the repository alone.
"""

from __future__ import annotations

import dataclasses
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import published_nets
from predictor import (
    latency_conformal,
    latency_fit,
    latency_prior,
    latency_probes,
    latency_validation,
)
from predictor.latency_model import CORE, CORE_UNIT, DEVICE, SERIAL, THREADS_PRIOR, Layout

import edgecnn.latency
from edgecnn.latency import fitted
from edgecnn.latency.fitted import Fitted, Reference, Sharing
from edgecnn.latency.nearness import difference, reference_of
from edgecnn.latency.work import NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from predictor.latency_model import Names
    from predictor.latency_probes import Probed
    from predictor.latency_rows import Row
    from predictor.latency_validation import LeftOut, Validation

    from edgecnn.latency.fitted import Interval

Array = np.ndarray
# Networks whose shares of MACs differ by less are one.
_SAME = 0.1
_BUILD = "xnnpack"


def main() -> None:
    """Fit, find out how far left-out rows lie from their predictions, and write both."""
    validation = latency_validation.load(lambda what: print(f"fitting {what} ...", file=sys.stderr))
    errors = left_out(validation)
    probes = latency_probes.after_probes(validation)
    x = validation.fit([*validation.rows, *validation.bench], "everything")
    profiles = build(x, validation, intervals(errors, probes))
    target = Path(edgecnn.latency.__file__).with_name(fitted.FILE)
    target.write_text(fitted.written(profiles), encoding="utf-8")
    print(f"wrote {target.name}")


def left_out(validation: Validation) -> list[LeftOut]:
    """Every row predicted without its source, and without its family or device anywhere else."""
    return [
        *validation.by_source(),
        *validation.by_source_and("family"),
        *validation.by_source_and("device"),
    ]


def intervals(errors: Sequence[LeftOut], probes: Sequence[Probed]) -> dict[str, Interval]:
    """The interval of each basis, and that of a device that was calibrated."""
    by_basis: dict[str, Interval] = {
        basis: latency_conformal.interval(latency_conformal.counted(errors, basis))
        for basis in latency_conformal.BASES
    }
    after = [probed.after for probed in probes]
    return {**by_basis, "calibrated": latency_conformal.interval(after)}


def build(x: Array, validation: Validation, known: dict[str, Interval]) -> Fitted:
    """The record of fitted parameters and intervals."""
    names, layout = validation.names, Layout(validation.names)
    rows = [*validation.rows, *validation.bench]
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
        intervals=known,
    )


def _units(x: Array, names: Names, layout: Layout) -> dict[str, dict[str, dict[str, float]]]:
    precisions, cores, units = len(latency_prior.PRECISIONS), len(names.cores), len(NAMES)
    base = layout.block(x, "base", precisions, units) * latency_prior.spreads()
    core = layout.block(x, "core", precisions, cores) * CORE
    own = layout.block(x, "core_unit", precisions, cores, units) * CORE_UNIT
    factors: dict[str, dict[str, dict[str, float]]] = {}
    for c, name in enumerate(names.cores):
        factors[name] = {}
        for p, precision in enumerate(latency_prior.PRECISIONS):
            logs = latency_prior.log_units(name, precision) + base[p] + core[p, c] + own[p, c]
            factors[name][precision] = dict(zip(NAMES, np.exp(logs).tolist(), strict=True))
    return factors


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
    precisions, devices = len(latency_prior.PRECISIONS), len(names.devices)
    logs = layout.block(x, "device", precisions, devices) * DEVICE
    own = latency_fit.shifts(x, rows, names)
    measured = {(row.device, row.precision) for row in rows}
    return {
        device: {
            precision: float(np.exp(logs[p, d] + own.get((device, precision, _BUILD), 0.0)))
            for p, precision in enumerate(latency_prior.PRECISIONS)
            if (device, precision) in measured
        }
        for d, device in enumerate(names.devices)
    }


def _references(rows: Sequence[Row]) -> dict[str, dict[str, tuple[Reference, ...]]]:
    """What TFLite with XNNPACK ran on each device, at each precision."""
    nets: dict[str, dict[str, set[tuple[str, int]]]] = defaultdict(lambda: defaultdict(set))
    for row in rows:
        if row.runtime == _BUILD:
            nets[row.device][row.precision].add((row.model, row.input_size))
    return {
        device: {precision: _distinct(measured) for precision, measured in by.items()}
        for device, by in nets.items()
    }


def _distinct(nets: set[tuple[str, int]]) -> tuple[Reference, ...]:
    """The smallest and the largest of networks that differ by next to nothing."""
    every = [reference_of(published_nets.find(*net)) for net in sorted(nets)]
    groups: list[list[Reference]] = []
    for net in sorted(every, key=lambda reference: reference.macs):
        group = next((known for known in groups if _is_same(known[0], net)), None)
        if group is None:
            groups.append([net])
        else:
            group[1:] = [dataclasses.replace(group[0], macs=net.macs)]
    return tuple(
        dataclasses.replace(reference, shapes={k: round(v, 3) for k, v in reference.shapes.items()})
        for group in groups
        for reference in group
    )


def _is_same(net: Reference, other: Reference) -> bool:
    return net.kinds == other.kinds and difference(net.shapes, other.shapes) < _SAME


if __name__ == "__main__":
    main()
