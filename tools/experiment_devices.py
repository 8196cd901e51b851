"""Devices: xception beside its twin with normal convolutions and other networks, on each device.

Every contender (`contenders`) is exported as float32 and int8, weighed, and run on this machine:
size of its file, peak memory above a process with a tiny network, and latency with one thread (none
where `bench` calls it void, as on a busy machine). Then every contender under every recipe is
predicted for the device profiles, and `fit` proposes xceptions for budgets. `--on ssh://pi@host`
measures a device too. With `--predictions-only` the measured part of the record that is there stays
as it is.

The record is `artifacts/experiments/devices.json`. Needs TensorFlow, and `parameters.json`.
"""

from __future__ import annotations

import itertools
from datetime import datetime, timezone
from statistics import median
from typing import TYPE_CHECKING

from experiments import contenders
from experiments.contender_measuring import LOCAL, Measured, earlier, measure
from experiments.contenders import MEASURED_RECIPES, RECIPES, TINY, Entry
from experiments.experiment_record import FOLDER, arguments, header, save
from experiments.kernel_pairs import cost as cost_of_probe
from experiments.published_accuracy import PUBLISHED_TOP1
from measure.measuring import print_table

from edgecnn.evidence import files
from edgecnn.evidence.records import Contender, DeviceLatency, Devices
from edgecnn.latency import energy, profiles, sizes
from edgecnn.latency.predictor import INTERVAL, predict_latency

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edgecnn.evidence.records import Header, Parameters
    from edgecnn.latency.cost import NetCost
    from edgecnn.latency.profiles import DeviceProfile

# Predicted under every recipe, and what `fit` is asked about; other profiles: float32 and int8.
HEADLINE = (
    "raspberry-pi-zero-2w",
    "raspberry-pi-3b-plus",
    "raspberry-pi-4b",
    "raspberry-pi-5",
    "pixel-2",
    "pixel-3",
    "pixel-4",
    "galaxy-s10",
    "xiaomi-mi-8-se",
    "galaxy-a03s",
)
_MOST_THREADS = 4


def predicted_contender(
    entry: Entry, recipe: str, cost: NetCost, counted: Parameters | None
) -> Contender:
    """An entry under a recipe as the estimates have it."""
    tiny = sizes.memory_bytes(cost_of_probe(TINY).at(recipe))
    return Contender(
        model=entry.model,
        label=entry.label,
        convolution=entry.convolution,
        input_size=entry.input_size,
        parameters=contenders.parameters(entry, cost, counted),
        macs=cost.macs,
        published_top1=PUBLISHED_TOP1.get(entry.model),
        recipe=recipe,
        size_bytes=sizes.file_bytes(cost),
        size_provenance="predicted",
        memory_bytes=sizes.memory_bytes(cost) - tiny,
        memory_provenance="predicted",
        local_latency_ms=None,
        width=entry.width,
    )


def predicted_latencies(
    entry: Entry, recipe: str, cost: NetCost, profile: DeviceProfile
) -> Iterator[DeviceLatency]:
    """An entry on a device, with one thread and with four, or as many as there are cores."""
    for threads in sorted({1, min(_MOST_THREADS, profile.cores)}):
        prediction = predict_latency(cost, profile, recipe, threads)
        yield DeviceLatency(
            label=entry.label,
            recipe=recipe,
            device=profile.name,
            threads=threads,
            latency_ms=prediction.latency_ms,
            low_ms=prediction.low_ms,
            high_ms=prediction.high_ms,
            interval=INTERVAL,
            power_w=energy.power_w(profile, threads),
            energy_mj=prediction.energy_mj,
            basis=prediction.basis,
            provenance="predicted",
        )


def run(targets: Sequence[str], measured: Measured, source: Header) -> Devices:
    """Predict everything, and measure what has not been measured.

    Args:
        targets: to measure on; none keeps what was measured.
        measured: that; it is added to.
        source: of the record.
    """
    counted = files.read_all(FOLDER).parameters
    fits = [fitted for device in HEADLINE for fitted in contenders.fits_of(device)]
    rows: list[Contender] = []
    latencies: list[DeviceLatency] = []
    for entry in contenders.entries(fits):
        print(entry.label, flush=True)
        costs = entry.costs()
        predicted = {
            recipe: predicted_contender(entry, recipe, cost, counted)
            for recipe, cost in costs.items()
        }
        if targets and entry.exported:
            measure(entry, predicted, targets, measured)
        rows += [measured.contenders.get((entry.label, key), predicted[key]) for key in RECIPES]
        latencies += on_profiles(entry, costs)
    runtime = round(median(measured.runtime_bytes)) if measured.runtime_bytes else None
    return Devices(
        source,
        tuple(rows),
        (*latencies, *measured.latencies),
        tuple(fits),
        runtime_bytes=runtime,
        predicted_on=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def on_profiles(entry: Entry, costs: dict[str, NetCost]) -> Iterator[DeviceLatency]:
    """What is predicted of an entry now, on every profile."""
    for name, (recipe, cost) in itertools.product(profiles.names(), costs.items()):
        if name in HEADLINE or recipe in MEASURED_RECIPES:
            yield from predicted_latencies(entry, recipe, cost, profiles.find(name))


def print_devices(record: Devices) -> None:
    """Print int8 files, and their predictions for three boards with four threads."""
    boards = {
        "Zero 2 W": "raspberry-pi-zero-2w",
        "Pi 4": "raspberry-pi-4b",
        "Pi 5": "raspberry-pi-5",
    }
    expected = {
        (row.label, row.device): f"{row.latency_ms:.0f} ({row.low_ms:.0f}-{row.high_ms:.0f})"
        for row in record.latencies
        if (row.recipe, row.threads) == ("int8", _MOST_THREADS)
    }
    rows = [
        (
            contender.label,
            f"{contender.size_bytes / 1e6:.1f}",
            f"{contender.memory_bytes / 1e6:.0f}",
            "-" if contender.local_latency_ms is None else f"{contender.local_latency_ms:.1f}",
            *(expected[contender.label, board] for board in boards.values()),
        )
        for contender in record.contenders
        if contender.recipe == "int8"
    ]
    columns = ("int8", "MB", "RAM", "here", *boards)
    print_table(
        "Contenders: file and memory MB; here one thread; boards predicted, four threads, ms",
        columns,
        rows,
    )


def main() -> None:
    """Compare networks on devices."""
    parser = arguments(main.__doc__)
    parser.add_argument("--on", action="append", default=[], help="a device too: ssh://pi@host")
    parser.add_argument("--predictions-only", action="store_true", help="measure nothing again")
    options = parser.parse_args()
    flags = [flag for target in options.on for flag in ("--on", target)]
    source, measured, targets = header("devices", flags), Measured(), (LOCAL, *options.on)
    if options.predictions_only:
        record = _read(options.records)
        measured, targets = earlier(record), ()
        source = source if record is None else record.header
    devices = run(targets, measured, source)
    save(devices, options.records)
    print_devices(devices)


def _read(folder: Path) -> Devices | None:
    present = (folder / "devices.json").is_file()
    return files.read_all(folder).devices if present else None


if __name__ == "__main__":
    main()
