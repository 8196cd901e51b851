"""The time law of `edgecnn.latency.fitted` over many rows at once, and its derivatives.

Every row's log-time follows from a vector of parameters with a unit normal prior each: what a unit
costs on any core, how a core differs at everything and at one unit, how TFLite's own kernels and
each runtime other than XNNPACK differ, how a device differs, how a source and each of its campaigns
do, and how threads share work.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import published_nets
from scipy.sparse import csr_array

from edgecnn.latency import profiles, work
from edgecnn.latency.work import UNITS
from predictor import latency_prior
from predictor.latency_sources import publisher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from predictor.latency_rows import Row

Array = np.ndarray
_RUNTIMES = ("builtin", "library", "ruy")  # TFLite with XNNPACK is what they differ from
# TFLite's own kernels of two builds have more in common than either has with XNNPACK's.
_OWN_KERNELS = {"builtin", "ruy"}
# Standard deviations of the logs. Those from RUNTIME on were chosen by the error on left-out
# sources: what a source does otherwise (governor, harness, day) must not pass for its devices'.
CORE, CORE_UNIT, DEVICE, SERIAL = 0.4, 0.25, 0.1, 0.5
RUNTIME, OWN_KERNELS, SOURCE, CAMPAIGN = 0.08, 0.35, 0.2, 0.15
# Log-odds or log of: heavy serial share and light serial share (each float32, int8), balanced
# share, dispatch.
THREADS_PRIOR = np.array([-3.0, -3.0, -1.0, -1.0, 0.0, -1.0])
_HEAVY, _LIGHT, _BALANCED, _DISPATCH = 0, 2, 4, 5
_PARALLEL = np.array([unit.parallel for unit in UNITS])
_KiB = 1024


@dataclass(frozen=True)
class Names:
    """What the parameters are of: the same for all rows, whichever are left out of a fit."""

    cores: tuple[str, ...]
    devices: tuple[str, ...]
    sources: tuple[str, ...]
    campaigns: tuple[tuple[object, ...], ...]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Names:
        """Everything the rows name."""
        return cls(
            tuple(sorted({cluster.core for row in rows for cluster in row.clusters})),
            tuple(sorted({row.device for row in rows})),
            tuple(sorted({publisher(row) for row in rows})),
            tuple(sorted({campaign(row) for row in rows})),
        )


def campaign(row: Row) -> tuple[str, int, str, int, str]:
    """One source's measurements under one setting; their common error is a parameter."""
    return row.device, row.source, row.precision, row.threads, row.clusters[0].core


class Layout:
    """Where each block of parameters begins."""

    def __init__(self, names: Names) -> None:
        units, precisions = len(UNITS), len(latency_prior.PRECISIONS)
        sizes = {
            "base": precisions * units,
            "core": precisions * len(names.cores),
            "core_unit": precisions * len(names.cores) * units,
            "runtime": precisions * len(_RUNTIMES) * units,
            "own_kernels": precisions * units,
            "device": precisions * len(names.devices),
            "source": precisions * len(names.sources),
            "campaign": len(names.campaigns),
            "serial": len(names.devices),
            "threads": len(THREADS_PRIOR),
        }
        self.begin = dict(zip(sizes, np.cumsum([0, *sizes.values()]).tolist(), strict=False))
        self.size = sum(sizes.values())

    def block(self, x: Array, name: str, *shape: int) -> Array:
        """A block's parameters."""
        begin = self.begin[name]
        return x[begin : begin + int(np.prod(shape))].reshape(shape)


class Design:
    """Rows as arrays.

    Args:
        rows: what is to be predicted; those of two clusters name the faster first.
        names: of all rows of which these are some.
    """

    def __init__(self, rows: Sequence[Row], names: Names) -> None:
        self.names, self.layout = names, Layout(names)
        self.amounts = np.array([_amounts(row) for row in rows])
        self.log_ms = np.log([row.latency_ms for row in rows])
        self.precision = np.array([latency_prior.PRECISIONS.index(r.precision) for r in rows])
        both = [(row.clusters[0], row.clusters[-1]) for row in rows]
        self.core = np.array([[names.cores.index(c.core) for c in pair] for pair in both])
        clock = np.array([[c.clock_ghz for c in pair] for pair in both])
        self.count = np.array(
            [[r.clusters[0].count, r.threads - r.clusters[0].count] for r in rows]
        )
        self.threads = self.count.sum(axis=1)
        self.device = np.array([names.devices.index(row.device) for row in rows])
        source = np.array([names.sources.index(publisher(row)) for row in rows])
        self.source = self.precision * len(names.sources) + source
        self.campaign = np.array([names.campaigns.index(campaign(row)) for row in rows])
        # A device's NAS-Bench-201 set is one campaign: its error would be the device's own.
        self.campaign_log = CAMPAIGN * np.array([not row.model.startswith("|") for row in rows])
        self.other = np.array([row.runtime in _RUNTIMES for row in rows])
        runtime = np.array(
            [_RUNTIMES.index(r.runtime) if r.runtime in _RUNTIMES else 0 for r in rows]
        )
        self.runtime = runtime
        self.own_kernels = np.array([row.runtime in _OWN_KERNELS for row in rows])
        gbps = np.array([_profile(row.device).dram_gbps for row in rows])
        bandwidth = np.array([unit.per == "bandwidth" for unit in UNITS])
        # Log milliseconds of a unit that costs one.
        self.log_unit_ms = np.where(
            bandwidth, -np.log(gbps * 1e6)[:, None, None], -np.log(clock * 1e6)[:, :, None]
        )
        prior = np.array(
            [[latency_prior.log_units(c, p) for c in names.cores] for p in latency_prior.PRECISIONS]
        )
        self.prior = prior[self.precision[:, None], self.core]

    def indices(self, cluster: int) -> list[tuple[Array, Array | float]]:
        """For one cluster's log unit costs: (row, unit) parameter indices, and their scales."""
        units, cores = len(UNITS), len(self.names.cores)
        begin, unit = self.layout.begin, np.arange(units)
        own = self.precision * cores + self.core[:, cluster]
        runtime = self.precision * len(_RUNTIMES) + self.runtime
        spread = latency_prior.spreads()
        return [
            (begin["base"] + self.precision[:, None] * units + unit, spread),
            (begin["core"] + np.repeat(own[:, None], units, axis=1), CORE),
            (begin["core_unit"] + own[:, None] * units + unit, CORE_UNIT),
            (begin["runtime"] + runtime[:, None] * units + unit, RUNTIME * self.other[:, None]),
            (
                begin["own_kernels"] + self.precision[:, None] * units + unit,
                OWN_KERNELS * self.own_kernels[:, None],
            ),
        ]

    def totals(self) -> list[tuple[Array, Array | float]]:
        """For the log of a whole row's time: parameter indices, and their scales."""
        begin = self.layout.begin
        device = self.precision * len(self.names.devices) + self.device
        return [
            (begin["device"] + device, DEVICE),
            (begin["source"] + self.source, SOURCE),
            (begin["campaign"] + self.campaign, self.campaign_log),
        ]


class Times:
    """What the parameters say of a design's rows."""

    def __init__(self, x: Array, design: Design, *, sources: bool = True) -> None:
        self.x, self.design = x, design
        layout, precision = design.layout, design.precision
        threads = THREADS_PRIOR + layout.block(x, "threads", len(THREADS_PRIOR))
        shift = SERIAL * layout.block(x, "serial", len(design.names.devices))[design.device]
        self.heavy = _share(threads[_HEAVY + precision] + shift)
        self.light = _share(threads[_LIGHT + precision])
        self.balanced = _share(threads[_BALANCED])
        self.dispatch = np.exp(threads[_DISPATCH])
        self.first, self.second = (self._unit_ms(cluster) for cluster in (0, 1))
        self._share_out()
        log_factor = sum(x[i] * s for i, s in design.totals()[: 3 if sources else 1])
        self.log_ms = np.log(self.parts.sum(axis=1)) + log_factor

    def _unit_ms(self, cluster: int) -> Array:
        design = self.design
        logs = design.prior[:, cluster] + design.log_unit_ms[:, cluster]
        return np.asarray(np.exp(logs + sum(self.x[i] * s for i, s in design.indices(cluster))))

    def _share_out(self) -> None:
        design, first, second = self.design, self.first, self.second
        count = design.count[:, :, None]
        self.serial = np.select(
            [_PARALLEL == "heavy", _PARALLEL == "light"],
            [self.heavy[:, None], self.light[:, None]],
            1.0,
        )
        self.rate = count[:, 0] / first + count[:, 1] / second
        slowest = np.maximum(first, np.where(count[:, 1] > 0, second, 0.0))
        self.even = slowest / design.threads[:, None]
        self.together = self.balanced / self.rate + (1 - self.balanced) * self.even
        starts = 1.0 + self.dispatch * (design.threads[:, None] - 1) * (_PARALLEL == "dispatch")
        shared = self.serial * first * starts + (1 - self.serial) * self.together
        self.parts = design.amounts * shared

    def jacobian(self) -> csr_array:
        """Derivatives of each row's log-time with respect to each parameter."""
        design = self.design
        scaled = design.amounts / self.parts.sum(axis=1)[:, None]
        entries: list[tuple[Array, Array]] = self._thread_slopes(scaled)
        for cluster, slope in enumerate(self._slopes()):
            for index, scale in design.indices(cluster):
                entries.append((index, np.broadcast_to(scaled * slope * scale, index.shape)))
        for index, scale in design.totals():
            entries.append((index[:, None], np.broadcast_to(scale, index.shape)[:, None]))
        columns = np.concatenate([index for index, _ in entries], axis=1)
        values = np.concatenate([value for _, value in entries], axis=1)
        rows = np.repeat(np.arange(len(columns)), columns.shape[1])
        shape = len(columns), design.layout.size
        return csr_array((values.ravel(), (rows, columns.ravel())), shape=shape)

    def _slopes(self) -> tuple[Array, Array]:
        """Derivatives of a unit's shared time with respect to the log of each cluster's."""
        first, second, count = self.first, self.second, self.design.count[:, :, None]
        threads = self.design.threads[:, None]
        slower = (count[:, 1] > 0) & (second > first)
        balanced, even = self.balanced / self.rate**2, (1 - self.balanced) / threads
        starts = 1.0 + self.dispatch * (threads - 1) * (_PARALLEL == "dispatch")
        parallel = 1 - self.serial
        return (
            self.serial * first * starts
            + parallel * (balanced * count[:, 0] / first + even * first * ~slower),
            parallel * (balanced * count[:, 1] / second + even * second * slower),
        )

    def _thread_slopes(self, scaled: Array) -> list[tuple[Array, Array]]:
        """Likewise of how threads share work: parameter indices, and the slopes."""
        design, serial = self.design, self.serial
        begin, threads = design.layout.begin["threads"], design.threads
        by_serial = scaled * (self.first - self.together) * serial * (1 - serial)
        heavy = by_serial[:, _PARALLEL == "heavy"].sum(axis=1)
        light = by_serial[:, _PARALLEL == "light"].sum(axis=1)
        odds = self.balanced * (1 - self.balanced)
        balanced = (scaled * (1 - serial) * (1 / self.rate - self.even)).sum(axis=1) * odds
        started = (scaled * self.first * (_PARALLEL == "dispatch")).sum(axis=1)
        slopes = (
            (begin + _HEAVY + design.precision, heavy),
            (begin + _LIGHT + design.precision, light),
            (design.layout.begin["serial"] + design.device, heavy * SERIAL),
            (np.full(len(threads), begin + _BALANCED), balanced),
            (np.full(len(threads), begin + _DISPATCH), started * (threads - 1) * self.dispatch),
        )
        return [(index[:, None], slope[:, None]) for index, slope in slopes]


def _share(log_odds: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-log_odds)))


@functools.cache
def _profile(device: str) -> profiles.DeviceProfile:
    return profiles.find(device)


def _l2_bytes(row: Row) -> int:
    first = row.clusters[0]
    for cluster in _profile(row.device).clusters:
        if (cluster.core, cluster.clock_ghz) == (first.core, first.clock_ghz):
            return cluster.l2_kib * _KiB
    return _profile(row.device).clusters[0].l2_kib * _KiB


_CACHE: dict[tuple[str, int, str, int], Array] = {}


def _amounts(row: Row) -> Array:
    return _network_amounts(row.model, row.input_size, row.precision, _l2_bytes(row))


def _network_amounts(model: str, input_size: int, precision: str, l2_bytes: int) -> Array:
    key = model, input_size, precision, l2_bytes
    if key not in _CACHE:
        cost = published_nets.find(model, input_size).at(precision)
        _CACHE[key] = np.sum([work.amounts(op, l2_bytes) for op in cost.operators], axis=0)
    return _CACHE[key]
