"""What engines cost a point of a sweep, what the driver's memory grows to, and `evaluate --ray`.

    python tools/compare_scale.py                # 1,000 and 10,000 points of 10 ms, here and on Ray
    python tools/compare_scale.py --points 100
    python tools/compare_scale.py --evaluate artifacts/vgg/int8 --data fashion-mnist
    python tools/compare_scale.py --parts artifacts/xception/int8

Each line is a process of its own: points of a stand-in task that sleeps 10 ms go through an engine,
and each that ends is kept in a sweep.jsonl and compared with the front, as `edgecnn sweep` does it.
"child" is as points are really run, in a child process each, which takes what Python's start takes.

With --evaluate: one and two processes of this machine and two Ray tasks in turns, so that all meet
the same load; Ray is started before the clock is.

With --parts: what a shard of photographs costs beside the inferences in seconds of processor, which
change little where others are at work: decoding a JPEG, and the start of a shard's child.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgecnn.engines.tasks import Engine, Task

WORKERS = 2
NAP_S = 0.010
POINTS = (1_000, 10_000)
_TRIES = 5
_PICTURES = 50
_JPEG_QUALITY = 90
_JPEG_BYTES = 50_646
_CHILDREN = 100  # of those that take a process each
_MIB = 1 << 20


def main() -> None:
    """Measure, and print one line for each engine and number of points."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, nargs="+", default=list(POINTS))
    parser.add_argument("--one", nargs=2, metavar=("ENGINE", "POINTS"), help=argparse.SUPPRESS)
    parser.add_argument("--evaluate", type=Path, metavar="DIR", help="an artifact to evaluate")
    parser.add_argument("--data", default="fashion-mnist", help="labelled images")
    parser.add_argument("--limit", type=int, default=10_000, help="images at most")
    parser.add_argument("--rounds", type=int, default=3, help="of each, in turns")
    parser.add_argument("--parts", type=Path, metavar="DIR", help="an artifact with model.tflite")
    options = parser.parse_args()
    if options.parts is not None:
        parts(options.parts)
        return
    if options.evaluate is not None:
        evaluate(options.evaluate, options.data, options.limit, options.rounds)
        return
    if options.one:
        print(json.dumps(measure(options.one[0], int(options.one[1]))))
        return
    print(f"{WORKERS} workers, points of {NAP_S * 1e3:g} ms")
    print("engine   points     wall s  overhead ms/point  driver's peak MiB  sweep.jsonl kB")
    plan = [(engine, count) for engine in ("local", "ray") for count in options.points]
    for engine, count in [*plan, ("child", min(_CHILDREN, *options.points))]:
        figures = _in_a_process(engine, count)
        print(
            f"{engine:7} {count:7} {figures['wall_s']:10.2f} {figures['overhead_ms']:18.2f}"
            f" {figures['peak_mib']:18.1f} {figures['file_bytes'] / 1e3:15.0f}",
            flush=True,
        )


def _in_a_process(engine: str, count: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", engine, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure(name: str, count: int) -> dict[str, float]:
    """Run so many points through an engine, in this process.

    Args:
        name: "local", "ray" or "child".
        count: of points.

    Returns:
        `wall_s`; `overhead_ms`: what a worker spends a point beyond the nap; `peak_mib`: resident
        memory of this process, the driver, at its peak; `file_bytes` of sweep.jsonl.
    """
    from edgecnn.sweeping import journal
    from edgecnn.sweeping.front import Fronts
    from edgecnn.sweeping.records import Point, PointRecord

    fronts = Fronts(())
    with tempfile.TemporaryDirectory() as folder, _engine(name) as engine:
        file = Path(folder) / "sweep.jsonl"
        with journal.opened(file) as book:
            list(engine.run(_tasks(WORKERS, isolated=False)))  # workers have started
            began = time.monotonic()
            for outcome in engine.run(_tasks(count, isolated=name == "child")):
                if outcome.error is not None:
                    raise outcome.error
                point = Point(outcome.task.key)
                record = PointRecord(outcome.task.key, point, "done", size_bytes=hash(point.model))
                book.append(record)
                fronts.add(record)
            wall_s = time.monotonic() - began
        size = file.stat().st_size
    return {
        "wall_s": wall_s,
        "overhead_ms": 1e3 * (wall_s * WORKERS / count - NAP_S),
        "peak_mib": _peak_bytes() / _MIB,
        "file_bytes": size,
    }


_WAYS: dict[str, dict[str, Any]] = {
    "1 process": {"threads": 1},
    "2 processes": {"threads": 2},
    "2 Ray tasks": {"ray": "auto", "shards": 2},
}


def evaluate(artifact: Path, data: str, limit: int, rounds: int) -> None:
    """Evaluate one artifact in turns, and print the median of each way and its share of the first.

    Raises:
        SystemExit: the figures are not the same.
    """
    import ray

    import edgecnn

    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
    walls: dict[str, list[float]] = {way: [] for way in _WAYS}
    figures = set()
    for _ in range(rounds):
        for way, options in _WAYS.items():
            began = time.monotonic()
            report = edgecnn.evaluate(artifact, data=data, limit=limit, **options)
            walls[way].append(time.monotonic() - began)
            figures.add(tuple((file.file, file.top1, file.top5) for file in report.evaluations))
    ray.shutdown()
    print(f"{artifact}, {report.evaluations[0].images} images of {data}, {rounds} rounds in turns")
    print("way           median s     min     max  times as fast as 1 process (by round)")
    for way, times_s in walls.items():
        ratios = sorted(base / own for base, own in zip(walls["1 process"], times_s, strict=True))
        spread = " ".join(f"{ratio:.2f}" for ratio in ratios)
        times = (statistics.median(times_s), min(times_s), max(times_s))
        print(f"{way:12} {times[0]:9.2f} {times[1]:7.2f} {times[2]:7.2f}  {spread}")
    if len(figures) > 1:
        raise SystemExit(f"the figures differ: {figures}")


def parts(artifact: Path) -> None:
    """Measure and print what a shard costs beside its inferences, the median of some tries."""
    decoded = sorted(_decoding_s() for _ in range(_TRIES))
    started = sorted(_child_s(artifact) for _ in range(_TRIES))
    for what, times_s, factor in (
        (f"decoding a JPEG of 500x375, {_JPEG_BYTES / 1e3:.1f} kB, ms", decoded, 1e3),
        (f"a child that loads {artifact} and runs it once, s", started, 1.0),
    ):
        low, middle, high = (factor * times_s[place] for place in (0, _TRIES // 2, -1))
        print(f"{what}: {middle:.2f} ({low:.2f} to {high:.2f}) of processor")


def _decoding_s() -> float:
    """Of one photograph, brought to 299x299, as an evaluation reads it."""
    import numpy as np
    from PIL import Image
    from skimage import data

    from edgecnn.datasets.labelled import open_labelled

    picture = Image.fromarray(data.astronaut()).resize((500, 375))
    with tempfile.TemporaryDirectory() as folder:
        for number in range(_PICTURES):
            path = Path(folder) / "test" / "ab"[number % 2] / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path, quality=_JPEG_QUALITY)
            (Path(folder) / "train" / path.parent.name).mkdir(parents=True, exist_ok=True)
            picture.save(Path(folder) / "train" / path.parent.name / path.name)
        images = open_labelled(folder, "test").images
        began = time.process_time()
        images.read(np.arange(_PICTURES), (299, 299), 3)
        return (time.process_time() - began) / _PICTURES


def _child_s(artifact: Path) -> float:
    from edgecnn import gate

    path = str(artifact / "model.tflite")
    before = _children_s()
    gate.run(
        "edgecnn.evaluating.worker:look",
        path,
        "model.tflite",
        None,
        source=path,
        work=gate.RUN_MANY,
        what="starting",
    )
    return _children_s() - before


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _engine(name: str) -> contextlib.AbstractContextManager[Engine]:
    if name != "ray":
        from edgecnn.engines.local import LocalEngine

        return contextlib.nullcontext(LocalEngine(WORKERS))
    from edgecnn.engines.on_ray import LOCAL, RayEngine

    return RayEngine(LOCAL)


def _tasks(count: int, *, isolated: bool) -> Iterator[Task]:
    from edgecnn.engines.tasks import Task

    for number in range(count):
        yield Task(f"{number:064x}", "napping", "time:sleep", NAP_S, isolated=isolated)


def _peak_bytes() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    values: dict[str, Any] = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(values["VmHWM"].split()[0]) * 1024


if __name__ == "__main__":
    main()
