"""One sentence for a result that has just arrived, for those who wait for other devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.text import milliseconds_text, printable, threads_text

if TYPE_CHECKING:
    from edgecnn.measurements import BenchResult, Grade

GRADES: dict[Grade, str] = {"trusted": "valid", "warned": "suspect", "void": "invalid"}
"""What a person reads for each grade; JSON keeps its own words."""


def result_text(result: BenchResult) -> str:
    """Where, what and how fast; of an emulator no time, as in the tables."""
    threads = threads_text(result.threads)
    p90 = f"p90 {milliseconds_text(result.latency_ms.p90)} ms"
    differ = ", outputs DIFFER" if result.outputs_match is False else ""
    return (
        f"{result.target}: {printable(result.file)}, {threads}:"
        f" {'emulated' if result.emulated else p90}, {GRADES[result.trust.grade]}{differ}"
    )
