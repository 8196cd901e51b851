"""What `edgecnn bench` measured: a table for each device, and what to make of it.

An emulated device's milliseconds stand in the JSON beside `emulated`, and nowhere in a table.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from edgecnn.benchmark.arrival import GRADES
from edgecnn.reporting.table import Bars, Column, Table
from edgecnn.text import (
    ABSENT,
    milliseconds_text,
    printable,
    size_text,
    threads_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.benchmark.report import BenchReport
    from edgecnn.measurements import BenchResult, DeviceFacts

_EMULATED = "emulated"
_MATCH = {True: "match", False: "DIFFER", None: ABSENT}
COLUMNS = (
    Column("file"),
    Column("threads", number=True),
    Column("p90 ms", number=True),
    Column("p50", number=True),
    Column("min", number=True),
    Column("load", number=True),
    Column("peak RSS", number=True),
    Column("outputs"),
    Column("grade"),
)
P90 = 2  # its place among them
# A budget a little above what was measured: the first that is worth suggesting.
_ROOM = 1.1


def by_target(report: BenchReport) -> dict[str, tuple[BenchResult, ...]]:
    """The results of each device, in the order they were measured."""
    by_device: dict[str, list[BenchResult]] = {}
    for result in report.results:
        by_device.setdefault(result.target, []).append(result)
    return {target: tuple(results) for target, results in by_device.items()}


def heading(results: tuple[BenchResult, ...]) -> str:
    """Which device it is, and whether its times are its own."""
    first = results[0]
    runtimes = ", ".join(dict.fromkeys(result.runtime for result in results))
    origin = f"emulated by {first.device.emulator}" if first.emulated else "measured"
    return printable(f"{first.target}: {device_text(first.device)}; {runtimes}; {origin}", 300)


def device_text(facts: DeviceFacts) -> str:
    """A device in a few words.

    >>> from edgecnn.measurements import DeviceFacts
    >>> device_text(DeviceFacts("Pi 4", "aarch64", 64, "Debian 12", "6.6", "", "A72", 4, 0, ""))
    'Pi 4, 4 x A72, Debian 12'
    """
    cores = f"{facts.cores} x {facts.cpu}" if facts.cpu not in {"", facts.model} else ""
    plain = f"{facts.cores} core{'s' if facts.cores > 1 else ''}"
    parts = (facts.model or facts.machine, cores or plain, facts.system)
    return ", ".join(part for part in parts if part)


def short_names(names: Iterable[str]) -> dict[str, str]:
    """What tells files apart, so that a table stays narrow.

    >>> short_names(["out/x/int8/model.tflite", "out/x/float32/model.tflite"])
    {'out/x/int8/model.tflite': 'int8', 'out/x/float32/model.tflite': 'float32'}
    >>> short_names(["out/x/int8/model.tflite"])
    {'out/x/int8/model.tflite': 'model.tflite'}
    """
    parts = {name: name.split("/") for name in dict.fromkeys(names)}
    if len(parts) == 1:
        return {name: path[-1] for name, path in parts.items()}
    front = _common([path[:-1] for path in parts.values()])
    back = _common([path[:front:-1] for path in parts.values()])
    short = {n: "/".join(path[front : len(path) - back]) for n, path in parts.items()}
    return short if all(short.values()) else dict(zip(short, short, strict=True))


def _common(lists: list[list[str]]) -> int:
    """How many items, from the first on, all lists have in common."""
    count = 0
    for items in zip(*lists, strict=False):
        if len(set(items)) > 1:
            break
        count += 1
    return count


def name_lines(report: BenchReport) -> tuple[str, ...]:
    """Which file is meant by each short name, where the tables shorten any."""
    short = short_names(result.file for result in report.results)
    return tuple(
        f"{printable(name)}: {printable(file, 300)}" for file, name in short.items() if name != file
    )


def bench_table(results: Iterable[BenchResult], names: dict[str, str]) -> Table:
    """One row for each file and number of threads of one device; latencies in milliseconds.

    Args:
        results: of one device.
        names: what to call each file; see `short_names`.
    """
    measured = tuple(results)
    rows = tuple(row(result, names.get(result.file, result.file)) for result in measured)
    return Table(COLUMNS, rows, Bars(P90, bar_shares(measured)))


def bar_shares(results: Iterable[BenchResult | None]) -> tuple[float | None, ...]:
    """Each p90 as a share of the slowest; None for an emulator's, and for no result."""
    times = [
        None if result is None or result.emulated else result.latency_ms.p90 for result in results
    ]
    slowest = max((time for time in times if time is not None), default=0.0)
    return tuple(None if time is None or not slowest else time / slowest for time in times)


def row(result: BenchResult, name: str) -> tuple[str, ...]:
    """The cells of one result, as `bench_table` has them."""
    latency = result.latency_ms
    times = (latency.p90, latency.p50, latency.min, result.load_ms)
    headline, *others = (milliseconds_text(time) for time in times)
    cells = (f"<= {headline}" if "p90" in result.latency_at_most else headline, *others)
    return (
        printable(name),
        str(result.threads),
        *((_EMULATED, ABSENT, ABSENT, ABSENT) if result.emulated else cells),
        size_text(result.peak_rss_bytes),
        _MATCH[result.outputs_match],
        GRADES[result.trust.grade],
    )


def reason_lines(results: Iterable[BenchResult]) -> tuple[str, ...]:
    """Why results are not trusted, each reason once, with the rows it is about."""
    rows: dict[tuple[str, str], list[str]] = {}
    every = 0
    for result in results:
        every += 1
        for reason in result.trust.reasons:
            about = f"{printable(result.file)} at {threads_text(result.threads)}"
            rows.setdefault((GRADES[result.trust.grade], reason), []).append(about)
    return tuple(
        f"{grade}: {reason.rstrip('.')}."
        if len(about) == every
        else f"{grade}: {', '.join(about)}: {reason.rstrip('.')}."
        for (grade, reason), about in rows.items()
    )


def mismatch_lines(report: BenchReport) -> tuple[str, ...]:
    """Devices that compute something else than this machine."""
    return tuple(
        f"{result.target}: outputs of {printable(result.file)} at {threads_text(result.threads)}"
        " differ from this machine's: do not rely on them."
        for result in report.results
        if result.outputs_match is False
    )


def timeline_table(result: BenchResult) -> Table:
    """A sustained measurement, minute by minute."""
    columns = (
        Column("from s", number=True),
        Column("runs", number=True),
        Column("p50 ms", number=True),
        Column("p90 ms", number=True),
        Column("MHz", number=True),
        Column("degrees C", number=True),
    )
    rows = tuple(
        (
            f"{minute.start_s:.0f}",
            str(minute.runs),
            _EMULATED if result.emulated else milliseconds_text(minute.p50_ms),
            _EMULATED if result.emulated else milliseconds_text(minute.p90_ms),
            ABSENT if minute.state.clock_mhz is None else f"{minute.state.clock_mhz:.0f}",
            ABSENT if minute.state.temperature_c is None else f"{minute.state.temperature_c:.1f}",
        )
        for minute in result.timeline
    )
    return Table(columns, rows)


def sustained_lines(result: BenchResult) -> tuple[str, ...]:
    """When throttling set in, and the pace that remains."""
    from edgecnn.benchmark.statistics import sustained

    pace = sustained(result.timeline)
    if pace is None or result.emulated:
        return ()
    if pace.onset_s is None:
        onset = "No throttling."
    else:
        onset = f"Throttling started after {pace.onset_s:.0f} s."
    if pace.steady_p50_ms is None or pace.steady_p90_ms is None or pace.slowdown is None:
        return (onset, "Latency was still changing when the measurement ended.")
    steady = (
        f"Steady from {pace.steady_from_s:.0f} s: p90 {milliseconds_text(pace.steady_p90_ms)}"
        f" ms, p50 {milliseconds_text(pace.steady_p50_ms)} ms,"
        f" {pace.slowdown:.2f} times the fastest minute's."
    )
    return onset, steady


def legend(report: BenchReport) -> str:
    """What the columns mean, in a line."""
    text = "p90: 90% of inferences were at least this fast."
    if any(result.outputs_match is not None for result in report.results):
        text += " outputs: compared with this machine's."
    if any(result.emulated for result in report.results):
        text += (
            " emulated: emulated timings are not representative, and peak RSS includes the"
            " emulator's own memory."
        )
    return text


def next_commands(report: BenchReport, options: str = "") -> tuple[str, ...]:
    """Commands to paste, for what was measured; `options` are those that fix open shapes."""
    if not report.results:
        return ()
    first = report.results[0]
    on = "" if first.target == "local" else f" --on {shlex.quote(first.target)}"
    on += options
    file, commands = shlex.quote(first.file), list[str]()
    others = [result.file for result in report.results if result.file != first.file]
    if others:
        commands.append(f"edgecnn compare {file} {shlex.quote(others[0])}{on}")
    if not first.emulated:
        budget = milliseconds_text(first.latency_ms.p90 * _ROOM)
        threads = f" --threads {first.threads}" if first.threads > 1 else ""
        commands.append(f"edgecnn check {file}{on}{threads} --p90 {budget}ms")
    if first.plan == "quick" and not first.emulated:
        commands.append(f"edgecnn bench {file}{on} --plan publish")
    if first.target.startswith("ssh:") and first.recipe and first.file.endswith(".tflite"):
        folder = shlex.quote(first.file.rpartition("/")[0] or ".")
        commands.append(f"edgecnn deploy {folder} {shlex.quote(first.target)}")
    return tuple(commands)
