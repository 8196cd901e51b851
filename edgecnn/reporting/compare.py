"""Which of two files is faster, in a sentence for each device and number of threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.benchmark.report import Comparison


def comparison_lines(comparisons: Iterable[Comparison]) -> tuple[str, ...]:
    """One sentence for each comparison."""
    return tuple(comparison_line(each) for each in comparisons)


def comparison_line(found: Comparison) -> str:
    """Say which file is faster, or that nothing shows that one is."""
    where = f"{found.target}, {found.threads} thread{'s' if found.threads > 1 else ''}"
    a, b = printable(found.a), printable(found.b)
    if found.emulated:
        return f"{where}: emulated: its timings do not show which of {a} and {b} is faster."
    interval = f"95% interval {found.low:.3f} to {found.high:.3f}"
    if not found.differ:
        return f"{where}: no difference between {a} and {b} (ratio {found.ratio:.3f}, {interval})."
    if found.ratio >= 1:
        return f"{where}: {b} takes {found.ratio:.3f} times as long as {a} ({interval})."
    times, low, high = 1 / found.ratio, 1 / found.high, 1 / found.low
    return (
        f"{where}: {a} takes {times:.3f} times as long as {b}"
        f" (95% interval {low:.3f} to {high:.3f})."
    )
