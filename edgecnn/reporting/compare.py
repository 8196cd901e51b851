"""Which of two files is faster, in a sentence for each device and number of threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.text import printable, threads_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.benchmark.report import Comparison


def comparison_lines(comparisons: Iterable[Comparison]) -> tuple[str, ...]:
    """One sentence for each comparison."""
    return tuple(map(comparison_line, comparisons))


def comparison_line(comparison: Comparison) -> str:
    """Say which file is faster, or that nothing shows that one is."""
    threads = comparison.threads
    where = f"{comparison.target}, {threads_text(threads)}"
    a, b = printable(comparison.a), printable(comparison.b)
    if comparison.emulated:
        return f"{where}: emulated: its timings do not show which of {a} and {b} is faster."
    interval = f"95% interval {comparison.low:.3f} to {comparison.high:.3f}"
    if not comparison.differ:
        ratio = f"ratio {comparison.ratio:.3f}, {interval}"
        return f"{where}: no difference between {a} and {b} ({ratio})."
    if comparison.ratio >= 1:
        return f"{where}: {b} takes {comparison.ratio:.3f} times as long as {a} ({interval})."
    times, low, high = 1 / comparison.ratio, 1 / comparison.high, 1 / comparison.low
    return (
        f"{where}: {a} takes {times:.3f} times as long as {b}"
        f" (95% interval {low:.3f} to {high:.3f})."
    )
