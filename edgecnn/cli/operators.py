"""`edgecnn operators`: what of ONNX can be turned into a .tflite."""

from __future__ import annotations

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.options import common_options


@click.command()
@common_options
def operators(*, as_json: bool) -> None:
    """List the ONNX operators that `export` turns into TensorFlow Lite.

    A model with others is refused before any work, all of them named. Written to .onnx, a model may
    have any operator that ONNX Runtime has.
    """
    rows = edgecnn.onnx_operators()
    if as_json:
        from edgecnn.reporting.json_objects import operators_object

        console.print_json(operators_object(rows))
        return
    from edgecnn.reporting.models import operators_table

    console.print_table(operators_table(rows))
