"""`edgecnn inspect`: what a model file really is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.options import INPUT_SHAPE, SIZE, common_options

if TYPE_CHECKING:
    from edgecnn.inspection import Inspection


@click.command(short_help="Show what is inside a .tflite or .onnx FILE.")
@click.argument("file", type=click.Path(path_type=Path))
@SIZE
@INPUT_SHAPE
@common_options
def inspect(
    file: Path,
    *,
    input_size: int | tuple[int, int] | None,
    input_shapes: dict[str, tuple[int, ...]],
    as_json: bool,
) -> None:
    """Show what is inside a .tflite or .onnx FILE, whoever wrote it.

    Lists operators, multiply-accumulates (MACs) and parameters by precision, inputs and outputs
    with their scales, XNNPACK partitions and what breaks them. If the file has open sizes, MACs are
    counted at the shape given by --input-shape or --input-size. Works without TensorFlow.
    """
    inspection = edgecnn.inspect(file, input_shapes=input_shapes, input_size=input_size)
    if as_json:
        from edgecnn.reporting.json_objects import inspection_object

        console.print_json(inspection_object(file, inspection))
    else:
        _print(file, inspection)


def _print(file: Path, inspection: Inspection) -> None:
    from edgecnn.reporting import inspection as report

    console.print_line(str(file), "bold")
    console.print_pairs(report.facts(inspection))
    console.print_line()
    console.print_table(report.tensors_table(inspection))
    console.print_line()
    console.print_table(report.operators_table(inspection))
    console.print_line()
    for caution in report.cautions(inspection.graph):
        console.warn(caution)
    for note in inspection.notes:
        console.say("note", note, style="bold")
