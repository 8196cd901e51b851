"""`edgecnn operators`: what of ONNX can be turned into a .tflite."""

from __future__ import annotations

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.options import common_options


@click.command()
@common_options
def operators(*, as_json: bool) -> None:
    """List the ONNX operators that `export` converts to TensorFlow Lite.

    A model with any other operator is rejected at once, with a list of them. An export to .onnx may
    use any operator that ONNX Runtime supports.
    """
    rows = edgecnn.onnx_operators()
    if as_json:
        from edgecnn.reporting.json_objects import operators_object

        console.print_json(operators_object(rows))
        return
    from edgecnn.reporting.models import operators_table

    console.print_table(operators_table(rows))
