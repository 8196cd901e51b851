"""Does our harness add anything? The runner's median against litert-benchmark's, same file.

`litert-benchmark` is the program ai-edge-litert brings. Two things could make the two differ, so
both are measured: the harness around the inference, and the API below it (the runner calls
LiteRT's Interpreter, which also runs on CPUs before Armv8.1; litert-benchmark its CompiledModel).
So a third contender calls CompiledModel from the runner's own timing loop: against
litert-benchmark, it shows the harness alone. The fourth is litert-benchmark again: what its two
entries differ by is noise, and no ratio can be trusted to less than that.

All start anew every round, in a random order, on the same cores, with as much warm-up and about as
many runs. A run during which other programs took processor time is set aside: two threads wait for
the slower of two cores, and one foreign program doubles what they take. Rounds go on until every
contender has enough runs of its own; the ratio is of the medians of those. A machine that is never
quiet gives no verdict.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from measure.measuring import (
    BENCHMARKS,
    Target,
    child_environment,
    print_table,
    print_targets,
    shuffled_rounds,
    write_report,
)

from edgecnn.runtime import runner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RUNNER, THEIRS, CONTROL = "runner", "litert-benchmark", "litert-benchmark again"
SAME_API = "CompiledModel in the runner's loop"
CONTENDERS = (RUNNER, THEIRS, SAME_API, CONTROL)
WITHIN = 0.02
WARM_UP_SECONDS = 0.5
LEAST_RUNS = 32
DISTURBED_SHARE = 0.05
PATIENCE = 5  # rounds until the machine is found too busy, times those asked for
MS_PER_S, NS_PER_MS = 1e3, 1e6


@dataclass(frozen=True)
class Run:
    """One run of a contender.

    Attributes:
        median_ms: of its inferences.
        others_share: processor time that other programs took meanwhile, of all cores, 0..1.
    """

    median_ms: float
    others_share: float

    @property
    def undisturbed(self) -> bool:
        """Whether the machine was its own."""
        return self.others_share <= DISTURBED_SHARE


@dataclass(frozen=True)
class Result:
    """One file at one number of threads; contender to its runs."""

    file: str
    threads: int
    runs: dict[str, list[Run]]

    def undisturbed_ms(self, name: str) -> list[float]:
        """Return the medians of a contender's undisturbed runs."""
        return [run.median_ms for run in self.runs[name] if run.undisturbed]

    def least_runs(self) -> int:
        """Return how many undisturbed runs the contender with the fewest has."""
        return min(len(self.undisturbed_ms(name)) for name in self.runs)

    def median_ms(self, name: str) -> float:
        """Return a contender's median over its undisturbed runs; NaN when it has none."""
        return median(self.undisturbed_ms(name) or [math.nan])

    def ratio(self, ours: str, theirs: str = THEIRS) -> float:
        """Return one contender's median over another's."""
        return self.median_ms(ours) / self.median_ms(theirs)


def targets(result: Result) -> list[Target]:
    """Return what the issue asks for: both ways of asking within 2%; NaN misses."""
    where = f"{Path(result.file).name}, threads {result.threads}"
    return [
        Target(f"{where}: |{name} / {THEIRS} - 1|", abs(result.ratio(name) - 1), WITHIN)
        for name in (RUNNER, SAME_API)
    ]


def watched(measure: Callable[[], float]) -> Run:
    """Measure, and note what other programs took of the processors meanwhile."""
    whole, busy, own = ticks()
    median_ms = measure()
    whole_after, busy_after, own_after = ticks()
    others = (busy_after - busy) - (own_after - own)
    return Run(median_ms, max(others, 0.0) / max(whole_after - whole, 1.0))


def ticks() -> tuple[float, float, float]:
    """Return processor seconds of all cores since boot: all, busy, and those of our children."""
    line = Path("/proc/stat").read_text("ascii").splitlines()[0]
    counted = [int(value) / os.sysconf("SC_CLK_TCK") for value in line.split()[1:9]]
    idle = counted[3] + counted[4]
    times = os.times()
    own = sum((times.user, times.system, times.children_user, times.children_system))
    return sum(counted), sum(counted) - idle, own


def run(command: Sequence[str]) -> str:
    """Run a program to its end and return its stdout."""
    done = subprocess.run(
        command, env=child_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\nexit {done.returncode}\n{done.stderr[-3000:]}")
    return done.stdout


def runner_ms(file: Path, threads: int, seconds: float, folder: Path) -> float:
    """Return the median of runner.py, copied and called as on a device, ms."""
    program = folder / "runner.py"
    shutil.copyfile(str(runner.__file__), program)
    plan = {"warmup_s": WARM_UP_SECONDS, "min_runs": LEAST_RUNS, "min_s": seconds, "repeats": 1}
    request = folder / "request.json"
    files = [{"path": str(file), "inputs": None, "seed": 0}]
    request.write_text(json.dumps({"plan": plan, "files": files, "threads": [threads]}), "utf-8")
    report = json.loads(run([sys.executable, str(program), str(request)]))
    (result,) = report["results"]
    return median(float(latency) for repeat in result["repeats"] for latency in repeat)


def benchmark_ms(file: Path, threads: int, runs: int, warm_up: int, folder: Path) -> float:
    """Return the median of litert-benchmark, ms (it rounds to 0.01 ms)."""
    written = folder / "result.json"
    run(
        [
            *(sys.executable, "-m", "ai_edge_litert.tools.benchmark_litert_model"),
            *(f"--model={file}", f"--num_threads={threads}", f"--num_runs={runs}"),
            *(f"--warmup_runs={warm_up}", f"--result_json={written}"),
        ]
    )
    result: dict[str, Any] = json.loads(written.read_text("utf-8"))
    return float(result["latency"]["median_ms"])


def same_api_ms(file: Path, threads: int, seconds: float) -> float:
    """Return the median of CompiledModel in the runner's loop, in a process of its own, ms."""
    worker = ("--same-api", str(file), "--threads", str(threads), "--seconds", str(seconds))
    return float(run([sys.executable, __file__, *worker]).splitlines()[-1])


def print_same_api(file: Path, threads: int, seconds: float) -> None:
    """Be the process that `same_api_ms` starts; inputs are those the runner feeds."""
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.options import CpuOptions, Options

    arrays = runner.seeded(runner.TfliteNet(str(file), 1).inputs, 0)
    options = Options(
        hardware_accelerators=HardwareAccelerator.CPU, cpu_options=CpuOptions(num_threads=threads)
    )
    model = CompiledModel.from_file(str(file), options=options)
    fed, filled = model.create_input_buffers(0), model.create_output_buffers(0)
    for buffer, array in zip(fed, arrays, strict=True):
        buffer.write(array)

    def invoke() -> None:
        model.run_by_index(0, fed, filled)

    runner.sample(invoke, 0, 1, WARM_UP_SECONDS)
    samples = runner.sample(invoke, 0, LEAST_RUNS, seconds)
    print(median(samples) / NS_PER_MS)


def compare(file: Path, threads: int, rounds: int, seconds: float) -> Result:
    """Let all contenders take turns on the cores the runner chooses."""
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, runner.fastest_cores()[:threads])
    result = Result(str(file), threads, {name: [] for name in CONTENDERS})
    with TemporaryDirectory() as temporary:
        ways = contenders(file, threads, seconds, Path(temporary))
        order = shuffled_rounds(CONTENDERS, rounds * PATIENCE, seed=0)
        for place, name in enumerate(order):
            if place % len(CONTENDERS) == 0 and result.least_runs() >= rounds:
                break
            result.runs[name].append(watched(ways[name]))
    os.sched_setaffinity(0, everywhere)
    return result


def contenders(
    file: Path, threads: int, seconds: float, folder: Path
) -> dict[str, Callable[[], float]]:
    """Return what runs each contender once, with as much work for all."""
    pilot_ms = runner_ms(file, threads, 0.2, folder)
    runs = max(LEAST_RUNS, int(seconds * MS_PER_S / pilot_ms))
    warm_up = max(1, int(WARM_UP_SECONDS * MS_PER_S / pilot_ms))

    def theirs() -> float:
        return benchmark_ms(file, threads, runs, warm_up, folder)

    return {
        RUNNER: lambda: runner_ms(file, threads, seconds, folder),
        THEIRS: theirs,
        SAME_API: lambda: same_api_ms(file, threads, seconds),
        CONTROL: theirs,
    }


def print_results(results: Sequence[Result]) -> None:
    """Print medians and ratios."""
    rows = [
        (
            Path(result.file).name,
            str(result.threads),
            *(f"{result.median_ms(name):.3f}" for name in (RUNNER, THEIRS, SAME_API)),
            *(f"{result.ratio(name):.4f}" for name in (RUNNER, SAME_API, CONTROL)),
            f"{result.least_runs()} of {len(result.runs[RUNNER])}",
        )
        for result in results
    ]
    columns = ("ms", "threads", "runner", "theirs", "same API", "runner/", "API/", "noise", "quiet")
    print_table(f"One file under the runner and {THEIRS}, medians", columns, rows)


def main() -> None:
    """Compare the runner's median with litert-benchmark's."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("files", nargs="*", type=Path, help=".tflite files")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=10, help="undisturbed runs of each contender")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run of a contender")
    parser.add_argument("--json", type=Path, default=BENCHMARKS / "harness.json")
    parser.add_argument("--same-api", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.same_api:
        print_same_api(options.same_api, options.threads[0], options.seconds)
        return
    results = [
        compare(file.resolve(), threads, options.rounds, options.seconds)
        for file in options.files
        for threads in options.threads
    ]
    report_targets = [target for result in results for target in targets(result)]
    write_report(options.json, {"results": [asdict(result) for result in results]}, report_targets)
    print_results(results)
    print_targets(report_targets)


if __name__ == "__main__":
    main()
