"""The verb `sweep`: from SPEC.toml to a line for each point, and the front."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.caching import cache_folder
from edgecnn.engines import on_ray
from edgecnn.engines.local import LocalEngine, cores, free_bytes
from edgecnn.engines.tasks import Outcome, Task
from edgecnn.errors import EdgeCnnError, InputError
from edgecnn.progress import Progress, Recorder, Silent
from edgecnn.sweeping import journal, keys, offered, points, storage
from edgecnn.sweeping.meter import Meter
from edgecnn.sweeping.records import Budget, Impossible, PointRecord, Run, SweepReport
from edgecnn.sweeping.sharing import Shared
from edgecnn.sweeping.spec import from_tables
from edgecnn.sweeping.spec import read as read_spec
from edgecnn.sweeping.tally import Survey, Tally, make_report, places, take_survey, take_tally
from edgecnn.sweeping.work import Work

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from edgecnn.engines.tasks import Engine
    from edgecnn.sweeping.spec import Spec

_PERFORM = "edgecnn.sweeping.work:perform"
NAME = "sweep.jsonl"


class StoppedError(KeyboardInterrupt):
    """The user has interrupted: what is done is kept. The message says how far it came."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """Everything but the axes.

    Attributes:
        out: folder of sweep.jsonl; None for artifacts/sweeps/<the spec's name>.
        storage: where artifacts and trained weights are kept, by their content: a folder that all
            workers see, or an address that fsspec knows. None for `storage` in `out`.
        jobs: points at a time, on this machine; None for as many as there are cores, and as fit
            into the memory that is free.
        threads: that each point computes with.
        ray: None for this machine's processes; "local", "auto" or the address of a Ray cluster.
        limit: do at most so many points now.
        dry_run: do none.
        latency_ms: in place of the spec's budget.
        size_bytes: likewise.
        max_drop: likewise.
    """

    out: Path | str | None = None
    storage: Path | str | None = None
    jobs: int | None = None
    threads: int = 1
    ray: str | None = None
    limit: int | None = None
    dry_run: bool = False
    latency_ms: float | None = None
    size_bytes: int | None = None
    max_drop: float | None = None


def sweep(
    source: Path | str | Mapping[str, Any],
    *,
    progress: Progress | None = None,
    **options: Any,  # noqa: ANN401 - the fields of SweepOptions
) -> SweepReport:
    """Make, evaluate, predict and measure every point of a sweep that is not yet done.

    Args:
        source: path of a SPEC.toml, or its tables as dictionaries; see `edgecnn.sweeping.spec`.
        progress: told of points that ended, and of the time that is left.
        **options: the fields of `SweepOptions`.

    Returns:
        What is done, what could not be, and for each place the Pareto front of accuracy, latency
        and size with the point to take. The records are the lines of the report's file.

    Raises:
        InputError: the spec says what cannot be, or the files cannot be written.
        MissingPartError: a package is not installed.
        StoppedError: the user interrupted; it is a KeyboardInterrupt.
    """
    chosen = SweepOptions(**options)
    spec, name = _spec(source)
    spec = replace(spec, budget=_budget(chosen, spec))
    _check(chosen, spec)
    watcher = progress or Silent()
    reading = Recorder(watcher)
    out = Path("artifacts", "sweeps", name) if chosen.out is None else Path(chosen.out)
    file = out / NAME
    where = _storage(chosen, file)
    survey = take_survey(spec)
    if chosen.dry_run:
        tally = take_tally(survey, file, reading.warn)
        return make_report(survey, tally, file, where, tally.ended(), reading.warnings)
    with journal.opened(file) as book:
        tally = take_tally(survey, file, reading.warn)
        earlier = tally.ended()
        _carry_out(survey, tally, book, chosen, where, watcher)
    return make_report(survey, tally, file, where, earlier, reading.warnings)


def _spec(source: Path | str | Mapping[str, Any]) -> tuple[Spec, str]:
    if isinstance(source, str | Path):
        return read_spec(Path(source)), Path(source).stem
    return from_tables(source), "sweep"


def _storage(options: SweepOptions, file: Path) -> Path | str:
    """The folder, or the address."""
    if options.storage is None:
        return file.parent / "storage"
    return options.storage if storage.is_address(options.storage) else Path(options.storage)


def _budget(options: SweepOptions, spec: Spec) -> Budget:
    """The spec's, and what was said beside it."""
    overrides = {field.name: getattr(options, field.name) for field in fields(Budget)}
    return replace(spec.budget, **{name: v for name, v in overrides.items() if v is not None})


def _check(options: SweepOptions, spec: Spec) -> None:
    """Hold that the options make sense together."""
    for name in ("jobs", "threads", "limit"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise InputError(f"--{name} {value}: it must be at least 1.")
    if options.ray is not None and options.jobs is not None:
        raise InputError("--jobs is for this machine's processes.", hint="Leave --ray or it out.")
    if spec.benching is not None:
        _check_devices(options, spec.benching.on)
    if options.ray not in {None, on_ray.LOCAL} and options.storage is None:
        raise InputError(
            "--ray: the nodes need a place that all of them see.",
            hint="Name it with --storage: a folder of a network file system, or an address such as"
            " s3://bucket/folder.",
        )
    if spec.budget.max_drop is not None and spec.evaluating is None:
        raise InputError(
            "--max-drop is about accuracy, and nothing is evaluated.",
            hint="Add a table [evaluate] with data.",
        )
    if spec.budget.latency_ms is not None and not places(spec):
        raise InputError(
            "--latency: no latency is predicted or measured.",
            hint="Add a table [predict] with device, or [bench] with on.",
        )


def _check_devices(options: SweepOptions, on: tuple[str, ...]) -> None:
    """Hold that who measures is where the devices are."""
    names = offered.of(on)
    if names and options.ray is None:
        raise InputError(
            f"{names[0]} is what a node of a Ray cluster offers.",
            hint="Add --ray ADDRESS, or name the device: ssh://pi@raspberrypi.local.",
        )
    if options.ray is not None and len(names) < len(on):
        raise InputError(
            "A sweep on Ray does not measure devices from here: each task would, whichever others"
            " are at work.",
            hint="Let a node offer its device, as device:NAME (`edgecnn guide sweep`). Or run it"
            " with --ray and without [bench] first; then here, with it: the artifacts are found in"
            " the storage.",
        )


def _carry_out(
    survey: Survey,
    tally: Tally,
    book: journal.Journal,
    options: SweepOptions,
    where: Path | str,
    watcher: Progress,
) -> None:
    """Run the points that are left, and keep each as it ends."""
    remaining = survey.points - tally.ended()
    count = remaining if options.limit is None else min(remaining, options.limit)
    if not count:
        return
    rooted = where if isinstance(where, str) else str(where.absolute())
    tasks = itertools.islice(_tasks(survey.spec, tally, options, rooted), count)
    with _engine(options, survey.spec, where) as engine:
        meter = Meter(count, engine.workers, watcher)
        try:
            with contextlib.closing(engine.run(tasks)) as outcomes:
                for outcome in outcomes:
                    record = _record(outcome)
                    book.append(record)
                    tally.add(record)
                    meter.ended(record)
        except KeyboardInterrupt:
            raise _stopped(survey, tally) from None


def _stopped(survey: Survey, tally: Tally) -> StoppedError:
    ended = tally.ended()
    return StoppedError(
        f"Stopped: {ended} of {survey.points} points are done and kept.",
        "The same command goes on with the others.",
    )


def _engine(
    options: SweepOptions, spec: Spec, where: Path | str
) -> contextlib.AbstractContextManager[Engine]:
    if options.ray is not None:
        names = () if spec.benching is None else spec.benching.on
        return on_ray.RayEngine(options.ray, _cache(options.ray, where), names)
    jobs = options.jobs or max(1, cores() // options.threads)
    if spec.benching is not None:  # what is measured must have the machine for itself
        jobs = 1
    return contextlib.nullcontext(LocalEngine(jobs, free_bytes()))


def _cache(ray: str, where: Path | str) -> dict[str, str] | None:
    """Where nodes keep float files: beside the artifacts; of an address each in its own cache."""
    if isinstance(where, str):
        return None
    cache = cache_folder() if ray == on_ray.LOCAL else where / "cache"
    return {"EDGECNN_CACHE": str(cache.absolute())}


def _tasks(spec: Spec, tally: Tally, options: SweepOptions, where: str) -> Iterator[Task]:
    """The points that are left, a network's one after the other, made one by one."""
    keyer, begun, shared = keys.Keys(spec), set[str](), Shared(where)
    versions = keys.decisive_versions()
    devices = () if spec.benching is None else offered.of(spec.benching.on)
    for planned in points.plan_all(spec):
        if isinstance(planned, Impossible):
            continue
        key = keyer.point(planned)
        if tally.has(key):
            continue
        group = keyer.group(planned)
        source = points.absolute(planned.point)
        training, evaluating = _absolute(spec.training), _absolute(spec.evaluating)
        work = Work(
            key=key,
            point=planned.point,
            source=source,
            network=keyer.network(planned),
            artifact=keyer.artifact(planned),
            storage=where,
            versions=versions,
            shared=shared.of(source, training, evaluating),
            ahead=() if group in begun else spec.axes.format,
            threads=options.threads,
            preprocessing=points.preprocessing_of(planned.point, spec.preprocessing),
            training=training,
            evaluating=evaluating,
            predicting=spec.predicting,
            benching=spec.benching,
        )
        begun.add(group)
        yield Task(
            key,
            points.title(planned.point),
            _PERFORM,
            work,
            group,
            cores=options.threads,
            resources=devices,
        )


def _absolute(options: dict[str, Any] | None) -> dict[str, Any] | None:
    """Options of a verb, with its files named from the root."""
    if options is None:
        return None
    return {
        name: points.absolute_path(str(value)) if name in keys.FILES else value
        for name, value in options.items()
    }


def _record(outcome: Outcome) -> PointRecord:
    """What is kept of an outcome."""
    work, run = outcome.task.argument, Run(attempts=outcome.attempts)
    if outcome.error is None:
        record: PointRecord = outcome.value
        run = replace(record.run, attempts=outcome.attempts, peak_bytes=outcome.peak_bytes)
        return replace(record, run=run)
    error = outcome.error
    if isinstance(error, EdgeCnnError):
        return PointRecord(
            work.key, work.point, "failed", message=error.message, hint=error.hint, run=run
        )
    message = f"{type(error).__name__}: {error}"
    return PointRecord(work.key, work.point, "failed", message=message, run=run)
