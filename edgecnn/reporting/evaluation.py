"""What `edgecnn evaluate` found out, file by file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.table import Column, Table
from edgecnn.reporting.text import ABSENT, percent_text, printable

if TYPE_CHECKING:
    from edgecnn.evaluating.records import ClassAccuracy, Difference, EvaluateReport, Evaluation

_POINTS = 100
_LEAST_SHOWN_RATE = 10


def evaluation_table(report: EvaluateReport) -> Table:
    """One row a file: how often it is right, and within what interval."""
    has_top5 = any(each.top5 is not None for each in report.evaluations)
    columns = [
        *_file_columns(report),
        Column("top-1", number=True),
        Column("95 % interval", number=True),
        *([Column("top-5", number=True)] if has_top5 else []),
        Column("images/s", number=True),
    ]
    rows = [_row(each, report, has_top5=has_top5) for each in report.evaluations]
    return Table(tuple(columns), tuple(rows))


def _file_columns(report: EvaluateReport) -> list[Column]:
    return [*([Column("recipe")] if _is_folder(report) else []), Column("file")]


def _is_folder(report: EvaluateReport) -> bool:
    """Whether recipes lie side by side, each in a folder of its name."""
    return any(each.file != _own_name(each) for each in report.evaluations)


def _own_name(each: Evaluation | Difference) -> str:
    """A file's name without the folder that is only its recipe's."""
    return each.file.removeprefix(f"{each.recipe}/")


def _file_cells(each: Evaluation | Difference, report: EvaluateReport) -> list[str]:
    if _is_folder(report):
        return [each.recipe, printable(_own_name(each))]
    return [printable(each.file.rpartition("/")[2])]


def _row(each: Evaluation, report: EvaluateReport, *, has_top5: bool) -> tuple[str, ...]:
    top5 = [ABSENT if each.top5 is None else percent(each.top5)] if has_top5 else []
    return (
        *_file_cells(each, report),
        percent(each.top1),
        f"{percent(each.low)} to {percent(each.high)}",
        *top5,
        _rate(each.images_per_second),
    )


def difference_table(report: EvaluateReport) -> Table:
    """One row a file: what its recipe costs against float32."""
    columns = (
        *_file_columns(report),
        Column("top-1, points", number=True),
        Column("95 % interval", number=True),
        Column("lost", number=True),
        Column("gained", number=True),
    )
    return Table(columns, tuple(_difference_row(each, report) for each in report.differences))


def _difference_row(each: Difference, report: EvaluateReport) -> tuple[str, ...]:
    return (
        *_file_cells(each, report),
        _points(each.difference),
        f"{_points(each.low)} to {_points(each.high)}",
        _images(each.lost),
        _images(each.gained),
    )


def difference_sentence(differences: tuple[Difference, ...]) -> str:
    """What the table of differences says, in words."""
    worse = [printable(each.file) for each in differences if each.high < 0]
    better = [printable(each.file) for each in differences if each.low > 0]
    told = [f"Less accurate than float32: {', '.join(worse)}."] if worse else []
    told += [f"More accurate than float32: {', '.join(better)}."] if better else []
    if len(worse) + len(better) < len(differences):
        which = "No other file's" if told else "No file's"
        told.append(f"{which} difference can be told from none on these images.")
    return " ".join(told)


def classes_table(report: EvaluateReport) -> Table:
    """One row a class, one column a file."""
    first = report.evaluations[0]
    columns = (
        Column("class"),
        Column("images", number=True),
        *(Column(f"{each.recipe} {each.format}", number=True) for each in report.evaluations),
    )
    rows = zip(*(each.classes for each in report.evaluations), strict=True)
    named = zip(first.classes, rows, strict=True)
    return Table(columns, tuple(_class_row(one, row) for one, row in named))


def _class_row(one: ClassAccuracy, row: tuple[ClassAccuracy, ...]) -> tuple[str, ...]:
    shares = [ABSENT if each.accuracy is None else percent_text(each.accuracy) for each in row]
    return (printable(one.name), f"{one.images:,}", *shares)


def heading(report: EvaluateReport) -> str:
    """What was evaluated on what, with which runtimes."""
    first = report.evaluations[0]
    runtimes = ", ".join(dict.fromkeys(each.runtime for each in report.evaluations))
    at_once = max(each.processes for each in report.evaluations)
    return (
        f"{printable(first.data)}, {first.split} split: {first.images:,} images; {runtimes};"
        f" {at_once} process{'es' if at_once > 1 else ''}"
    )


def percent(share: float) -> str:
    """Two digits behind the point: one image of ten thousand shows.

    >>> percent(0.9017), percent(1.0), percent(0.99999)
    ('90.17%', '100.00%', '99.99%')
    """
    whole = share * _POINTS
    # What is short of all never reads as all.
    return f"{min(whole, 99.99) if share < 1 else whole:.2f}%"


def _points(difference: float) -> str:
    return f"{difference * _POINTS:+.2f}"


def _images(count: float) -> str:
    """Whole images as they are, shares of ties with a digit."""
    return f"{count:,.0f}" if count == int(count) else f"{count:,.1f}"


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= _LEAST_SHOWN_RATE else f"{rate:.1f}"
