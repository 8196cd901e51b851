"""Is accuracy with depthwise (separable) convolutions similar to that with normal ones?

Trains each network of `TWINS` three times with three seeds, as the document has it, with normal
convolutions at equal widths and at equal parameters; then exports every one under every recipe and
measures what quantizing costs. An hour and more on two cores; what is trained already is not
trained again (`--work`). Writes artifacts/experiments/twins.json, and the first seed's weights to
artifacts/trained/.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cattrs
from experiments import twin_recipes
from experiments.experiment_record import arguments, header, save
from measure.measuring import ROOT, child_environment, edgecnn_command, print_table

from edgecnn.evidence.records import Convolution, Match, RecipeRun, TwinRun, Twins
from edgecnn.latency.zoo_nets import costs_of_zoo
from edgecnn.training import TrainingRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DATA = "fashion-mnist"
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Twin:
    """One network to train, with its budget.

    Attributes:
        network: zoo name.
        match: what is equal between it and the network as it is.
        convolution: of its blocks.
        width: width multiplier; for equal parameters the one that comes closest.
        input_size: height and width, pixels.
        samples: images of each epoch.
        epochs: passes over them.
    """

    network: str
    match: Match
    convolution: Convolution
    width: float
    input_size: int
    samples: int
    epochs: int

    @property
    def name(self) -> str:
        """A name for its folders."""
        return f"{self.network}-{self.match}".replace(" ", "-")

    def arguments(self, seed: int, out: Path) -> tuple[str, ...]:
        """The command line of `edgecnn train`."""
        return (
            *("train", self.network, "--data", DATA, "--seed", str(seed), "--out", str(out)),
            *("--convolution", self.convolution, "--width", str(self.width)),
            *("--input-size", str(self.input_size), "--samples", str(self.samples)),
            *("--epochs", str(self.epochs), "--batch-size", "32", "--quiet"),
        )


def _three(
    network: str, widths: tuple[float, float], input_size: int, samples: int, epochs: int
) -> tuple[Twin, ...]:
    """A network, its twin of the same widths, and its twin of as many parameters."""
    own, equal = widths
    rest = (input_size, samples, epochs)
    return (
        Twin(network, "itself", "separable", own, *rest),
        Twin(network, "equal widths", "normal", own, *rest),
        Twin(network, "equal parameters", "normal", equal, *rest),
    )


# Widths that two cores can train eighteen times within an hour: xception-mini at its own costs four
# times as much for each image.
TWINS = (
    *_three("xception", (0.125, 0.044), input_size=64, samples=12_000, epochs=3),
    *_three("xception-mini", (0.5, 0.4), input_size=32, samples=12_000, epochs=2),
)


def train(twin: Twin, seed: int, work: Path, threads: int) -> Path:
    """Train one network, unless that is done; return its folder."""
    out = work / f"{twin.name}-seed{seed}"
    if (out / "training.json").exists():
        return out
    threads_of_tensorflow = {
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
    }
    done = subprocess.run(
        edgecnn_command(*twin.arguments(seed, out)),
        env={**child_environment(), **threads_of_tensorflow},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{twin.name}, seed {seed}: exit {done.returncode}\n{done.stderr[-3000:]}")
    print(f"{twin.name}, seed {seed}: {read_training(out).test_accuracy:.4f}", flush=True)
    return out


def read_training(folder: Path) -> TrainingRecord:
    """Read the record that `edgecnn train` left."""
    import json

    return cattrs.structure(json.loads((folder / "training.json").read_text()), TrainingRecord)


def train_all(work: Path, jobs: int) -> dict[tuple[Twin, int], Path]:
    """Train every twin with every seed, the seeds in turns, `jobs` at a time."""
    work.mkdir(parents=True, exist_ok=True)
    pairs = [(twin, seed) for seed in SEEDS for twin in TWINS]
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ThreadPoolExecutor(jobs) as pool:
        folders = pool.map(lambda pair: train(pair[0], pair[1], work, threads), pairs)
        return dict(zip(pairs, folders, strict=True))


def twin_run(twin: Twin, seed: int, folder: Path) -> TwinRun:
    """What the record says of one training."""
    training = read_training(folder)
    cost = costs_of_zoo(
        twin.network,
        input_size=twin.input_size,
        width=twin.width,
        classes=len(training.classes),
        convolution=twin.convolution,
    )
    return TwinRun(
        network=twin.network,
        convolution=twin.convolution,
        match=twin.match,
        width=twin.width,
        input_size=twin.input_size,
        seed=seed,
        parameters=training.parameters,
        macs=cost.macs,
        training_samples=training.training_samples,
        epochs=len(training.epochs),
        test_samples=training.test_samples,
        accuracy=training.test_accuracy,
        training_seconds=training.seconds,
    )


def print_runs(runs: Iterable[TwinRun], recipes: Sequence[RecipeRun]) -> None:
    """Print the accuracies."""
    columns = ("network", "convolution", "equal", "seed", "parameters", "accuracy")
    rows = [
        (run.network, run.convolution, run.match, str(run.seed), f"{run.parameters:,}",
         f"{100 * run.accuracy:.2f}%")
        for run in runs
    ]  # fmt: skip
    print_table("Float, on images not trained on", columns, rows)
    changes = [
        (run.network, run.match, str(run.seed), run.recipe, f"{100 * run.accuracy:.2f}%",
         f"{100 * (run.accuracy - run.float_accuracy):+.2f}")
        for run in recipes
    ]  # fmt: skip
    print_table("By recipe", ("network", "equal", "seed", "recipe", "accuracy", "change"), changes)


def main() -> None:
    """Train, quantize, evaluate and write the record."""
    parser = arguments(main.__doc__)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "twins")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--train-only", action="store_true", help="stop before the recipes")
    parser.add_argument(
        "--weights", type=Path, default=ROOT / "artifacts" / "trained", help="for the first seed's"
    )
    options = parser.parse_args()
    folders = train_all(options.work, options.jobs)
    if options.train_only:
        sys.exit(0)
    runs = [twin_run(twin, seed, folder) for (twin, seed), folder in folders.items()]
    recipes = [
        run
        for (twin, seed), folder in reversed(folders.items())
        for run in twin_recipes.measure(twin, seed, folder, timed=seed == SEEDS[0])
    ]
    for (twin, seed), folder in folders.items():
        if seed == SEEDS[0]:
            twin_recipes.publish(folder, options.weights / twin.name)
    save(Twins(header("twins"), DATA, tuple(runs), tuple(recipes)), options.records)
    print_runs(runs, recipes)


if __name__ == "__main__":
    main()
