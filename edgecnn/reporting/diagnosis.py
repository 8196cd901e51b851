"""What `edgecnn diagnose` found, for people and for programs."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from edgecnn.records import SCHEMA
from edgecnn.reporting.table import Column, Table
from edgecnn.text import ABSENT, percent_text, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.diagnosing import Cause, Diagnosis, Layer
    from edgecnn.diagnosing.record import ObservedOutput

WORST = 10
_LONGEST_NAME = 44


def layers_table(diagnosis: Diagnosis, *, every: bool = False) -> Table:
    """The layers in order of execution: all, or the ten worst."""
    columns = (
        Column("#", number=True),
        Column("layer"),
        Column("operator"),
        Column("SNR dB", number=True),
        Column("of error", number=True),
        Column("beyond range", number=True),
    )
    chosen = diagnosis.layers if every else worst(diagnosis.layers)
    return Table(columns, tuple(map(_row, chosen)))


def worst(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """In order of execution: where most of the outputs' error arises, then the lowest SNRs."""
    sources = sorted(layers, key=lambda layer: -layer.share)[: WORST // 2]
    others = sorted((layer for layer in layers if layer not in sources), key=_snr)
    chosen = [*sources, *others][:WORST]
    return tuple(sorted(chosen, key=lambda layer: layer.index))


def _snr(layer: Layer) -> float:
    return math.inf if layer.snr_db is None else layer.snr_db


def _row(layer: Layer) -> tuple[str, ...]:
    quantized = layer.step is not None
    return (
        str(layer.index),
        short_name(layer.layer),
        layer.operator,
        decibel_text(layer.snr_db),
        percent_text(layer.share),
        percent_text(layer.clipped_share) if quantized else ABSENT,
    )


def short_name(name: str) -> str:
    """A tensor's name as a table has room for it.

    A converter names a fused operator after all it was made of, with semicolons between.

    >>> short_name("model/conv1/Relu;model/conv1/BiasAdd;model/conv1/convolution")
    'model/conv1/Relu'
    """
    return printable(name.split(";", maxsplit=1)[0] or name, _LONGEST_NAME)


def decibel_text(snr_db: float | None) -> str:
    """An SNR; "exact" where nothing differs."""
    if snr_db is None:
        return "exact"
    return f"{round(snr_db, 1) + 0.0:.1f}" if math.isfinite(snr_db) else str(snr_db)


def summary_lines(diagnosis: Diagnosis) -> tuple[str, ...]:
    """What was compared with what, and how far the outputs are apart."""
    observed = diagnosis.observed
    lines = [
        f"against {diagnosis.against}, on {diagnosis.samples} samples of {diagnosis.source}",
        *map(_output_line, observed.outputs),
    ]
    return tuple(lines)


def _output_line(output: ObservedOutput) -> str:
    what = f"logits of {output.name}" if output.measured_on == "logits" else output.name
    return f"{what}: {decibel_text(output.snr_db)} dB SNR"


def basis(diagnosis: Diagnosis, *, every: bool) -> str:
    """What the table's columns mean, and what was left out."""
    observed = diagnosis.observed
    count = len(diagnosis.layers) if every else min(WORST, len(diagnosis.layers))
    sentences = [
        f"{count} of {len(diagnosis.layers)} layers, in order of execution."
        + ("" if count == len(diagnosis.layers) else " --all shows all."),
        "SNR: of the layer's output, including errors from earlier layers.",
        "Of error: estimated share of the output error that arises in the layer itself.",
    ]
    if observed.equalized:
        sentences.append(
            "The file uses channel equalization; its factors, read from the weights, were removed"
            " first."
        )
    if observed.skipped:
        sentences.append(f"{observed.skipped} operators have no counterpart and are skipped.")
    return " ".join(sentences)


def cause_title(cause: Cause) -> str:
    """A cause's kind, and the layer where it shows most."""
    return f"{cause.kind} ({short_name(cause.layer)})" if cause.layer else cause.kind


def no_cause(diagnosis: Diagnosis) -> str:
    """What is said where no cause was found."""
    if diagnosis.observed.worst.snr_db is None:
        return "The outputs equal the float model's, bit for bit."
    return (
        "No cause found: the ranges fit these samples, nothing saturates, no channel is lost. What"
        " remains is rounding error."
    )


def diagnosis_object(diagnosis: Diagnosis) -> dict[str, Any]:
    """Everything, as JSON has it."""
    observed = diagnosis.observed
    fields = {
        "schema": SCHEMA,
        "file": diagnosis.file,
        "format": diagnosis.format,
        "against": diagnosis.against,
        "recipe": diagnosis.recipe,
        "source": diagnosis.source,
        "samples": diagnosis.samples,
        "snr_db": observed.worst.snr_db,
        "outputs": [dataclasses.asdict(output) for output in observed.outputs],
        "equalized": observed.equalized,
        "skipped": observed.skipped,
        "inputs": [dataclasses.asdict(seen) for seen in observed.inputs],
        "layers": [dataclasses.asdict(layer) for layer in diagnosis.layers],
        "causes": [dataclasses.asdict(cause) for cause in diagnosis.causes],
        "next_command": diagnosis.next_command,
    }
    plain: dict[str, Any] = _finite(fields)
    return plain


def _finite(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Turn what JSON has no number for into null: a layer that is zero in float has no ratio."""
    if isinstance(value, dict):
        return {key: _finite(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(member) for member in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
