"""The ends of an integer file: of the type asked for, or float32 where integers tell nothing.

A SOFTMAX has one scale, 1/256, whatever it gives. Probabilities that hardly move from sample to
sample (a network that is rarely sure) are lost in such steps, though its logits are not. The answer
then leaves as float32, and the SOFTMAX computes in float, as it does under `--io float32`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.convert.float_tflite import name_ends
from edgecnn.quantize import mixing
from edgecnn.quantize.passes import io_dtype, round_trips

if TYPE_CHECKING:
    from edgecnn.exporting.ingredients import Ingredients
    from edgecnn.exporting.plan import Job
    from edgecnn.formats.tflite_graph import Graph


def finish(graph: Graph, job: Job, basis: Ingredients, *, float_outputs: bool = False) -> None:
    """Give an integer graph its ends, in place.

    Args:
        graph: with integer ends.
        job: says which are asked for.
        basis: the network, and what calibration saw of its outputs.
        float_outputs: whether all outputs leave as float32.
    """
    outputs = [tensor.name for tensor in graph.outputs]
    kept = outputs if float_outputs else coarse_probabilities(graph, job, basis)
    io_dtype.apply(graph, job.io, ends=dict.fromkeys(kept, "float32"))
    round_trips.apply(graph)
    name_ends(graph, basis.network)


def coarse_probabilities(graph: Graph, job: Job, basis: Ingredients) -> tuple[str, ...]:
    """Integer outputs of a SOFTMAX that leave as float32 though integers were asked for.

    Random weights make every network unsure, and say nothing of the one that is meant.

    Args:
        graph: with integer ends, but for those that are float for another reason.
        job: says which ends are asked for.
        basis: the network, and what calibration saw of its outputs.
    """
    random = basis.plan.identity.has_random_weights
    if job.io == "float32" or basis.options.strict or random or basis.statistics is None:
        return ()
    assert basis.floats.tflite is not None  # noqa: S101 - what the statistics are of
    bits = 16 if job.recipe.activations == "int16" else 8
    judge = mixing.Judge(basis.floats.tflite.folded, basis.statistics.tensors, bits)
    integers = {tensor.name for tensor in graph.outputs if not tensor.is_float}
    return tuple(name for name in judge.coarse_probabilities() if name in integers)


def note(names: tuple[str, ...]) -> str:
    """For the manifest, that these outputs leave as float32."""
    listed = ", ".join(f"'{name}'" for name in names)
    return (
        f"Output {listed} is float32, its softmax too: steps of 1/256 would leave too little of"
        " what tells its samples apart. --strict keeps integers."
    )
