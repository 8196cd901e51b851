"""`export --plot`: the size of each file and its SNR, by recipe and format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.export import parity_basis, weights_caution
from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.charts import dots, exported
from edgecnn.reporting.page.figure import Figure
from edgecnn.reporting.page.picture import Panel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgecnn.exporting import ExportResult
    from edgecnn.reporting.page.figure import Row


def panels(result: ExportResult) -> Iterator[Panel]:
    """Sizes; then SNRs, where any file has an error to draw."""
    rows = tuple(
        {
            **row,
            "size_text": words.size(row["bytes"]),
            "snr_text": words.decibel(row["snr_db"]),
        }
        for artifact in result.artifacts
        for row in exported.rows(str(artifact.folder), artifact.manifest)
    )
    yield Panel(_sizes(result, rows), _draw_sizes)
    distant = tuple(row for row in rows if row["snr_db"] is not None)
    if distant:
        yield Panel(_snrs(result, rows, distant), _draw_snrs)


def _sizes(result: ExportResult, rows: tuple[Row, ...]) -> Figure:
    name = result.artifacts[0].manifest.model.name
    refused = [f"{refusal.recipe} .{refusal.format}" for refusal in result.refused]
    rejected = f"Rejected: {words.listed(refused)}." if refused else ""
    return Figure(
        id=exported.ID,
        title=f"{name}: {_range([str(row['size_text']) for row in _by(rows, 'bytes')])} on disk",
        reading="The size of each file, by recipe and format.",
        columns=exported.COLUMNS,
        rows=rows,
        sources=(exported.source([artifact.manifest for artifact in result.artifacts]),),
        notes=tuple(filter(None, (weights_caution(result), rejected))),
    )


def _snrs(result: ExportResult, rows: tuple[Row, ...], distant: tuple[Row, ...]) -> Figure:
    span = _range([str(row["snr_text"]) for row in _by(distant, "snr_db")])
    same = [f"{row['recipe']} {row['file']}" for row in rows if row["snr_db"] is None]
    return Figure(
        id=f"{exported.ID}-snr",
        title=f"SNR against the float model: {span}",
        reading=f"To the right is closer to float. {parity_basis(result)}",
        columns=exported.COLUMNS,
        rows=distant,
        sources=(),
        notes=(f"Identical to float, so without a mark: {words.listed(same)}.",) if same else (),
    )


def _by(rows: tuple[Row, ...], key: str) -> list[Row]:
    return sorted(rows, key=lambda row: float(str(row[key])))


def _range(ordered: list[str]) -> str:
    """From the first to the last, or the one there is."""
    return ordered[0] if ordered[0] == ordered[-1] else f"{ordered[0]} to {ordered[-1]}"


def _draw_sizes(figure: Figure) -> drawing.Drawing:
    import altair as alt

    x = alt.X(
        field="mega", type="quantitative", axis=alt.Axis(title="size of the file, MB", tickCount=6)
    )
    return dots.draw(figure, name="recipe", x=x, colour="format", text="size_text")


def _draw_snrs(figure: Figure) -> drawing.Drawing:
    import altair as alt

    x = alt.X(field="snr_db", type="quantitative", axis=alt.Axis(title="SNR, dB", tickCount=6))
    return dots.draw(figure, name="recipe", x=x, colour="format", text="snr_text")
