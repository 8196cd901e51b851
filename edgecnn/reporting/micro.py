"""What `edgecnn mcu` found, for a person and as JSON."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from edgecnn.records import SCHEMA
from edgecnn.reporting.table import Column, Table
from edgecnn.text import (
    milliseconds_text,
    percent_text,
    printable,
    shape_text,
    size_text,
    tally_text,
)

if TYPE_CHECKING:
    from edgecnn.micro.record import BoardFit, Comparison, MicroReport
    from edgecnn.records import TensorInfo


def micro_object(report: MicroReport) -> dict[str, Any]:
    """The one object of `--json`."""
    from edgecnn.tflm.operators import SOURCE

    fields = dataclasses.asdict(report)
    fields.update(
        path=str(report.path),
        folder=None if report.folder is None else str(report.folder),
        ok=report.ok,
        arena_bytes=report.arena_bytes,
        operators_source=SOURCE,
    )
    if report.estimate is not None:
        fields["estimate"]["arena_bytes"] = report.estimate.arena_bytes
    if report.measured is not None:
        fields["measured"]["bit_identical"] = report.measured.bit_identical
    return {"schema": SCHEMA, "mcu": fields}


def pairs(report: MicroReport) -> tuple[tuple[str, str], ...]:
    """Names and values."""
    rows = [
        ("runs on TFLM", "yes" if report.ok else "no"),
        ("operators", tally_text(report.operators)),
        ("inputs", "; ".join(map(_tensor_text, report.inputs))),
        ("outputs", "; ".join(map(_tensor_text, report.outputs))),
        ("flash", f"{size_text(report.size_bytes)} for the network, and the program's own"),
        ("arena", arena_text(report)),
    ]
    if report.measured is not None:
        measured = report.measured
        rows.append(("reference kernels", "; ".join(map(_difference, measured.outputs))))
        rows.append(("XNNPACK", "; ".join(map(_difference, measured.default_outputs))))
        rows.append(("measured with", f"{measured.runtime}, against LiteRT's two sets of kernels"))
    return tuple(rows)


def arena_text(report: MicroReport) -> str:
    """The arena, and how it is known."""
    estimate, measured = report.estimate, report.measured
    if measured is not None:
        note = "" if estimate is None else f"; estimated {size_text(estimate.arena_bytes)}"
        return (
            f"{size_text(measured.arena_bytes)} measured: {size_text(measured.planned_bytes)} of"
            f" activations, {size_text(measured.persistent_bytes)} that stay{note}"
        )
    return "not known" if estimate is None else f"{size_text(estimate.arena_bytes)} estimated"


def _tensor_text(tensor: TensorInfo) -> str:
    scale = f", scale {tensor.scale:g}, zero point {tensor.zero_point or 0}" if tensor.scale else ""
    return f"{printable(tensor.name)} {tensor.dtype} {shape_text(tensor.shape)}{scale}"


def _difference(output: Comparison) -> str:
    name = printable(output.name)
    runs = f"{output.runs} input{'s' if output.runs > 1 else ''}"
    if output.differing == 0:
        return f"{name} bit-identical on {runs}"
    most = (
        f"{output.max_difference:g}"
        if output.max_steps is None
        else f"{output.max_steps} step{'s' if output.max_steps > 1 else ''}"
    )
    share = percent_text(output.differing)
    return (
        f"{printable(output.name)} differs by at most {most} in {share} of its numbers, on {runs}"
    )


def boards_table(report: MicroReport) -> Table:
    """One row a board."""
    columns = (
        Column("board"),
        Column("fits"),
        Column("flash", number=True),
        Column("RAM", number=True),
        Column("predicted ms", number=True),
        Column("room"),
    )
    return Table(columns, tuple(map(_board_row, report.boards)))


def _board_row(board: BoardFit) -> tuple[str, ...]:
    return (
        board.board,
        "yes" if board.fits else "no",
        size_text(board.flash_bytes),
        size_text(board.ram_bytes),
        _latency_text(board),
        board.reason,
    )


def _latency_text(board: BoardFit) -> str:
    if board.latency_ms is None or board.low_ms is None or board.high_ms is None:
        return "unknown" if board.fits else "-"
    low, high = milliseconds_text(board.low_ms), milliseconds_text(board.high_ms)
    return f"{milliseconds_text(board.latency_ms)} ({low} to {high})"


def notes(report: MicroReport) -> tuple[str, ...]:
    """What a reader should know before relying on it."""
    predicted = [b.latency_note for b in report.boards if b.latency_ms is not None]
    return (
        *report.notes,
        *(f"Milliseconds: {note}; for int8 networks." for note in dict.fromkeys(predicted)),
    )
