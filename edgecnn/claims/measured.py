"""Results of `bench` on real devices, beside the predictions whose place they take."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.claims.standings import is_askable
from edgecnn.evidence.files import LeftOut, Measurement
from edgecnn.evidence.records import DeviceLatency
from edgecnn.evidence.words import Source
from edgecnn.latency import device_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgecnn.evidence.files import Evidence
    from edgecnn.evidence.records import Contender, Devices
    from edgecnn.measurements import BenchResult

_FORMAT = ".tflite"


def with_measurements(evidence: Evidence, results: Path | None) -> Evidence:
    """The evidence with all results that `bench` has of a contender's network.

    Those of a Raspberry Pi or a phone may decide; the others are kept with the reason why not.
    Results of other networks are none of the evidence's.

    Args:
        evidence: with the contenders.
        results: results.jsonl; None: there is none.

    Raises:
        InputError: the file cannot be read.
    """
    if results is None or evidence.devices is None:
        return evidence
    from edgecnn.evidence.results import read

    benches, _ = read(results)  # a killed run's half line is no reason to have no verdict
    placed = [
        place
        for number, result in enumerate(benches, start=1)
        for place in _places(result, evidence.devices, results.name, number)
    ]
    return replace(
        evidence,
        measurements=tuple(place for place in placed if isinstance(place, Measurement)),
        left_out=tuple(place for place in placed if isinstance(place, LeftOut)),
    )


def _places(
    result: BenchResult, record: Devices, file: str, number: int
) -> Iterator[Measurement | LeftOut]:
    source = Source(file, f"#{number}", result.measured_at[:10], result.device.model)
    device = device_names.of_device(result.device.model)
    contenders = [net for net in record.contenders if _is_of(result, net)]
    namesakes = [net for net in record.contenders if _bears_name(result, net)]
    why = _why_not(result, device) if contenders else _why_unknown(result)
    if device is not None and not why:
        for net in contenders:
            yield Measurement(_latency(result, net, record, device), source)
    elif contenders or namesakes:
        what = f"{(contenders or namesakes)[0].label if contenders else result.model}"
        what = f"{what} {result.recipe}".strip()
        name, median_ms = result.device.model, result.latency_ms.p50
        yield LeftOut(what, name, result.threads, median_ms, why, source)


def _is_of(result: BenchResult, contender: Contender) -> bool:
    """Whether the file is the contender's: the same bytes, or as many multiplications by name.

    Weights decide no time, and the bytes change with each version of edgecnn.
    """
    if contender.file_sha256 and contender.file_sha256 == result.file_sha256:
        return True
    alike = _bears_name(result, contender) and result.macs == contender.macs
    return alike and result.file.endswith(_FORMAT)


def _bears_name(result: BenchResult, contender: Contender) -> bool:
    return (result.model, result.recipe) == (contender.model, contender.recipe)


def _why_unknown(result: BenchResult) -> str:
    if not result.file.endswith(_FORMAT):
        return f"no {_FORMAT} file, which is what the predictions are of"
    if result.macs is None:
        return "no number of multiplications, so which network it is of is not known; measure again"
    return "another network of that name"


def _why_not(result: BenchResult, device: str | None) -> str:
    """Why a contender's result decides nothing; "" where it may."""
    if result.emulated:
        return "an emulator's time"
    if result.trust.grade == "void":
        return f"void: {'; '.join(result.trust.reasons)}"
    if device is None:
        return "no device profile has that name"
    return "" if is_askable(device) else "neither a Raspberry Pi nor a phone"


def _latency(
    result: BenchResult, contender: Contender, record: Devices, device: str
) -> DeviceLatency:
    """The median, between the fastest and the slowest repeat; watts as the record has them."""
    repeats = (*result.repeat_p50_ms, result.latency_ms.p50)
    power_w = next(
        (
            latency.power_w
            for latency in record.latencies
            if (latency.device, latency.threads) == (device, result.threads)
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
