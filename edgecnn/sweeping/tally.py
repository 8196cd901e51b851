"""How far a sweep is: its points, what of them has ended, and what of that is worth a look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.latency import profiles
from edgecnn.sweeping import journal, keys, points
from edgecnn.sweeping.front import Fronts
from edgecnn.sweeping.records import Impossible, Place, PointRecord, SweepReport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgecnn.sweeping.spec import Spec


@dataclass(frozen=True)
class Survey:
    """A sweep before anything runs.

    Attributes:
        spec: what it is.
        keys: of the points that can be.
        impossible: the others.
        networks: how many networks the points are of.
    """

    spec: Spec
    keys: frozenset[str]
    impossible: tuple[Impossible, ...]
    networks: int

    @property
    def points(self) -> int:
        """How many can be."""
        return len(self.keys)


def take_survey(spec: Spec) -> Survey:
    """Go through all points once.

    Raises:
        InputError: a file that decides a result cannot be read.
        MissingPartError: a package is not installed.
    """
    keyer, point_keys, networks = keys.Keys(spec), set[str](), set[str]()
    impossible = list[Impossible]()
    for planned in points.plan_all(spec):
        if isinstance(planned, Impossible):
            impossible.append(planned)
        else:
            point_keys.add(keyer.point(planned))
            networks.add(keyer.network(planned))
    return Survey(spec, frozenset(point_keys), tuple(impossible), len(networks))


class Tally:
    """What has ended; records come one by one, and few are kept.

    Args:
        survey: records of other sweeps have no part in it.
    """

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self.done = set[str]()
        self.refused: dict[str, PointRecord] = {}
        self.failed: dict[str, PointRecord] = {}
        self.fronts = Fronts(places(survey.spec))
        self.notes: dict[str, int] = {}
        self.seconds = Mean()
        self.disk_bytes = Mean()

    def add(self, record: PointRecord) -> None:
        """A point has ended, now or before; what was tried again counts as it ended last."""
        key = record.key
        if key not in self._survey.keys or key in self.done:
            return
        self.failed.pop(key, None)
        if record.status == "failed":
            self.failed[key] = record
        elif record.status == "refused":
            self.refused[key] = record
        else:
            self.done.add(key)
            self.fronts.add(record)
            self.disk_bytes.add(record.run.disk_bytes)
            for note in record.notes:
                self.notes[note] = self.notes.get(note, 0) + 1
        if not record.run.reused:
            self.seconds.add(record.run.seconds)

    def has(self, key: str) -> bool:
        """Whether a point has come to its end; one that failed is begun again by the next run."""
        return key in self.done or key in self.refused

    def ended(self) -> int:
        """How many have."""
        return len(self.done) + len(self.refused)


class Mean:
    """Of numbers that come one by one."""

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0

    def add(self, value: float) -> None:
        """Another one."""
        self._sum += value
        self._count += 1

    @property
    def value(self) -> float | None:
        """None of no numbers."""
        return self._sum / self._count if self._count else None


def take_tally(survey: Survey, file: Path, warn: Callable[[str], None]) -> Tally:
    """Read what earlier runs ended.

    Raises:
        InputError: the file cannot be read.
    """
    tally = Tally(survey)
    for record in journal.read(file, warn):
        tally.add(record)
    return tally


def places(spec: Spec) -> tuple[Place, ...]:
    """Where a sweep's latencies hold, in the order they were asked for."""
    result = list[Place]()
    if spec.benching is not None:
        result += [Place(on, n, measured=True) for on in spec.benching.on
                  for n in spec.benching.threads]  # fmt: skip
    if spec.predicting is not None:
        names = [profiles.find(device).name for device in spec.predicting.device]
        result += [Place(name, n) for name in names for n in spec.predicting.threads]
    return tuple(result)


def make_report(
    survey: Survey,
    tally: Tally,
    file: Path,
    storage: Path | str,
    earlier: int,
    warnings: Sequence[str],
) -> SweepReport:
    """What the sweep has come to."""
    remaining = survey.points - tally.ended() - len(tally.failed)
    mean_s, mean_bytes = tally.seconds.value, tally.disk_bytes.value
    return SweepReport(
        file=file,
        storage=storage,
        points=survey.points,
        networks=survey.networks,
        done=len(tally.done),
        earlier=earlier,
        left=remaining,
        refused=_in_order(tally.refused),
        failed=_in_order(tally.failed),
        impossible=survey.impossible,
        fronts=tally.fronts.under(survey.spec.budget),
        budget=survey.spec.budget,
        seconds_left=None if mean_s is None else mean_s * remaining,
        bytes_left=None if mean_bytes is None else round(mean_bytes * remaining),
        warnings=tuple(warnings),
        notes=_notes(tally),
        done_keys=frozenset(tally.done),
    )


def _notes(tally: Tally) -> tuple[str, ...]:
    """What was said of points, each sentence once, in an order that no engine changes."""
    return tuple(
        f"{note} ({count} point{'s' if count > 1 else ''})"
        for note, count in sorted(tally.notes.items())
    )


def _in_order(records: dict[str, PointRecord]) -> tuple[PointRecord, ...]:
    """The same whichever ended first."""
    return tuple(records[key] for key in sorted(records))
