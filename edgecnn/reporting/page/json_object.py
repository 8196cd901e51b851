"""What `edgecnn report --json` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.records import SCHEMA

if TYPE_CHECKING:
    from edgecnn.reporting.json_objects import JsonObject
    from edgecnn.reporting.page.making import ReportResult


def report_object(result: ReportResult) -> JsonObject:
    """The files that were written, what is in them and what is missing."""
    return {
        "schema": SCHEMA,
        "page": str(result.page),
        "size_bytes": result.size_bytes,
        "markdown": None if result.markdown is None else str(result.markdown),
        "tables": [str(path) for path in result.tables],
        "outcomes": dict(result.outcomes),
        "figures": [
            {"id": figure.id, "title": figure.title, "rows": figure.rows}
            for figure in result.figures
        ],
        "missing": [
            {"id": figure.id, "title": figure.title, "commands": list(figure.commands)}
            for figure in result.missing
        ],
        "problems": list(result.problems),
    }
