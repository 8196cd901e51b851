"""Where the time of a network goes, by operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.charts import dots
from edgecnn.reporting.page.figure import Column, Figure, Gap, choose, source

if TYPE_CHECKING:
    from edgecnn.reporting.page.figure import Row
    from edgecnn.reporting.page.material import Material

ID = "operators"
_COMMANDS = ("python tools/experiment_layers.py", "edgecnn bench DIR --operators")
_COLUMNS = (
    Column("model", "network", words.plain),
    Column("operator", "operator", words.plain),
    Column("count", "how many", words.plain, number=True),
    Column("time_ms", "time of one inference", words.milliseconds, number=True),
    Column("share", "share", words.percent, number=True),
    Column("macs", "MACs", words.count, number=True),
    Column("provenance", "provenance", words.plain),
)


def gather(material: Material) -> Figure | Gap:
    """One row a network and kind of operator."""
    layers = material.evidence.layers
    if layers is None or not layers.operators:
        return Gap(ID, "Time by operator", "No network's operators were timed.", _COMMANDS)
    rows: tuple[Row, ...] = tuple(
        {
            "model": operator.model,
            "operator": operator.operator,
            "count": operator.count,
            "time_ms": operator.time_ms,
            "share": operator.share,
            "macs": operator.macs,
            "provenance": "measured",
        }
        for operator in layers.operators
    )
    first = choose(rows, "model", "Network", ("xception int8",), every=False)
    own = [operator for operator in layers.operators if operator.model == first.chosen]
    most = max(own, key=lambda operator: operator.share)
    return Figure(
        id=ID,
        title=f"In {most.model}, {words.percent(most.share)} of the time goes to {most.operator}",
        reading="Each mark is the share of one inference that all operators of a kind take.",
        columns=_COLUMNS,
        rows=rows,
        filters=(first,),
        sources=(source(layers.header, ("measured",)),),
        notes=layers.notes,
    )


def draw(figure: Figure) -> drawing.Drawing:
    """A row for each operator, the costliest first."""
    import altair as alt

    x = alt.X(
        field="share",
        type="quantitative",
        axis=alt.Axis(title="share of one inference", format=".0%", tickCount=5),
    )
    order = alt.EncodingSortField(field="share", op="max", order="descending")
    return dots.draw(figure, name="operator", x=x, colour="model", sort=order)
