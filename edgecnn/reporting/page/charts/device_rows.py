"""The record of devices as rows: each latency beside what its network is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.page import words
from edgecnn.reporting.page.figure import Column, Gap, distinct

if TYPE_CHECKING:
    from edgecnn.evidence.files import Evidence
    from edgecnn.evidence.records import Contender, DeviceLatency
    from edgecnn.reporting.page.figure import Row

DEVICE = ("raspberry-pi-4b",)
THREADS = ("4", "2")
RECIPE = ("int8", "float32")
NETWORK = ("xception", "Xception", "Keras Xception")
COMMANDS = ("python tools/experiment_devices.py",)

NAME = Column("label", "network", words.plain)
RECIPE_COLUMN = Column("recipe", "recipe", words.plain)
DEVICE_COLUMN = Column("device", "device", words.plain)
THREADS_COLUMN = Column("threads", "threads", words.plain, number=True)
LATENCY = Column("latency_ms", "latency", words.milliseconds, number=True)
LOW = Column("low_ms", "from", words.milliseconds, number=True)
HIGH = Column("high_ms", "to", words.milliseconds, number=True)
INTERVAL = Column("interval", "rate of the interval", words.percent, number=True)
BASIS = Column("basis", "basis", words.plain)
PROVENANCE = Column("provenance", "provenance", words.plain)


def rows(evidence: Evidence) -> tuple[Row, ...]:
    """One row a latency, in the order of the record; none where there is none."""
    contenders = () if evidence.devices is None else evidence.devices.contenders
    known = {(contender.label, contender.recipe): contender for contender in contenders}
    return tuple(
        _row(latency, known.get((latency.label, latency.recipe))) for latency in evidence.latencies
    )


def _row(latency: DeviceLatency, contender: Contender | None) -> Row:
    return {
        "label": latency.label,
        "recipe": latency.recipe,
        "device": latency.device,
        "threads": latency.threads,
        "latency_ms": latency.latency_ms,
        "low_ms": latency.low_ms,
        "high_ms": latency.high_ms,
        "interval": latency.interval,
        "power_w": latency.power_w,
        "energy_mj": latency.energy_mj,
        "basis": latency.basis,
        "provenance": latency.provenance,
        "accuracy": contender.published_top1 if contender else None,
        "parameters": contender.parameters if contender else None,
        "macs": contender.macs if contender else None,
    }


def subject(rows: tuple[Row, ...]) -> str:
    """The network the report is about: xception where it is there, else the first."""
    labels = distinct(rows, "label")
    return next((label for label in NETWORK if label in labels), labels[0] if labels else "")


def gap(identifier: str, title: str, wants: str) -> Gap:
    """What stands in for a figure while there is no record of devices."""
    return Gap(identifier, title, wants, COMMANDS)
