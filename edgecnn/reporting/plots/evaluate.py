"""`evaluate --plot`: each file's accuracy with its interval, and what quantizing it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting import evaluation as shown
from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.charts import dots
from edgecnn.reporting.page.figure import Column, Figure, Source
from edgecnn.reporting.page.picture import Panel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import altair as alt

    from edgecnn.evaluating.records import Difference, EvaluateReport, FileRun
    from edgecnn.reporting.page.figure import Row

_COLUMNS = (
    Column("name", "file", words.plain),
    Column("format", "format", words.plain),
    Column("value", "accuracy", words.percent, number=True),
    Column("low", "low", words.percent, number=True),
    Column("high", "high", words.percent, number=True),
    Column("provenance", "provenance", words.plain),
)
_INTERVAL = "Each mark is a file, each bar its 95% interval."
_NO_INTERVAL = "Each mark is a file."
_POINTS = "format(datum.value * 100, '+~g')"


def panels(report: EvaluateReport) -> Iterator[Panel]:
    """One figure for what was measured; then the differences from float32, image by image."""
    for title, runs, values in _measured(report):
        yield Panel(_figure(report, title, runs, values), _drawing(title))
    if report.differences:
        yield Panel(_differences(report), _draw_differences)


_Values = tuple[float | None, float | None, float | None]


def _measured(report: EvaluateReport) -> Iterator[tuple[str, Sequence[FileRun], list[_Values]]]:
    """What an axis is called, the files, and of each the value and its interval."""
    if report.evaluations:
        evaluations = report.evaluations
        yield (
            "top-1 accuracy",
            evaluations,
            [(evaluation.top1, evaluation.low, evaluation.high) for evaluation in evaluations],
        )
    if report.detections:
        yield "mAP 50-95", report.detections, [(e.map, None, None) for e in report.detections]
    if report.segmentations:
        yield "mIoU", report.segmentations, [(e.miou, None, None) for e in report.segmentations]
    if report.agreements:
        yield _agreement(report)


def _agreement(report: EvaluateReport) -> tuple[str, Sequence[FileRun], list[_Values]]:
    agreements = report.agreements
    if report.task == "classify":
        return (
            "same top-1 as float",
            agreements,
            [(agreement.top1, agreement.low, agreement.high) for agreement in agreements],
        )
    if report.task == "segment":
        return (
            "mIoU with float's masks",
            agreements,
            [(agreement.miou, None, None) for agreement in agreements],
        )
    return (
        "mAP 50-95 against float's boxes",
        agreements,
        [(agreement.map, None, None) for agreement in agreements],
    )


def _figure(
    report: EvaluateReport, title: str, runs: Sequence[FileRun], values: list[_Values]
) -> Figure:
    rows = tuple(
        _row(run, name, value, low, high)
        for run, name, (value, low, high) in zip(runs, _names(report, runs), values, strict=True)
        if value is not None
    )
    has_interval = any(row["low"] != row["high"] for row in rows)
    notes = (shown.agreement_sentence(report),) if report.agreements else ()
    return Figure(
        id="evaluated",
        title=f"{_capital(title)} on {shown.heading(report).partition(';')[0]}",
        reading=_INTERVAL if has_interval else _NO_INTERVAL,
        columns=_COLUMNS,
        rows=rows,
        sources=(Source(("measured",), "", versions=_runtimes(report)),),
        notes=notes,
    )


def _capital(title: str) -> str:
    """As a sentence begins; mAP and mIoU stay as they are."""
    return f"{title[0].upper()}{title[1:]}" if title[1:2].islower() else title


def _row(
    run: FileRun | Difference, name: str, value: float, low: float | None, high: float | None
) -> Row:
    return {
        "name": name,
        "format": f".{run.file.rpartition('.')[2]}",
        "value": value,
        "low": value if low is None else low,
        "high": value if high is None else high,
        "text": shown.percent(value),
        "provenance": "measured",
    }


def _runtimes(report: EvaluateReport) -> tuple[str, ...]:
    return tuple(dict.fromkeys(run.runtime for run in report.runs))


def _names(report: EvaluateReport, runs: Sequence[FileRun | Difference]) -> list[str]:
    """The recipe where it tells a file from the others of its format, else the file."""
    kinds = [(run.recipe, run.file.rpartition(".")[2]) for run in runs]
    if len(runs) > 1 and len(set(kinds)) == len(kinds):
        return [recipe for recipe, _ in kinds]
    return [" ".join(shown.file_cells(run, report)) for run in runs]


def _differences(report: EvaluateReport) -> Figure:
    rows = tuple(
        {
            **_row(difference, name, difference.difference, difference.low, difference.high),
            "text": words.points(difference.difference),
        }
        for difference, name in zip(
            report.differences, _names(report, report.differences), strict=True
        )
    )
    return Figure(
        id="evaluated-difference",
        title="Top-1 against float32, image by image",
        reading=f"{_INTERVAL} One that reaches over the dashed line shows no difference."
        f" {shown.difference_sentence(report.differences)}",
        columns=_COLUMNS,
        rows=rows,
        sources=(),
    )


def _drawing(title: str) -> Callable[[Figure], drawing.Drawing]:
    def draw(figure: Figure) -> drawing.Drawing:
        import altair as alt

        axis = alt.Axis(title=title, format="~%", tickCount=6)
        scale = alt.Scale(zero=False, padding=24)
        return _draw(figure, alt.X(field="value", type="quantitative", axis=axis, scale=scale))

    return draw


def _draw_differences(figure: Figure) -> drawing.Drawing:
    import altair as alt

    axis = alt.Axis(title="difference in top-1, percentage points", labelExpr=_POINTS, tickCount=6)
    scale = alt.Scale(padding=24)
    x = alt.X(field="value", type="quantitative", axis=axis, scale=scale)
    return _draw(figure, x, {"float32": 0.0})


def _draw(figure: Figure, x: alt.X, marks: dict[str, float] | None = None) -> drawing.Drawing:
    return dots.draw(
        figure,
        name="name",
        x=x,
        colour="format",
        interval=("low", "high"),
        marks=marks,
        text="text",
    )
