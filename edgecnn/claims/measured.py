"""Results of `bench` on real devices, beside the predictions whose place they take."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.evidence.files import Measurement
from edgecnn.evidence.records import DeviceLatency
from edgecnn.evidence.words import Source
from edgecnn.latency import profiles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgecnn.evidence.files import Evidence
    from edgecnn.evidence.records import Contender, Devices
    from edgecnn.measurements import BenchResult


def with_measurements(evidence: Evidence, results: Path | None) -> Evidence:
    """The evidence with all results that were measured on a real device of a contender's file.

    Args:
        evidence: with the contenders.
        results: results.jsonl; None: there is none.

    Raises:
        InputError: the file cannot be read.
    """
    if results is None or evidence.devices is None:
        return evidence
    from edgecnn.evidence import results as kept

    found, _ = kept.read(results)  # a killed run's half line is no reason to have no verdict
    measurements = tuple(
        measurement
        for number, result in enumerate(found, start=1)
        for measurement in _measurements(result, evidence.devices, results.name, number)
    )
    return replace(evidence, measurements=measurements)


def _measurements(
    result: BenchResult, record: Devices, file: str, number: int
) -> Iterator[Measurement]:
    device = profiles.of_device(result.device.model)
    if result.emulated or result.trust.grade == "void" or device is None:
        return
    for each in record.contenders:
        if each.file_sha256 and each.file_sha256 == result.file_sha256:
            source = Source(file, f"#{number}", result.measured_at[:10], result.device.model)
            yield Measurement(_latency(result, each, record, device), source)


def _latency(
    result: BenchResult, contender: Contender, record: Devices, device: str
) -> DeviceLatency:
    """The median, between the fastest and the slowest repeat; watts as the record has them."""
    repeats = (*result.repeat_p50_ms, result.latency_ms.p50)
    power_w = next(
        (
            each.power_w
            for each in record.latencies
            if (each.device, each.threads) == (device, result.threads)
        ),
        None,
    )
    return DeviceLatency(
        label=contender.label,
        recipe=contender.recipe,
        device=device,
        threads=result.threads,
        latency_ms=result.latency_ms.p50,
        low_ms=min(repeats),
        high_ms=max(repeats),
        interval=None,
        power_w=power_w,
        energy_mj=None if power_w is None else power_w * result.latency_ms.p50,
        basis="measured",
        provenance="measured",
    )
