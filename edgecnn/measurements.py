"""The frozen records of measuring: what a device is, what was asked of it, and what came back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edgecnn.records import SCHEMA

Grade = Literal["trusted", "warned", "void"]
Provenance = Literal["measured", "emulated"]


@dataclass(frozen=True)
class DeviceFacts:
    """What a device says of itself, before anything is brought there.

    Attributes:
        model: "Raspberry Pi 4 Model B Rev 1.1", a phone's model, or the CPU's name.
        machine: as `uname -m` says: "aarch64", "armv7l", "x86_64".
        userland_bits: 32 or 64; a 32-bit system may run on a 64-bit kernel.
        system: the name of the operating system ("Debian GNU/Linux 12 (bookworm)").
        kernel: the kernel's release.
        libc: "glibc 2.36", "bionic", "musl 1.2", or "" when not known.
        cpu: the cores' name ("Cortex-A72"), or "" when not known.
        cores: cores that are online.
        memory_bytes: all memory.
        python: version of the device's Python 3, "" when it has none.
        emulator: what imitates the device ("qemu-user"), "" for a real one.
    """

    model: str
    machine: str
    userland_bits: int
    system: str
    kernel: str
    libc: str
    cpu: str
    cores: int
    memory_bytes: int
    python: str
    emulator: str = ""

    @property
    def emulated(self) -> bool:
        """Whether its times say nothing about the device it imitates."""
        return bool(self.emulator)


@dataclass(frozen=True)
class DeviceState:
    """What decides a device's speed at one moment; None is what the system does not tell.

    Attributes:
        clock_mhz: the current clock of the fastest core that measures, MHz.
        max_clock_mhz: the highest clock that core allows.
        governor: the frequency governor.
        temperature_c: the CPU's, degrees Celsius.
        throttled: bits of `vcgencmd get_throttled` (Raspberry Pi); 0 is none.
        load_average: over one minute.
        free_memory_bytes: memory that a new program can have.
        busy_share: CPU time that other processes took while measuring, as a share of all
            cores (0..1); only in the state after.
    """

    clock_mhz: float | None = None
    max_clock_mhz: float | None = None
    governor: str | None = None
    temperature_c: float | None = None
    throttled: int | None = None
    load_average: float | None = None
    free_memory_bytes: int | None = None
    busy_share: float | None = None


@dataclass(frozen=True)
class BenchPlan:
    """How long to measure.

    Attributes:
        name: "quick", "publish" or "sustained".
        warmup_s: running time before the first sample that counts, seconds.
        min_runs: samples at least, in each repeat.
        min_s: seconds of samples at least, in each repeat.
        repeats: how often the whole measurement is repeated.
        agree_within: repeats whose medians differ by more than this share void the result.
        interval_s: length of one entry of `BenchResult.timeline`, seconds; None: no timeline.
    """

    name: str
    warmup_s: float
    min_runs: int
    min_s: float
    repeats: int = 1
    agree_within: float | None = None
    interval_s: float | None = None


@dataclass(frozen=True)
class Latency:
    """Percentiles of all samples, milliseconds; p90 is the headline (MLPerf's single stream)."""

    min: float
    mean: float
    p50: float
    p90: float
    p99: float


@dataclass(frozen=True)
class Trust:
    """Whether a measurement may be believed, and why not."""

    grade: Grade
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Interval:
    """One stretch of a sustained measurement.

    Attributes:
        start_s: seconds since the first sample.
        runs: samples in it.
        p50_ms: their median, milliseconds.
        p90_ms: their 90th percentile, milliseconds.
        state: of the device at its end.
    """

    start_s: float
    runs: int
    p50_ms: float
    p90_ms: float
    state: DeviceState


@dataclass(frozen=True)
class BenchResult:
    """One file at one number of threads on one device.

    Attributes:
        target: as the user named the device: "local", "ssh://pi@host", "adb://SERIAL".
        device: what it is.
        file: the file's path as the user named it, or within the artifact.
        file_sha256: of its bytes.
        model: the network's name, from the manifest; "" for a file without one.
        recipe: likewise.
        runtime: "ai-edge-litert 2.3.0", "tflite-runtime 2.14.0", "onnxruntime 1.31.1", ...
        threads: of one inference.
        plan: how long was measured.
        load_ms: from the file to a network that can run, milliseconds.
        first_ms: the first inference, milliseconds.
        latency_ms: percentiles of all samples.
        samples_ms: all of them, in order, repeats one after the other; of the shortest networks
            every n-th, see `samples_every`.
        repeat_p50_ms: each repeat's median.
        peak_rss_bytes: of the process that ran this file alone, all libraries included.
        output_sha256: of the outputs for the inputs that were fed (see `inputs`); "" when the
            runtime does not give them.
        outputs_match: whether they are the outputs this machine computes; None: not compared.
        inputs: "reference" (the artifact's own) or "seeded" (random, the same everywhere).
        before: the device's state before the first sample.
        after: the state after the last one.
        timeline: a sustained plan's intervals.
        trust: may it be believed.
        emulated: the times are those of an emulator and say nothing of the device.
        measured_at: UTC, ISO 8601.
        latency_at_most: figures of `latency_ms` that are upper bounds: a runtime that keeps no
            samples and prints its 95th percentile says of the 90th only that it is not above.
        samples_every: n where every n-th sample was kept; 1: all of them.
        macs: of one inference, from the manifest, which tells networks of one name apart; None
            without one.
    """

    target: str
    device: DeviceFacts
    file: str
    file_sha256: str
    model: str
    recipe: str
    runtime: str
    threads: int
    plan: str
    load_ms: float
    first_ms: float
    latency_ms: Latency
    samples_ms: tuple[float, ...]
    repeat_p50_ms: tuple[float, ...]
    peak_rss_bytes: int
    output_sha256: str
    outputs_match: bool | None
    inputs: str
    before: DeviceState
    after: DeviceState
    timeline: tuple[Interval, ...]
    trust: Trust
    emulated: bool
    measured_at: str
    edgecnn: str
    samples_every: int = 1
    latency_at_most: tuple[str, ...] = ()
    macs: int | None = None
    schema: int = field(default=SCHEMA)


@dataclass(frozen=True)
class DeviceFailure:
    """A device that gave no result (or not all): what failed there, and what to do."""

    target: str
    message: str
    hint: str
    file: str = ""
