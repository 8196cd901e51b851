"""What an integer recipe's numbers are: decided once, on the .tflite, for every format.

A .tflite's settings, ranges and rounding are measured; an .onnx of the same network takes them
over. So the .tflite is decided where only an .onnx was asked for too, in memory: the .onnx is then
the one that would lie beside it. What goes wrong on that side costs the .onnx the decisions, not
its file, and the user is told.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn import gate
from edgecnn.errors import EdgeCnnError, InputError
from edgecnn.inspection import tflite
from edgecnn.quantize import choosing, integer

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from edgecnn.exporting.ingredients import Ingredients
    from edgecnn.exporting.plan import Job, Plan
    from edgecnn.quantize.integer import IntegerModel

_ALIKE = "the .onnx follows a .tflite of the same network, which was decided on in memory"


@dataclass(frozen=True)
class Decision:
    """How a recipe's .tflite is quantized, whether or not it is written.

    Attributes:
        model: it, its ends still integers; None where there is none.
        error: why there is none.
    """

    model: IntegerModel | None = None
    error: EdgeCnnError | None = None

    @property
    def required(self) -> IntegerModel:
        """The model; raises where there is none."""
        if self.model is None:
            assert self.error is not None  # noqa: S101 - one of both there is
            raise self.error
        return self.model


def decide(job: Job, basis: Ingredients) -> Decision:
    """Quantize a .tflite that is written, or whose decisions an .onnx takes over.

    Args:
        job: the recipe; nothing is decided for one whose activations are no integers.
        basis: what it is made of.
    """
    if not job.recipe.calibrated:
        return Decision()
    mixes = basis.options.min_snr_db is not None or not basis.options.strict
    gives_back = job.recipe.activations == "int8" and "tflite" in job.formats and mixes
    try:
        with unwritten(basis.plan):
            return Decision(_quantize(job, basis, with_source=gives_back))
    except EdgeCnnError as error:
        return Decision(error=error)


def unwritten(plan: Plan) -> AbstractContextManager[None]:
    """What a .tflite that nobody asked for makes Python raise becomes an EdgeCnnError.

    Of one that was asked for, what nobody foresaw is as loud as ever.
    """
    if not plan.has_unwritten_tflite:
        return contextlib.nullcontext()
    return gate.foreign_errors(f"deciding on a .tflite of {plan.identity.name}")


def notes_of_onnx(job: Job, decision: Decision, basis: Ingredients) -> tuple[str, ...]:
    """For an int8 .onnx's manifest, where its numbers come from.

    The user is told where that is no .tflite: with one, the same command gives a better file.
    """
    if decision.error is not None:
        return (without(decision.error, basis),)
    if "tflite" in job.formats or decision.model is None:
        return ()
    (how, *_) = decision.model.choice.notes
    return (f"{_ALIKE}: {how}",)


def without(error: EdgeCnnError, basis: Ingredients) -> str:
    """Warn the user that an int8 .onnx follows no .tflite; the sentence is for the manifest too.

    Args:
        error: why. The hint of an InputError is for who wants the .tflite, and is left out.
        basis: tells the user.
    """
    hint = "" if isinstance(error, InputError) else error.hint
    reason = f"{error.message} {hint}".strip()
    note = (
        "The int8 .onnx has to do without a .tflite of the same network to decide its settings,"
        f" ranges and rounding on, which may cost accuracy: {reason}"
    )
    basis.progress.warn(note)
    return note


def macs(basis: Ingredients) -> int:
    """Multiplications of one inference, as the float .tflite has them."""
    float_file = basis.floats.tflite
    assert float_file is not None  # noqa: S101 - nothing is decided without it
    graph = tflite.read(float_file.data, basis.plan.identity.name).graph
    return sum(graph.macs_by_dtype.values())


def _quantize(job: Job, basis: Ingredients, *, with_source: bool) -> IntegerModel:
    if basis.unmeasured is not None:
        raise basis.unmeasured
    source, known = basis.floats.tflite, basis.statistics
    assert source is not None  # noqa: S101 - likewise
    assert known is not None  # noqa: S101 - collected where a recipe asks for them
    basis.progress.stage("quantizing", len(known.layers))
    return integer.quantize(
        source.folded,
        known,
        judged=source.scores,
        activation_bits=16 if job.recipe.activations == "int16" else 8,
        method=basis.options.calibration_method,
        trial=basis.file_feeds("tflite"),
        samples=basis.samples.split.calibration.samples,
        images=choosing.images_for(macs(basis)),
        threads=basis.plan.threads,
        with_source=with_source,
        judge=not basis.options.strict,
        progress=basis.progress,
    )
