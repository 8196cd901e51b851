"""The zoo's table, as `edgecnn models` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.table import Column, Table
from edgecnn.text import count_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.convert.onnx_import import Support
    from edgecnn.records import ModelSpec


def models_table(specs: Iterable[ModelSpec]) -> Table:
    """One row a network, at its default input size, classes and width."""
    columns = (
        Column("name"),
        Column("parameters", number=True),
        Column("MACs", number=True),
        Column("activations", number=True),
        Column("input", number=True),
        Column("classes", number=True),
        Column("document"),
    )
    return Table(columns, tuple(map(_row, specs)))


def _row(spec: ModelSpec) -> tuple[str, ...]:
    return (
        spec.name,
        count_text(spec.parameters),
        count_text(spec.macs),
        count_text(spec.activations),
        f"{spec.input_size}x{spec.input_size}x3",
        str(spec.classes),
        # The documents are known by their number; the rest of the name is a hash.
        spec.document.partition("_")[0],
    )


def summaries_table(specs: Iterable[ModelSpec]) -> Table:
    """What each network is, in a line."""
    rows = tuple((spec.name, spec.summary) for spec in specs)
    return Table((Column("name"), Column("what it is")), rows)


def operators_table(rows: Iterable[Support]) -> Table:
    """One row an ONNX operator, and what of it cannot be had."""
    columns = (Column("operator"), Column("kind"), Column("not supported"))
    return Table(columns, tuple((row.operator, row.kind, row.note) for row in rows))
