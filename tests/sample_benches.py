"""Results as `bench` returns them, made by hand for tests of keeping and printing."""

from __future__ import annotations

import dataclasses
from typing import Any

from edgecnn.benchmark.report import BenchReport, Comparison
from edgecnn.measurements import (
    BenchResult,
    DeviceFacts,
    DeviceFailure,
    DeviceState,
    Latency,
    Trust,
)

PI = DeviceFacts(
    model="Raspberry Pi 4 Model B Rev 1.1", machine="aarch64", userland_bits=64,
    system="Debian GNU/Linux 12 (bookworm)", kernel="6.6.20", libc="glibc 2.36", cpu="Cortex-A72",
    cores=4, memory_bytes=3_982_000_000, python="3.11.2",
)  # fmt: skip
EMULATED_PI = dataclasses.replace(PI, emulator="qemu-user")
STATE = DeviceState(
    clock_mhz=1800.0, max_clock_mhz=1800.0, governor="performance", temperature_c=51.2,
    throttled=0, load_average=0.12, free_memory_bytes=3_100_000_000,
)  # fmt: skip
SAMPLES = tuple(38.0 + 0.01 * (i % 10) for i in range(100))
TRUSTED = BenchResult(
    target="ssh://pi@raspberrypi.local", device=PI, file="artifacts/xception/int8/model.tflite",
    file_sha256="ab" * 32, model="xception", recipe="int8", runtime="ai-edge-litert 2.3.0",
    threads=4, plan="quick", load_ms=61.5, first_ms=55.25,
    latency_ms=Latency(min=38.0, mean=38.045, p50=38.05, p90=38.09, p99=38.09),
    samples_ms=SAMPLES, repeat_p50_ms=(38.05,), peak_rss_bytes=71_000_000,
    output_sha256="cd" * 32, outputs_match=True, inputs="reference", before=STATE, after=STATE,
    timeline=(), trust=Trust("trusted"), emulated=False,
    measured_at="2025-01-02T03:04:05+00:00", edgecnn="0.1.0",
)  # fmt: skip
EMULATED = dataclasses.replace(
    TRUSTED,
    target="ssh://pi@localhost:2222",
    device=EMULATED_PI,
    trust=Trust("warned", ("the times are an emulator's",)),
    emulated=True,
)
FAILURE = DeviceFailure("adb://R58M123", "adb://R58M123 is not attached.", "Run `adb devices`.")


def result(**changes: Any) -> BenchResult:  # noqa: ANN401 - any field
    """A trusted result of a Raspberry Pi 4, with other values in some fields."""
    return dataclasses.replace(TRUSTED, **changes)


def comparison(**changes: Any) -> Comparison:  # noqa: ANN401 - any field
    """Float32 against int8 on the Pi, with other values in some fields."""
    made = Comparison(
        target=TRUSTED.target, threads=4, a="int8/model.tflite", b="float32/model.tflite",
        ratio=2.41, low=2.38, high=2.45, differ=True, emulated=False,
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def report(*results: BenchResult, **changes: Any) -> BenchReport:  # noqa: ANN401 - any field
    """A report of these results, or of the trusted one."""
    made = BenchReport(results=results or (TRUSTED,), failures=())
    return dataclasses.replace(made, **changes)
