"""Which board has room for a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.micro.record import BoardFit
from edgecnn.text import size_text
from edgecnn.tflm import cycles

if TYPE_CHECKING:
    from edgecnn.micro.record import MicroReport
    from edgecnn.tflm.boards import Board


def board_fit(report: MicroReport, board: Board, int8_macs: int) -> BoardFit:
    """Hold a network's file and arena against a board; nothing is reserved for the program.

    Args:
        report: of the network.
        board: that it may go on.
        int8_macs: multiply-accumulates, for the time; 0 where it does not compute in int8.
    """
    lacks = room(report.size_bytes, report.arena_bytes, board)
    expected = None if lacks else cycles.expect(int8_macs, board)
    fit = BoardFit(
        board=board.name,
        flash_bytes=board.flash_bytes,
        ram_bytes=board.ram_bytes,
        fits=not lacks,
        reason=lacks or _left(report.size_bytes, report.arena_bytes or 0, board),
        latency_note="" if lacks else "unknown: no published rows for this core and memory",
    )
    if expected is None:
        return fit
    return BoardFit(
        fit.board, fit.flash_bytes, fit.ram_bytes, fit.fits, fit.reason,
        expected.latency_ms, expected.low_ms, expected.high_ms, f"predicted from {cycles.SOURCE}",
    )  # fmt: skip


def room(flash_bytes: int, arena_bytes: int | None, board: Board) -> str:
    """What the board lacks; "" where it has enough."""
    if arena_bytes is None:
        return "the arena is not known"
    lacks = []
    if flash_bytes > board.flash_bytes:
        lacks.append(f"{size_text(flash_bytes)} of {size_text(board.flash_bytes)} flash")
    if arena_bytes > board.ram_bytes:
        lacks.append(f"{size_text(arena_bytes)} of {size_text(board.ram_bytes)} RAM")
    return f"needs {' and '.join(lacks)}" if lacks else ""


def _left(flash_bytes: int, arena_bytes: int, board: Board) -> str:
    flash, ram = board.flash_bytes - flash_bytes, board.ram_bytes - arena_bytes
    return f"leaves {size_text(flash)} flash and {size_text(ram)} RAM"
