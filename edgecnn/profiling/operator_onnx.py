"""onnxruntime's own profiler: every node that it runs, after it has fused and rewritten the graph.

The nodes it reports are those of its optimized graph, which it is asked to write down. Documented
in onnxruntime's "Profiling tools": one JSON event a node and run, `dur` in microseconds.

Native code reads the file: run `profile` in a child process.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError, MissingPartError
from edgecnn.profiling.operator_litert import Event, Run
from edgecnn.profiling.operator_onnx_costs import KERNEL_TIME, kernel, name_nodes, onnx_costs
from edgecnn.runtime import runner
from edgecnn.runtime.quiet import quiet_stderr
from edgecnn.runtime.timing import loaded, pin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgecnn.profiling.operator_costs import Cost

Json = dict[str, Any]

_ERRORS_ONLY = 3
_LEAST_RUNS = 3


@dataclass(frozen=True)
class OnnxProfile:
    """Runs whose events name, by `node`, an entry of `costs`."""

    runtime: str
    costs: tuple[Cost, ...]
    runs: tuple[Run, ...]
    notes: tuple[str, ...]


def profile(path: str, threads: int, seconds: float) -> OnnxProfile:
    """Run an .onnx file for about `seconds` and return what each run's nodes took.

    Seeded inputs, as the runner's; the first fifth of the runs is warm-up.

    Raises:
        InputError: onnxruntime refuses the file.
        MissingPartError: onnxruntime or onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingPartError(
            "Profiling an .onnx file needs the onnx package.", hint="pip install 'edgecnn[onnx]'"
        ) from error
    pin(threads)
    with tempfile.TemporaryDirectory() as folder:
        optimized, named = Path(folder) / "optimized.onnx", Path(folder) / "named.onnx"
        loaded(path, threads)  # a damaged file is refused before it is taken apart
        model = onnx.load(path)
        name_nodes(model)
        onnx.save(model, str(named))
        runtime, events = _events(str(named), threads, seconds, optimized)
        graph = onnx.load(str(optimized)).graph
    runs = _alike(list(_runs(events)))
    if not runs:
        raise InputError(f"onnxruntime's profiler tells nothing about {path}.")
    costs, notes = onnx_costs(model, graph, runs[-1][1])
    runs = runs[len(runs) // 5 :]
    return OnnxProfile(runtime, costs, tuple(_run(*run) for run in runs), notes)


def _events(path: str, threads: int, seconds: float, optimized: Path) -> tuple[str, list[Json]]:
    """All that the profiler wrote; the session's own graph lies at `optimized` then."""
    plain = loaded(path, threads)
    feeds = zip(plain.inputs, runner.seeded(plain.inputs, 0), strict=True)
    feed = {info.name: array for info, array in feeds}
    runtime = plain.runtime
    del plain
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = _ERRORS_ONLY
    options.enable_profiling = True
    options.profile_file_prefix = str(optimized.with_name("profile"))
    options.optimized_model_filepath = str(optimized)
    with quiet_stderr():
        session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    deadline, runs = time.monotonic() + seconds, 0
    while runs < _LEAST_RUNS or time.monotonic() < deadline:
        session.run(None, feed)
        runs += 1
    return runtime, json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))


def _runs(events: Sequence[Json]) -> Iterator[tuple[float, list[Json]]]:
    """Wall time in microseconds and the nodes of each run, in the order they ran."""
    nodes = sorted(
        (e for e in events if e.get("cat") == "Node" and e["name"].endswith(KERNEL_TIME)),
        key=lambda event: event["ts"],
    )
    at = 0
    for whole in sorted((e for e in events if e["name"] == "model_run"), key=lambda e: e["ts"]):
        begin = at
        while at < len(nodes) and nodes[at]["ts"] < whole["ts"] + whole["dur"]:
            at += 1
        yield float(whole["dur"]), nodes[begin:at]


def _alike(runs: list[tuple[float, list[Json]]]) -> list[tuple[float, list[Json]]]:
    """The runs that went the way most went: a graph may branch."""
    ways = Counter(tuple(node["name"] for node in nodes) for _, nodes in runs)
    usual = ways.most_common(1)[0][0] if ways else ()
    return [run for run in runs if tuple(node["name"] for node in run[1]) == usual and usual]


def _run(wall_us: float, nodes: Sequence[Json]) -> Run:
    events = (Event(kernel(node), index, node["dur"]) for index, node in enumerate(nodes))
    return Run(wall_us, tuple(events))
