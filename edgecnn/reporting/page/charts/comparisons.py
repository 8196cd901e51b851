"""What this repository holds itself to: its comparisons' targets, measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.charts import dots
from edgecnn.reporting.page.figure import Column, Figure, Gap, Source, choose

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from edgecnn.reporting.page.figure import Row
    from edgecnn.reporting.page.material import Material

ID = "comparisons"
_COLUMNS = (
    Column("comparison", "comparison", words.plain),
    Column("machine", "machine", words.plain),
    Column("name", "target", words.plain),
    Column("measured", "measured", words.ratio, number=True),
    Column("bound", "bound", words.ratio, number=True),
    Column("sense", "wanted", words.plain),
    Column("met", "met", words.plain),
    Column("share", "measured over bound", words.ratio, number=True),
    Column("provenance", "provenance", words.plain),
)


def gather(material: Material) -> Figure | Gap:
    """One row a target of a comparison in artifacts/benchmarks."""
    reports = [
        (name, report)
        for name, record in material.benchmarks.items()
        for report in (record, *record.get("other_machines", ()))
        if "targets" in report
    ]
    rows = tuple(row for name, report in reports for row in _rows(name, report))
    if not rows:
        return Gap(
            ID,
            "How edgecnn compares",
            "No comparison is recorded.",
            ("python tools/compare_export.py",),
        )
    met = sum(row["met"] == "yes" for row in rows)
    return Figure(
        id=ID,
        title=f"How edgecnn compares with other tools: {met} of {len(rows)} targets are met",
        reading="Each mark is a measurement over its bound: where at most the bound is wanted, left"
        " of the dashed line is good, else right of it.",
        columns=_COLUMNS,
        rows=rows,
        filters=(
            choose(rows, "comparison", "Comparison", ("latency",)),
            choose(rows, "machine", "Machine"),
            choose(rows, "met", "Met"),
        ),
        sources=tuple(_source(name, report) for name, report in reports),
    )


def _rows(comparison: str, record: Mapping[str, Any]) -> Iterator[Row]:
    targets = record.get("targets")
    for target in targets if isinstance(targets, list) else ():
        measured, bound = float(target["measured"]), float(target["bound"])
        yield {
            "comparison": comparison,
            "machine": str(record.get("machine", {}).get("cpu", "")),
            "name": str(target["name"]),
            "measured": measured,
            "bound": bound,
            "sense": "at most" if target["at_most"] else "at least",
            "met": "yes" if target["met"] else "no",
            "share": measured / bound if bound else None,
            "provenance": "measured",
        }


def _source(name: str, record: Mapping[str, Any]) -> Source:
    machine = record.get("machine", {})
    return Source(
        ("measured",),
        f"artifacts/benchmarks/{name}.json",
        date=str(record.get("date", "")),
        machine=f"{machine.get('cpu')}, {machine.get('cores')} cores, {machine.get('kernel')}",
        versions=tuple(f"{key} {value}" for key, value in record.get("versions", {}).items()),
        command=f"python tools/{' '.join(map(str, record.get('command', ())))}",
    )


def draw(figure: Figure) -> drawing.Drawing:
    """A row for each target."""
    import altair as alt

    x = alt.X(
        field="share", type="quantitative", axis=alt.Axis(title="measured over bound", tickCount=5)
    )
    return dots.draw(figure, name="name", x=x, colour="comparison", marks={"bound": 1.0})
