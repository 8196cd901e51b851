"""The closing table of an export, and what to do next."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING

from edgecnn.reporting.table import Column, Table
from edgecnn.text import (
    ABSENT,
    agreement_text,
    group_text,
    milliseconds_text,
    percent_text,
    printable,
    size_text,
    snr_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgecnn.accuracy_budget import Attempt, BudgetedExport
    from edgecnn.exporting import Artifact, ExportResult
    from edgecnn.exporting.options import MixedPrecision, Refusal
    from edgecnn.records import FileInfo

_RANDOM = "random"
_FLOATS, _MOSTLY = frozenset({"float32", "float16"}), 0.5


def export_table(result: ExportResult) -> Table:
    """One row a file: what it weighs, how faithful it is, how it runs; refused ones last."""
    columns = (
        Column("recipe"),
        Column("file"),
        Column("size", number=True),
        Column("of float32", number=True),
        Column("SNR dB", number=True),
        Column("agree", number=True),
        Column("integer"),
        Column("partitions", number=True),
    )
    rows = [
        _row(artifact.manifest.recipe, file, result.float32_size_bytes)
        for artifact in result.artifacts
        for file in artifact.manifest.files
    ]
    rows += [
        (refusal.recipe, f"model.{refusal.format}", "rejected", *[ABSENT] * 5)
        for refusal in result.refused
    ]
    return Table(columns, tuple(rows))


def _row(recipe: str, file: FileInfo, float32_size_bytes: Mapping[str, int]) -> tuple[str, ...]:
    whole = float32_size_bytes.get(file.format)
    partitions = file.graph.delegate_partitions
    return (
        recipe,
        file.path,
        size_text(file.bytes),
        percent_text(file.bytes / whole) if whole else ABSENT,
        snr_text(file.parity),
        agreement_text(file.parity),
        file.integer or ABSENT,
        ABSENT if partitions is None else str(partitions),
    )


def float_operators(result: ExportResult) -> tuple[str, ...]:
    """Of each mixed file, which operators stay float; those that --min-snr names are told apart."""
    return tuple(
        f"{artifact.manifest.recipe} {file.path} is mixed:"
        f" {', '.join(f'{count} {name}' for name, count in sorted(file.float_ops.items()))} stay"
        " float, for lack of an integer kernel or because int8 would lose too much."
        f"{_float_share_text(file)} --strict rejects such a file."
        for artifact in result.artifacts
        for file in artifact.manifest.files
        if file.integer == "mixed" and file.float_ops
    )


def _float_share_text(file: FileInfo) -> str:
    macs = file.graph.macs_by_dtype
    in_float = sum(count for dtype, count in macs.items() if dtype in _FLOATS)
    if in_float < _MOSTLY * sum(macs.values()) or not in_float:
        return ""
    share = percent_text(in_float / sum(macs.values()))
    return f" {share} of its multiply-accumulates are in float: it may be no faster than float32."


def outputs_table(result: ExportResult) -> Table | None:
    """One row an output of each file, where a network has several or one mixes kinds of numbers."""
    rows = tuple(
        (
            artifact.manifest.recipe,
            file.path,
            printable(info.output),
            info.measured_on,
            snr_text(info),
            group_text(info),
            agreement_text(info),
        )
        for artifact in result.artifacts
        for file in artifact.manifest.files
        for info in file.parities
        if len(file.parities) > 1
    )
    columns = (
        Column("recipe"),
        Column("file"),
        Column("output"),
        Column("compared on"),
        Column("SNR dB", number=True),
        Column("worst group", number=True),
        Column("agreement", number=True),
    )
    return Table(columns, rows) if rows else None


def refusal_text(refusal: Refusal) -> str:
    """What was not written, why, and what to do."""
    text = f"{refusal.recipe} .{refusal.format}: {refusal.error.message}"
    return f"{text} {refusal.error.hint}".strip()


def parity_basis(result: ExportResult) -> str:
    """What SNR and agreement in the table were measured against, in a line or two."""
    files = [file for artifact in result.artifacts for file in artifact.manifest.files]
    recipes = {artifact.manifest.recipe for artifact in result.artifacts}
    counts = {f.parity.samples for f in files}
    samples = " or ".join(str(count) for count in sorted(counts))
    on_logits = any(info.measured_on == "logits" for file in files for info in file.parities)
    what = "the logits" if on_logits else "the outputs"
    of_float = (
        " float32 files are compared with the source framework, on calibration samples."
        if "float32" in recipes
        else ""
    )
    return (
        f"SNR: of {what} against the float model, on {samples} samples held out from calibration;"
        f" the worst output if there are several.{of_float}"
    )


def mixed_paragraphs(result: ExportResult) -> tuple[str, ...]:
    """What `--min-snr` kept in float32, and what that costs; () where it was not asked for."""
    mixed = result.mixed
    if mixed is None:
        return ()
    on = f"on {mixed.samples} held-out images"
    if not mixed.layers:
        none = (
            f"--min-snr {mixed.min_snr_db:g}dB: no layer has to stay in float32; the int8 .tflite"
            f" reaches {_decibel(mixed.snr_before_db)} {on}."
        )
        return (none,)
    names = ", ".join(printable(name.split(";", maxsplit=1)[0]) for name in mixed.layers)
    sentence = (
        f"--min-snr {mixed.min_snr_db:g}dB: {len(mixed.layers)} of {mixed.of_layers} layers of the"
        f" .tflite stay in float32: {names}."
    )
    return sentence, _cost(mixed, on)


def _cost(mixed: MixedPrecision, on: str) -> str:
    sizes = (
        f"size {size_text(mixed.size_before_bytes)} to {size_text(mixed.size_after_bytes)}"
        f" ({mixed.size_after_bytes / mixed.size_before_bytes - 1:+.1%})"
    )
    latency = "latency not measured"
    if mixed.latency_before_ms is not None and mixed.latency_after_ms is not None:
        latency = (
            f"latency {milliseconds_text(mixed.latency_before_ms)} to"
            f" {milliseconds_text(mixed.latency_after_ms)} ms"
            f" ({mixed.latency_after_ms / mixed.latency_before_ms - 1:+.0%}; measured on this"
            " machine for a few seconds, both files in turns, one thread)"
        )
    return (
        f"SNR of the logits {_decibel(mixed.snr_before_db)} to {_decibel(mixed.snr_after_db)} {on}"
        f" (layers chosen on {mixed.chosen_on} of the calibration images); {sizes};"
        f" {latency}."
    )


def _decibel(snr_db: float) -> str:
    return f"{snr_db:.1f} dB" if math.isfinite(snr_db) else "no error"


def budget_paragraphs(export: BudgetedExport | None) -> tuple[str, ...]:
    """What `--max-drop` measured, and what it tried; () where it was not asked for."""
    if export is None:
        return ()
    losses = "; ".join(f"the .{loss.format} loses {loss.text}" for loss in export.losses)
    within = (
        f"--max-drop {export.max_drop_points:g}: {losses} (95 % interval; measured, against the"
        " float32 file on the same images)."
    )
    if len(export.attempts) == 1:
        return (within,)
    tried = "; ".join(map(_attempt_text, export.attempts))
    return within, f"Tried in turn: {tried}."


def _attempt_text(attempt: Attempt) -> str:
    count = attempt.float_layers
    subject = f"{count} layers in float32 lose" if count else "integers throughout lose"
    return f"{subject} {attempt.loss.text}"


def weights_caution(result: ExportResult) -> str:
    """What random weights mean for whoever uses the files; "" for trained ones."""
    if not any(a.manifest.model.weights == _RANDOM for a in result.artifacts):
        return ""
    return (
        "The weights are random: use these files to measure latency and size, not accuracy. Give"
        " trained weights with --weights FILE."
    )


def next_commands(result: ExportResult) -> tuple[str, ...]:
    """Commands to paste, for the last artifact written; a poor one is diagnosed first."""
    if not result.artifacts:
        return ()
    last = result.artifacts[-1]
    folder = shlex.quote(str(last.folder))
    formats = [file.format for file in last.manifest.files]
    diagnose = _diagnoses(last)
    if "tflite" not in formats:
        return (*diagnose, f"edgecnn bench {folder} --format onnx")
    return (
        *diagnose,
        f"edgecnn bench {folder}",
        f"edgecnn deploy {folder} ssh://pi@raspberrypi.local",
    )


def _diagnoses(artifact: Artifact) -> tuple[str, ...]:
    """What has something to explain: quantized files far from float, with trained weights."""
    from edgecnn.exporting.run import poor

    if artifact.manifest.model.weights == _RANDOM:
        return ()
    formats = [file.format for file in artifact.manifest.files]
    folder = shlex.quote(str(artifact.folder))
    return tuple(
        f"edgecnn diagnose {folder}"
        + (" --format onnx" if file.format == "onnx" and "tflite" in formats else "")
        for file in artifact.manifest.files
        if file.integer and any(map(poor, file.parities))
    )
