"""What came of `edgecnn train`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.table import Column, Table
from edgecnn.text import printable

if TYPE_CHECKING:
    from edgecnn.training import TrainingRecord


def epochs_table(record: TrainingRecord) -> Table:
    """One row an epoch: what the weights did while they were changing."""
    columns = (
        Column("epoch", number=True),
        Column("loss", number=True),
        Column("accuracy", number=True),
    )
    rows = tuple(
        (str(number), f"{epoch.loss:.3f}", f"{100 * epoch.accuracy:.1f}%")
        for number, epoch in enumerate(record.epochs, start=1)
    )
    return Table(columns, rows)


def outcome(record: TrainingRecord) -> str:
    """Accuracy on images the network did not see, and how it got there, in one sentence."""
    return (
        f"{printable(record.model)}: {100 * record.test_accuracy:.2f}% accuracy on"
        f" {record.test_samples:,} test images of {printable(record.data)}, after"
        f" {len(record.epochs)} epochs of {record.training_samples:,} images in"
        f" {record.seconds:.0f} s."
    )
