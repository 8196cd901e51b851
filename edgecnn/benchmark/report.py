"""What the verbs come to: `bench`, `compare`, `check` and `list_devices`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from edgecnn.measurements import BenchResult, DeviceFacts, DeviceFailure, DeviceState
    from edgecnn.profiling.operator_record import OperatorProfile

Outcome = Literal["holds", "broken", "undecided"]


@dataclass(frozen=True)
class Comparison:
    """Two files that ran in turns on one device, at the same number of threads.

    Attributes:
        target: the device, as the user named it.
        threads: of one inference.
        a: the first file, as the user named it.
        b: the second one.
        ratio: b's latency over a's; above 1, b is slower.
        low: lower end of the ratio's 95% confidence interval.
        high: its upper end.
        differ: whether the interval leaves 1 out; where it does not, no difference was shown.
        emulated: the times are an emulator's, and so is their ratio.
    """

    target: str
    threads: int
    a: str
    b: str
    ratio: float
    low: float
    high: float
    differ: bool
    emulated: bool


@dataclass(frozen=True)
class BenchReport:
    """All that was measured, and what failed; failures make the exit code 3.

    Attributes:
        results: device by device, file by file, threads by threads.
        failures: devices and files that gave nothing, or not all.
        warnings: what else the user should know, one sentence each.
        comparisons: of each further file with the first one, where several were measured.
        operators: where each file's time goes on this machine, where that was asked.
        targets: the devices that were asked for, in that order.
    """

    results: tuple[BenchResult, ...]
    failures: tuple[DeviceFailure, ...]
    warnings: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    operators: tuple[OperatorProfile, ...] = ()
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class BudgetCheck:
    """One budget held against one file, and where it needs one, one device.

    Attributes:
        budget: "p90", "size", "memory", "snr", "arena", "flash" or "outputs".
        limit: what was asked for: at most (all others), at least (snr).
        found: what was found; None where nothing could be measured.
        unit: of both: "ms", "B" or "dB"; "" for "outputs".
        file: as the user named it.
        target: the device; "" where the budget is the file's alone.
        threads: of one inference; None where the budget does not depend on it.
        outcome: "undecided" where the measurement cannot tell.
        reason: why, one sentence.
        warning: what makes the outcome less than certain; "" for nothing.
    """

    budget: str
    limit: float | None
    found: float | None
    unit: str
    file: str
    target: str
    threads: int | None
    outcome: Outcome
    reason: str
    warning: str = ""


@dataclass(frozen=True)
class CheckReport:
    """What became of every budget, and the measurements behind it."""

    checks: tuple[BudgetCheck, ...]
    results: tuple[BenchResult, ...] = ()
    failures: tuple[DeviceFailure, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether a budget certainly does not hold."""
        return any(check.outcome == "broken" for check in self.checks)

    @property
    def undecided(self) -> bool:
        """Whether a device failed, or a measurement could not tell."""
        return bool(self.failures) or any(check.outcome == "undecided" for check in self.checks)


@dataclass(frozen=True)
class DeviceProbe:
    """A device that was asked what it is, and what it could run now; nothing was measured.

    Attributes:
        target: as the user names it.
        facts: what it says of itself.
        runtime: what `bench` would bring there, or "its own"; "" where nothing fits.
        state: clock, temperature and load; None where that could not be read.
        problem: what keeps `bench` from working there, one sentence; "" for nothing.
        hint: what to do about it.
    """

    target: str
    facts: DeviceFacts
    runtime: str
    state: DeviceState | None
    problem: str = ""
    hint: str = ""


@dataclass(frozen=True)
class DevicesReport:
    """The devices at hand, and those that gave no answer."""

    devices: tuple[DeviceProbe, ...]
    failures: tuple[DeviceFailure, ...] = ()
    notes: tuple[str, ...] = ()
