"""What the board's rows say: gains over the better baseline, and the tables of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from measure.measuring import Target

from compare.board_files import (
    ADVISED,
    CONVERTER,
    OURS,
    OURS_ONNX,
    QUANTIZER,
    RUNTIME,
    STRICT,
    STRICT_ONNX,
    TOOLS,
)
from compare.board_measuring import Measured, is_whole, ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GAIN_BOUND_DB = 5.0
ONNX_GAIN_BOUND_DB = 3.0
# Whether "worse on none" holds is asked of the difference.
NO_LOSS_DB = 0.0
_COMPARED = {OURS: (CONVERTER, QUANTIZER), OURS_ONNX: (RUNTIME, ADVISED)}
_STRICT = {OURS: STRICT, OURS_ONNX: STRICT_ONNX}
_BOUNDS = {OURS: GAIN_BOUND_DB, OURS_ONNX: ONNX_GAIN_BOUND_DB}


@dataclass(frozen=True)
class Row:
    """A network quantized by every tool with so many calibration pictures.

    Attributes:
        network: its name on the board.
        task: what it was trained for.
        samples: calibration pictures.
        evaluated: pictures it was measured on, none of them among the former.
        calibration_sha256: of the calibration pictures as fed; only rows with the same ones may be
            compared. Likewise of the others.
        evaluation_sha256: likewise.
        date: when it was measured.
        commit: of edgecnn.
        machine: the one that every file was run on: integers that saturate without VNNI make
            onnxruntime's files worse there.
        tools: each tool's file.
    """

    network: str
    task: str
    samples: int
    evaluated: int
    calibration_sha256: str
    evaluation_sha256: str
    date: str
    commit: str
    machine: str
    tools: dict[str, Measured]

    @staticmethod
    def key_of(network: str, samples: int) -> str:
        """What a row is known by."""
        return f"{network} {samples}"

    @property
    def key(self) -> str:
        """What this row is known by."""
        return self.key_of(self.network, self.samples)


def gain_db(row: Row, ours: str, *, integers: bool = False) -> float | None:
    """Return the gain over the better of the tools that a file of edgecnn is compared with.

    None where edgecnn has no such file or no other tool has; a file that edgecnn failed to make
    loses without bound, but for one of integers throughout that it refuses for want of a kernel.

    Args:
        row: of the board.
        ours: edgecnn's file of a format.
        integers: take the one that is integers throughout where the other is not.
    """
    others = [
        ratio(row.tools[name])
        for name in _COMPARED[ours]
        if name in row.tools and not row.tools[name].error
    ]
    if ours not in row.tools or not others:
        return None
    counted = _STRICT[ours] if integers and _STRICT[ours] in row.tools else ours
    if counted != ours and row.tools[counted].error:
        return None
    best, own = max(others), ratio(row.tools[counted])
    return 0.0 if own == best else own - best


def targets(rows: Sequence[Row]) -> list[Target]:
    """Return what the issue asks for, for each number of calibration pictures."""
    return [
        target
        for samples in sorted({row.samples for row in rows})
        for ours in _BOUNDS
        for integers in (False, True)
        for target in _targets([r for r in rows if r.samples == samples], ours, integers=integers)
    ]


def _targets(rows: Sequence[Row], ours: str, *, integers: bool) -> list[Target]:
    """The mean and the least gain over rows of one number of calibration pictures."""
    known = (gain_db(row, ours, integers=integers) for row in rows)
    gains = [gain for gain in known if gain is not None]
    if not gains:
        return []
    words = f"{ours}{', integers alone' * integers}, {rows[0].samples} pictures, dB"
    return [
        Target(f"mean gain of {words}", fmean(gains), _BOUNDS[ours], at_most=False),
        Target(f"least gain of {words}", min(gains), NO_LOSS_DB, at_most=False),
    ]


def cells(row: Row) -> tuple[str, ...]:
    """Return a row of the printed table: SNR, agreement, and how much is integer where not all."""
    return (f"{row.network}, {row.samples}", *(_cell(row.tools.get(tool)) for tool in TOOLS))


def _cell(measured: Measured | None) -> str:
    if measured is None:
        return "-"
    agreement = measured.top1_agreement
    share = measured.integer_share
    parts = [
        _decibels(measured),
        "" if agreement is None else f"{agreement:.1%}",
        "" if is_whole(share) else f"({share:.0%} int)",
    ]
    return " ".join(filter(None, parts))


def _decibels(measured: Measured | None) -> str:
    if measured is None:
        return "-"
    if measured.error:
        return "fails"
    return "same" if math.isinf(ratio(measured)) else f"{ratio(measured):.1f}"


def markdown(rows: Sequence[Row]) -> str:
    """Return the README's table: a line for each network, the numbers of pictures in a cell."""
    counts = sorted({row.samples for row in rows})
    words = " / ".join(map(str, counts))
    columns = [tool for tool in TOOLS if tool not in _STRICT.values()]
    lines = [f"| network, SNR in dB with {words} pictures | {' | '.join(columns)} |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for network in dict.fromkeys(row.network for row in rows):
        own = {row.samples: row for row in rows if row.network == network}
        texts = [_column([own.get(count) for count in counts], tool) for tool in columns]
        task = next(iter(own.values())).task
        lines.append(f"| {network} ({task}) | {' | '.join(texts)} |")
    return "\n".join(lines) + "\n"


def _column(rows: Sequence[Row | None], tool: str) -> str:
    """Return what a tool's files keep; behind edgecnn's, those of integers throughout if others."""
    strict = _STRICT.get(tool, "")
    alone = [None if row is None else row.tools.get(strict) for row in rows]
    apart = f"; integers alone {' / '.join(map(_decibels, alone))}" if any(alone) else ""
    return _texts(rows, tool) + apart


def _texts(rows: Sequence[Row | None], tool: str) -> str:
    known = [None if row is None else row.tools.get(tool) for row in rows]
    if not any(known):
        return "-"
    text = " / ".join(map(_decibels, known))
    agreements = [None if m is None else m.top1_agreement for m in known]
    if any(agreement is not None for agreement in agreements):
        text += "; " + " / ".join("-" if a is None else f"{a:.1%}" for a in agreements)
    return text + _marks(known)


def _marks(known: Iterable[Measured | None]) -> str:
    """Say which share is integer where a file is not wholly so, the least of them."""
    shares = [m.integer_share for m in known if m is not None and m.integer_share is not None]
    least = min(shares, default=1.0)
    return "" if is_whole(least) else f" ({least:.0%} int)"
