"""The verb `calibrate_device`: a profile of a real device, from a short measurement."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import held, store
from edgecnn.errors import DeviceError, InputError
from edgecnn.latency import fitted, hardware, probe_nets, profiles, work
from edgecnn.latency.calibration import unit_factors
from edgecnn.latency.files import costs_of_file
from edgecnn.latency.predictor import Machine
from edgecnn.progress import Progress, Silent
from edgecnn.records import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.latency.hardware import Hardware
    from edgecnn.latency.profiles import DeviceProfile
    from edgecnn.measurements import BenchResult, DeviceFacts

_SUFFIX = ".toml"
_PRECISIONS = ("float32", "int8")
_LIMIT_S = 120.0
_CLUSTER_SOURCE = "what the system says of its cores (/proc/cpuinfo, /sys)"


@dataclass(frozen=True)
class ProbeTime:
    """One small network that was measured, and what the profile alone predicted of it.

    Attributes:
        network: its name.
        precision: "float32" or "int8".
        measured_ms: median, one thread.
        predicted_ms: before.
        unit_ms: the same by unit of work, in the order of `work.UNITS`.
    """

    network: str
    precision: str
    measured_ms: float
    predicted_ms: float
    unit_ms: tuple[float, ...] = ()


@dataclass(frozen=True)
class CalibratedDevice:
    """A profile that was written.

    Attributes:
        path: of the profile.
        profile: what is in it.
        probes: what its scale rests on.
        warnings: what the user should know, one sentence each.
    """

    path: str
    profile: DeviceProfile
    probes: tuple[ProbeTime, ...]
    warnings: tuple[str, ...]
    schema: int = SCHEMA


def calibrate_device(
    target: str, *, out: Path | str, progress: Progress | None = None
) -> CalibratedDevice:
    """Measure a device for a minute and write a profile of it, for `predict` and `fit`.

    Its cores and clocks are what it says of itself, its bandwidth is that of one core that copies,
    its scale is by what factor ten small networks take longer than predicted, and its units are by
    what factor each kind of work does.

    Args:
        target: "local", "ssh://[user@]host[:port]" or "adb://SERIAL".
        out: the profile to write, a .toml that is not there yet.
        progress: told of each step.

    Raises:
        InputError: no such target, a core no profile knows, or `out` cannot be written.
        DeviceError: the device cannot be reached, failed, is emulated, or was disturbed.
        MissingPartError: ai-edge-litert is not installed here.
    """
    path, watcher = Path(out), progress or Silent()
    _check_out(path)
    watcher.stage(f"{target}: identifying the device")
    facts, machine = _ask(target)
    plain = _plain_profile(path.stem, facts, machine)
    probes, reasons = _measure(target, plain, watcher)
    scale = scale_of(probes)
    _write(path, as_toml(replace(plain, scale=scale, units=units_of(probes, scale))))
    return CalibratedDevice(
        path=str(path),
        profile=profiles.load(path),
        probes=tuple(probes),
        warnings=(*reasons, *_cautions(machine)),
    )


def _check_out(path: Path) -> None:
    if path.suffix != _SUFFIX:
        raise InputError(
            f"--out {path}: a profile's name ends in {_SUFFIX}.", hint="For example my-board.toml"
        )
    if path.exists():
        raise InputError(
            f"{path} is there already, and may hold what you wrote into it.",
            hint="Choose another name, or move it away.",
        )
    if not path.absolute().parent.is_dir():
        raise InputError(f"The folder of {path} does not exist.", hint="Make it first.")


def _ask(target: str) -> tuple[DeviceFacts, Hardware]:
    from edgecnn import devices

    device = devices.open_device(target)
    try:
        facts = device.facts()
        if facts.emulated:
            raise DeviceError(
                f"{target} is emulated by {facts.emulator}: its timings are not representative.",
                hint="Name a real one.",
            )
        with device.workspace() as workspace:
            done = workspace.run([workspace.python, "-c", hardware.SCRIPT], timeout_s=_LIMIT_S)
        return facts, hardware.parse(target, done.stdout)
    finally:
        device.close()


def _plain_profile(name: str, facts: DeviceFacts, machine: Hardware) -> DeviceProfile:
    today = datetime.now(timezone.utc).date().isoformat()
    return profiles.DeviceProfile(
        name=name,
        title=facts.model,
        soc=facts.cpu,
        clusters=machine.clusters,
        dram_gbps=round(machine.dram_gbps, 2),
        idle_w=None,
        load_w=None,
        sources={"dram_gbps": f"measured {today}: one core copies 32 MiB, read and written"},
    )


def _measure(
    target: str, profile: DeviceProfile, progress: Progress
) -> tuple[list[ProbeTime], list[str]]:
    """Times of the small networks at both precisions, one thread, and what makes them less sure."""
    from edgecnn.benchmark.run import bench

    with held.temporary() as folder:
        paths = {}
        for net in probe_nets.NETS:
            for precision in _PRECISIONS:
                path = folder / f"{net.name}-{precision}.tflite"
                path.write_bytes(probe_nets.tflite_bytes(net, precision))
                paths[str(path)] = (net.name, precision)
        report = bench(list(paths), on=target, results=None, progress=progress)
        if report.failures:
            failure = report.failures[0]
            raise DeviceError(failure.message, hint=failure.hint)
        probes = [
            _probe_time(*paths[result.file], result.latency_ms.p50, Path(result.file), profile)
            for result in report.results
        ]
    return probes, _reasons(target, report.results)


def _probe_time(
    network: str, precision: str, measured_ms: float, file: Path, profile: DeviceProfile
) -> ProbeTime:
    unit_ms = Machine(profile, 1, fitted.load()).unit_ms(costs_of_file(file))
    return ProbeTime(network, precision, measured_ms, sum(unit_ms), tuple(unit_ms))


def _reasons(target: str, results: Sequence[BenchResult]) -> list[str]:
    """Why the measurements are less than trusted.

    Raises:
        DeviceError: some are void.
    """
    void = [result.trust for result in results if result.trust.grade == "void"]
    if void:
        raise DeviceError(
            f"{target}: it was disturbed during the measurement: {void[0].reasons[0]}.",
            hint="Close other programs there, let it cool down, and measure again.",
        )
    return list(dict.fromkeys(reason for result in results for reason in result.trust.reasons))


def scale_of(probes: Sequence[ProbeTime]) -> dict[str, float]:
    """Measured over predicted time by precision: the geometric mean over the networks."""
    logs: dict[str, list[float]] = {}
    for probe in probes:
        logs.setdefault(probe.precision, []).append(
            math.log(probe.measured_ms / probe.predicted_ms)
        )
    means = {precision: sum(ratios) / len(ratios) for precision, ratios in logs.items()}
    return {precision: round(math.exp(mean), 3) for precision, mean in means.items()}


def units_of(probes: Sequence[ProbeTime], scale: dict[str, float]) -> dict[str, dict[str, float]]:
    """What each unit of work differs by beside the scale, by precision."""
    units = {}
    for precision, whole in scale.items():
        own = [probe for probe in probes if probe.precision == precision]
        factors = unit_factors([net.unit_ms for net in own], [net.measured_ms for net in own])
        units[precision] = {
            name: round(factor / whole, 3) for name, factor in zip(work.NAMES, factors, strict=True)
        }
    return units


def as_toml(profile: DeviceProfile) -> str:
    """The profile's text, as `profiles.parse` reads it."""
    lines = [
        "# Written by `edgecnn devices calibrate`. Add idle_w and load_w (watts of the board),",
        '# and [sources] power = "...", to have energy estimated.',
        f"title = {_quoted(profile.title)}",
        f"soc = {_quoted(profile.soc)}",
        f"dram_gbps = {profile.dram_gbps:g}",
    ]
    for cluster in profile.clusters:
        lines += [
            "",
            "[[clusters]]",
            f"core = {_quoted(cluster.core)}",
            f"count = {cluster.count}",
            f"clock_ghz = {cluster.clock_ghz:g}",
            f"l2_kib = {cluster.l2_kib}",
            f"source = {_quoted(_CLUSTER_SOURCE)}",
        ]
    lines += ["", "[sources]"]
    lines += [f"{name} = {_quoted(source)}" for name, source in profile.sources.items()]
    if profile.scale:
        lines += ["", "[scale]", *_numbers(profile.scale)]
    for precision, units in profile.units.items():
        lines += ["", f"[units.{precision}]", *_numbers(units)]
    return "\n".join(lines) + "\n"


def _numbers(values: dict[str, float]) -> list[str]:
    return [f"{name} = {value:g}" for name, value in values.items()]


def _quoted(text: str) -> str:
    """A TOML string; what a device says of itself may hold anything."""
    return json.dumps("".join(c if c.isprintable() else "?" for c in text), ensure_ascii=False)


def _cautions(machine: Hardware) -> list[str]:
    lines = [
        "Several threads were not measured: how they share work is taken from similar devices."
    ]
    if machine.usual_l2:
        lines.append(
            "The system does not tell the level-2 cache's size; the design's usual one stands in."
        )
    return lines


def _write(path: Path, text: str) -> None:
    try:
        store.write_file(path, text.encode())
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
