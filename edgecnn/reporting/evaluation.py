"""What `edgecnn evaluate` found out, file by file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.table import Column, Table
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
    result = []
    if report.evaluations:
        result.append(evaluation_table(report))
    if report.detections:
        result.append(detection_table(report))
    if report.segmentations:
        result.append(segmentation_table(report))
    if report.agreements:
        result.append(agreement_table(report))
    return result


def evaluation_table(report: EvaluateReport) -> Table:
    """One row a file: how often it is right, and within what interval."""
    has_top5 = any(evaluation.top5 is not None for evaluation in report.evaluations)
    columns = [
        *_file_columns(report),
        Column("top-1", number=True),
        Column("95 % interval", number=True),
        *([Column("top-5", number=True)] if has_top5 else []),
        Column("images/s", number=True),
    ]
    rows = [
        (
            *_file_cells(evaluation, report),
            percent(evaluation.top1),
            f"{percent(evaluation.low)} to {percent(evaluation.high)}",
            *([_share(evaluation.top5)] if has_top5 else []),
            _rate(evaluation.images_per_second),
        )
        for evaluation in report.evaluations
    ]
    return Table(tuple(columns), tuple(rows))


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
            *_file_cells(detection, report),
            percent(detection.map),
            percent(detection.map50),
            percent(detection.map75),
            detection.head,
            _rate(detection.images_per_second),
        )
        for detection in report.detections
    ]
    return Table(columns, tuple(rows))


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
            *_file_cells(segmentation, report),
            percent(segmentation.miou),
            percent(segmentation.pixel_accuracy),
            _rate(segmentation.images_per_second),
        )
        for segmentation in report.segmentations
    ]
    return Table(columns, tuple(rows))


_AGREED: dict[str, tuple[tuple[str, Callable[[Agreement], str]], ...]] = {
    "classify": (
        ("same top-1 as float", lambda agreement: _share(agreement.top1)),
        ("95 % interval", lambda agreement: f"{_share(agreement.low)} to {_share(agreement.high)}"),
    ),
    "segment": (
        ("mIoU with float's masks", lambda agreement: _share(agreement.miou)),
        ("same pixels", lambda agreement: _share(agreement.pixels)),
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
            *_file_cells(agreement, report),
            *(text(agreement) for _, text in agreed),
            _rate(agreement.images_per_second),
        )
        for agreement in report.agreements
    ]
    return Table(columns, tuple(rows))


def agreement_sentence(report: EvaluateReport) -> str:
    """What the table of agreement says, and what it cannot."""
    against = ", ".join(dict.fromkeys(printable(run.against) for run in report.agreements))
    boxes = [agreement.boxes for agreement in report.agreements if agreement.boxes is not None]
    those = f" and its {boxes[0]:,} boxes" if boxes else ""
    return (
        f"Without labels: compared with the answers of {against}{those}. This tells what quantizing"
        " changed, not how often either is right."
    )


def _file_columns(report: EvaluateReport) -> list[Column]:
    return [*([Column("recipe")] if _is_folder(report) else []), Column("file")]


def _is_folder(report: EvaluateReport) -> bool:
    """Whether recipes lie side by side, each in a folder of its name."""
    return any(run.file != _own_name(run) for run in report.runs)


def _own_name(record: FileRun | Difference) -> str:
    """A file's name without the folder that is only its recipe's."""
    return record.file.removeprefix(f"{record.recipe}/")


def _file_cells(record: FileRun | Difference, report: EvaluateReport) -> list[str]:
    if _is_folder(report):
        return [record.recipe, printable(_own_name(record))]
    return [printable(record.file.rpartition("/")[2])]


def difference_table(report: EvaluateReport) -> Table:
    """One row a file: what its recipe costs against float32."""
    columns = (
        *_file_columns(report),
        Column("top-1, points", number=True),
        Column("95 % interval", number=True),
        Column("lost", number=True),
        Column("gained", number=True),
    )
    rows = (_difference_row(difference, report) for difference in report.differences)
    return Table(columns, tuple(rows))


def _difference_row(difference: Difference, report: EvaluateReport) -> tuple[str, ...]:
    return (
        *_file_cells(difference, report),
        _points(difference.difference),
        f"{_points(difference.low)} to {_points(difference.high)}",
        _images(difference.lost),
        _images(difference.gained),
    )


def difference_sentence(differences: tuple[Difference, ...]) -> str:
    """What the table of differences says, in words."""
    worse = [printable(difference.file) for difference in differences if difference.high < 0]
    better = [printable(difference.file) for difference in differences if difference.low > 0]
    sentences = [f"Less accurate than float32: {', '.join(worse)}."] if worse else []
    sentences += [f"More accurate than float32: {', '.join(better)}."] if better else []
    if len(worse) + len(better) < len(differences):
        which = "No other file's" if sentences else "No file's"
        sentences.append(f"{which} accuracy differs significantly on these images.")
    return " ".join(sentences)


def classes_table(report: EvaluateReport) -> Table | None:
    """One row a class, one column a file; None where nothing was measured by class."""
    if report.evaluations:
        accuracies = [
            [(label.name, label.images, label.accuracy) for label in evaluation.classes]
            for evaluation in report.evaluations
        ]
        return _by_class(report, ("class", "images"), accuracies)
    if report.detections:
        precisions = [
            [(category.name, category.boxes, category.ap) for category in detection.categories]
            for detection in report.detections
        ]
        return _by_class(report, ("class", "boxes"), precisions)
    if report.segmentations:
        shared = [
            [(overlap.name, overlap.pixels, overlap.iou) for overlap in segmentation.classes]
            for segmentation in report.segmentations
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
        *(Column(f"{run.recipe} {run.format}", number=True) for run in report.runs),
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
    runtimes = ", ".join(dict.fromkeys(run.runtime for run in report.runs))
    at_once = max(run.processes for run in report.runs)
    split = f", {first.split} split" if first.split else ""
    return (
        f"{printable(first.data)}{split}: {first.images:,} {_what(report)}; {runtimes};"
        f" {at_once} process{'es' if at_once > 1 else ''}"
    )


def _what(report: EvaluateReport) -> str:
    """What there is so many of."""
    if report.runs[0].data.endswith(".npz"):
        return "samples"
    boxes = [detection.boxes for detection in report.detections]
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
