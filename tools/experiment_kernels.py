"""Kernels: does the way the documents call cheaper multiply less, and does it take less time?

Pairs of tiny networks (`kernel_pairs`) in float32 and int8: counted; timed here in turns, with one
thread (`paired_timing`), or on devices with `--on`; and predicted for device profiles. Shapes that
several layers of xception share are measured once and recorded for each of them. Needs no
TensorFlow. The record is `artifacts/experiments/kernels.json`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, TypeAlias

from experiments.experiment_record import arguments, header, save
from experiments.kernel_pairs import Pair, Way, cost, kernel_weights, pairs
from measure import paired_timing
from measure.measuring import print_table

from edgecnn.errors import DeviceError
from edgecnn.evidence.records import KernelPair, Kernels, Side
from edgecnn.latency import probe_nets, profiles
from edgecnn.latency.predictor import predict_latency

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgecnn.evidence.records import Provenance

Dtype: TypeAlias = Literal["float32", "int8"]

DTYPES: tuple[Dtype, ...] = ("float32", "int8")
PROFILES = ("raspberry-pi-zero-2w", "raspberry-pi-4b", "raspberry-pi-5", "pixel-4")
LOCAL = "local"
THREADS = 1


@dataclass(frozen=True)
class Times:
    """Latencies of a pair's two ways, ms, and their ratio; a prediction has no interval."""

    cheap_ms: float
    costly_ms: float
    ratio: float
    interval: tuple[float, float] | None
    provenance: Provenance


def measured(pair: Pair, dtype: Dtype, target: str, rounds: int) -> Times:
    """Time a pair here, or on a device.

    Raises:
        DeviceError: the device gave no result, or none that can be believed.
    """
    with TemporaryDirectory() as folder:
        cheap, costly = (_file(Path(folder), pair, way, dtype) for way in (pair.cheap, pair.costly))
        if target != LOCAL:
            return _on_device(cheap, costly, target)
        times = paired_timing.compare(cheap, costly, threads=THREADS, rounds=rounds)
    interval = (times.low, times.high)
    return Times(times.cheap_ms, times.costly_ms, times.ratio, interval, "measured")


def _file(folder: Path, pair: Pair, way: Way, dtype: Dtype) -> Path:
    path = folder / f"{'cheap' if way is pair.cheap else 'costly'}.tflite"
    path.write_bytes(probe_nets.tflite_bytes(pair.net(way), dtype))
    return path


def _on_device(cheap: Path, costly: Path, target: str) -> Times:
    import edgecnn

    report = edgecnn.bench([costly, cheap], on=target, threads=THREADS, results=None)
    reasons = [failure.message for failure in report.failures]
    reasons += [why for r in report.results if r.trust.grade == "void" for why in r.trust.reasons]
    if reasons or not report.comparisons:
        raise DeviceError(f"{target}: {(reasons or report.warnings)[0]}")
    slow, fast = (result.latency_ms.p50 for result in report.results)
    (ratio,) = report.comparisons
    provenance: Provenance = "emulated" if ratio.emulated else "measured"
    return Times(fast, slow, ratio.ratio, (ratio.low, ratio.high), provenance)


def predicted(pair: Pair, dtype: Dtype, device: str) -> Times:
    """What the predictor says of a pair."""
    profile = profiles.find(device)
    cheap, costly = (
        predict_latency(cost(pair.net(way)).at(dtype), profile, dtype, THREADS).latency_ms
        for way in (pair.cheap, pair.costly)
    )
    return Times(cheap, costly, cheap / costly, None, "predicted")


def entries(pair: Pair, dtype: Dtype, target: str, times: Times) -> Iterator[KernelPair]:
    """One for each layer of xception that a pair stands for, or one without a layer."""
    low, high = times.interval or (None, None)
    for layer in pair.layers or ("",):
        yield KernelPair(
            group=pair.group,
            layer=layer,
            size=pair.size,
            channels=pair.channels,
            filters=pair.filters,
            dtype=dtype,
            target=target,
            threads=THREADS,
            cheap=_side(pair, pair.cheap, times.cheap_ms),
            costly=_side(pair, pair.costly, times.costly_ms),
            latency_ratio=times.ratio,
            low_ratio=low,
            high_ratio=high,
            provenance=times.provenance,
        )


def _side(pair: Pair, way: Way, latency_ms: float) -> Side:
    counted = cost(pair.net(way))
    return Side(way.what, counted.macs, kernel_weights(counted), latency_ms)


def run(targets: Sequence[str], rounds: int) -> Kernels:
    """Count, measure and predict all pairs."""
    compared: list[KernelPair] = []
    todo = list(itertools.product(pairs(), DTYPES))
    for number, (pair, dtype) in enumerate(todo, start=1):
        print(f"{number}/{len(todo)} {pair.group} {pair.size}x{pair.size} {dtype}", flush=True)
        for target in targets:
            compared += entries(pair, dtype, target, measured(pair, dtype, target, rounds))
        for device in PROFILES:
            compared += entries(pair, dtype, device, predicted(pair, dtype, device))
    flags = [flag for target in targets if target != LOCAL for flag in ("--on", target)]
    return Kernels(header("kernels", flags), tuple(compared))


def print_pairs(record: Kernels, target: str) -> None:
    """Print the ratios of a target's pairs, by group and type."""
    rows = []
    for group, dtype in itertools.product(dict.fromkeys(p.group for p in record.pairs), DTYPES):
        own = [
            pair
            for pair in record.pairs
            if (pair.group, pair.dtype, pair.target) == (group, dtype, target)
        ]
        ratios = sorted(pair.latency_ratio for pair in own)
        macs = median(pair.cheap.macs / pair.costly.macs for pair in own)
        spread = f"{ratios[0]:.3f} - {ratios[-1]:.3f}"
        cheaper = sum((pair.high_ratio or pair.latency_ratio) < 1 for pair in own)
        row = (f"{median(ratios):.3f}", spread, f"{cheaper}/{len(own)}")
        rows.append((group, dtype, f"{macs:.3f}", *row))
    columns = ("cheap / costly", "dtype", "MACs", "time", "from - to", "faster")
    print_table(f"Kernels on {target}, medians over pairs", columns, rows)


def main() -> None:
    """Count and time the ways to convolve that the documents compare."""
    parser = arguments(main.__doc__)
    parser.add_argument("--rounds", type=int, default=paired_timing.ROUNDS, help="of each sitting")
    parser.add_argument("--on", action="append", default=[], help="a device too: ssh://pi@host")
    options = parser.parse_args()
    targets = (LOCAL, *options.on)
    record = run(targets, options.rounds)
    save(record, options.records)
    for target in targets:
        print_pairs(record, target)


if __name__ == "__main__":
    main()
