"""The report's figure of sweeps: the front, its names, and the points that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sample_experiments

from edgecnn.reporting.page import material
from edgecnn.reporting.page.charts import swept
from edgecnn.reporting.page.figure import Figure, Gap, visible

if TYPE_CHECKING:
    from pathlib import Path


def gathered(artifacts: Path) -> Figure | Gap:
    return swept.gather(material.read(None, artifacts))


def test_the_front_and_what_failed(tmp_path: Path) -> None:
    sample_experiments.write_sweep(tmp_path)
    figure = gathered(tmp_path)
    assert isinstance(figure, Figure)
    assert figure.title == "sizes: 2 of 3 points are on the front, on raspberry-pi-4b, 4 threads"
    shown = {str(row["recipe"]): row for row in figure.rows if visible(figure, row)}
    assert {recipe: row["front"] for recipe, row in shown.items()} == {
        "float32": True, "float16": False, "int8": True
    }  # fmt: skip
    assert shown["int8"]["short"] == "int8"
    assert (shown["int8"]["accuracy"], shown["int8"]["latency_ms"]) == (0.71, 9.0)
    assert len(figure.rows) == 6
    assert figure.summary is not None
    assert figure.summary.rows == (
        ("sizes", "xception int16x8 .tflite", "failed", "It died <b>. Close other programs."),
    )


def test_where_no_point_is_done_the_reason_is_told(tmp_path: Path) -> None:
    path = sample_experiments.write_sweep(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[-1])
    gap = gathered(tmp_path)
    assert isinstance(gap, Gap)
    assert gap.wants == "No point of sizes is done: It died <b>."


def test_a_damaged_line_is_a_problem_and_a_point_tried_again_counts_once(tmp_path: Path) -> None:
    path = sample_experiments.write_sweep(tmp_path)
    path.write_bytes(b"{}\n" + path.read_bytes() * 2)
    read = material.read(None, tmp_path)
    assert [len(records) for records in read.sweeps.values()] == [4]
    (problem,) = read.problems
    assert "line 1, holds no point" in problem
