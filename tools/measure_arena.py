"""Hold estimated arenas against those that TensorFlow Lite Micro's interpreter takes.

    python tools/measure_arena.py PATH [PATH ...] [--out artifacts/benchmarks/arena.json]

Prints one JSON object a file or artifact folder, and the largest error last; --out keeps them.
Needs `pip install 'edgecnn[mcu]'`.
"""

from __future__ import annotations

import argparse
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from measure.measuring import write_json

import edgecnn
from edgecnn.micro import interpreter


def measured(path: Path) -> dict[str, Any]:
    """One file's estimate, measurement and relative error; its problems where it has any."""
    report = edgecnn.mcu(path)
    estimate, arena = report.estimate, report.measured
    row: dict[str, Any] = {"file": "/".join(path.parts[-2:]), "flash_bytes": report.size_bytes}
    if estimate is not None:
        row["estimated_bytes"] = estimate.arena_bytes
    if arena is None:
        return {**row, "problems": list(report.problems) or [report.not_measured]}
    row |= {
        "measured_bytes": arena.arena_bytes,
        "bit_identical": arena.bit_identical,
        "boards": [board.board for board in report.boards if board.fits],
    }
    if estimate is not None:
        row["planned_is_exact"] = estimate.planned_bytes == arena.planned_bytes
        row["error"] = round(estimate.arena_bytes / arena.arena_bytes - 1, 4)
    return row


def main() -> None:
    """Measure every file that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the record there")
    options = parser.parse_args()
    rows = []
    for path in options.files:
        rows.append(measured(path))
        print(json.dumps(rows[-1]), flush=True)
    errors = [abs(row["error"]) for row in rows if "error" in row]
    summary = {"files": len(errors), "largest_error": max(errors, default=None)}
    print(json.dumps(summary))
    if options.out is not None:
        date = datetime.now(timezone.utc).isoformat(timespec="seconds")
        record = {"date": date, "runtime": interpreter.runtime(), **summary, "results": rows}
        write_json(options.out, record)


if __name__ == "__main__":
    main()
