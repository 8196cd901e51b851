"""The verb `report`: read everything, make the page, write it whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from edgecnn import store
from edgecnn.errors import InputError
from edgecnn.records import SCHEMA
from edgecnn.reporting.page import html, markdown, tables
from edgecnn.reporting.page import material as materials
from edgecnn.reporting.page import sections as contents
from edgecnn.reporting.page.figure import Figure

if TYPE_CHECKING:
    from edgecnn.claims.record import Outcome

_Path: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True)
class ReportedFigure:
    """A chart of the report: its anchor, its title, and how many rows it draws."""

    id: str
    title: str
    rows: int


@dataclass(frozen=True)
class MissingFigure:
    """A chart that has no data, and the commands that would make it."""

    id: str
    title: str
    commands: tuple[str, ...]


@dataclass(frozen=True)
class ReportResult:
    """What `report` wrote.

    Attributes:
        page: the HTML file.
        size_bytes: of it.
        markdown: the Markdown file, if asked for.
        tables: the CSV files, if asked for.
        outcomes: of each claim, by its id.
        figures: the charts in the page, in order.
        missing: charts without data.
        problems: files that could not be read and were left out, one sentence each.
    """

    page: Path
    size_bytes: int
    markdown: Path | None
    tables: tuple[Path, ...]
    outcomes: dict[str, Outcome]
    figures: tuple[ReportedFigure, ...]
    missing: tuple[MissingFigure, ...]
    problems: tuple[str, ...]
    schema: int = SCHEMA


def report(
    out: _Path = "report.html",
    *,
    records: _Path | None = None,
    artifacts: _Path = materials.ARTIFACTS,
    markdown_out: _Path | None = None,
    csv_folder: _Path | None = None,
) -> ReportResult:
    """Write the evidence as one HTML page that opens from disk and needs no network.

    The page holds the verdicts on the documents' claims, and charts of the records of experiments,
    of the user's results.jsonl and manifests, and of this repository's comparisons; each chart has
    its provenance, machine, versions and date, and a table of its values. The same records give
    the same bytes. Nothing is trained, run or measured.

    Args:
        out: the HTML file; replaced in one step.
        records: folder of the experiments' records; None: artifacts/experiments, if it is there.
        artifacts: folder of what the user exported and measured; need not exist.
        markdown_out: also write the same as Markdown here.
        csv_folder: also write every figure's rows here, one CSV file each.

    Raises:
        InputError: the named folder holds no record, one is damaged, or a file cannot be written.
        MissingPartError: the charting library or the template engine is not installed.
    """
    html.check_installed()
    material = materials.read(None if records is None else Path(records), Path(artifacts))
    sections = contents.gather(material)
    page = _write(Path(out), html.render(material, sections))
    written = None
    if markdown_out is not None:
        written = _write(Path(markdown_out), markdown.render(material, sections))
    csv_files = () if csv_folder is None else _write_tables(Path(csv_folder), material, sections)
    figures = [figure for content in sections for figure in content.figures]
    verdicts = material.verdicts.verdicts if material.verdicts else ()
    return ReportResult(
        page=page,
        size_bytes=page.stat().st_size,
        markdown=written,
        tables=csv_files,
        outcomes={verdict.claim.id: verdict.outcome for verdict in verdicts},
        figures=tuple(
            ReportedFigure(figure.id, figure.title, len(figure.rows))
            for figure in figures
            if isinstance(figure, Figure)
        ),
        missing=tuple(
            MissingFigure(figure.id, figure.title, figure.commands)
            for figure in figures
            if not isinstance(figure, Figure)
        ),
        problems=material.problems,
    )


def _write_tables(
    folder: Path, material: materials.Material, sections: tuple[contents.SectionContent, ...]
) -> tuple[Path, ...]:
    files = tables.render(material, sections)
    return tuple(_write(folder / name, content) for name, content in files.items())


def _write(path: Path, text: str) -> Path:
    """Write a file that appears whole or not at all; what was there before stays until then.

    Raises:
        InputError: it cannot be written.
    """
    try:
        # A file's name may hold bytes that are no text: they are shown as on the terminal.
        store.write_file(path, text.encode(errors="backslashreplace"))
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {error.strerror}.", hint="Name another place."
        ) from error
    return path
