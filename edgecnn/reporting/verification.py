"""What `edgecnn verify` found out, file by file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.table import Column, Table
from edgecnn.text import ABSENT, agreement_text, printable, snr_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgecnn.records import Manifest, ParityInfo
    from edgecnn.verifying import VerifiedFile, VerifyResult


def verification_table(result: VerifyResult, manifest: Manifest) -> Table:
    """One row a file: whether it holds, and its SNR now against the one in the manifest."""
    recorded = {file.path: file.parity for file in manifest.files}
    columns = (
        Column("file"),
        Column("result"),
        Column("SNR dB now", number=True),
        Column("recorded", number=True),
        Column("top-1 now", number=True),
        Column("recorded", number=True),
        Column("images", number=True),
    )
    return Table(columns, tuple(_row(file, recorded) for file in result.files))


def _row(file: VerifiedFile, recorded: Mapping[str, ParityInfo]) -> tuple[str, ...]:
    before = recorded.get(file.path)
    return (
        printable(file.path),
        "OK" if file.ok else "FAILED",
        snr_text(file.parity),
        snr_text(before),
        agreement_text(file.parity),
        agreement_text(before),
        ABSENT if file.parity is None else str(file.parity.samples),
    )


def verdict(result: VerifyResult) -> str:
    """The last line on an artifact that holds."""
    if any(file.note for file in result.files):
        return "OK as far as this machine can check; see the notes."
    return "OK: every file matches the manifest."


def problem_lines(result: VerifyResult) -> tuple[str, ...]:
    """Why files failed, one line a reason."""
    return tuple(
        problem if file.path in problem else f"{file.path}: {problem}"
        for file in result.files
        for problem in file.problems
    )


def note_lines(result: VerifyResult) -> tuple[str, ...]:
    """What could not be checked, and why."""
    return tuple(f"{file.path}: {file.note}" for file in result.files if file.note)
