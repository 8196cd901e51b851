"""How far predictions are off, on networks that were left out of the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.charts import dots
from edgecnn.reporting.page.figure import Column, Figure, Gap, Source, choose, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgecnn.reporting.page.figure import Row
    from edgecnn.reporting.page.material import Material

ID = "predictor"
_COMMANDS = ("python tools/validate_predictor.py",)
_NUMBERS = ("rows", "median_error", "within_30_percent", "in_interval")
_COLUMNS = (
    Column("device", "device", words.plain),
    Column("precision", "type", words.plain),
    Column("rows", "networks", words.plain, number=True),
    Column("median_error", "median error", words.percent, number=True),
    Column("within_30_percent", "within 30 %", words.percent, number=True),
    Column("in_interval", "in the interval", words.percent, number=True),
    Column("provenance", "provenance", words.plain),
)


def gather(material: Material) -> Figure | Gap:
    """One row a device and precision."""
    record = material.benchmarks.get("predictor", {})
    rows = tuple(_row(entry) for entry in record.get("imagenet", ()) if _sound(entry))
    if not rows:
        return Gap(ID, "How far predictions are off", "No validation is recorded.", _COMMANDS)
    coverage = record.get("coverage")
    note = f"; intervals held for {words.percent(coverage)}" if _is_number(coverage) else ""
    errors = sorted(number(row, "median_error") for row in rows)
    return Figure(
        id=ID,
        title=f"Predictions are off by {words.percent(errors[len(errors) // 2])} on the median"
        f" device{note}",
        reading="Each mark is the median error, over the networks of one device that were left out"
        " of the fit, of predicted against published latencies.",
        columns=_COLUMNS,
        rows=rows,
        filters=(choose(rows, "precision", "Type"), choose(rows, "device", "Device")),
        sources=(
            Source(
                ("predicted", "published"),
                "artifacts/benchmarks/predictor.json",
                command=_COMMANDS[0],
            ),
        ),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sound(entry: Any) -> bool:  # noqa: ANN401 - parsed JSON
    return isinstance(entry, dict) and all(_is_number(entry.get(key)) for key in _NUMBERS)


def _row(entry: Mapping[str, Any]) -> Row:
    numbers = {key: entry[key] for key in _NUMBERS}
    return {
        "device": str(entry.get("device")),
        "precision": str(entry.get("precision")),
        **numbers,
        "provenance": "predicted",
    }


def draw(figure: Figure) -> drawing.Drawing:
    """A row for each device, a mark for each precision."""
    import altair as alt

    x = alt.X(
        field="median_error", type="quantitative", axis=alt.Axis(title="median error", format=".0%")
    )
    return dots.draw(figure, name="device", x=x, colour="precision")
