"""Measures .tflite and .onnx files on the machine it runs on, and prints one JSON object.

This file stands alone: it is copied to a device as it is, and needs Python 3.9, numpy and the
runtime of the files (ai_edge_litert or tflite_runtime, onnxruntime). By hand:

    python3 runner.py model.tflite --threads 1,2 --plan quick

Each file at each number of threads runs in a worker process of its own, so that its peak memory
and its death are its own. The workers take turns in short blocks (A B A B), and the one that waits
is stopped (SIGSTOP), for a runtime's threads may spin for a second after their last inference.
Every repeat starts new processes: where its memory lies is a part of a process's speed, and no
number of runs in one process averages it out (Kalibera and Jones, "Rigorous Benchmarking in
Reasonable Time", ISMM 2013). Nothing but the invocation stands inside the timed stretch.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not getattr(sys.flags, "safe_path", False):
    sys.path.pop(0)  # this file's folder: what lies beside it must not stand for a library

import argparse
import contextlib
import ctypes
import functools
import gc
import hashlib
import importlib
import json
import math
import os
import platform
import re
import select
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

# Before onnxruntime is imported, here and in the workers: it would send home what it runs, and keep
# a number for the device.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

Json = dict[str, Any]

PLANS: dict[str, Json] = {
    "quick": {"warmup_s": 0.5, "min_runs": 64, "min_s": 1.0},
    "publish": {"warmup_s": 0.5, "min_runs": 1024, "min_s": 60.0, "repeats": 5},
    "sustained": {"warmup_s": 0.5, "min_runs": 64, "min_s": 1800.0, "interval_s": 60.0},
}
# Of one repeat: the shortest networks would fill memory in a minute. Of more runs than that, every
# n-th is kept, which leaves the percentiles what they are; `samples_every` says so.
MOST_SAMPLES = 200_000
BLOCK_S = 0.075  # so short a turn that all files meet the same drift of clock and temperature
ALONE_BLOCK_S = 0.2
# Another worker's turn leaves the caches cold, and filling them takes a few milliseconds: so much
# runs uncounted before a block, at least one run, except where it is lost in the run's own length.
LEAD_S, LEAD_BELOW_S = 0.005, 0.25
STATE_LOAD_S = 0.1  # the clock is read under load: of an idle core the governor lowers it
ANSWER_LIMIT_S = 600.0  # a worker that says nothing for so long hangs
COOL_LIMIT_S = 300.0
COOL_WITHIN_C = 3.0
MEMORY_RESERVE = 1.5  # times the largest worker so far: free memory that one more worker needs
PROGRESS_EVERY_S = 0.5
PARTIAL_SAMPLES = 50_000  # beyond, the results so far are sent only when they grew by a tenth
PROC, SYS = Path("/proc"), Path("/sys")
CPUS = SYS / "devices/system/cpu"


class RunError(Exception):
    """A sentence for the user: this file, or this worker, cannot be measured."""


class OpenError(RunError):
    """A file leaves sizes of its inputs open, and nobody said them."""


# --- The machine's state --------------------------------------------------------------------------


def read_state(core: int) -> Json:
    """A `edgecnn.measurements.DeviceState`; its clock is that of `core`, None is not known."""
    load = None
    with contextlib.suppress(OSError, AttributeError):  # Android may have none
        load = os.getloadavg()[0]
    clock = CPUS / f"cpu{core}/cpufreq"
    return {
        "clock_mhz": _number(clock / "scaling_cur_freq", 1e3),
        "max_clock_mhz": _number(clock / "cpuinfo_max_freq", 1e3),
        "governor": _read(clock / "scaling_governor") or None,
        "temperature_c": _temperature(),
        "throttled": _throttled(),
        "load_average": load,
        "free_memory_bytes": _kilobytes("MemAvailable", PROC / "meminfo"),
        "busy_share": None,
    }


def _read(path: Path) -> str:
    """A small text of /proc or /sys; "" where this system has none, or does not show it."""
    try:
        return path.read_text("utf-8", "replace").strip("\0 \n")
    except OSError:
        return ""


def _number(path: Path, scale: float = 1.0) -> float | None:
    try:
        return float(_read(path)) / scale
    except ValueError:
        return None


def _kilobytes(key: str, path: Path) -> int | None:
    line = re.search(rf"{key}:\s*(\d+) kB", _read(path))
    return int(line[1]) * 1024 if line else None


def _temperature() -> float | None:
    """Degrees Celsius of the hottest zone that names the CPU, or of all where none does."""
    zones = list((SYS / "class/thermal").glob("thermal_zone*"))
    named = [zone for zone in zones if re.search("(?i)cpu|x86_pkg|soc", _read(zone / "type"))]
    temperatures = [_number(zone / "temp", 1e3) for zone in named or zones]
    return max((degrees for degrees in temperatures if degrees is not None), default=None)


def _throttled() -> int | None:
    """Throttle bits as `vcgencmd get_throttled` defines them, from whoever knows."""
    for path in SYS.glob("devices/platform/soc*/soc*:firmware/get_throttled"):
        with contextlib.suppress(ValueError):
            return int(_read(path), 16)
    with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
        command = ["vcgencmd", "get_throttled"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=2, check=True)
        return int(answer.stdout.partition("=")[2], 16)
    # Elsewhere a cooling device that holds the clock down is bit 2, "currently throttled".
    cooling = (SYS / "class/thermal").glob("cooling_device*")
    clocks = [device for device in cooling if "cpufreq" in _read(device / "type")]
    held = any(_number(clock / "cur_state") for clock in clocks)
    return 4 * held if clocks else None


def _ticks(pid: int, last_field: int) -> int:
    """CPU time of a process, clock ticks; up to field 17 with its children that ended."""
    fields = _read(PROC / f"{pid}/stat").rpartition(")")[2].split()
    return sum(int(value) for value in fields[11 : last_field - 2])


def cpu_ticks(workers: Iterable[Worker]) -> tuple[int, int]:
    """Ticks of all cores since boot, and those of them that others than we were busy."""
    line = _read(PROC / "stat").partition("\n")[0].split()[1:9]
    values = [int(value) for value in line] or [0] * 8
    own = _ticks(os.getpid(), 17) + sum(_ticks(worker.process.pid, 15) for worker in workers)
    return sum(values), sum(values) - values[3] - values[4] - own


def fastest_cores() -> list[int]:
    """The cores we may use, the best first: one of each physical core, by highest clock.

    Of equal ones the last comes first: interrupts go to core 0 unless told otherwise.
    """
    try:
        cores = sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        cores = list(range(os.cpu_count() or 1))

    def rank(core: int) -> tuple[bool, float, int]:
        siblings = re.findall(r"\d+", _read(CPUS / f"cpu{core}/topology/thread_siblings_list"))
        clock = _number(CPUS / f"cpu{core}/cpufreq/cpuinfo_max_freq") or 0.0
        return str(core) not in siblings[:1] and bool(siblings), -clock, -core

    return sorted(cores, key=rank)


def detect_emulator() -> str:
    """Name what imitates this machine ("qemu-user", "qemu"), or "" for a real one.

    qemu-user forges a program's own /proc entries, but shows those of other processes as the host
    has them: the mappings of a child name the emulator.
    """
    maps = _maps_of_a_child()
    if "qemu" in maps or (not maps and "QEMU_CPU" in os.environ):
        return "qemu-user"
    places = [PROC / name for name in ("device-tree/model", "device-tree/compatible", "cpuinfo")]
    places += [SYS / "class/dmi/id" / name for name in ("sys_vendor", "product_name")]
    identity = " ".join(map(_read, places)).upper()
    # A guest of KVM runs on the real CPU: that is no emulation.
    kvm = _read(SYS / "devices/system/clocksource/clocksource0/available_clocksource")
    kvm += _read(PROC / "device-tree/hypervisor/compatible")
    virtual = re.search("QEMU|DUMMY-VIRT", identity) and "kvm" not in kvm
    return "qemu" if virtual or "EMULATED" in identity else ""


def _maps_of_a_child() -> str:
    if not hasattr(os, "fork") or threading.active_count() > 1:
        return ""
    wait, release = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(release)
        os.read(wait, 1)  # returns when the parent closes its end, or dies
        os._exit(0)
    maps = _read(PROC / f"{child}/maps").lower()
    os.close(release)
    os.close(wait)
    os.waitpid(child, 0)
    return maps


# --- A worker's inside: one network in one process ------------------------------------------------


class Input(NamedTuple):
    """What a network takes; a scale of 0 stands for none."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float = 0.0
    zero_point: int = 0


def closed(name: str, declared: Sequence[Any], fixed: Sequence[int] | None) -> tuple[int, ...]:
    """An input's shape where the file may leave sizes open (None): as given, or at batch 1."""
    if fixed is not None:
        return tuple(int(size) for size in fixed)
    shape = [1 if place == 0 and size is None else size for place, size in enumerate(declared)]
    if None in shape:
        text = "x".join("?" if size is None else str(size) for size in shape)
        raise OpenError(f"Input {name!r} leaves sizes open: {text}.")
    return tuple(int(size) for size in shape)


class TfliteNet:
    """A .tflite file in LiteRT's Interpreter with its default delegates.

    Args:
        path: of the file.
        threads: of one inference.
        shapes: of all inputs in their order, where the file leaves sizes open.
    """

    def __init__(
        self, path: str, threads: int, shapes: Sequence[Sequence[int]] | None = None
    ) -> None:
        module, self.runtime = _tflite_runtime()
        start = time.perf_counter()
        self._net = module.Interpreter(model_path=path, num_threads=threads)
        for place, slot in enumerate(self._net.get_input_details()):
            declared = self._declared(slot)
            shape = closed(slot["name"], declared, shapes[place] if shapes else None)
            if None in declared:
                self._net.resize_tensor_input(slot["index"], shape)
        self._net.allocate_tensors()
        self.load_ms = (time.perf_counter() - start) * 1e3
        self._slots = self._net.get_input_details()
        self.inputs = [self._input(slot) for slot in self._slots]
        self.invoke: Callable[[], object] = self._net.invoke

    @staticmethod
    def _declared(slot: Json) -> list[int | None]:
        """The shape in the file; what is open there is stored as 1, or as a default."""
        shape = [int(size) for size in slot["shape"]]
        signature = [int(size) for size in slot.get("shape_signature", shape)]
        if len(signature) != len(shape):
            return list(shape)
        return [None if own < 0 and size <= 1 else size for own, size in zip(signature, shape)]  # noqa: B905 - Python 3.9 has no `strict`

    @staticmethod
    def _input(slot: Json) -> Input:
        scale, zero_point = slot["quantization"]
        shape = tuple(int(size) for size in slot["shape"])
        return Input(slot["name"], slot["dtype"].__name__, shape, float(scale), int(zero_point))

    def feed(self, arrays: Sequence[Any]) -> None:
        """Set all inputs."""
        for slot, array in zip(self._slots, arrays):  # noqa: B905 - Python 3.9 has no `strict`
            self._net.set_tensor(slot["index"], array)

    def outputs(self) -> list[Any]:
        """Copies of what the last run made."""
        return [self._net.get_tensor(detail["index"]) for detail in self._net.get_output_details()]


def _tflite_runtime() -> tuple[Any, str]:
    """The first runtime that is there, and its name and version."""
    from importlib import metadata

    missing = []
    for package in ("ai_edge_litert", "tflite_runtime"):
        try:
            module = importlib.import_module(f"{package}.interpreter")
        except ImportError as error:
            missing.append(f"{package}: {error}")
            continue
        version = getattr(importlib.import_module(package), "__version__", "?")
        with contextlib.suppress(metadata.PackageNotFoundError):  # brought without its metadata
            version = metadata.version(package)
        return module, f"{package.replace('_', '-')} {version}"
    raise RunError(f"No runtime for .tflite files can be imported ({'; '.join(missing)}).")


class OnnxNet:
    """A .onnx file in onnxruntime on the CPU; inputs are bound before the timed stretch.

    Arguments as of `TfliteNet`.
    """

    def __init__(
        self,
        path: str,
        threads: int,
        shapes: Sequence[Sequence[int]] | None = None,
        *,
        arena: bool = True,
    ) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise RunError(f"onnxruntime cannot be imported ({error}).") from error
        self.runtime = f"onnxruntime {onnxruntime.__version__}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3  # errors
        options.enable_cpu_mem_arena = arena
        start = time.perf_counter()
        self._net = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        self.load_ms = (time.perf_counter() - start) * 1e3
        self.inputs = [
            self._input(node, shapes[place] if shapes else None)
            for place, node in enumerate(self._net.get_inputs())
        ]
        self._binding = self._net.io_binding()
        self._outputs: list[Any] | None = None
        self.invoke: Callable[[], object]
        self.invoke = functools.partial(self._net.run_with_iobinding, self._binding)

    @staticmethod
    def _input(node: Any, shape: Sequence[int] | None) -> Input:  # noqa: ANN401 - onnxruntime has no types
        kind = node.type[len("tensor(") : -1]
        dtype = {"float": "float32", "double": "float64"}.get(kind, kind)
        declared = [size if isinstance(size, int) and size > 0 else None for size in node.shape]
        return Input(node.name, dtype, closed(node.name, declared, shape))

    def feed(self, arrays: Sequence[Any]) -> None:
        """Set all inputs."""
        self._fed = list(arrays)  # the binding reads them where they are
        for info, array in zip(self.inputs, self._fed):  # noqa: B905 - likewise
            self._binding.bind_cpu_input(info.name, array)
        # Afresh: an output bound before has the size it had for what was fed then.
        self._binding.clear_binding_outputs()
        for node in self._net.get_outputs():
            self._binding.bind_output(node.name)

    def outputs(self) -> list[Any]:
        """What the last run made."""
        if self._outputs is not None:
            return self._outputs
        outputs = list(self._binding.copy_outputs_to_cpu())
        ranks = [len(node.shape) for node in self._net.get_outputs()]
        if ranks != [output.ndim for output in outputs]:
            # The file declares another rank than it computes, and a second run into the first
            # one's outputs is refused: from now on each run makes its own.
            self.invoke, self._outputs = self._run_alone, outputs
        return outputs

    def _run_alone(self) -> None:
        feeds = {info.name: array for info, array in zip(self.inputs, self._fed)}  # noqa: B905 - likewise
        self._outputs = self._net.run(None, feeds)


def seeded(inputs: Sequence[Input], seed: int) -> list[Any]:
    """Arrays for all inputs, the same on every machine: real numbers uniform in [-1, 1).

    numpy promises its legacy generator's stream for ever (NEP 19), that of `default_rng` not.
    """
    import numpy as np

    random = np.random.RandomState(seed)
    return [as_dtype(2 * random.random_sample(info.shape) - 1, info) for info in inputs]


def as_dtype(values: Any, info: Input) -> Any:  # noqa: ANN401 - numpy comes late
    """Real numbers as an input takes them: quantized by its scale, rint(x / scale) + zero point.

    Of an integer without a scale nobody knows what it counts: zeros and ones are safe indices.
    """
    import numpy as np

    values = np.asarray(values)
    if values.dtype.kind in "iub":  # counted already: indices, pixels, switches
        return as_counted(values, info)
    if info.dtype in {"float16", "float32", "float64"}:
        return np.asarray(values, info.dtype, order="C")
    if info.dtype.startswith("bool") or (info.scale == 0 and re.match("u?int", info.dtype)):
        return np.asarray(values >= 0, order="C").astype(info.dtype)
    if info.dtype not in {"int8", "uint8", "int16"}:
        raise RunError(f"Input {info.name!r} is {info.dtype}: what to feed it is not known.")
    limits = np.iinfo(info.dtype)
    steps = np.rint(np.asarray(values, np.float64) / info.scale) + info.zero_point
    return np.asarray(np.clip(steps, limits.min, limits.max), info.dtype, order="C")


def as_counted(values: Any, info: Input) -> Any:  # noqa: ANN401 - likewise
    """Integers as an input takes them, unchanged; an 8-bit one of the other sign is shifted."""
    import numpy as np

    kinds = {values.dtype.name, info.dtype}
    if kinds == {"uint8", "int8"}:
        values = values.astype(np.int16) + (128 if info.dtype == "uint8" else -128)
    counts = np.asarray(values, info.dtype, order="C")
    if not np.array_equal(counts.astype(np.float64), values.astype(np.float64)):
        raise RunError(f"Input {info.name!r} is {info.dtype}: its reference inputs do not fit.")
    return counts


def _runs(path: str, info: Input) -> Iterator[Any]:
    """What each run feeds, one by one from a .npy: all at once would count as the net's memory."""
    import numpy as np

    try:
        with Path(path).open("rb") as file:
            major, minor = np.lib.format.read_magic(file)
            read_header = getattr(np.lib.format, f"read_array_header_{major}_{minor}")
            shape, fortran, dtype = read_header(file)
            if fortran or dtype.kind not in "fiub":
                raise RunError(f"Reference inputs must be numbers in C order, not {dtype}.")
            size, rows = math.prod(info.shape), info.shape[0] if info.shape else 1
            if rows < 1 or not shape or math.prod(shape[1:]) * rows != size or shape[0] % rows:
                raise RunError(f"Reference inputs are {shape}, but the file takes {info.shape}.")
            for _ in range(shape[0] // rows):
                yield as_dtype(np.fromfile(file, dtype, size).reshape(info.shape), info)
    except (OSError, ValueError, AttributeError) as error:
        raise RunError(f"The reference inputs cannot be read: {error}") from error


def _feeds(job: Json, inputs: Sequence[Input]) -> Iterator[list[Any]]:
    """All inputs, once for each run; those that have no file are seeded."""
    random_feed = seeded(inputs, job["seed"])
    paths = [job["inputs"]] if isinstance(job["inputs"], str) else job["inputs"]
    if not paths:
        yield random_feed
        return
    if len(paths) > len(inputs):
        raise RunError(
            f"There are {len(paths)} reference inputs, but the file takes {len(inputs)}."
        )
    for fed in zip(*(_runs(path, info) for path, info in zip(paths, inputs))):  # noqa: B905 - likewise
        yield [*fed, *random_feed[len(fed) :]]


def load(
    job: Json, after_run: Callable[[], object] = lambda: None
) -> tuple[TfliteNet | OnnxNet, Json]:
    """Load, compute every run's outputs, and feed the first run again.

    Args:
        job: "path", "inputs" (a .npy for the first input or a list of one for each, or None),
            "seed", "threads", "shapes" (of the inputs, where the file leaves them open, or None);
            "arena": False where onnxruntime is to spare memory and need not be fast;
            and "outputs", where the outputs of all runs are wanted as an .npz: y0, y1, ..., the
            runs one behind the other.
        after_run: called after each run, to say that it goes on.

    Returns:
        The network, and what is known of it; `output_sha256` is of all outputs' bytes, run by run,
        `outputs_shape` and `output_dtype` are of the first output.
    """
    import numpy as np

    net: TfliteNet | OnnxNet
    if job["path"].endswith(".onnx"):
        arena = job.get("arena", True)
        net = OnnxNet(job["path"], job["threads"], job.get("shapes"), arena=arena)
    else:
        net = TfliteNet(job["path"], job["threads"], job.get("shapes"))
    digest, times_ms, runs, first = hashlib.sha256(), list[float](), list[Any](), list[Any]()
    for feed in _feeds(job, net.inputs):
        net.feed(feed)
        start = time.perf_counter()
        net.invoke()
        times_ms.append((time.perf_counter() - start) * 1e3)
        after_run()
        runs.append([np.asarray(output) for output in net.outputs()])
        for output in runs[-1]:
            digest.update(output.tobytes())
        first = first or feed
    if not runs:
        raise RunError("The reference inputs hold no run.")
    net.feed(first)
    outputs = [_stacked(output_runs) for output_runs in zip(*runs)]  # noqa: B905 - likewise
    if job.get("outputs"):
        with Path(job["outputs"]).open("wb") as file:  # savez would add a suffix to a name
            np.savez(file, **{f"y{place}": array for place, array in enumerate(outputs)})
    facts = {
        "runtime": net.runtime,
        "load_ms": round(net.load_ms, 4),
        "first_ms": round(times_ms[0], 4),
        "output_sha256": digest.hexdigest(),
        "outputs_shape": list(outputs[0].shape),
        "output_dtype": outputs[0].dtype.name,
    }
    return net, facts


def _stacked(runs: Sequence[Any]) -> Any:  # noqa: ANN401 - numpy comes late
    """An output's runs one behind the other; flat where its size depends on what is fed."""
    import numpy as np

    if len({run.shape[1:] for run in runs}) > 1:
        runs = [run.ravel() for run in runs]
    return np.concatenate([np.atleast_1d(run) for run in runs])


def sample(invoke: Callable[[], object], lead: int, runs: int, seconds: float) -> list[int]:
    """Nanoseconds of at least `runs` invocations and `seconds`, after `lead` uncounted ones."""
    clock = time.perf_counter_ns
    for _ in range(lead):
        invoke()
    samples: list[int] = []
    end = clock() + int(seconds * 1e9)
    while len(samples) < runs or clock() < end:
        start = clock()
        invoke()
        samples.append(clock() - start)
    return samples


def peak_rss_bytes() -> int:
    """Of this process alone: ru_maxrss would begin at that of the process that started it."""
    peak = _kilobytes("VmHWM", PROC / "self/status")
    if peak is not None:
        return peak
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _die_with(parent: int) -> None:
    """Let Linux kill this worker when the runner dies, also while it is stopped."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def work(job: Json) -> None:
    """A worker's life: load, then answer each line of stdin with a block of samples."""
    _die_with(job["parent"])
    reply = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what native code prints must not stand between our lines

    def answer(value: Json) -> None:
        reply.write(json.dumps(value) + "\n")
        reply.flush()

    if job["cores"] and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):  # a phone may refuse; then its scheduler decides
            os.sched_setaffinity(0, job["cores"])
    try:
        net, facts = load(job)
        gc.collect()
        gc.disable()
        answer(facts)
        for line in sys.stdin:
            samples = sample(net.invoke, **json.loads(line))
            answer({"samples": samples, "peak_rss_bytes": peak_rss_bytes()})
    except RunError as error:
        answer({"error": str(error)})
    except MemoryError:
        answer({"error": "There is not enough memory for this file."})
    except Exception as error:  # noqa: BLE001 - a runtime raises what it likes at a damaged file
        text = " ".join(str(error).split())[:500] or type(error).__name__
        answer({"error": f"The runtime refuses the file: {text}"})
    os._exit(0)  # native exit handlers are slow, or crash; the answer is delivered


# --- The runner: workers take turns ---------------------------------------------------------------


@dataclass
class Pair:
    """One file at one number of threads, and what has been measured of it (times in ns)."""

    name: str
    job: Json  # what its workers are told: path, inputs, outputs, seed, threads, cores
    sha256: str = ""
    error: str | None = None
    facts: list[Json] = field(default_factory=list)  # of each repeat's process
    repeats: list[list[int]] = field(default_factory=list)
    peak_rss_bytes: int = 0
    samples_every: int = 1
    timeline: list[Json] = field(default_factory=list)

    def fail(self, sentence: str) -> None:
        """It has an error, and no samples."""
        self.error = sentence
        self.repeats, self.timeline = [], []

    def loaded(self, facts: Json) -> None:
        """Take what a new process says of the file; it must compute what the last one did."""
        self.facts.append(facts)
        if facts["output_sha256"] != self.facts[0]["output_sha256"]:
            raise RunError("Its outputs for the same inputs differ from one process to the next.")

    def to_json(self) -> Json:
        """One entry of `results`, times in ms."""
        facts: Json = dict(self.facts[0]) if self.facts else {"runtime": "", "output_sha256": ""}
        for key in ("load_ms", "first_ms"):
            facts[key] = round(percentile([run[key] for run in self.facts] or [0.0], 0.5), 4)
        return {
            **facts,
            "path": self.name,
            "sha256": self.sha256,
            "threads": self.job["threads"],
            "cores": self.job["cores"],
            "repeats": [[round(ns / 1e6, 5) for ns in samples] for samples in self.repeats],
            "samples_every": self.samples_every,
            "peak_rss_bytes": self.peak_rss_bytes,
            "inputs": "seeded" if self.job["inputs"] is None else "reference",
            "timeline": self.timeline,
            "error": self.error,
        }


class Worker:
    """A worker process: asked one line at a time, stopped while it waits."""

    alive: list[Worker] = []  # noqa: RUF012 - one list, of all that must not outlive us

    def __init__(self, pair: Pair, limit_s: float) -> None:
        self.pair, self._limit_s = pair, limit_s
        self.run_s, self.sampled_s, self.runs = 0.0, 0.0, 0
        self.interval_from, self.interval_start_s = 0, 0.0
        self._unread = b""
        self._log = _scratch_file()
        job = json.dumps({**pair.job, "parent": os.getpid()})
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), "--worker", job],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=0,
        )
        Worker.alive.append(self)

    def start(self, warmup_s: float, min_s: float) -> None:
        """Wait until the file is loaded, warm it up, and learn how long a run takes."""
        self.pair.loaded(self._answer())
        warm = self.block(seconds=warmup_s)
        self.run_s = max(percentile(warm[len(warm) // 2 :], 0.5) / 1e9, 1e-7)
        self.pair.repeats.append([])
        if self.pair.samples_every == 1:  # decided once: all repeats are alike
            self.pair.samples_every = math.ceil(min_s / self.run_s / MOST_SAMPLES) or 1

    def measure(self, turn_s: float, *, after_another: bool) -> None:
        """Run for one turn, and keep the samples."""
        leads = after_another and self.run_s < LEAD_BELOW_S
        lead = math.ceil(LEAD_S / self.run_s) if leads else 0
        samples = self.block(lead, max(1, round(turn_s / self.run_s)))
        self.pair.repeats[-1] += samples[
            -self.runs % self.pair.samples_every :: self.pair.samples_every
        ]
        self.runs += len(samples)
        self.sampled_s += sum(samples) / 1e9

    def block(self, lead: int = 0, runs: int = 1, seconds: float = 0.0) -> list[int]:
        """Samples of one turn, ns; see `sample`."""
        self.begin(lead, runs, seconds)
        return self.finish()

    def begin(self, lead: int, runs: int, seconds: float) -> None:
        """Let it go."""
        line = json.dumps({"lead": lead, "runs": runs, "seconds": seconds}) + "\n"
        self.process.send_signal(signal.SIGCONT)
        with contextlib.suppress(BrokenPipeError):  # it died, and the answer says how
            _pipe(self.process.stdin).write(line.encode())

    def finish(self) -> list[int]:
        """Wait for its samples, and stop it."""
        answer = self._answer()
        self.process.send_signal(signal.SIGSTOP)
        self.pair.peak_rss_bytes = max(self.pair.peak_rss_bytes, answer["peak_rss_bytes"])
        samples: list[int] = answer["samples"]
        return samples

    def _answer(self) -> Json:
        replies, end = _pipe(self.process.stdout), time.monotonic() + self._limit_s
        while b"\n" not in self._unread:
            if not select.select([replies], [], [], max(0.0, end - time.monotonic()))[0]:
                raise RunError(f"It gave no answer within {self._limit_s:g} s and was killed.")
            data = os.read(replies.fileno(), 1 << 20)
            if not data:
                raise RunError(self._death())
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        answer: Json = json.loads(line)
        if "error" in answer:
            raise RunError(answer["error"])
        return answer

    def _death(self) -> str:
        code = self.process.wait()
        if code == -signal.SIGKILL:
            return "killed by signal 9 (probably out of memory)"
        how = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        if code == -signal.SIGILL:
            how += " (the runtime uses instructions this CPU lacks)"
        self._log.seek(0)
        last_words = " ".join(self._log.read()[-500:].decode(errors="replace").split())
        return f"{how}: {last_words}" if last_words else how

    def close(self) -> None:
        """End it, whatever it does: also a stopped process dies of SIGKILL."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self._log):
            _pipe(pipe).close()
        Worker.alive.remove(self)


def _scratch_file() -> Any:  # noqa: ANN401 - a raw file
    """In memory where the system can: a full disk is no reason not to measure."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("log"), "w+b")
    return tempfile.TemporaryFile()


def _pipe(pipe: Any) -> Any:  # noqa: ANN401 - a raw file, and not None: Popen was asked for it
    assert pipe is not None  # noqa: S101 - see above
    return pipe


class Runner:
    """Measures all pairs of a request by its plan, and tells stderr how far it is."""

    def __init__(self, pairs: list[Pair], plan: Json, limit_s: float) -> None:
        self.pairs, self.limit_s = pairs, limit_s
        self.warmup_s, self.min_s = float(plan["warmup_s"]), float(plan["min_s"])
        self.min_runs, self.repeats = int(plan["min_runs"]), int(plan.get("repeats") or 1)
        self.interval_s = float(plan.get("interval_s") or 0)
        self.core = fastest_cores()[0]
        self.emulator = detect_emulator()
        self.start = self.before = self.after = read_state(self.core)
        self.ticks, self.other_ticks = 0, 0  # while measuring: of all cores, and what others took
        self.done, self.told_at, self.sent = 0, 0.0, 0

    def run(self) -> Json:
        """Every repeat of every pair; the object for stdout."""
        for _ in range(self.repeats):
            waiting = [pair for pair in self.pairs if pair.error is None]
            while waiting:
                self._side_by_side(waiting)
                self._send_partial()
        return self.report()

    def report(self) -> Json:
        """The object for stdout, of what has been measured so far."""
        busy = round(max(0, self.other_ticks) / self.ticks, 4) if self.ticks else None
        finished = [pair for pair in self.pairs if pair.repeats or pair.error]
        runtimes = dict(pair.facts[0]["runtime"].split(" ", 1) for pair in finished if pair.facts)
        return {
            "schema": 1,
            "runner": 1,
            "runtime_versions": {**runtimes, "python": platform.python_version()},
            "emulator": self.emulator,
            "busy_share": busy,
            "before": self.before,
            "after": {**self.after, "busy_share": busy},
            "results": [pair.to_json() for pair in finished],
        }

    def _side_by_side(self, waiting: list[Pair]) -> None:
        """One repeat of as many of the waiting pairs as memory holds; they leave the list."""
        if self.interval_s:
            self._cool()
        try:
            while waiting and not self._full():
                worker = Worker(waiting.pop(0), self.limit_s)
                with _blamed(worker):
                    worker.start(self.warmup_s, self.min_s)
            self._measure()
        finally:
            for worker in list(Worker.alive):
                worker.close()

    def _full(self) -> bool:
        """Whether one more worker could drive a loaded one out of memory, or share its minutes."""
        free, used = _kilobytes("MemAvailable", PROC / "meminfo"), [0]
        used += [worker.pair.peak_rss_bytes for worker in Worker.alive]
        short = free is not None and free < MEMORY_RESERVE * max(used)
        return bool(Worker.alive) and (short or bool(self.interval_s))

    def _cool(self) -> None:
        """Sustained runs come one after the other: none begins with the last one's heat."""
        end = time.monotonic() + COOL_LIMIT_S
        aim = (self.start["temperature_c"] or math.inf) + COOL_WITHIN_C
        while self.done and (_temperature() or 0.0) > aim and time.monotonic() < end:
            self._tell("cooling down")
            time.sleep(1)

    def _measure(self) -> None:
        """Before, turns, after; of the workers that are alive."""
        if not Worker.alive:
            return
        if self.before is self.start:
            for worker in Worker.alive[:1]:
                with _blamed(worker):
                    idle = {key: self.start[key] for key in ("load_average", "free_memory_bytes")}
                    self.before = {**self._under_load(worker), **idle}
        ticks, others = cpu_ticks(Worker.alive)
        self._take_turns()
        ticks_then, others_then = cpu_ticks(Worker.alive)
        self.ticks += ticks_then - ticks
        self.other_ticks += others_then - others
        for worker in Worker.alive[-1:]:
            with _blamed(worker):
                self.after = self._under_load(worker)
        self.done += len(Worker.alive)

    def _take_turns(self) -> None:
        """Rounds A B A B until all have enough: so each meets the same moments as the others."""
        started, last = time.monotonic(), None
        turn_s = BLOCK_S if len(Worker.alive) > 1 else ALONE_BLOCK_S
        while any(self._share(worker) < 1 for worker in Worker.alive):
            for worker in list(Worker.alive):
                with _blamed(worker):
                    worker.measure(turn_s, after_another=worker is not last)
                    last = worker
                    if self.interval_s:
                        self._end_interval(worker, time.monotonic() - started)
            self._tell("measuring")

    def _share(self, worker: Worker) -> float:
        """How much of what the plan asks for a worker has, 0..1 or more."""
        runs = len(worker.pair.repeats[-1]) / max(self.min_runs, 1)
        return min(runs, worker.sampled_s / max(self.min_s, 1e-9))

    def _end_interval(self, worker: Worker, now_s: float) -> None:
        """Write down the interval that is over, if one is."""
        if now_s - worker.interval_start_s < self.interval_s:
            return
        samples = worker.pair.repeats[-1][worker.interval_from :]
        entry = {"start_s": round(worker.interval_start_s, 3), "runs": len(samples)}
        p50, p90 = (round(percentile(samples, share) / 1e6, 5) for share in (0.5, 0.9))
        state = self._under_load(worker)
        worker.pair.timeline.append({**entry, "p50_ms": p50, "p90_ms": p90, "state": state})
        worker.interval_from += len(samples)
        worker.interval_start_s = now_s
        self._send_partial()

    def _under_load(self, worker: Worker) -> Json:
        worker.begin(lead=0, runs=1, seconds=2 * STATE_LOAD_S)
        time.sleep(STATE_LOAD_S)
        state = read_state(self.core)
        worker.finish()
        return state

    def _tell(self, text: str) -> None:
        now = time.monotonic()
        if now < self.told_at + PROGRESS_EVERY_S:
            return
        self.told_at = now
        done = self.done + sum(min(1.0, self._share(worker)) for worker in Worker.alive)
        share = round(done / (self.repeats * len(self.pairs)), 3)
        _event({"event": "progress", "done": share, "text": text})

    def _send_partial(self) -> None:
        """What is measured so far: a connection that is cut later loses none of it.

        Of many samples not every time: what is sent in all stays in proportion to what there is.
        """
        count = sum(len(samples) for pair in self.pairs for samples in pair.repeats)
        if count < PARTIAL_SAMPLES or count > 1.1 * self.sent:
            self.sent = count
            _event({"event": "partial", **self.report()})


@contextlib.contextmanager
def _blamed(worker: Worker) -> Iterator[None]:
    """A worker that fails is ended with its error, and the others go on."""
    try:
        yield
    except RunError as error:
        worker.pair.fail(str(error))
        worker.close()


def percentile(values: Sequence[float], share: float) -> float:
    """Linear between the two nearest values, as numpy's default."""
    ordered, position = sorted(values), (len(values) - 1) * share
    below = ordered[int(position)]
    return below + (ordered[min(int(position) + 1, len(values) - 1)] - below) * (position % 1)


def _event(event: Json) -> None:
    sys.stderr.write(json.dumps(event) + "\n")
    sys.stderr.flush()


def pairs_of(request: Json, folder: Path) -> list[Pair]:
    """Every file at every number of threads: files to compare stand beside each other."""
    pin = request.get("pin", True) and hasattr(os, "sched_setaffinity")
    cores = fastest_cores() if pin else None
    pairs = []
    for threads in request["threads"]:
        for file in request["files"]:
            names = {key: file.get(key) for key in ("path", "outputs")}
            job: Json = {key: name and str(folder / name) for key, name in names.items()}
            fed = file.get("inputs")
            fed = [fed] if isinstance(fed, str) else fed
            job["inputs"] = fed and [str(folder / name) for name in fed]
            job["shapes"] = file.get("shapes")
            job["seed"], job["threads"] = int(file.get("seed", 0)), int(threads)
            job["cores"] = cores and cores[: int(threads)]
            pair = Pair(file["path"], job)
            try:
                pair.sha256 = hashlib.sha256(Path(job["path"]).read_bytes()).hexdigest()
            except OSError as error:
                pair.fail(f"The file cannot be read: {error.strerror}.")
            pairs.append(pair)
    return pairs


def _end_with_stdin() -> None:
    """Kill all that runs here when whoever started us is gone."""
    while os.read(0, 4096):
        pass
    for worker in list(Worker.alive):
        worker.process.kill()
    os._exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure .tflite and .onnx files on this machine.")
    parser.add_argument("files", nargs="*", help="model files, or one request.json")
    parser.add_argument("--threads", default="1", help="such as 1,2,4")
    parser.add_argument("--plan", default="quick", choices=PLANS)
    parser.add_argument("--inputs", help="a .npy of images as the network is fed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-pin", dest="pin", action="store_false")
    parser.add_argument("--with-parent", action="store_true", help="end when stdin ends")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def _request(arguments: argparse.Namespace) -> tuple[Json, Path]:
    """The request, and the folder its paths begin in."""
    files: list[str] = arguments.files
    if len(files) == 1 and files[0].endswith(".json"):
        return json.loads(Path(files[0]).read_text("utf-8")), Path(files[0]).parent
    named = [{"path": path, "inputs": arguments.inputs, "seed": arguments.seed} for path in files]
    threads, plan = arguments.threads.split(","), PLANS[arguments.plan]
    return {"plan": plan, "files": named, "threads": threads, "pin": arguments.pin}, Path()


def main() -> int:
    """Exit code 0 when at least one pair gave a result, 1 when none did, 2 for a bad request."""
    arguments = _arguments()
    if arguments.worker:
        work(json.loads(arguments.worker))
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        request, folder = _request(arguments)
        limit_s = float(request.get("limit_s", ANSWER_LIMIT_S))
        runner = Runner(pairs_of(request, folder), request["plan"], limit_s)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        sys.stderr.write(f"The request cannot be used: {type(error).__name__}: {error}\n")
        return 2
    if arguments.with_parent:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    report = runner.run()
    sys.stdout.write(json.dumps(report) + "\n")
    return 0 if any(result["repeats"] for result in report["results"]) else 1


if __name__ == "__main__":
    sys.exit(main())
