"""Contenders on devices against budgets: what the low-power verdict is computed from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from edgecnn.claims.sources import listed, where
from edgecnn.latency.device_names import kind, short_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edgecnn.evidence.files import Evidence
    from edgecnn.evidence.records import Contender, DeviceLatency, Devices, Fitted
    from edgecnn.evidence.words import Source

Grade = Literal["meets", "likely", "unlikely", "misses"]

FRAME_MS = {10: 100.0, 1: 1000.0}
"""Frames a second that are asked for, and the latency each leaves: the issue's two budgets."""
MEMORY_BYTES = 64_000_000
POWER_W = 5.0
_PIS = ("raspberry-pi-zero-2w", "raspberry-pi-3b-plus", "raspberry-pi-4b", "raspberry-pi-5")
"""The four that are predicted, from the smallest; of other Pis measurements count alone."""
_NAMED = 3
PREDICTOR = "predicted, run on no machine"
"""In the place of the machine of a number's source."""
_GIVEN = ("ssh://", "adb://")
"""A target that somebody measured and that is no profile: a device that was given."""


@dataclass(frozen=True)
class Row:
    """One latency, and the file and entry it comes from."""

    latency: DeviceLatency
    source: Source

    @property
    def frames(self) -> float:
        """Frames a second."""
        return 1000 / self.latency.latency_ms

    def within_power(self) -> bool:
        """Whether the device draws no more than the budget; one that is not known may."""
        watts = self.latency.power_w
        return watts is None or watts <= POWER_W


def grade(row: DeviceLatency | Fitted, budget_ms: float) -> Grade:
    """Where the interval lies: wholly within the budget, its middle, its low end, or nothing."""
    if row.high_ms <= budget_ms:
        return "meets"
    if row.latency_ms <= budget_ms:
        return "likely"
    return "unlikely" if row.low_ms <= budget_ms else "misses"


def reaches(row: DeviceLatency | Fitted, budget_ms: float) -> bool:
    """Whether the budget is met, or likely is."""
    return grade(row, budget_ms) in {"meets", "likely"}


def low_power(device: str) -> bool:
    """Whether a device is one of the question's: four Raspberry Pis, phones, or one at hand."""
    return device in _PIS or is_phone(device) or device.startswith(_GIVEN)


def is_askable(device: str) -> bool:
    """Whether a measurement of a device may decide: of any Raspberry Pi, phone, or one at hand."""
    return low_power(device) or kind(device) == "raspberry-pi"


def order(device: str) -> tuple[bool, int, str]:
    """Where a device stands in a row: Raspberry Pis from the smallest, others, then phones."""
    place = _PIS.index(device) if device in _PIS else len(_PIS)
    return is_phone(device), place, device


def is_phone(device: str) -> bool:
    """Whether it is a phone's profile."""
    return kind(device) == "phone"


def devices_text(devices: Sequence[str], of: Sequence[str]) -> str:
    """Devices in a sentence; phones by their number where they are many.

    >>> devices_text(["raspberry-pi-5", "pixel-4"], ["raspberry-pi-5", "pixel-3", "pixel-4"])
    'Pi 5 and 1 of 2 phones (Pixel 4)'
    """
    phones, all_phones = [list(filter(is_phone, group)) for group in (devices, of)]
    parts = [short_name(device) for device in devices if not is_phone(device)]
    if phones and len(phones) == len(all_phones):
        parts.append(f"all {len(phones)} phones" if len(phones) > 1 else short_name(phones[0]))
    elif phones:
        names = f" ({', '.join(map(short_name, phones))})" if len(phones) <= _NAMED else ""
        parts.append(f"{len(phones)} of {len(all_phones)} phones{names}")
    return listed(parts)


def rows(evidence: Evidence) -> tuple[Row, ...]:
    """The latencies that may decide, on low-power devices alone.

    An emulator's milliseconds are left out; a measurement takes the place of the prediction for
    the same contender, recipe, device and number of threads, and the latest that of earlier ones.
    """
    by_key: dict[tuple[str, str, str, int], Row] = {}
    for row in (*_recorded(evidence), *(Row(m.latency, m.source) for m in evidence.measurements)):
        latency = row.latency
        test = is_askable if latency.provenance == "measured" else low_power
        if latency.provenance == "emulated" or not test(latency.device):
            continue
        key = latency.label, latency.recipe, latency.device, latency.threads
        if latency.provenance == "measured" or not _measured(by_key.get(key)):
            by_key[key] = row
    return tuple(by_key.values())


def _recorded(evidence: Evidence) -> Iterator[Row]:
    if (record := evidence.devices) is not None:
        for index, latency in enumerate(record.latencies):
            entry, predicted = f"latencies[{index}]", latency.provenance == "predicted"
            source = of_predictor(record, entry) if predicted else where(record.header, entry)
            yield Row(latency, source)


def of_predictor(record: Devices, entry: str) -> Source:
    """Where a prediction stands: of its own date, and run on no machine."""
    date = record.predicted_on or record.header.date
    return replace(where(record.header, entry), date=date[:10], machine=PREDICTOR)


def _measured(row: Row | None) -> bool:
    return row is not None and row.latency.provenance == "measured"


def of_contender(candidates: Iterable[Row], contender: Contender) -> Iterator[Row]:
    """The rows of one contender under its recipe."""
    key = contender.label, contender.recipe
    return (row for row in candidates if (row.latency.label, row.latency.recipe) == key)


def fastest(candidates: Iterable[Row]) -> Row | None:
    """The row of the lowest latency."""
    return min(candidates, key=lambda row: row.latency.latency_ms, default=None)


def xceptions(record: Devices) -> list[Contender]:
    """Full xception with separable convolutions, under each of its recipes."""
    return _largest(net for net in record.contenders if _xception(net, "separable"))


def twins(record: Devices) -> list[Contender]:
    """Xception of the same widths with normal convolutions, under each of its recipes."""
    return _largest(net for net in record.contenders if _xception(net, "normal"))


def _xception(net: Contender, convolution: str) -> bool:
    return net.model == "xception" and (net.convolution or "separable") == convolution


def _largest(contenders: Iterable[Contender]) -> list[Contender]:
    """Those of the most multiplications: narrower ones are other contenders."""
    group = list(contenders)
    most = max((net.macs for net in group), default=0)
    return [net for net in group if net.macs == most]
