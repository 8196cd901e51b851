"""The closing table of an export, and what to do next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from edgecnn.reporting.table import Column, Table
from edgecnn.reporting.text import ABSENT, agreement_text, percent_text, size_text, snr_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgecnn.exporting import ExportResult
    from edgecnn.records import FileInfo

_RANDOM = "random"


def export_table(result: ExportResult) -> Table:
    """One row a file: what it weighs, how faithful it is, how it runs."""
    columns = (
        Column("recipe"),
        Column("file"),
        Column("size", number=True),
        Column("of float32", number=True),
        Column("SNR dB", number=True),
        Column("top-1", number=True),
        Column("partitions", number=True),
    )
    rows = tuple(
        _row(artifact.manifest.recipe, file, result.float32_size_bytes)
        for artifact in result.artifacts
        for file in artifact.manifest.files
    )
    return Table(columns, rows)


def _row(recipe: str, file: FileInfo, float32_size_bytes: Mapping[str, int]) -> tuple[str, ...]:
    whole = float32_size_bytes.get(file.format)
    partitions = file.graph.delegate_partitions
    return (
        recipe,
        file.path,
        size_text(file.bytes),
        percent_text(file.bytes / whole) if whole else ABSENT,
        snr_text(file.parity),
        agreement_text(file.parity),
        ABSENT if partitions is None else str(partitions),
    )


def parity_basis(result: ExportResult) -> str:
    """What SNR and top-1 in the table were measured against, in a line."""
    samples = {f.parity.samples for a in result.artifacts for f in a.manifest.files}
    images = " or ".join(str(each) for each in sorted(samples))
    return (
        "SNR (of the logits) and top-1 agreement: against the float32 model,"
        f" on {images} images that calibration did not see."
    )


def weights_caution(result: ExportResult) -> str:
    """What random weights mean for whoever uses the files; "" for trained ones."""
    if not any(a.manifest.model.weights == _RANDOM for a in result.artifacts):
        return ""
    return (
        "The weights are random: the files are fit for measuring latency and size, not for"
        " answers. Give trained weights with --weights FILE."
    )


def next_commands(result: ExportResult) -> tuple[str, ...]:
    """Commands to paste, for the last artifact written."""
    if not result.artifacts:
        return ()
    last = result.artifacts[-1]
    file = last.folder / last.manifest.files[0].path
    return (
        f"edgecnn verify {shlex.quote(str(last.folder))}",
        f"edgecnn inspect {shlex.quote(str(file))}",
    )
