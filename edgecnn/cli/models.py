"""`edgecnn models`: the zoo."""

from __future__ import annotations

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.options import common_options


@click.command()
@common_options
def models(*, as_json: bool) -> None:
    """List the built-in networks."""
    specs = edgecnn.models()
    if as_json:
        from edgecnn.reporting.json_objects import models_object

        console.print_json(models_object(specs))
        return
    from edgecnn.reporting.models import models_table, summaries_table

    console.print_table(models_table(specs))
    console.print_line()
    console.print_table(summaries_table(specs))
    console.print_line()
    console.print_paragraph(
        "MODEL can also be keras:NAME for any network in keras.applications (keras:MobileNetV2), or"
        " your own model: a .keras or .h5 file, a SavedModel folder, a float .onnx or .tflite."
    )
