"""Numbers and foreign strings as people read them, in ASCII."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.records import ParityInfo

ABSENT = "-"
_STEP = 1000
_TEN, _HUNDRED = 10, 100
_LONGEST = 60


def count_text(number: int) -> str:
    """A count with three digits and its SI prefix.

    >>> count_text(22_910_480), count_text(999_999), count_text(104)
    ('22.9 M', '1.00 M', '104')
    """
    return _scaled(number, ("", "k", "M", "G", "T", "P"))


def size_text(size_bytes: int) -> str:
    """A size in decimal bytes, as `ls -l` counts them.

    >>> size_text(22_924_312), size_text(512)
    ('22.9 MB', '512 B')
    """
    return _scaled(size_bytes, ("B", "kB", "MB", "GB", "TB", "PB"))


def _scaled(number: int, units: tuple[str, ...]) -> str:
    value, index = float(number), 0
    # 999.5 of one unit would read 1000 of it: that is 1.00 of the next.
    while abs(value) >= _STEP - 0.5 and index < len(units) - 1:
        value, index = value / _STEP, index + 1
    if index == 0:
        return f"{number} {units[0]}".rstrip()
    digits = 2 if abs(value) < _TEN - 0.005 else 1 if abs(value) < _HUNDRED - 0.05 else 0
    return f"{value:.{digits}f} {units[index]}"


def milliseconds_text(value_ms: float) -> str:
    """Milliseconds with three digits that mean something, never with an exponent.

    >>> milliseconds_text(38.09), milliseconds_text(0.04213), milliseconds_text(1234.5)
    ('38.1', '0.0421', '1234')
    """
    if value_ms >= _HUNDRED - 0.05 or not math.isfinite(value_ms):
        return f"{value_ms:.0f}"
    for digits, limit in ((1, _TEN - 0.005), (2, 1 - 0.0005), (3, 0.1 - 0.00005)):
        if value_ms >= limit:
            return f"{value_ms:.{digits}f}"
    return f"{value_ms:.4f}"


def threads_text(threads: int) -> str:
    """How many threads.

    >>> threads_text(1), threads_text(4)
    ('1 thread', '4 threads')
    """
    return f"{threads} thread{'s' if threads > 1 else ''}"


def duration_text(seconds: float) -> str:
    """How long something may take, roughly.

    >>> duration_text(0.4), duration_text(42), duration_text(400), duration_text(20_000)
    ('1 s', '42 s', '7 min', '5.6 h')
    """
    minutes = seconds / 60
    if minutes < 1.5:  # noqa: PLR2004 - below, seconds say more
        return f"{max(1, round(seconds))} s"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"  # noqa: PLR2004 - likewise


def percent_text(share: float) -> str:
    """A share of one in per cent; short of all is never shown as 100%, nor something as nothing.

    >>> percent_text(0.2548), percent_text(1.0), percent_text(0.9999), percent_text(0.0001)
    ('25.5%', '100%', '99.9%', '<0.1%')
    """
    if share == 1:
        return "100%"
    percent = share * _HUNDRED
    if 0 < percent < 0.05:  # noqa: PLR2004 - what would be rounded to 0.0
        return "<0.1%"
    if _HUNDRED - 0.05 <= percent < _HUNDRED:
        return "99.9%"
    return f"{percent:.1f}%"


def snr_text(parity: ParityInfo | None) -> str:
    """The signal-to-noise ratio of the logits in dB; "exact" where nothing differs."""
    if parity is None:
        return ABSENT
    if parity.snr_db is None:
        return "exact"
    return f"{parity.snr_db:.1f}" if math.isfinite(parity.snr_db) else str(parity.snr_db)


def agreement_text(parity: ParityInfo | None) -> str:
    """The share of samples, or of pixels of a map, whose best class is the reference's."""
    if parity is None:
        return ABSENT
    shares = (parity.top1_agreement, parity.pixel_agreement)
    return next((percent_text(share) for share in shares if share is not None), ABSENT)


def group_text(parity: ParityInfo) -> str:
    """The SNR in dB of the group of channels that lost most."""
    ratio = parity.worst_group_db
    if ratio is None:
        return ABSENT
    return f"{ratio:.1f}" if math.isfinite(ratio) else str(ratio)


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape; `?` for a size the file leaves open.

    >>> shape_text((-1, 32, 32, 3)), shape_text(())
    ('?x32x32x3', 'scalar')
    """
    return "x".join("?" if size < 0 else str(size) for size in shape) or "scalar"


def tally_text(counts: dict[str, int]) -> str:
    """Names with how often each occurs, the most frequent first.

    >>> tally_text({"PACK": 1, "RELU": 2})
    'RELU x2, PACK'
    """
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{printable(name)} x{n}" if n > 1 else printable(name) for name, n in ordered)


def printable(text: str, longest: int = _LONGEST) -> str:
    r"""What a foreign file says of itself, on one line, and no longer than a table can stand.

    A tensor's name may hold escape sequences that a terminal would obey. Whatever the command line
    prints is cleaned of them where it prints; this is for what has to be short, or goes elsewhere.

    >>> printable("conv\x1b[2J")
    'conv\\x1b[2J'
    """
    safe = one_line(text)
    return safe if len(safe) <= longest else f"{safe[: longest - 3]}..."


def one_line(text: str) -> str:
    """The same at any length."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def printable_lines(text: str) -> str:
    """The same for a sentence of ours that quotes a foreign file: its lines are kept."""
    return "\n".join(map(one_line, text.split("\n")))


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode()
