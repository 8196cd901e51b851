"""Time and memory of an export: edgecnn against the script people write with TFLiteConverter.

Each run is a fresh process, imports included, on the same calibration images; the three commands
take turns. edgecnn's first export of a round starts with an empty cache, its second recipe finds
that cache warm. Baseline and edgecnn write one int8 .tflite each of the same network.

The record keeps the newest run of each machine, and `--table` shows them side by side, measuring
nothing: what holds on one machine need not hold on another.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from compare import by_machine
from measure.measuring import (
    BENCHMARKS,
    Target,
    child_environment,
    edgecnn_command,
    paired_ratio,
    print_table,
    print_targets,
    report_of,
    write_json,
)
from measure.process_tree import Run, measure

TIME_BOUND = 0.40
SECOND_RECIPE_BOUND = 0.10
BASELINE, EXPORT, SECOND = "TFLiteConverter script", "edgecnn --int8", "edgecnn --float16, cached"
_MEBIBYTE = 1 << 20


def write_images(path: Path, model: str, samples: int) -> None:
    """Write the calibration images in a process of its own.

    This one must stay small: ru_maxrss of a child begins at the size of its parent.
    """
    program = (
        "import sys; from pathlib import Path; from edgecnn import zoo;"
        "from compare.reference_images import photograph_crops, save;"
        "spec = zoo.find(sys.argv[1]);"
        "sets = photograph_crops(spec.input_size, spec.preprocessing, 1);"
        "save(Path(sys.argv[2]), sets.calibration[: int(sys.argv[3])])"
    )
    tools = str(Path(__file__).parent)
    environment = child_environment(PYTHONPATH=f"{tools}:{child_environment()['PYTHONPATH']}")
    measure([sys.executable, "-c", program, model, str(path), str(samples)], environment)


def one_round(model: str, images: Path, samples: int, folder: Path) -> dict[str, Run]:
    """Run the three commands once each, in this order, in a folder that is empty."""
    baseline = Path(__file__).with_name("baseline_tflite_converter.py")
    environment = child_environment(EDGECNN_CACHE=str(folder / "cache"))
    calibration = ("--calibration", str(images))
    count = str(samples)
    out = folder / "edgecnn"
    commands = {
        BASELINE: [
            *(sys.executable, str(baseline), "--model", model, "--samples", count),
            *(*calibration, "--out", str(folder / "baseline.tflite")),
        ],
        EXPORT: edgecnn_command(
            *("export", model, "--int8", "--format", "tflite", "--out", str(out)),
            *(*calibration, "--calibration-samples", count),
        ),
        SECOND: edgecnn_command(
            *("export", model, "--float16", "--format", "tflite", "--out", str(out)),
            *(*calibration, "--calibration-samples", count),
        ),
    }
    return {name: measure(command, environment) for name, command in commands.items()}


def targets(runs: dict[str, list[Run]]) -> list[Target]:
    """Return what the issue asks for, with the medians of the ratios within each round."""

    def ratio(name: str, attribute: str) -> float:
        ours, theirs = ([getattr(run, attribute) for run in runs[n]] for n in (name, BASELINE))
        return paired_ratio(ours, theirs)

    return [
        Target("int8 export, time over baseline's", ratio(EXPORT, "wall_seconds"), TIME_BOUND),
        Target(
            "second recipe, time over baseline's",
            ratio(SECOND, "wall_seconds"),
            SECOND_RECIPE_BOUND,
        ),
        Target(
            "peak memory of the whole tree (RSS) over baseline's",
            ratio(EXPORT, "tree_peak_rss_bytes"),
            1.0,
        ),
        Target(
            "peak memory of the largest process (ru_maxrss) over baseline's",
            ratio(EXPORT, "process_peak_rss_bytes"),
            1.0,
        ),
    ]


def print_runs(title: str, runs: dict[str, list[Run]]) -> None:
    """Print the medians."""
    rows = [
        (
            name,
            f"{median(run.wall_seconds for run in of_name):.1f}",
            *(
                f"{median(getattr(run, attribute) for run in of_name) / _MEBIBYTE:,.0f}"
                for attribute in (
                    "tree_peak_rss_bytes",
                    "tree_pss_at_peak_bytes",
                    "process_peak_rss_bytes",
                )
            ),
        )
        for name, of_name in runs.items()
    ]
    columns = ("medians", "time s", "tree RSS MiB", "tree PSS MiB", "largest process MiB")
    print_table(title, columns, rows)


def main() -> None:
    """Compare export's time and memory with TFLiteConverter's."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", default="xception", help="a network of the zoo")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=100, help="calibration images")
    parser.add_argument("--json", type=Path, default=BENCHMARKS / "export.json")
    parser.add_argument("--table", action="store_true", help="show what is recorded, by machine")
    options = parser.parse_args()
    if options.table:
        by_machine.show("Export", json.loads(options.json.read_text("utf-8")))
        return
    runs: dict[str, list[Run]] = {BASELINE: [], EXPORT: [], SECOND: []}
    with TemporaryDirectory() as images_folder:
        images = Path(images_folder) / "images.npz"
        write_images(images, options.model, options.samples)
        for _ in range(options.rounds):
            with TemporaryDirectory() as folder:
                done = one_round(options.model, images, options.samples, Path(folder))
            for name, run in done.items():
                runs[name].append(run)
    bounds = targets(runs)
    samples = {name: [asdict(run) for run in of_name] for name, of_name in runs.items()}
    setting = {"model": options.model, "calibration_samples": options.samples}
    report = by_machine.merged(report_of({**setting, "runs": samples}, bounds), options.json)
    write_json(options.json, report)
    print_runs(f"Export of {options.model}, {options.rounds} rounds", runs)
    print_targets(bounds)
    by_machine.show("Export, by machine", report)


if __name__ == "__main__":
    main()
