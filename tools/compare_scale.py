"""What a sweep's engines cost a point, and what the driver's memory grows to.

    python tools/compare_scale.py                # 1,000 and 10,000 points of 10 ms, here and on Ray
    python tools/compare_scale.py --points 100

Each line is a process of its own: points of a stand-in task that sleeps 10 ms go through an engine,
and each that ends is kept in a sweep.jsonl and compared with the front, as `edgecnn sweep` does it.
"child" is as points are really run, in a child process each, which takes what Python's start takes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
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
_CHILDREN = 100  # of those that take a process each
_MIB = 1 << 20


def main() -> None:
    """Measure, and print one line for each engine and number of points."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, nargs="+", default=list(POINTS))
    parser.add_argument("--one", nargs=2, metavar=("ENGINE", "POINTS"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(asked.one[0], int(asked.one[1]))))
        return
    print(f"{WORKERS} workers, points of {NAP_S * 1e3:g} ms")
    print("engine   points     wall s  overhead ms/point  driver's peak MiB  sweep.jsonl kB")
    plan = [(engine, count) for engine in ("local", "ray") for count in asked.points]
    for engine, count in [*plan, ("child", min(_CHILDREN, *asked.points))]:
        found = _in_a_process(engine, count)
        print(
            f"{engine:7} {count:7} {found['wall_s']:10.2f} {found['overhead_ms']:18.2f}"
            f" {found['peak_mib']:18.1f} {found['file_bytes'] / 1e3:15.0f}",
            flush=True,
        )


def _in_a_process(engine: str, count: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", engine, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


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
