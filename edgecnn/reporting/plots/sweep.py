"""`sweep --plot`: accuracy over latency with the Pareto front, place by place."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.reporting import sweeping as shown
from edgecnn.reporting.page.charts import swept
from edgecnn.reporting.page.figure import visible
from edgecnn.reporting.page.material import sweep_records
from edgecnn.reporting.page.picture import Panel
from edgecnn.sweeping.points import title
from edgecnn.text import milliseconds_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgecnn.reporting.page.figure import Figure
    from edgecnn.sweeping.records import Budget, Front, SweepReport


def panels(report: SweepReport) -> Iterator[Panel]:
    """One figure a place, of all points of this sweep that are done."""
    # What is wrong with the file the sweep has said.
    records = sweep_records(report.file, [])
    done = tuple(record for record in records if record.key in report.done_keys)
    figure = swept.figure({report.file.parent.name: done})
    if figure is None:
        return
    draw = functools.partial(swept.draw, budget=_lines(report.budget))
    for front in report.fronts:
        at = _at(figure, front, report.budget)
        if any(visible(at, row) for row in at.rows):
            yield Panel(at, draw)


def _at(figure: Figure, front: Front, budget: Budget) -> Figure:
    """The figure at one place, with the point to take starred."""
    of_sweep, of_place = figure.filters
    chosen = replace(of_place, chosen=swept.place_text(front.place))
    key = None if front.taken is None else front.taken.key
    rows = tuple(
        {**row, "short": f"* {row['short']}"} if row["key"] == key and row["short"] else row
        for row in figure.rows
    )
    star = "" if front.taken is None else f"* {title(front.taken.point)}. "
    notes = (shown.budget_text(budget), f"{star}{front.reason}")
    narrowed = replace(
        figure, rows=rows, filters=(of_sweep, chosen), notes=tuple(filter(None, notes))
    )
    return swept.with_finding(narrowed)


def _lines(budget: Budget) -> dict[str, float]:
    if budget.latency_ms is None:
        return {}
    return {f"budget, {milliseconds_text(budget.latency_ms)} ms": budget.latency_ms}
