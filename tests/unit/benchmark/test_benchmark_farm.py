"""Several devices in one bench: who is at work when, and the order of what comes of it."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import sample_benches

from edgecnn.benchmark import plans, run
from edgecnn.benchmark.gathering import Gathered
from edgecnn.benchmark.report import BenchReport
from edgecnn.benchmark.session import Job
from edgecnn.errors import DeviceError
from edgecnn.progress import Silent
from edgecnn.reporting import farm

if TYPE_CHECKING:
    from edgecnn.benchmark.files import BenchFile
    from edgecnn.devices.device import Device
    from edgecnn.measurements import DeviceFacts

_PATIENCE_S = 60.0
TARGETS = ("ssh://a", "local", "ssh://b")
FILES = (cast("BenchFile", SimpleNamespace(name=sample_benches.TRUSTED.file)),)


class _Arrivals(Silent):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def tell(self, message: str) -> None:
        """Keep it."""
        self.told.append(message)


class _Failing:
    """A device that is asked what it is, meets the others, and fails."""

    def __init__(self, target: str, meeting: threading.Barrier, events: list[str]) -> None:
        self.target, self._meeting, self._events = target, meeting, events

    def facts(self) -> DeviceFacts:
        self._events.append(f"begin {self.target}")
        if self.target != "local":
            self._meeting.wait()
        self._events.append(f"end {self.target}")
        raise DeviceError(f"{self.target}: it is broken.")

    def close(self) -> None:
        """Nothing to end."""


def test_this_machine_is_measured_alone_and_the_others_at_the_same_time() -> None:
    events: list[str] = []
    meeting = threading.Barrier(2, timeout=_PATIENCE_S)
    devices = [cast("Device", _Failing(target, meeting, events)) for target in TARGETS]
    job = Job(FILES, (1,), plans.plan("quick"), keep=False)
    arrivals = _Arrivals()
    gathered = Gathered(None, arrivals, TARGETS)
    run._measure_all(devices, job, job, gathered, None)  # noqa: SLF001 - what `measure` ends in
    assert events[:2] == ["begin local", "end local"]
    assert {each.split()[0] for each in events[2:4]} == {"begin"}
    assert [each.target for each in gathered.report(FILES).failures] == list(TARGETS)
    assert arrivals.told[0] == "local: it is broken."
    assert sorted(arrivals.told[1:]) == ["ssh://a: it is broken.", "ssh://b: it is broken."]


def test_what_arrives_in_any_order_is_reported_in_the_order_asked() -> None:
    arrivals = _Arrivals()
    gathered = Gathered(None, arrivals, TARGETS)
    for target in ("ssh://b", "local"):
        gathered.take([sample_benches.result(target=target)], [])
    gathered.fail("ssh://a", DeviceError("Its runtime does not fit."))
    report = gathered.report(FILES)
    assert [each.target for each in report.results] == ["local", "ssh://b"]
    assert arrivals.told == [
        "ssh://b: artifacts/xception/int8/model.tflite, 4 threads: p90 38.1 ms, valid",
        "local: artifacts/xception/int8/model.tflite, 4 threads: p90 38.1 ms, valid",
        "ssh://a: Its runtime does not fit.",
    ]
    rows = farm.bench_table(report, {}).rows
    assert [row[0] for row in rows] == list(TARGETS)
    assert [row[-1] for row in rows] == ["failed", "valid", "valid"]


def test_an_emulators_time_is_neither_told_nor_in_the_table() -> None:
    emulated = sample_benches.EMULATED
    arrivals = _Arrivals()
    gathered = Gathered(None, arrivals, (emulated.target, "ssh://b"))
    gathered.take([emulated], [])
    (told,) = arrivals.told
    assert told.endswith("4 threads: emulated, suspect")
    assert "38" not in " ".join(farm.bench_table(gathered.report(FILES), {}).rows[0][4:])


def test_of_one_device_alone_nothing_is_told_before_its_table() -> None:
    arrivals = _Arrivals()
    gathered = Gathered(None, arrivals, ("local",))
    gathered.take([sample_benches.result(target="local")], [])
    assert arrivals.told == []
    assert isinstance(gathered.report(FILES), BenchReport)
