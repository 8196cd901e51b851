"""`--min-snr`: the int8 .tflite with the cheapest layers in float32 that reach a fidelity."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from edgecnn import held, isolation, parity
from edgecnn.errors import CheckFailedError
from edgecnn.exporting import ends
from edgecnn.exporting.options import MixedPrecision
from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize.mixed import Mixture
from edgecnn.quantize.passes import keep_float

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgecnn.exporting.ingredients import Ingredients
    from edgecnn.exporting.plan import Job
    from edgecnn.formats.tflite_graph import Operator
    from edgecnn.quantize.integer import IntegerModel

    Names = frozenset[str]

# Enough images to tell files apart by a tenth of a dB, and few enough to try forty files.
CHOICE_SAMPLES = 32
_ROUNDS = 4
_OVERSHOOT_DB = 0.05
_LATENCY_SECONDS = 4.0


def reach(
    job: Job, quantized: IntegerModel, basis: Ingredients
) -> tuple[bytes, MixedPrecision, tuple[int, ...]]:
    """The file that reaches `min_snr_db` on the samples calibration did not see.

    Layers are chosen on calibration samples. Where the others then show less than was asked for,
    more is asked of the calibration samples by as much, and the choice is made again.

    Returns:
        The file, what it keeps and costs but for its latency, and the places of its operators that
        may work on floats.

    Raises:
        CheckFailedError: it is not reached with every layer in float32.
    """
    wanted_db = basis.options.min_snr_db
    assert wanted_db is not None  # noqa: S101 - the caller asked
    plain = finished(quantized.graph, job, basis)
    before_db = _held_out_db(plain, basis)
    kept: Names = frozenset()
    coarse: tuple[str, ...] = ()
    layers = chosen_on = 0
    data, after_db = plain, before_db
    if before_db < wanted_db:
        mixture = _mixture(job, quantized, basis)
        calibration = basis.samples.split.calibration
        layers, chosen_on = mixture.layers, min(CHOICE_SAMPLES, calibration.samples)
        chosen, data, after_db = _choose(mixture, job, basis, wanted_db)
        kept = mixture.in_float(chosen)
        # The softmax of an output that leaves as float32 is in float without being asked to.
        coarse = ends.coarse_probabilities(quantized.graph, job, basis)
        kept -= _in_float_already(quantized.graph) | set(coarse)
    result = MixedPrecision(
        min_snr_db=wanted_db,
        layers=tuple(name for name in _names_in_order(basis) if name in kept),
        of_layers=layers,
        snr_before_db=before_db,
        snr_after_db=after_db,
        samples=basis.samples.split.held_out.samples,
        chosen_on=chosen_on,
        size_before_bytes=len(plain),
        size_after_bytes=len(data),
    )
    leaving = [place for place, end in enumerate(quantized.graph.outputs) if end.name in coarse]
    return data, result, float_places(data, kept, leaving)


def _in_float_already(graph: Graph) -> Names:
    """Layers that integers were too coarse for, or that have no integer kernel."""
    floats = (op for op in graph.operators if op.outputs and op.output.quantization is None)
    return frozenset(op.output.name for op in floats)


def finished(graph: Graph, job: Job, basis: Ingredients) -> bytes:
    """An integer model with the ends the job asks for."""
    whole = graph.copy()
    ends.finish(whole, job, basis)
    return whole.write()


def _mixture(job: Job, quantized: IntegerModel, basis: Ingredients) -> Mixture:
    basis.progress.stage("choosing the layers to keep in float32")
    feeds = list(itertools.islice(basis.file_feeds("tflite"), CHOICE_SAMPLES))
    known = basis.statistics
    assert known is not None  # noqa: S101 - the int8 recipe collects them
    return Mixture(
        quantized,
        feeds,
        known.answers,
        float_ends=job.io == "float32",
        threads=basis.plan.threads,
        finish=lambda graph: ends.finish(graph, job, basis),
        progress=basis.progress,
    )


def _choose(
    mixture: Mixture, job: Job, basis: Ingredients, wanted_db: float
) -> tuple[Names, bytes, float]:
    asked_db, best_db = wanted_db, -math.inf
    for _ in range(_ROUNDS):
        kept = mixture.cheapest(asked_db)
        tried = mixture.everything() if kept is None else kept
        data = finished(mixture.build(tried), job, basis)
        reached_db = _held_out_db(data, basis)
        best_db = max(best_db, reached_db)
        if reached_db >= wanted_db:
            return tried, data, reached_db
        if kept is None:
            break
        asked_db += wanted_db - reached_db + _OVERSHOOT_DB
    data = finished(mixture.build(mixture.everything()), job, basis)
    reached_db = _held_out_db(data, basis)
    if reached_db >= wanted_db:  # what few layers reach on one set of samples, they miss on another
        return mixture.everything(), data, reached_db
    raise _unreached(job, basis, wanted_db, max(best_db, reached_db))


def _unreached(job: Job, basis: Ingredients, wanted_db: float, best_db: float) -> CheckFailedError:
    ends = "" if job.io == "float32" else f" (the rest is lost in its {job.io} input and output)"
    more = "--io float32 rounds neither input nor output" if ends else "float32 is the float file"
    return CheckFailedError(
        f"--min-snr {wanted_db:g}dB cannot be reached: even with all layers in float32 the file has"
        f" {best_db:.1f} dB SNR on {basis.samples.split.held_out.samples} held-out samples{ends}.",
        hint=f"Ask for {math.floor(best_db)}dB or less; {more}.",
    )


def _held_out_db(data: bytes, basis: Ingredients) -> float:
    """SNR of the output that is worst."""
    measured = basis.answers(data, "tflite")
    worst = parity.worst(parity.compare(basis.reference, measured, basis.floats.outputs))
    return math.inf if worst.snr_db is None else worst.snr_db


def _names_in_order(basis: Ingredients) -> list[str]:
    tflite = basis.floats.tflite
    assert tflite is not None  # noqa: S101 - only a .tflite is mixed
    return [operator.output.name for operator in tflite.folded.operators]


def float_places(data: bytes, kept: Names, leaving: Sequence[int] = ()) -> tuple[int, ...]:
    """Places of the operators that work on floats because of the kept layers.

    Those layers themselves, the conversions at their borders, and a final SOFTMAX that reads what
    one of them made: with float ends it computes in float in any case.

    Args:
        data: the file.
        kept: the layers' names.
        leaving: positions of outputs whose SOFTMAX is told of as that of a float output.
    """
    graph = Graph.read(data)
    told = {graph.producer(graph.outputs[position]) for position in leaving}
    layers = [op for op in graph.operators if _layer_of(op) in kept]
    results = {op.output for op in layers}
    read = {tensor for op in layers for tensor in op.read}
    return tuple(
        place
        for place, op in enumerate(graph.operators)
        if op not in told and (
            op in layers
            or (op.name == "DEQUANTIZE" and op.output in read)
            or (op.name in {"QUANTIZE", "DEQUANTIZE", "SOFTMAX"} and op.source in results)
        )
    )  # fmt: skip


def _layer_of(operator: Operator) -> str:
    """The layer a float operator is; "" for a conversion or an integer operator."""
    if operator.name in {"QUANTIZE", "DEQUANTIZE"} or not operator.output.is_float:
        return ""
    return operator.output.name.removesuffix(keep_float.SUFFIX)


def note(mixed: MixedPrecision) -> str:
    """The sentence for the manifest: nothing in it depends on the machine."""
    on = f"on {mixed.samples} held-out samples"
    if not mixed.layers:
        return (
            f"--min-snr {mixed.min_snr_db:g}dB: no layer has to stay in float32"
            f" ({mixed.snr_before_db:.1f} dB {on})"
        )
    return (
        f"--min-snr {mixed.min_snr_db:g}dB: {len(mixed.layers)} of {mixed.of_layers} layers stay"
        f" in float32, chosen on {mixed.chosen_on} calibration samples; logits"
        f" {mixed.snr_before_db:.1f} to {mixed.snr_after_db:.1f} dB {on}; they are:"
        f" {', '.join(mixed.layers)}"
    )


def latency_ms(before: bytes, after: Path) -> tuple[float, float]:
    """Median milliseconds of one inference of two files, in turns on one thread of this machine."""
    with held.temporary() as folder:
        plain = folder / "plain.tflite"
        plain.write_bytes(before)
        times: tuple[float, float] = isolation.run(
            "edgecnn.runtime.timing:medians_in_turns_ms",
            [str(plain), str(after)],
            _LATENCY_SECONDS,
            what="timing both files",
        )
    return times
