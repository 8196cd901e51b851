"""Hold estimated arenas against those that TensorFlow Lite Micro's interpreter takes.

    python tools/measure_arena.py FILE.tflite [FILE.tflite ...]

Prints one JSON object a file, and the largest error last. Needs `pip install 'edgecnn[mcu]'`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import edgecnn


def measured(path: Path) -> dict[str, object]:
    """One file's estimate, measurement and relative error; its problems where it has any."""
    report = edgecnn.mcu(path)
    if report.measured is None or report.estimate is None:
        return {"file": str(path), "problems": list(report.problems) or [report.not_measured]}
    estimate, measured_arena = report.estimate, report.measured
    return {
        "file": str(path),
        "estimated_bytes": estimate.arena_bytes,
        "measured_bytes": measured_arena.arena_bytes,
        "planned_is_exact": estimate.planned_bytes == measured_arena.planned_bytes,
        "error": round(estimate.arena_bytes / measured_arena.arena_bytes - 1, 4),
        "bit_identical": measured_arena.bit_identical,
    }


def main() -> None:
    """Measure every file that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("files", nargs="+", type=Path)
    errors = []
    for path in parser.parse_args().files:
        row = measured(path)
        errors += [abs(float(str(row["error"])))] if "error" in row else []
        print(json.dumps(row), flush=True)
    print(json.dumps({"files": len(errors), "largest_error": max(errors, default=None)}))


if __name__ == "__main__":
    main()
