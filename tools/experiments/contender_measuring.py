"""What of the contenders is measured: exported, weighed, and run here and on devices."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from measure.measuring import child_environment, edgecnn_command

from edgecnn import manifest
from edgecnn.errors import DeviceError
from edgecnn.evidence.records import Contender, DeviceLatency
from edgecnn.latency import probe_nets
from experiments.contenders import MEASURED_RECIPES, TINY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.evidence.records import Devices
    from edgecnn.measurements import BenchResult
    from experiments.contenders import Entry

LOCAL = "local"
_CALIBRATION_SAMPLES = 32


@dataclass
class Measured:
    """What was measured so far.

    Attributes:
        contenders: by label and recipe.
        latencies: on devices other than this machine.
        runtime_bytes: peaks of the process with the tiny network.
    """

    contenders: dict[tuple[str, str], Contender] = field(default_factory=dict)
    latencies: list[DeviceLatency] = field(default_factory=list)
    runtime_bytes: list[int] = field(default_factory=list)


def measure(
    entry: Entry, predicted: dict[str, Contender], targets: Sequence[str], measured: Measured
) -> None:
    """Export an entry, and run it here and on the devices that were named."""
    import edgecnn

    with TemporaryDirectory() as folder:
        paths = {str(_export(entry, Path(folder)) / recipe / "model.tflite"): recipe
                 for recipe in MEASURED_RECIPES}  # fmt: skip
        tiny = Path(folder) / "tiny.tflite"
        tiny.write_bytes(probe_nets.tflite_bytes(TINY, "float32"))
        report = edgecnn.bench([*paths, tiny], on=targets, threads=1, results=None)
        if report.failures:
            raise DeviceError(f"{entry.label}: {report.failures[0].message}")
        here = {result.file: result for result in report.results if result.target == LOCAL}
        runtime = here[str(tiny)].peak_rss_bytes
        measured.runtime_bytes.append(runtime)
        for path, recipe in paths.items():
            contender = _weighed(predicted[recipe], Path(path), here[path], runtime)
            measured.contenders[entry.label, recipe] = contender
    for result in report.results:
        _tell(entry, result)
        if result.target != LOCAL and result.file in paths and result.trust.grade != "void":
            measured.latencies.append(_on_device(entry, paths[result.file], result))


def _export(entry: Entry, folder: Path) -> Path:
    out = folder / "out"
    if out.exists():
        return out
    flags = [f"--{recipe}" for recipe in MEASURED_RECIPES]
    flags += ["--format", "tflite", "--calibration-samples", str(_CALIBRATION_SAMPLES)]
    command = edgecnn_command(
        *("export", entry.model, *entry.export_flags(), *flags, "--out", str(out), "--quiet")
    )
    done = subprocess.run(
        command, env=child_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"export of {entry.label} failed:\n{done.stderr[-3000:]}")
    return out


def _weighed(predicted: Contender, path: Path, result: BenchResult, runtime: int) -> Contender:
    (file,) = manifest.load(path.with_name(manifest.NAME)).files
    return replace(
        predicted,
        size_bytes=file.bytes,
        size_provenance="measured",
        memory_bytes=max(1, result.peak_rss_bytes - runtime),
        memory_provenance="measured",
        local_latency_ms=None if result.trust.grade == "void" else result.latency_ms.p50,
        file_sha256=file.sha256,
        delegate_partitions=file.graph.delegate_partitions,
    )


def _on_device(entry: Entry, recipe: str, result: BenchResult) -> DeviceLatency:
    return DeviceLatency(
        label=entry.label,
        recipe=recipe,
        device=result.target,
        threads=result.threads,
        latency_ms=result.latency_ms.p50,
        low_ms=min(result.repeat_p50_ms),
        high_ms=max(result.repeat_p50_ms),
        interval=None,
        power_w=None,
        energy_mj=None,
        basis="measured",
        provenance="emulated" if result.emulated else "measured",
    )


def _tell(entry: Entry, result: BenchResult) -> None:
    doubts = "" if result.trust.grade == "trusted" else f"  ({'; '.join(result.trust.reasons)})"
    name = Path(result.file).parent.name if result.model else "tiny network"
    print(f"  {entry.label} {name}: {result.latency_ms.p50:.2f} ms{doubts}", flush=True)


def earlier(record: Devices | None) -> Measured:
    """What an earlier record measured."""
    if record is None:
        return Measured()
    return Measured(
        {
            (contender.label, contender.recipe): contender
            for contender in record.contenders
            if contender.size_provenance == "measured"
        },
        [latency for latency in record.latencies if latency.provenance != "predicted"],
        [] if record.runtime_bytes is None else [record.runtime_bytes],
    )
