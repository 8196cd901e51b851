"""How far a quantized network is from float, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.figure import Column, Figure, Gap, choose, source

if TYPE_CHECKING:
    from edgecnn.evidence.records import LayerFidelity
    from edgecnn.reporting.page.figure import Row
    from edgecnn.reporting.page.material import Material

ID = "fidelity"
_HEIGHT = 300
_NOTE = (
    "The title counts up to the logits: an int8 softmax has steps of 1/256, and the answers of an"
    " untrained network to a thousand classes are smaller."
)
_COMMANDS = ("python tools/experiment_layers.py", "edgecnn diagnose DIR")
_COLUMNS = (
    Column("model", "network", words.plain),
    Column("index", "place", words.plain, number=True),
    Column("layer", "layer", words.plain),
    Column("operator", "operator", words.plain),
    Column("snr_db", "SNR", words.decibel, number=True),
    Column("provenance", "provenance", words.plain),
)


def gather(material: Material) -> Figure | Gap:
    """One row a network and layer."""
    layers = material.evidence.layers
    if layers is None or not layers.fidelity:
        return Gap(ID, "Fidelity by layer", "No network was compared layer by layer.", _COMMANDS)
    rows: tuple[Row, ...] = tuple(
        {
            "model": fidelity.model,
            "index": fidelity.index,
            "layer": fidelity.layer,
            "operator": fidelity.operator,
            "snr_db": fidelity.snr_db,
            "provenance": "measured",
        }
        for fidelity in layers.fidelity
    )
    first = choose(rows, "model", "Network", ("xception int8",), every=False)
    return Figure(
        id=ID,
        title=_title([fidelity for fidelity in layers.fidelity if fidelity.model == first.chosen]),
        reading="The signal-to-noise ratio of each layer's output against the float network's, in"
        " the order of execution: higher is closer.",
        columns=_COLUMNS,
        rows=rows,
        filters=(first,),
        sources=(source(layers.header, ("measured",)),),
        notes=(*layers.notes, _NOTE),
    )


def _title(layers: list[LayerFidelity]) -> str:
    known = [
        (fidelity.snr_db, fidelity.layer)
        for fidelity in layers
        if fidelity.snr_db is not None and fidelity.operator != "SOFTMAX"
    ]
    if not known:
        return f"{layers[0].model} computes what the float network does"
    worst, layer = min(known)
    return (
        # A fused operator bears the names of all that went into it.
        f"{layers[0].model} is furthest from float at {layer.partition(';')[0]},"
        f" {words.decibel(worst)};"
        f" its logits have {words.decibel(known[-1][0])}"
    )


def draw(figure: Figure) -> drawing.Drawing:
    """A line through the layers, with a mark for each."""
    import altair as alt

    base = alt.Chart().encode(
        x=alt.X(field="index", type="quantitative", axis=alt.Axis(title="layer, in order")),
        y=alt.Y(
            field="snr_db",
            type="quantitative",
            scale=alt.Scale(zero=False),
            axis=alt.Axis(title="SNR, dB"),
        ),
    )
    line = base.mark_line(stroke="var(--c4)", opacity=0.5, aria=False)
    points = base.mark_point(color="var(--c4)", size=45).encode(
        shape=drawing.shape_of(), tooltip=drawing.tooltips(figure)
    )
    chart = drawing.finish([line, points], figure, height=_HEIGHT, where="isValid(datum.snr_db)")
    return drawing.Drawing(chart, drawing.legend({}, drawing.provenances(figure)))
