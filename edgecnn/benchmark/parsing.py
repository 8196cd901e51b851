"""From the runner's JSON object to results. It comes from a device: every field is checked."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from edgecnn.benchmark import outputs, statistics, trust
from edgecnn.errors import DeviceError
from edgecnn.measurements import (
    BenchResult,
    DeviceFailure,
    DeviceState,
    Interval,
    Trust,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgecnn.benchmark.files import BenchFile
    from edgecnn.benchmark.outputs import Outputs
    from edgecnn.benchmark.session import Job
    from edgecnn.measurements import DeviceFacts

_LONGEST_ERROR = 1000


@dataclass(frozen=True)
class Entry:
    """One file at one number of threads, as runner.py prints it."""

    path: str
    threads: int
    sha256: str = ""
    runtime: str = ""
    load_ms: float = 0.0
    first_ms: float = 0.0
    repeats: tuple[tuple[float, ...], ...] = ()
    samples_every: int = 1
    peak_rss_bytes: int = 0
    output_sha256: str = ""
    inputs: str = ""
    timeline: tuple[Interval, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class Content:
    """What runner.py prints, and sends before it is done; an empty one is of a run cut early."""

    results: tuple[Entry, ...] = ()
    before: DeviceState = field(default_factory=DeviceState)
    after: DeviceState = field(default_factory=DeviceState)
    emulator: str = ""


def content(target: str, parsed: Mapping[str, Any]) -> Content:
    """Check the runner's object.

    Raises:
        DeviceError: it is not what runner.py prints.
    """
    import cattrs

    from edgecnn.manifest import strict_converter

    try:
        found: Content = strict_converter().structure(parsed, Content)
    except cattrs.BaseValidationError as error:
        problems = "; ".join(cattrs.transform_error(error))[:_LONGEST_ERROR]
        raise DeviceError(
            f"{target}: what the runner printed is damaged: {problems}",
            hint="Run the command again; if it stays so, look at the device's memory and disk.",
        ) from error
    return found


@dataclass(frozen=True)
class Context:
    """What a result must know that the runner does not."""

    target: str
    facts: DeviceFacts
    job: Job


def results(
    found: Content, context: Context, there: Mapping[str, Outputs], *, cut: str = ""
) -> tuple[list[BenchResult], list[DeviceFailure]]:
    """The results, and the files that gave none.

    Args:
        found: what came back.
        context: of what.
        there: outputs the device sent back, by the file's name there.
        cut: why the measurement ended too early; "" where it did not.
    """
    measured: list[BenchResult] = []
    problems: list[tuple[str, Entry, BenchFile]] = []
    files = {f"{i}.{file.format}": file for i, file in enumerate(context.job.files)}
    for entry in found.results:
        file = files.get(entry.path)
        if file is None:
            continue
        problem = _problem(entry, file)
        if not problem:
            outputs_there = there.get(entry.path)
            measured.append(result(entry, file, found, context, there=outputs_there, cut=cut))
        elif entry.error or not cut:  # what had not begun when the connection went is no failure
            problems.append((problem, entry, file))
    return measured, _failures(problems, context)


def _failures(
    problems: Sequence[tuple[str, Entry, BenchFile]], context: Context
) -> list[DeviceFailure]:
    """One for each kind of problem: a device that lacks a library lacks it for every file."""
    told: dict[str, list[tuple[Entry, BenchFile]]] = {}
    for problem, entry, file in problems:
        told.setdefault(problem, []).append((entry, file))
    return [_failure(problem, places, context) for problem, places in told.items()]


def _problem(entry: Entry, file: BenchFile) -> str:
    if entry.error:
        return entry.error
    if not any(entry.repeats):
        return "it gave no samples"
    if not all(sample > 0 for repeat in entry.repeats for sample in repeat):
        return "it gave samples that no clock gives"
    if entry.sha256 != file.sha256:
        return f"the device read other bytes: their SHA-256 is {entry.sha256 or 'not known'}"
    return ""


def _failure(
    problem: str, places: Sequence[tuple[Entry, BenchFile]], context: Context
) -> DeviceFailure:
    threads = ", ".join(dict.fromkeys(str(entry.threads) for entry, _ in places))
    names = tuple(dict.fromkeys(file.name for _, file in places))
    sentence = problem.rstrip(".")[:_LONGEST_ERROR]
    return DeviceFailure(
        context.target,
        f"{context.target}: {', '.join(names)} (threads {threads}): {sentence}.",
        _hint(problem),
        names[0] if len(names) == 1 else "",
    )


def _hint(problem: str) -> str:
    """What to do about a worker's sentence, where that is known."""
    if "libstdc++" in problem:
        return "Run there: sudo apt install libstdc++6"
    if "memory" in problem:
        return "Measure one file at a time, a smaller one, or close other programs there."
    if "leaves sizes open" in problem:
        return outputs.OPEN_HINT
    if "refuses" in problem:
        return "See what the file is: `edgecnn inspect FILE`."
    return ""


def result(
    entry: Entry,
    file: BenchFile,
    found: Content,
    context: Context,
    *,
    there: Outputs | None = None,
    cut: str = "",
) -> BenchResult:
    """One result with its trust; see `results`."""
    repeats = tuple(repeat for repeat in entry.repeats if repeat)
    samples = tuple(sample for repeat in repeats for sample in repeat)
    facts = context.facts
    if found.emulator and not facts.emulator:
        facts = replace(facts, emulator=found.emulator)
    made = BenchResult(
        target=context.target,
        device=facts,
        file=file.name,
        file_sha256=file.sha256,
        model=file.model,
        recipe=file.recipe,
        runtime=entry.runtime,
        threads=entry.threads,
        plan=context.job.plan.name,
        load_ms=entry.load_ms,
        first_ms=entry.first_ms,
        latency_ms=statistics.latency(samples),
        samples_ms=samples,
        samples_every=entry.samples_every,
        repeat_p50_ms=tuple(statistics.percentile(repeat, 0.5) for repeat in repeats),
        peak_rss_bytes=entry.peak_rss_bytes,
        output_sha256=entry.output_sha256,
        outputs_match=_match(entry, file, context, there),
        inputs=entry.inputs,
        before=found.before,
        after=found.after,
        timeline=entry.timeline,
        trust=Trust("trusted"),
        emulated=facts.emulated,
        measured_at=dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        edgecnn=_edgecnn_version(),
    )
    return replace(made, trust=_cut(trust.grade(made, context.job.plan), made, context, cut))


def _cut(given: Trust, result: BenchResult, context: Context, cut: str) -> Trust:
    """A measurement that ended early: void unless every repeat had begun to count."""
    if not cut:
        return given
    reason = f"it was cut off: {cut}"
    whole = len(result.repeat_p50_ms) >= context.job.plan.repeats
    void = not whole or given.grade == "void"
    return Trust("void" if void else "warned", (*given.reasons, reason))


def _match(entry: Entry, file: BenchFile, context: Context, there: Outputs | None) -> bool | None:
    here = context.job.here.get(file.sha256)
    if here is None or not entry.output_sha256:
        return None
    if there is None or there.sha256 != entry.output_sha256:
        there = outputs.Outputs(entry.output_sha256, entry.runtime)
    kept_db = None if file.parity is None else file.parity.snr_db
    return outputs.agree(here, there, file.recipe, mixed=file.mixed, kept_db=kept_db)


def _edgecnn_version() -> str:
    try:
        return importlib.metadata.version("edgecnn")
    except importlib.metadata.PackageNotFoundError:  # a source tree on the path
        return "0+uninstalled"
