"""`--min-snr`: the int8 .tflite with as few layers in float32 as the fidelity asked for takes."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import isolation, parity
from edgecnn.errors import CheckFailedError
from edgecnn.exporting.options import MixedPrecision
from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize.mixed import Mixture
from edgecnn.quantize.passes import io_dtype, keep_float, round_trips

if TYPE_CHECKING:
    from edgecnn.exporting.plan import Job
    from edgecnn.exporting.sources import Sources
    from edgecnn.formats.tflite_graph import Operator
    from edgecnn.quantize.integer import IntegerModel

    Names = frozenset[str]

# Enough images to tell files apart by a tenth of a dB, and few enough to try forty files.
CHOICE_IMAGES = 32
_ROUNDS = 4
_OVERSHOOT_DB = 0.05
_LATENCY_SECONDS = 4.0
_BLOCK_RUNS = 5


def reach(
    job: Job, made: IntegerModel, sources: Sources
) -> tuple[bytes, MixedPrecision, tuple[int, ...]]:
    """The file that reaches `min_snr_db` on the images calibration did not see.

    Layers are chosen on calibration images. Where the others then show less than was asked for,
    more is asked of the calibration images by as much, and the choice is made again.

    Returns:
        The file, what it keeps and costs but for its latency, and the places of its operators that
        may work on floats.

    Raises:
        CheckFailedError: it is not reached with every layer in float32.
    """
    wanted_db = sources.options.min_snr_db
    assert wanted_db is not None  # noqa: S101 - the caller asked
    plain = finished(made.graph, job)
    before_db = _held_out_db(plain, sources)
    kept: Names = frozenset()
    layers = chosen_on = 0
    data, after_db = plain, before_db
    if before_db < wanted_db:
        mixture = _mixture(job, made, sources)
        layers, chosen_on = mixture.layers, min(CHOICE_IMAGES, sources.images.calibration.samples)
        kept, data, after_db = _choose(mixture, job, sources, wanted_db)
    result = MixedPrecision(
        min_snr_db=wanted_db,
        layers=tuple(name for name in _names_in_order(sources) if name in kept),
        of_layers=layers,
        snr_before_db=before_db,
        snr_after_db=after_db,
        samples=sources.images.held_out.samples,
        chosen_on=chosen_on,
        size_before_bytes=len(plain),
        size_after_bytes=len(data),
    )
    return data, result, float_places(data, kept)


def finished(graph: Graph, job: Job) -> bytes:
    """The file of an integer graph, with the ends the job asks for."""
    made = graph.copy()
    _finish(made, job)
    return made.write()


def _finish(graph: Graph, job: Job) -> None:
    io_dtype.apply(graph, job.io)
    round_trips.apply(graph)


def _mixture(job: Job, made: IntegerModel, sources: Sources) -> Mixture:
    sources.progress.stage("choosing the layers to keep in float32")
    feeds = [
        [feed] for _, feed in zip(range(CHOICE_IMAGES), sources.calibration_feeds(), strict=False)
    ]
    return Mixture(
        made,
        feeds,
        {name: answer[: len(feeds)] for name, answer in sources.statistics.answers.items()},
        float_ends=job.io == "float32",
        threads=sources.plan.threads,
        finish=lambda graph: _finish(graph, job),
        progress=sources.progress,
    )


def _choose(
    mixture: Mixture, job: Job, sources: Sources, wanted_db: float
) -> tuple[Names, bytes, float]:
    asked_db, best_db = wanted_db, -math.inf
    for _ in range(_ROUNDS):
        kept = mixture.fewest(asked_db)
        tried = mixture.everything() if kept is None else kept
        data = finished(mixture.build(tried), job)
        found_db = _held_out_db(data, sources)
        best_db = max(best_db, found_db)
        if found_db >= wanted_db:
            return tried, data, found_db
        if kept is None:
            break
        asked_db += wanted_db - found_db + _OVERSHOOT_DB
    raise _unreached(mixture, job, sources, wanted_db, best_db)


def _unreached(
    mixture: Mixture, job: Job, sources: Sources, wanted_db: float, best_db: float
) -> CheckFailedError:
    everything = finished(mixture.build(mixture.everything()), job)
    best_db = max(best_db, _held_out_db(everything, sources))
    ends = "" if job.io == "float32" else f" (what is left is its {job.io} input and output)"
    more = "--io float32 rounds neither input nor output" if ends else "float32 is the float file"
    return CheckFailedError(
        f"--min-snr {wanted_db:g}dB is not reached: with every layer in float32 the file has"
        f" {best_db:.1f} dB SNR on {sources.images.held_out.samples} images calibration did not"
        f" see{ends}.",
        hint=f"Ask for {math.floor(best_db)}dB or less; {more}.",
    )


def _held_out_db(data: bytes, sources: Sources) -> float:
    found = parity.logits(data, sources.held_out_feeds(), threads=sources.plan.threads)
    ratio = parity.snr_db(sources.reference, found)
    return math.inf if ratio is None else ratio


def _names_in_order(sources: Sources) -> list[str]:
    return list(sources.float_graph.made())


def float_places(data: bytes, kept: Names) -> tuple[int, ...]:
    """Places of the operators that work on floats because of the kept layers.

    Those layers themselves, the conversions at their borders, and a final SOFTMAX that reads what
    one of them made: with float ends it computes in float in any case.
    """
    graph = Graph.read(data)
    layers = {operator for operator in graph.operators if _made_name(operator) in kept}
    made = {operator.output for operator in layers}
    read = {tensor for operator in layers for tensor in operator.read}
    places = []
    for place, operator in enumerate(graph.operators):
        borders = (operator.name == "DEQUANTIZE" and operator.output in read) or (
            operator.name in {"QUANTIZE", "DEQUANTIZE", "SOFTMAX"} and operator.source in made
        )
        if borders or operator in layers:
            places.append(place)
    return tuple(places)


def _made_name(operator: Operator) -> str:
    """The layer a float operator is; "" for a conversion or an integer operator."""
    if operator.name in {"QUANTIZE", "DEQUANTIZE"} or not operator.outputs:
        return ""
    return operator.output.name.removesuffix(keep_float.SUFFIX) if operator.output.is_float else ""


def note(mixed: MixedPrecision) -> str:
    """The sentence for the manifest: nothing in it depends on the machine."""
    on = f"on {mixed.samples} images calibration did not see"
    if not mixed.layers:
        return (
            f"--min-snr {mixed.min_snr_db:g}dB: no layer had to stay in float32"
            f" ({mixed.snr_before_db:.1f} dB {on})"
        )
    return (
        f"--min-snr {mixed.min_snr_db:g}dB: {len(mixed.layers)} of {mixed.of_layers} layers stay"
        f" in float32, chosen on {mixed.chosen_on} calibration images; logits"
        f" {mixed.snr_before_db:.1f} to {mixed.snr_after_db:.1f} dB {on}; they are:"
        f" {', '.join(mixed.layers)}"
    )


def latency_ms(before: bytes, after: Path) -> tuple[float, float]:
    """Median milliseconds of one inference of two files, in turns on one thread of this machine."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.tflite"
        plain.write_bytes(before)
        found: tuple[float, float] = isolation.run(
            "edgecnn.exporting.min_snr:time_in_turns", [str(plain), str(after)],
            what="timing both files",
        )  # fmt: skip
    return found


def time_in_turns(paths: list[str]) -> tuple[float, float]:
    """Time both files for some seconds, block by block; called in a child process."""
    from edgecnn.profiling.operator_timing import loaded, pin

    pin(1)
    nets = [loaded(path, 1) for path in paths]
    samples: list[list[float]] = [[] for _ in nets]
    end = time.perf_counter() + _LATENCY_SECONDS
    while time.perf_counter() < end or not samples[-1]:
        for net, found in zip(nets, samples, strict=True):
            net.invoke()  # what the other file left in the caches is not its own
            for _ in range(_BLOCK_RUNS):
                start = time.perf_counter_ns()
                net.invoke()
                found.append((time.perf_counter_ns() - start) / 1e6)
    return statistics.median(samples[0]), statistics.median(samples[1])
