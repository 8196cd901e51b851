"""What each recipe costs in accuracy, on the networks that were trained here."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.charts import dots
from edgecnn.reporting.page.figure import (
    Column,
    Figure,
    Gap,
    Grid,
    choose,
    distinct,
    number,
    source,
)

if TYPE_CHECKING:
    from edgecnn.evidence.records import RecipeRun
    from edgecnn.reporting.page.figure import Row
    from edgecnn.reporting.page.material import Material

ID = "quantization"
COMMANDS = ("python tools/experiment_twins.py", "edgecnn evaluate DIR --data fashion-mnist")
COLUMNS = (
    Column("network", "network", words.plain),
    Column("kind", "convolutions", words.plain),
    Column("seed", "seed", words.plain, number=True),
    Column("recipe", "recipe", words.plain),
    Column("accuracy", "accuracy", words.percent, number=True),
    Column("cost", "against float", words.points, number=True),
    Column("snr_db", "SNR of the logits", words.decibel, number=True),
    Column("size_bytes", "size", words.size, number=True),
    Column("latency_ms", "latency, one thread", words.milliseconds, number=True),
    Column("test_samples", "test images", words.plain, number=True),
    Column("provenance", "provenance", words.plain),
)


def row(run: RecipeRun) -> Row:
    """One file, and what it loses against float."""
    kind = run.convolution if run.match == "itself" else f"{run.convolution}, {run.match}"
    return {
        "network": run.network,
        "kind": kind,
        "name": f"{run.network}, {kind}",
        "seed": run.seed,
        "recipe": run.recipe,
        "accuracy": run.accuracy,
        "cost": run.accuracy - run.float_accuracy,
        "snr_db": run.snr_db,
        "size_bytes": run.size_bytes,
        "latency_ms": run.latency_ms,
        "test_samples": run.test_samples,
        "provenance": "measured",
    }


def gather(material: Material) -> Figure | Gap:
    """One row a trained network and recipe, float itself left out."""
    twins = material.evidence.twins
    runs = [] if twins is None else [run for run in twins.recipes if run.recipe != "float32"]
    if twins is None or not runs:
        return Gap(ID, "What quantization costs", "No recipe was evaluated.", COMMANDS)
    rows = tuple(map(row, runs))
    costs = {
        recipe: [number(row, "cost") for row in rows if row["recipe"] == recipe]
        for recipe in distinct(rows, "recipe")
    }
    means = {recipe: statistics.fmean(losses) for recipe, losses in costs.items()}
    phrases = [f"{recipe} {words.points(mean)}" for recipe, mean in means.items()]
    return Figure(
        id=ID,
        title=f"What quantization costs in accuracy, mean: {words.listed(phrases)}",
        reading="Each mark is one trained network's file: how far its accuracy is from that of its"
        " own float file, on the same images; zero is no loss.",
        columns=COLUMNS,
        rows=rows,
        filters=(choose(rows, "recipe", "Recipe"),),
        sources=(source(twins.header, ("measured",)),),
        notes=(f"Data: {twins.data}.",),
        summary=_summary(costs),
    )


def _summary(costs: dict[str, list[float]]) -> Grid:
    rows = tuple(
        (
            recipe,
            str(len(losses)),
            words.points(statistics.fmean(losses)),
            words.points(min(losses)),
            words.points(max(losses)),
        )
        for recipe, losses in costs.items()
    )
    return Grid(("recipe", "networks", "mean", "lowest", "highest"), rows)


def draw(figure: Figure) -> drawing.Drawing:
    """A row for each network, a mark for each recipe and seed."""
    import altair as alt

    x = alt.X(
        field="cost",
        type="quantitative",
        axis=alt.Axis(
            title="accuracy against float, points", labelExpr="format(datum.value * 100, '+.2~f')"
        ),
    )
    return dots.draw(figure, name="name", x=x, colour="recipe")
