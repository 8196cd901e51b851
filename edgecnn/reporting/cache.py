"""What the cache holds, as `edgecnn cache` shows it."""

from __future__ import annotations

import time
from itertools import groupby
from typing import TYPE_CHECKING

from edgecnn.reporting.table import Column, Table
from edgecnn.text import printable, size_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.caching import CacheEntry, CacheReport


def cache_table(report: CacheReport) -> Table:
    """One row a kind."""
    columns = (
        Column("kind"),
        Column("entries", number=True),
        Column("size", number=True),
        Column("last used"),
    )
    kinds = groupby(report.entries, key=lambda entry: entry.kind)
    return Table(columns, tuple(_row(kind, list(entries)) for kind, entries in kinds))


def _row(kind: str, entries: list[CacheEntry]) -> tuple[str, ...]:
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(max(entry.used for entry in entries)))
    return (printable(kind), str(len(entries)), size_text(_size_bytes(entries)), used)


def problem_lines(report: CacheReport) -> tuple[str, ...]:
    """A sentence for each damaged entry."""
    return tuple(
        f"{printable(entry.kind)}/{entry.key}: {entry.problem}. It is rebuilt when next needed."
        for entry in report.damaged
    )


def outcome(report: CacheReport) -> str:
    """What there is, or was, and where."""
    what = f"{len(report.entries)} entries, {size_text(_size_bytes(report.entries))}"
    if report.cleared:
        return f"Removed from {report.folder}: {what}."
    looked = any(entry.problem is not None for entry in report.entries)
    whole = ", all intact" if looked and not report.damaged else ""
    return f"{report.folder}: {what}{whole}."


def _size_bytes(entries: Iterable[CacheEntry]) -> int:
    return sum(entry.size_bytes for entry in entries)
