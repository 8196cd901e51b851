"""Twins: the same network with separable and with normal convolutions, each with several seeds."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.figure import Column, Figure, Gap, Grid, choose, distinct, source

if TYPE_CHECKING:
    from edgecnn.evidence.records import TwinRun, Twins
    from edgecnn.reporting.page.material import Material

ID = "twins"
_COMMANDS = ("python tools/experiment_twins.py", "edgecnn train MODEL --data fashion-mnist")
_COLUMNS = (
    Column("network", "network", words.plain),
    Column("convolution", "convolutions", words.plain),
    Column("match", "what is equal", words.plain),
    Column("width", "width", words.plain, number=True),
    Column("seed", "seed", words.plain, number=True),
    Column("accuracy", "accuracy", words.percent, number=True),
    Column("parameters", "parameters", words.count, number=True),
    Column("macs", "MACs", words.count, number=True),
    Column("epochs", "epochs", words.plain, number=True),
    Column("training_samples", "training images", words.plain, number=True),
    Column("test_samples", "test images", words.plain, number=True),
    Column("provenance", "provenance", words.plain),
)


def gather(material: Material) -> Figure | Gap:
    """One row a trained network."""
    twins = material.evidence.twins
    if twins is None or not twins.runs:
        return Gap(ID, "Separable against normal convolutions", "No twins were trained.", _COMMANDS)
    rows = tuple(
        {**{c.key: getattr(run, c.key, "measured") for c in _COLUMNS}, "kind": kind_name(run)}
        for run in twins.runs
    )
    return Figure(
        id=ID,
        title=_title(twins),
        reading="Each mark is one seed, the tick is the mean of the seeds and the bar reaches from"
        " the lowest to the highest: bars that overlap are no difference to build on.",
        columns=_COLUMNS,
        rows=rows,
        filters=(choose(rows, "network", "Network", every=len(distinct(rows, "network")) == 1),),
        sources=(source(twins.header, ("measured",)),),
        notes=(f"Data: {twins.data}. Every network of a comparison has the same budget.",),
        summary=_summary(groups(twins)),
    )


def kind_name(run: TwinRun) -> str:
    """What stands at its row of the chart."""
    of = "" if run.match == "itself" else f", {run.match}"
    return f"{run.convolution}{of}"


def groups(twins: Twins) -> dict[tuple[str, str], list[TwinRun]]:
    """The runs of each network and kind, seeds together."""
    by_kind: dict[tuple[str, str], list[TwinRun]] = {}
    for run in twins.runs:
        by_kind.setdefault((run.network, kind_name(run)), []).append(run)
    return by_kind


def _summary(by_kind: dict[tuple[str, str], list[TwinRun]]) -> Grid:
    titles = ("network", "convolutions", "seeds", "mean", "spread", "parameters", "MACs")
    return Grid(titles, tuple(_summary_row(*key, runs) for key, runs in by_kind.items()))


def _summary_row(network: str, kind: str, runs: list[TwinRun]) -> tuple[str, ...]:
    accuracies = [run.accuracy for run in runs]
    spread = max(accuracies) - min(accuracies)
    return (
        network,
        kind,
        str(len(runs)),
        words.percent(statistics.fmean(accuracies)),
        words.points(spread).lstrip("+"),
        words.count(runs[0].parameters),
        words.count(runs[0].macs),
    )


def _title(twins: Twins) -> str:
    """What normal convolutions give beside the separable ones, first network's first twin."""
    by_kind = groups(twins)
    network = twins.runs[0].network
    own = by_kind.get((network, "separable"))
    others = [(kind, runs) for (name, kind), runs in by_kind.items() if name == network]
    sentences = [
        f"{_difference(runs, own)} at {runs[0].match}"
        for kind, runs in others
        if own and kind != "separable"
    ]
    if not sentences:
        return "Separable against normal convolutions"
    return f"{network}: normal convolutions instead of separable ones {words.listed(sentences)}"


def _difference(runs: list[TwinRun], own: list[TwinRun]) -> str:
    gain = _mean(runs) - _mean(own)
    return f"{'gain' if gain >= 0 else 'lose'} {words.points(abs(gain)).lstrip('+')}"


def _mean(runs: list[TwinRun]) -> float:
    return statistics.fmean(run.accuracy for run in runs)


def draw(figure: Figure) -> drawing.Drawing:
    """A row for each kind: seeds as marks, their mean as a tick, their range as a bar."""
    import altair as alt

    shades = drawing.colours(distinct(figure.rows, "convolution"))
    axis = alt.Axis(title="accuracy on the test images", format=".1%", tickCount=6)
    scale = alt.Scale(zero=False, padding=16)
    base = alt.Chart().encode(
        y=drawing.names("kind"), color=drawing.colour_of("convolution", shades)
    )
    span = base.mark_rule(strokeWidth=4, opacity=0.3, aria=False).encode(
        x=alt.X(aggregate="min", field="accuracy", type="quantitative", scale=scale, axis=axis),
        x2=alt.X2(aggregate="max", field="accuracy"),
    )
    mean = base.mark_tick(thickness=3, size=24, aria=False).encode(
        x=alt.X(aggregate="mean", field="accuracy", type="quantitative")
    )
    seeds = base.mark_point().encode(
        x=alt.X(field="accuracy", type="quantitative"),
        shape=drawing.shape_of(),
        tooltip=drawing.tooltips(figure),
    )
    chart = drawing.finish([span, mean, seeds], figure, height=alt.Step(44))
    return drawing.Drawing(chart, drawing.legend(shades, drawing.provenances(figure)))
