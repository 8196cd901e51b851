"""From what the runner told to results, and to what failed."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgecnn.benchmark import answer, outputs, statistics, trust
from edgecnn.benchmark.answer import LONGEST_ERROR, Content, Entry
from edgecnn.measurements import BenchResult, DeviceFailure, Trust

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgecnn.benchmark.files import BenchFile
    from edgecnn.benchmark.outputs import Outputs
    from edgecnn.benchmark.session import Job
    from edgecnn.measurements import DeviceFacts


@dataclass(frozen=True)
class Context:
    """What a result must know that the runner does not."""

    target: str
    facts: DeviceFacts
    job: Job


def results(
    content: Content, context: Context, there: Mapping[str, Outputs], *, cut: str = ""
) -> tuple[list[BenchResult], list[DeviceFailure]]:
    """The results, and the files that gave none.

    Args:
        content: what came back.
        context: of what.
        there: outputs the device sent back, by the file's name there.
        cut: why the measurement ended too early; "" where it did not.
    """
    measured: list[BenchResult] = []
    problems: list[tuple[str, Entry, BenchFile]] = []
    places = answer.names(context.job)
    for entry in content.results:
        file = context.job.files[places[entry.path]]
        problem = _problem(entry, file)
        if not problem:
            outputs_there = there.get(entry.path)
            measured.append(result(entry, file, content, context, there=outputs_there, cut=cut))
        elif entry.error or not cut:  # what had not begun when the connection went is no failure
            problems.append((problem, entry, file))
    answered = {(entry.path, entry.threads) for entry in content.results}
    if not cut:
        problems += [
            ("the device says nothing of it", Entry(path, threads), context.job.files[places[path]])
            for path, threads in answer.expected_results(context.job)
            if (path, threads) not in answered
        ]
    return measured, _failures(problems, context)


def _failures(
    problems: Sequence[tuple[str, Entry, BenchFile]], context: Context
) -> list[DeviceFailure]:
    """One for each kind of problem: a device that lacks a library lacks it for every file."""
    by_problem: dict[str, list[tuple[Entry, BenchFile]]] = {}
    for problem, entry, file in problems:
        by_problem.setdefault(problem, []).append((entry, file))
    return [_failure(problem, places, context) for problem, places in by_problem.items()]


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
    sentence = problem.rstrip(".")[:LONGEST_ERROR]
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
    content: Content,
    context: Context,
    *,
    there: Outputs | None = None,
    cut: str = "",
) -> BenchResult:
    """One result with its trust; see `results`."""
    repeats = tuple(repeat for repeat in entry.repeats if repeat)
    samples = tuple(sample for repeat in repeats for sample in repeat)
    facts = context.facts
    if content.emulator and not facts.emulator:
        facts = replace(facts, emulator=content.emulator)
    draft = BenchResult(
        target=context.target,
        device=facts,
        file=file.name,
        file_sha256=file.sha256,
        model=file.model,
        recipe=file.recipe,
        macs=file.macs,
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
        before=content.before,
        after=content.after,
        timeline=entry.timeline,
        trust=Trust("trusted"),
        emulated=facts.emulated,
        measured_at=dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        edgecnn=_edgecnn_version(),
    )
    return replace(draft, trust=_cut(trust.grade(draft, context.job.plan), draft, context, cut))


def _cut(verdict: Trust, result: BenchResult, context: Context, cut: str) -> Trust:
    """A measurement that ended early: void unless every repeat had begun to count."""
    if not cut:
        return verdict
    reason = f"it was cut off: {cut}"
    whole = len(result.repeat_p50_ms) >= context.job.plan.repeats
    void = not whole or verdict.grade == "void"
    return Trust("void" if void else "warned", (*verdict.reasons, reason))


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
