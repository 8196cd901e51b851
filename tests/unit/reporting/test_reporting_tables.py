"""The tables: what stands in which cell, and that they fit a terminal of 80 columns."""

from __future__ import annotations

import doctest
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from sample_results import GRAPH, TENSOR, export_result, manifest, verify_result

from edgecnn.errors import InputError
from edgecnn.exporting.options import Refusal
from edgecnn.inspection import Inspection, Operator
from edgecnn.reporting import export, inspection, json_objects, models, verification
from edgecnn.reporting import table as drawn_tables
from edgecnn.reporting.table import Bars, Column, Table, draw, with_bars
from edgecnn.zoo import MODELS

if TYPE_CHECKING:
    from edgecnn.exporting import ExportResult

CONV = Operator(
    "CONV_2D", "int8", "int8", 27, 900, ((1, 8, 8, 3),), ((1, 8, 8, 4),), (4, 3, 3, 3),
    ("int8",), ("int8",), at_border=True,
)  # fmt: skip
RELU = replace(CONV, name="RELU", weights_dtype=None, weights_elements=0, macs=0)
DENSE = replace(CONV, name="FULLY_CONNECTED", macs=100)
TFLITE = Inspection(
    format="tflite", size_bytes=4_521_544, sha256="cd" * 32, inputs=(TENSOR,), outputs=(TENSOR,),
    graph=GRAPH, operators=(RELU, CONV, RELU, CONV, DENSE), producer="", description="made\x1b[2J",
    schema_version=3,
)  # fmt: skip


def test_examples_hold() -> None:
    assert doctest.testmod(drawn_tables).attempted > 0
    assert doctest.testmod(drawn_tables).failed == 0


def test_bars_stand_beside_their_column() -> None:
    table = Table((Column("a"), Column("b", number=True)), (("x", "1"), ("y", "2")))
    assert with_bars(table) is table
    barred = with_bars(replace(table, bars=Bars(0, (0.5, None))))
    assert [column.title for column in barred.columns] == ["a", "", "b"]
    assert [row[1] for row in barred.rows] == ["\N{FULL BLOCK}" * 4, ""]


def rendered(table: Table, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(draw(table))
    file = console.file
    assert isinstance(file, io.StringIO)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_numbers_stand_to_the_right_under_an_ascii_rule() -> None:
    columns = (Column("name"), Column("size", number=True))
    lines = rendered(Table(columns, (("a", "1"), ("long", "22.9 MB"))))
    assert lines == ["name     size", "-------------", "a           1", "long  22.9 MB"]


def test_long_cells_are_folded_not_cut() -> None:
    lines = rendered(Table((Column("name"),), (("x" * 130,),)), width=40)
    assert "".join(lines[2:]) == "x" * 130


def test_markup_in_a_cell_is_text() -> None:
    assert "[red]model[/red]" in rendered(Table((Column("n"),), (("[red]model[/red]",),)))


def test_the_zoo_fits_80_columns_unfolded() -> None:
    lines = rendered(models.models_table(MODELS.values()))
    assert len(lines) == 2 + len(MODELS)
    assert lines[-1].split() == [
        "xception", "22.9", "M", "8.47", "G", "36.6", "M", "299x299x3", "1000", "003",
    ]  # fmt: skip
    named = [row[0] for row in models.summaries_table(MODELS.values()).rows]
    assert named == list(MODELS)


def test_export_shows_each_file_against_float32_of_its_own_format() -> None:
    table = export.export_table(export_result(Path("out"), "int8"))
    assert [column.title for column in table.columns] == [
        "recipe", "file", "size", "of float32", "SNR dB", "agree", "integer", "partitions",
    ]  # fmt: skip
    assert table.rows == (
        ("int8", "model.tflite", "23.4 MB", "25.7%", "24.3", "98.4%", "-", "1"),
        ("int8", "model.onnx", "23.0 MB", "25.0%", "exact", "100%", "-", "-"),
    )
    assert max(map(len, rendered(table))) <= 80


def half_refused() -> ExportResult:
    """An export of a .tflite with operators in float, whose .onnx cannot be had."""
    result = export_result(Path("out"), "int8")
    (artifact,) = result.artifacts
    scores = replace(artifact.manifest.files[0].parity, output="scores", measured_on="logits")
    boxes = replace(scores, output="boxes\x1b[2J", measured_on="values", top1_agreement=None)
    file = replace(
        artifact.manifest.files[0], integer="mixed", float_ops={"GELU": 2, "ERF": 1},
        parity=scores, parities=(boxes, scores),
    )  # fmt: skip
    made = replace(artifact, manifest=replace(artifact.manifest, files=(file,)))
    error = InputError("GELU has no kernel.", hint="Use --format tflite.")
    return replace(result, artifacts=(made,), refused=(Refusal("int8", "onnx", error),))


def test_a_mixed_file_is_called_so_and_a_refused_one_stands_last() -> None:
    result = half_refused()
    table = export.export_table(result)
    assert table.rows == (
        ("int8", "model.tflite", "23.4 MB", "25.7%", "24.3", "98.4%", "mixed", "1"),
        ("int8", "model.onnx", "rejected", "-", "-", "-", "-", "-"),
    )
    assert max(map(len, rendered(table))) <= 80
    assert export.refusal_text(result.refused[0]) == (
        "int8 .onnx: GELU has no kernel. Use --format tflite."
    )
    (mixed,) = export.float_operators(result)
    assert "int8 model.tflite is mixed" in mixed
    assert "1 ERF, 2 GELU" in mixed
    assert export.float_operators(export_result(Path("out"), "int8")) == ()


@pytest.mark.parametrize(
    ("macs_by_dtype", "share"),
    [({"int8": 60, "float32": 40}, None), ({"int8": 1, "float32": 3}, "75.0%"), ({}, None)],
)
def test_a_file_that_computes_mostly_in_float_is_said_to_be_no_faster(
    macs_by_dtype: dict[str, int], share: str | None
) -> None:
    result = half_refused()
    (artifact,) = result.artifacts
    (file,) = artifact.manifest.files
    file = replace(file, graph=replace(file.graph, macs_by_dtype=macs_by_dtype))
    made = replace(artifact, manifest=replace(artifact.manifest, files=(file,)))
    (mixed,) = export.float_operators(replace(result, artifacts=(made,)))
    assert ("may be no faster than float32" in mixed) == (share is not None)
    assert share is None or share in mixed


def test_layers_that_min_snr_gave_back_are_not_named_as_operators_without_a_kernel() -> None:
    result = half_refused()
    (artifact,) = result.artifacts
    (file,) = artifact.manifest.files
    mixed = replace(artifact.manifest, files=(replace(file, float_ops={}),))
    result = replace(result, artifacts=(replace(artifact, manifest=mixed),))
    assert export.export_table(result).rows[0][6] == "mixed"
    assert export.float_operators(result) == ()


def test_of_several_outputs_each_has_a_row() -> None:
    table = export.outputs_table(half_refused())
    assert table is not None
    assert [row[:5] for row in table.rows] == [
        ("int8", "model.tflite", "boxes\\x1b[2J", "values", "24.3"),
        ("int8", "model.tflite", "scores", "logits", "24.3"),
    ]
    assert [row[-1] for row in table.rows] == ["-", "98.4%"]
    assert export.outputs_table(export_result(Path("out"), "int8")) is None
    basis = export.parity_basis(half_refused())
    assert "the logits" in basis
    assert "the worst output if there are several" in basis


def test_export_without_a_float32_size_shows_none() -> None:
    result = replace(export_result(Path("out"), "int8"), float32_size_bytes={})
    assert [row[3] for row in export.export_table(result).rows] == ["-", "-"]


def test_random_weights_are_named_as_such_and_trained_ones_are_not() -> None:
    assert "latency" in export.weights_caution(export_result(Path("out"), "int8"))
    trained = export_result(Path("out"), "int8", weights="flowers.weights.h5")
    assert export.weights_caution(trained) == ""


def test_commands_to_paste_are_quoted() -> None:
    commands = export.next_commands(export_result(Path("my models"), "float32", "int8"))
    assert commands == (
        "edgecnn bench 'my models/int8'",
        "edgecnn deploy 'my models/int8' ssh://pi@raspberrypi.local",
    )
    assert export.next_commands(export_result(Path("out"))) == ()


def far_off(result: ExportResult, *formats: str) -> ExportResult:
    """The result with files of these formats alone, each far from float."""
    (artifact,) = result.artifacts
    files = tuple(
        replace(file, integer="full", parity=far, parities=(far,))
        for file in artifact.manifest.files
        if file.format in formats
        for far in (replace(file.parity, snr_db=8.5),)
    )
    manifest = replace(artifact.manifest, files=files)
    return replace(result, artifacts=(replace(artifact, manifest=manifest),))


def test_a_poor_file_of_trained_weights_is_diagnosed_before_anything_else() -> None:
    result = export_result(Path("out"), "int8", weights="imagenet")
    diagnose = "edgecnn diagnose out/int8"
    assert export.next_commands(far_off(result, "tflite"))[0] == diagnose
    assert export.next_commands(far_off(result, "onnx")) == (
        diagnose,
        "edgecnn bench out/int8 --format onnx",
    )
    both = export.next_commands(far_off(result, "tflite", "onnx"))
    assert both[:2] == (diagnose, f"{diagnose} --format onnx")
    untrained = far_off(export_result(Path("out"), "int8"), "tflite")
    assert diagnose not in export.next_commands(untrained)


def test_what_has_no_tflite_is_not_offered_for_a_device() -> None:
    result = export_result(Path("out"), "int8")
    (artifact,) = result.artifacts
    onnx = replace(artifact.manifest, files=artifact.manifest.files[1:])
    only_onnx = replace(result, artifacts=(replace(artifact, manifest=onnx),))
    assert export.next_commands(only_onnx) == ("edgecnn bench out/int8 --format onnx",)


def test_verify_shows_now_beside_recorded() -> None:
    result = verify_result(Path("out"), "sha256 differs", note="onnxruntime is not installed")
    assert verification.verification_table(result, manifest()).rows == (
        ("model.tflite", "FAILED", "24.3", "24.3", "98.4%", "98.4%", "64"),
        ("model.onnx", "OK", "-", "exact", "-", "100%", "-"),
    )
    assert verification.problem_lines(result) == ("model.tflite: sha256 differs",)
    assert verification.note_lines(result) == ("model.onnx: onnxruntime is not installed",)


def test_what_was_not_checked_is_not_called_ok_without_reserve() -> None:
    assert "as far as" in verification.verdict(verify_result(Path("out"), note="no onnxruntime"))
    assert "every file" in verification.verdict(verify_result(Path("out")))


def test_inspection_sums_operators_by_type_costliest_first() -> None:
    assert inspection.operators_table(TFLITE).rows == (
        ("CONV_2D", "int8", "2", "1.80 k", "94.7%"),
        ("FULLY_CONNECTED", "int8", "1", "100", "5.3%"),
        ("RELU", "int8", "2", "-", "-"),
    )


def test_inspection_shows_inputs_and_outputs_with_their_scales() -> None:
    assert inspection.tensors_table(TFLITE).rows == (
        ("in", "input", "int8", "1x299x299x3", "0.0078", "-1"),
        ("out", "input", "int8", "1x299x299x3", "0.0078", "-1"),
    )


def test_inspection_facts_are_safe_to_print() -> None:
    facts = dict(inspection.facts(TFLITE))
    assert facts["description"] == "made\\x1b[2J"
    assert facts["size"] == "4.52 MB (4,521,544 bytes)"
    assert facts["MACs"] == "8.47 G, all int8"
    assert facts["partitions"] == "1 XNNPACK partition, with every operator in it"
    assert "producer" not in facts


@pytest.mark.parametrize(
    ("count", "outside", "said"),
    [(None, {}, "not known"), (0, {"ADD": 1}, "none: XNNPACK supports no operator of this graph"),
     (2, {}, "2 XNNPACK partitions, with every operator in them"),
     (1, {"SOFTMAX": 1}, "1 XNNPACK partition; outside it: SOFTMAX"),
     (4, {"PACK": 1, "RELU": 2}, "4 XNNPACK partitions; outside them: RELU x2, PACK")],
)  # fmt: skip
def test_partitions_in_words(count: int | None, outside: dict[str, int], said: str) -> None:
    graph = replace(GRAPH, delegate_partitions=count, undelegated_ops=outside)
    assert inspection.partitions_text(replace(TFLITE, graph=graph)) == said


def test_onnx_has_opsets_and_no_partitions() -> None:
    graph = replace(GRAPH, delegate_partitions=None, macs_by_dtype={"int8": 10, "float32": 90})
    onnx = replace(TFLITE, format="onnx", graph=graph, schema_version=8, opsets={"": 15, "x": 1})
    facts = dict(inspection.facts(onnx))
    assert facts["format"] == "ONNX, IR version 8, opset ai.onnx 15, x 1"
    assert facts["MACs"] == "100: 90 float32, 10 int8"
    assert "partitions" not in facts


def test_what_slows_or_stops_a_file_is_said() -> None:
    troubled = replace(
        GRAPH, delegate_partitions=4, undelegated_ops={"RELU": 3}, flex_ops=("FlexErf", "FlexErf"),
        variable_ops=("READ_VARIABLE",), custom_ops=("MyOp",),
    )  # fmt: skip
    said = " ".join(inspection.cautions(troubled))
    for word in ("4 XNNPACK", "FlexErf x2", "TensorFlow", "READ_VARIABLE", "MyOp"):
        assert word in said
    assert inspection.cautions(GRAPH) == ()


def test_json_holds_a_scale_that_is_no_number_as_null() -> None:
    odd = replace(TFLITE, inputs=(replace(TENSOR, scale=math.nan),))
    shown = json.loads(json.dumps(json_objects.inspection_object(Path("m"), odd), allow_nan=False))
    assert shown["inputs"][0]["scale"] is None
    assert shown["outputs"][0]["scale"] == 0.0078
    assert [each["name"] for each in shown["operators"]].count("RELU") == 2


def test_json_of_an_export_is_the_manifest_as_written() -> None:
    shown = json_objects.export_object(export_result(Path("out"), "int8"))
    assert list(shown) == ["schema", "artifacts", "warnings", "refused"]
    assert shown["refused"] == []
    assert shown["artifacts"][0]["folder"] == "out/int8"
    written = shown["artifacts"][0]["manifest"]
    assert written["files"][1]["parity"]["snr_db"] is None
    assert next(iter(written)) == "schema"


def test_json_of_an_export_says_what_was_refused() -> None:
    shown = json_objects.export_object(half_refused())
    assert shown["refused"] == [
        {
            "recipe": "int8", "format": "onnx", "message": "GELU has no kernel.",
            "hint": "Use --format tflite.",
        }
    ]  # fmt: skip
    file = shown["artifacts"][0]["manifest"]["files"][0]
    assert (file["integer"], file["float_ops"]) == ("mixed", {"GELU": 2, "ERF": 1})
    assert [each["output"][:5] for each in file["parities"]] == ["boxes", "score"]
