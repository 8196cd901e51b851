"""Latency of int8 files: edgecnn's under LiteRT, TFLiteConverter's, and edgecnn's ONNX.

One set of weights and calibration images for all three. The files take turns in short blocks, in
one process and in a random order, so that a busy machine slows all of them; a ratio is taken
between blocks of the same round, and the median over the rounds is what counts. All files are
loaded anew several times: two sessions of one file were seen to differ by half with two threads on
a busy machine, for as long as they lived. TFLiteConverter's file takes part twice: what
its two entries differ by is noise, and no ratio can be trusted to less than that.

onnxruntime's file has the end of each sitting to itself: its idle threads spin on, and a LiteRT
file that followed within 20 ms took 3.7 ms instead of 1.95 with two threads on two cores.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from compare.reference_images import CALIBRATION_SAMPLES, photograph_crops, save
from measure.measuring import (
    BENCHMARKS,
    Target,
    child_environment,
    edgecnn_command,
    paired_ratio,
    print_table,
    print_targets,
    shuffled_rounds,
    timed_ms,
    write_report,
)

from edgecnn import zoo
from edgecnn.runtime.session import open_session, quantize_input

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

OURS, BASELINE, ONNX = "edgecnn", "TFLiteConverter", "onnxruntime"
CONTROL = "TFLiteConverter again"
FLAGSHIP_BOUNDS = {1: 0.70, 2: 0.60}
# "No slower": our own choice of room for noise. The control tells whether it was room enough.
NO_SLOWER_BOUND = 1.02
WARM_UP_SECONDS = 0.5
BLOCK_RUNS = 8
SITTINGS = 4
MIN_ROUNDS = 2
BUSY_LOAD = 0.3


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(
        command, env=child_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\nexit {done.returncode}\n{done.stderr[-3000:]}")


def make_files(model: str, images: Path, folder: Path) -> dict[str, Path]:
    """Build the network once, and let both tools export those very weights."""
    weights, baseline = folder / f"{model}.keras", folder / "baseline.tflite"
    calibration = ("--calibration", str(images))
    script = Path(__file__).with_name("baseline_tflite_converter.py")
    _run(
        [
            *(sys.executable, str(script), "--model", model, "--save", str(weights)),
            *(*calibration, "--out", str(baseline)),
        ]
    )
    _run(
        edgecnn_command(
            *("export", str(weights), "--int8", "--out", str(folder / "out")),
            *(*calibration, "--calibration-samples", str(CALIBRATION_SAMPLES)),
        )
    )
    recipe = folder / "out" / "int8"
    return {
        OURS: recipe / "model.tflite",
        BASELINE: baseline,
        ONNX: recipe / "model.onnx",
        CONTROL: baseline,
    }


def runner(path: Path, image: NDArray[np.float32], threads: int) -> Callable[[], object]:
    """Load a file and return what runs one inference of it on a prepared input."""
    session = open_session(path, threads)
    (fed,) = session.inputs
    ready = [quantize_input(image[None], fed)]
    return lambda: session.run(ready)


def warm_up(run: Callable[[], object]) -> float:
    """Run for half a second at least; return the last run's time, ms."""
    start = time.perf_counter()
    while True:
        latency_ms = timed_ms(run)
        if time.perf_counter() - start >= WARM_UP_SECONDS:
            return latency_ms


def rounds_within(latencies_ms: Sequence[float], budget_seconds: float) -> int:
    """Return how many rounds of blocks a sitting's budget allows; at least two.

    With four sittings of blocks of eight that is 64 runs of each file, however slow.
    """
    round_seconds = sum(latencies_ms) * (BLOCK_RUNS + 1) / 1e3
    return max(MIN_ROUNDS, int(budget_seconds / round_seconds))


def block_ms(run: Callable[[], object]) -> list[float]:
    """Time a block; one run before it, uncounted, brings the file's weights back into the cache."""
    run()
    return [timed_ms(run) for _ in range(BLOCK_RUNS)]


@dataclass(frozen=True)
class Latencies:
    """One network at one number of threads.

    Attributes:
        blocks_ms: file to its blocks, in order of time, each of eight runs.
    """

    model: str
    threads: int
    blocks_ms: dict[str, list[list[float]]]

    def median_ms(self, name: str) -> float:
        """Return the median over all runs of a file, ms."""
        return median(latency for block in self.blocks_ms[name] for latency in block)

    def ratio(self, other: str, ours: str = OURS) -> float:
        """Return one file's latency over another's: median of the rounds' ratios of medians."""
        mine, theirs = ([median(block) for block in self.blocks_ms[n]] for n in (ours, other))
        return paired_ratio(mine, theirs)

    @property
    def noise(self) -> float:
        """The baseline's file over itself: 1 on a machine with nothing else to do."""
        return self.ratio(BASELINE, ours=CONTROL)


def measure(
    model: str, files: dict[str, Path], image: NDArray[np.float32], threads: int, seconds: float
) -> Latencies:
    """Time all files of a network in turns, for about so many seconds."""
    blocks: dict[str, list[list[float]]] = {name: [] for name in files}
    litert = {name: path for name, path in files.items() if name != ONNX}
    for sitting in range(SITTINGS):
        rounds = _time_in_turns(litert, blocks, image, threads, seconds / SITTINGS, seed=sitting)
        run = runner(files[ONNX], image, threads)
        warm_up(run)
        blocks[ONNX].extend(block_ms(run) for _ in range(rounds))
    return Latencies(model, threads, blocks)


def _time_in_turns(
    files: dict[str, Path],
    blocks: dict[str, list[list[float]]],
    image: NDArray[np.float32],
    threads: int,
    seconds: float,
    *,
    seed: int,
) -> int:
    """Load files, and append one block of each for every round that fits; return the rounds."""
    loading_order = shuffled_rounds(tuple(files), 1, seed=seed)
    runs = {name: runner(files[name], image, threads) for name in loading_order}
    rounds = rounds_within([warm_up(run) for run in runs.values()], seconds)
    for name in shuffled_rounds(tuple(files), rounds, seed=seed):
        blocks[name].append(block_ms(runs[name]))
    return rounds


def target(result: Latencies) -> Target:
    """Return what the issue asks for of this network at this number of threads."""
    flagship = result.model == "xception"
    bound = FLAGSHIP_BOUNDS.get(result.threads, NO_SLOWER_BOUND) if flagship else NO_SLOWER_BOUND
    name = f"{result.model}, threads {result.threads}: latency over TFLiteConverter's"
    return Target(name, result.ratio(BASELINE), bound)


def print_results(results: Sequence[Latencies]) -> None:
    """Print medians and ratios."""
    rows = [
        (
            result.model,
            str(result.threads),
            *(f"{result.median_ms(name):.3f}" for name in (OURS, BASELINE, ONNX)),
            *(f"{ratio:.3f}" for ratio in (result.ratio(BASELINE), result.ratio(ONNX))),
            f"{result.noise:.3f}",
        )
        for result in results
    ]
    columns = ("int8, ms", "threads", OURS, BASELINE, ONNX, "/TFLite", "/onnx", "noise")
    print_table("Latency, medians", columns, rows)


def compare(model: str, threads: Sequence[int], seconds: float) -> list[Latencies]:
    """Make a network's files and time them at each number of threads."""
    spec = zoo.find(model)
    sets = photograph_crops(spec.input_size, spec.preprocessing, 1)
    with TemporaryDirectory() as folder:
        images = Path(folder) / "images.npz"
        save(images, sets.calibration)
        files = make_files(model, images, Path(folder))
        return [measure(model, files, sets.unseen[0], count, seconds) for count in threads]


def main() -> None:
    """Compare the latency of int8 files."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("models", nargs="*", default=list(zoo.MODELS), help="of the zoo; all")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=30.0, help="for each row of the table")
    parser.add_argument("--json", type=Path, default=BENCHMARKS / "latency.json")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    if load > BUSY_LOAD:
        print(f"The machine is busy (load {load:.1f}): these numbers are not to be published.")
    results = [
        result
        for model in options.models
        for result in compare(model, options.threads, options.seconds)
    ]
    report_targets = [target(result) for result in results]
    write_report(
        options.json,
        {"results": [{**asdict(result), "noise": result.noise} for result in results]},
        report_targets,
    )
    print_results(results)
    print_targets(report_targets)


if __name__ == "__main__":
    main()
