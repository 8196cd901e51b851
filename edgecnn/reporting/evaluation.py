"""What `edgecnn evaluate` found out, file by file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.table import Bars, Column, Table
from edgecnn.text import ABSENT, percent_text, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgecnn.evaluating.records import (
        Agreement,
        Difference,
        EvaluateReport,
        FileRun,
    )

_POINTS = 100
_LEAST_SHOWN_RATE = 10


def tables(report: EvaluateReport) -> list[Table]:
    """How right each file is, and how far it agrees with the float file; those there are."""
    made = []
    if report.evaluations:
        made.append(evaluation_table(report))
    if report.detections:
        made.append(detection_table(report))
    if report.segmentations:
        made.append(segmentation_table(report))
    if report.agreements:
        made.append(agreement_table(report))
    return made


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
    rows = [
        (
            *file_cells(each, report),
            percent(each.top1),
            f"{percent(each.low)} to {percent(each.high)}",
            *([_share(each.top5)] if has_top5 else []),
            _rate(each.images_per_second),
        )
        for each in report.evaluations
    ]
    return _with_bars(report, tuple(columns), rows, [each.top1 for each in report.evaluations])


def _with_bars(
    report: EvaluateReport,
    columns: tuple[Column, ...],
    rows: Sequence[tuple[str, ...]],
    shares: Sequence[float | None],
) -> Table:
    """A table whose first number behind the file has bars."""
    return Table(columns, tuple(rows), Bars(len(_file_columns(report)), tuple(shares)))


def detection_table(report: EvaluateReport) -> Table:
    """One row a file: mean average precision, as COCO has it."""
    columns = (
        *_file_columns(report),
        Column("mAP 50-95", number=True),
        Column("mAP 50", number=True),
        Column("mAP 75", number=True),
        Column("head"),
        Column("images/s", number=True),
    )
    rows = [
        (
            *file_cells(each, report),
            percent(each.map),
            percent(each.map50),
            percent(each.map75),
            each.head,
            _rate(each.images_per_second),
        )
        for each in report.detections
    ]
    return _with_bars(report, columns, rows, [each.map for each in report.detections])


def segmentation_table(report: EvaluateReport) -> Table:
    """One row a file: overlap of masks, and how many pixels are right."""
    columns = (
        *_file_columns(report),
        Column("mIoU", number=True),
        Column("pixels right", number=True),
        Column("images/s", number=True),
    )
    rows = [
        (
            *file_cells(each, report),
            percent(each.miou),
            percent(each.pixel_accuracy),
            _rate(each.images_per_second),
        )
        for each in report.segmentations
    ]
    return _with_bars(report, columns, rows, [each.miou for each in report.segmentations])


_AGREED: dict[str, tuple[tuple[str, Callable[[Agreement], str]], ...]] = {
    "classify": (
        ("same top-1 as float", lambda each: _share(each.top1)),
        ("95 % interval", lambda each: f"{_share(each.low)} to {_share(each.high)}"),
    ),
    "segment": (
        ("mIoU with float's masks", lambda each: _share(each.miou)),
        ("same pixels", lambda each: _share(each.pixels)),
    ),
    "detect": (
        ("mAP 50-95 against float's boxes", lambda each: _share(each.map)),
        ("mAP 50", lambda each: _share(each.map50)),
        ("mAP 75", lambda each: _share(each.map75)),
    ),
}


def agreement_table(report: EvaluateReport) -> Table:
    """One row a file: how often it answers as the float file does."""
    agreed = _AGREED[report.task]
    columns = (
        *_file_columns(report),
        *(Column(title, number=True) for title, _ in agreed),
        Column("images/s", number=True),
    )
    rows = [
        (
            *file_cells(each, report),
            *(text(each) for _, text in agreed),
            _rate(each.images_per_second),
        )
        for each in report.agreements
    ]
    return _with_bars(report, columns, rows, [_agreed_share(each) for each in report.agreements])


def _agreed_share(each: Agreement) -> float | None:
    return next((share for share in (each.top1, each.miou, each.map) if share is not None), None)


def agreement_sentence(report: EvaluateReport) -> str:
    """What the table of agreement says, and what it cannot."""
    against = ", ".join(dict.fromkeys(printable(each.against) for each in report.agreements))
    boxes = [each.boxes for each in report.agreements if each.boxes is not None]
    those = f" and its {boxes[0]:,} boxes" if boxes else ""
    return (
        f"Without labels: compared with the answers of {against}{those}. This tells what quantizing"
        " changed, not how often either is right."
    )


def _file_columns(report: EvaluateReport) -> list[Column]:
    return [*([Column("recipe")] if _is_folder(report) else []), Column("file")]


def _is_folder(report: EvaluateReport) -> bool:
    """Whether recipes lie side by side, each in a folder of its name."""
    return any(each.file != _own_name(each) for each in report.runs)


def _own_name(each: FileRun | Difference) -> str:
    """A file's name without the folder that is only its recipe's."""
    return each.file.removeprefix(f"{each.recipe}/")


def file_cells(each: FileRun | Difference, report: EvaluateReport) -> list[str]:
    """What names a file: its recipe, where each has a folder, and its name."""
    if _is_folder(report):
        return [each.recipe, printable(_own_name(each))]
    return [printable(each.file.rpartition("/")[2])]


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
        *file_cells(each, report),
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
        told.append(f"{which} accuracy differs significantly on these images.")
    return " ".join(told)


def classes_table(report: EvaluateReport) -> Table | None:
    """One row a class, one column a file; None where nothing was measured by class."""
    if report.evaluations:
        accuracies = [
            [(one.name, one.images, one.accuracy) for one in each.classes]
            for each in report.evaluations
        ]
        return _by_class(report, ("class", "images"), accuracies)
    if report.detections:
        precisions = [
            [(one.name, one.boxes, one.ap) for one in each.categories] for each in report.detections
        ]
        return _by_class(report, ("class", "boxes"), precisions)
    if report.segmentations:
        shared = [
            [(one.name, one.pixels, one.iou) for one in each.classes]
            for each in report.segmentations
        ]
        return _by_class(report, ("class", "pixels"), shared)
    return None


def _by_class(
    report: EvaluateReport,
    titles: tuple[str, str],
    files: Sequence[Sequence[tuple[str, int, float | None]]],
) -> Table:
    columns = (
        Column(titles[0]),
        Column(titles[1], number=True),
        *(Column(f"{each.recipe} {each.format}", number=True) for each in report.runs),
    )
    longest = max(files, key=len)
    rows = tuple(
        (
            printable(name),
            f"{count:,}",
            *(_class_share(file[k][2] if k < len(file) else None) for file in files),
        )
        for k, (name, count, _) in enumerate(longest)
    )
    return Table(columns, rows)


def _class_share(share: float | None) -> str:
    return ABSENT if share is None else percent_text(share)


def heading(report: EvaluateReport) -> str:
    """What was evaluated on what, with which runtimes."""
    first = report.runs[0]
    runtimes = ", ".join(dict.fromkeys(each.runtime for each in report.runs))
    at_once = max(each.processes for each in report.runs)
    split = f", {first.split} split" if first.split else ""
    return (
        f"{printable(first.data)}{split}: {first.images:,} {_what(report)}; {runtimes};"
        f" {at_once} process{'es' if at_once > 1 else ''}"
    )


def _what(report: EvaluateReport) -> str:
    """What there is so many of."""
    if report.runs[0].data.endswith(".npz"):
        return "samples"
    boxes = [each.boxes for each in report.detections]
    return f"images, {boxes[0]:,} boxes" if boxes else "images"


def percent(share: float) -> str:
    """Two digits behind the point: one image of ten thousand shows.

    >>> percent(0.9017), percent(1.0), percent(0.99999)
    ('90.17%', '100.00%', '99.99%')
    """
    whole = share * _POINTS
    # What is short of all never reads as all.
    return f"{min(whole, 99.99) if share < 1 else whole:.2f}%"


def _share(share: float | None) -> str:
    return ABSENT if share is None else percent(share)


def _points(difference: float) -> str:
    return f"{difference * _POINTS:+.2f}"


def _images(count: float) -> str:
    """Whole images as they are, shares of ties with a digit."""
    return f"{count:,.0f}" if count == int(count) else f"{count:,.1f}"


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= _LEAST_SHOWN_RATE else f"{rate:.1f}"
