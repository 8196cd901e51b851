"""What runner.py prints, as records. It comes from a device: only what was asked for is taken.

Every field has its type, and is within what a clock, a thermometer or a kernel can say.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from edgecnn.devices.device import Limits
from edgecnn.errors import DeviceError
from edgecnn.measurements import DeviceState, Interval
from edgecnn.runtime import runner
from edgecnn.strict import UnfitError, refuse, structured
from edgecnn.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgecnn.benchmark.session import Job

LONGEST_ERROR = 1000
DAMAGED = "Run the command again; if it stays so, look at the device's memory and disk."
_LONGEST_TEXT = 100
_SHA256 = re.compile("[0-9a-f]{64}")
_DAY_MS = 86_400_000.0
_MOST_BYTES = 1 << 50
# Lowest and highest value that can be, by field; those of `DeviceState` may be None.
_RANGES: dict[str, tuple[float, float]] = {
    "load_ms": (0, _DAY_MS),
    "first_ms": (0, _DAY_MS),
    "samples_every": (1, 1 << 40),
    "peak_rss_bytes": (0, _MOST_BYTES),
    "clock_mhz": (0, 1e6),
    "max_clock_mhz": (0, 1e6),
    "temperature_c": (-273.15, 1e4),
    "throttled": (0, 0xFFFFFFFF),
    "load_average": (0, 1e6),
    "free_memory_bytes": (0, _MOST_BYTES),
    "busy_share": (0, 2),  # of ticks that two files count, which a container may not keep apart
    "start_s": (0, 1e8),
    "runs": (1, 1 << 40),
    "p50_ms": (1e-9, _DAY_MS),
    "p90_ms": (1e-9, _DAY_MS),
}
_SHORT_TEXTS = ("runtime", "inputs", "emulator", "governor")
# The bytes of a sample in JSON, and of all else that is told of a pair.
_SAMPLE_BYTES, _PAIR_BYTES, _INTERVAL_BYTES = 14, 1 << 16, 1 << 10
_PARTIALS = 16  # what is sent while it runs, as a multiple of the whole; see `runner`


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


def content(target: str, parsed: object, job: Job) -> Content:
    """Check the runner's object.

    Args:
        target: the device, for errors.
        parsed: what was read as JSON.
        job: what was asked for.

    Raises:
        DeviceError: it is not what runner.py prints for this job.
    """
    try:
        record = structured(parsed, Content)
        refuse(_problems(record, job))
    except UnfitError as error:
        reason = printable(str(error), LONGEST_ERROR)
        raise DeviceError(
            f"{target}: what the runner printed is damaged: {reason}.", hint=DAMAGED
        ) from error
    entries = [replace(entry, error=entry.error and printable(entry.error, LONGEST_ERROR))
               for entry in record.results]  # fmt: skip
    return replace(record, results=tuple(entries))


def state(parsed: object) -> DeviceState:
    """Check a state that was read as JSON.

    Raises:
        UnfitError: it is none.
    """
    record = structured(parsed, DeviceState)
    refuse(_fields(record, "$"))
    return record


def names(job: Job) -> dict[str, int]:
    """The names that files have over there, and each file's place in the job."""
    return {f"{place}.{file.format}": place for place, file in enumerate(job.files)}


def expected_results(job: Job) -> list[tuple[str, int]]:
    """Every file's name over there at every number of threads."""
    return [(name, threads) for threads in job.threads for name in names(job)]


def limits(job: Job) -> Limits:
    """The most that a runner prints for a job, and the longest that it is silent."""
    plan, pairs = job.plan, len(expected_results(job))
    samples = 2 * runner.MOST_SAMPLES * plan.repeats
    intervals = round(2 * plan.min_s / plan.interval_s) + 100 if plan.interval_s else 0
    most = pairs * (_PAIR_BYTES + _SAMPLE_BYTES * samples + _INTERVAL_BYTES * intervals)
    # Each worker answers twice before it is measured: that it has loaded, and when it is warm.
    silence_s = runner.ANSWER_LIMIT_S * (2 * pairs + 1)
    return Limits(most, _PARTIALS * most + (64 << 20), most, silence_s)


def _problems(record: Content, job: Job) -> Iterator[str]:
    """What cannot be, or was not asked for; each with its place."""
    yield from _rows(record.results, job)
    yield from _fields(record, "$")
    for name in ("before", "after"):
        yield from _fields(getattr(record, name), f"$.{name}")
    for entry in record.results:
        where = f"{entry.path}, threads {entry.threads}"
        yield from _fields(entry, where)
        yield from _samples(entry, job, where)
        for interval in entry.timeline:
            yield from _fields(interval, f"{where}, timeline")
            yield from _fields(interval.state, f"{where}, timeline")


def _rows(entries: Sequence[Entry], job: Job) -> Iterator[str]:
    expected = set(expected_results(job))
    for (path, threads), times in Counter((entry.path, entry.threads) for entry in entries).items():
        where = f"{path[:_LONGEST_TEXT]}, threads {str(threads)[:_LONGEST_TEXT]}"
        if (path, threads) not in expected:
            yield f"an unexpected result @ {where}"
        elif times > 1:
            yield f"{times} results where one was expected @ {where}"


def _fields(record: Content | Entry | DeviceState | Interval, where: str) -> Iterator[str]:
    for attribute in fields(record):
        value = getattr(record, attribute.name)
        allowed = _RANGES.get(attribute.name)
        if allowed and value is not None and not allowed[0] <= value <= allowed[1]:
            yield f"{attribute.name} {value!r} cannot be @ {where}"
        short = attribute.name in _SHORT_TEXTS and value is not None
        if short and not (value.isprintable() and len(value) <= _LONGEST_TEXT):
            yield f"{attribute.name} {value[:_LONGEST_TEXT]!r} cannot be @ {where}"


def _samples(entry: Entry, job: Job, where: str) -> Iterator[str]:
    if entry.output_sha256 and not _SHA256.fullmatch(entry.output_sha256):
        yield f"output_sha256 {entry.output_sha256[:_LONGEST_TEXT]!r} is none @ {where}"
    if len(entry.repeats) > job.plan.repeats:
        yield f"{len(entry.repeats)} repeats where {job.plan.repeats} were asked for @ {where}"
    slowest = max((max(samples, default=0.0) for samples in entry.repeats), default=0.0)
    if slowest > _DAY_MS:
        yield f"a sample of {slowest!r} ms cannot be @ {where}"
    if any(entry.repeats) and entry.error is None and not entry.runtime:
        yield f"samples of no runtime @ {where}"
