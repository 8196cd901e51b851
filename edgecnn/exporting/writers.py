"""Who writes which recipe in which format: one function and one line in the table for each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgecnn import held, parity
from edgecnn.calibration import statistics
from edgecnn.convert.float_tflite import name_ends
from edgecnn.errors import EdgeCnnError
from edgecnn.exporting import deciding, ends, min_snr, rescue
from edgecnn.inspection import inspect
from edgecnn.quantize import choosing, integer, litert
from edgecnn.quantize.assembly import Settings
from edgecnn.quantize.passes import float16

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgecnn.convert.float_tflite import FloatTflite
    from edgecnn.exporting.deciding import Decision
    from edgecnn.exporting.ingredients import Ingredients
    from edgecnn.exporting.options import MixedPrecision
    from edgecnn.exporting.plan import Job
    from edgecnn.quantize.assembly import Decided
    from edgecnn.quantize.integer import IntegerModel
    from edgecnn.quantize.onnx_draft import Draft
    from edgecnn.quantize.onnx_twin import Beside
    from edgecnn.records import ParityInfo


# Scaling channels rounds float32 weights anew, and nothing else.
_SAME_FUNCTION_DB, _FEW_RUNS = 80.0, (0, 1)


@dataclass(frozen=True)
class Written:
    """A file's name in its folder, and what the manifest should say of how it came about.

    Attributes:
        name: of the file.
        notes: sentences for the manifest.
        mixed: what `min_snr_db` took.
        integer: of a quantized file: "full", or "mixed" where operators stayed float.
        float_ops: those operators, name to count.
        float_places: of the operators that work on floats for `min_snr_db`.
    """

    name: str
    notes: tuple[str, ...] = ()
    mixed: MixedPrecision | None = None
    integer: Literal["full", "mixed"] | None = None
    float_ops: dict[str, int] = field(default_factory=dict)
    float_places: tuple[int, ...] = ()


def write(
    job: Job, file_format: str, folder: Path, basis: Ingredients, decision: Decision
) -> Written:
    """Write one file of an artifact.

    Args:
        job: the recipe.
        file_format: of the file.
        folder: where it goes.
        basis: what it is made of.
        decision: how the recipe's .tflite is quantized.
    """
    path = folder / f"model.{file_format}"
    if is_mixed(job, file_format, basis):
        return _mixed_tflite(job, path, basis, decision.required)
    if job.recipe.calibrated:
        return _INTEGER_WRITERS[file_format](job, path, basis, decision)
    return _WRITERS[file_format, job.recipe.name](job, path, basis)


def is_mixed(job: Job, file_format: str, basis: Ingredients) -> bool:
    """Whether layers of this file may stay in float32."""
    requested = basis.options.min_snr_db is not None
    return requested and (job.recipe.name, file_format) == ("int8", "tflite")


def _float_tflite(basis: Ingredients) -> FloatTflite:
    float_file = basis.floats.tflite
    assert float_file is not None  # noqa: S101 - formats that cannot be had are not written
    return float_file


def _float_onnx(basis: Ingredients) -> Path:
    path = basis.floats.onnx
    assert path is not None  # noqa: S101 - likewise
    return path


def _float32_tflite(_job: Job, path: Path, basis: Ingredients) -> Written:
    path.write_bytes(_float_tflite(basis).data)
    return Written(path.name)


def _float16_tflite(_job: Job, path: Path, basis: Ingredients) -> Written:
    graph = _float_tflite(basis).folded.copy()
    float16.apply(graph)
    name_ends(graph, basis.network)
    path.write_bytes(graph.write())
    return Written(path.name)


def _dynamic_tflite(_job: Job, path: Path, basis: Ingredients) -> Written:
    # A normalization folded into weights makes them harder to quantize; nothing equalizes here.
    graph = litert.dynamic(_float_tflite(basis).unfolded)
    name_ends(graph, basis.network)
    path.write_bytes(graph.write())
    return Written(path.name)


def _integer_tflite(job: Job, path: Path, basis: Ingredients, decision: Decision) -> Written:
    may_mix = job.recipe.activations == "int8" and not basis.options.strict
    quantized = decision.required
    graph = quantized.graph.copy()
    ends.finish(graph, job, basis)
    path.write_bytes(graph.write())
    coarse = ends.coarse_probabilities(quantized.graph, job, basis)
    notes = (*filter(None, [basis.calibration.note]), *quantized.notes, *_note(coarse))
    written = Written(
        path.name,
        notes,
        integer="mixed" if coarse else quantized.integer,
        float_ops=_with_softmax(quantized, coarse),
    )
    return _rescued(job, path, basis, quantized, written) if may_mix else written


def _note(coarse: tuple[str, ...]) -> tuple[str, ...]:
    return (ends.note(coarse),) if coarse else ()


def _with_softmax(quantized: IntegerModel, coarse: tuple[str, ...]) -> dict[str, int]:
    """The operators on floats, with the softmax of each output that leaves as float32."""
    counts = Counter(quantized.float_ops)
    counts.update({"SOFTMAX": len(coarse)} if coarse else {})
    return dict(sorted(counts.items()))


def _rescued(
    job: Job, path: Path, basis: Ingredients, quantized: IntegerModel, written: Written
) -> Written:
    """The file as it is, or with layers in float where integers alone are too far off."""
    if not rescue.allowed(basis, deciding.macs(basis)):
        return written
    parities = _unseen_parities(job, basis, quantized)
    if not rescue.needed(parities):
        return written
    wanted_db = rescue.wanted_of_logits_db(parities)
    mended = rescue.attempt(quantized, basis, partial(ends.finish, job=job, basis=basis), wanted_db)
    if mended is None or mended.after_db < rescue.LEAST_DB:
        float_outputs = partial(ends.finish, job=job, basis=basis, float_outputs=True)
        roomy = rescue.attempt(quantized, basis, float_outputs, wanted_db, float_ends=True)
        mended = roomy or mended
    if mended is None:
        return written
    path.write_bytes(mended.graph.write())
    notes = (*written.notes, mended.note)
    return replace(written, notes=notes, integer="mixed", float_ops=mended.float_ops)


def _unseen_parities(job: Job, basis: Ingredients, quantized: IntegerModel) -> list[ParityInfo]:
    """How close the file should be to float: on calibration samples that its ranges did not see."""
    every = tuple(range(basis.samples.split.calibration.samples))
    real = _float_tflite(basis).data
    expected, measured = [], []
    for graph, runs in quantized.choice.unseen or ((quantized.graph, every),):
        whole = graph.copy()
        ends.finish(whole, job, basis)
        measured.append(basis.calibration_answers(whole.write(), "tflite", runs))
        expected.append(basis.calibration_answers(real, "tflite", runs))
    return rescue.all_parities(parity.joined(expected), parity.joined(measured), basis)


def _mixed_tflite(job: Job, path: Path, basis: Ingredients, quantized: IntegerModel) -> Written:
    data, mixed, places = min_snr.reach(job, quantized, basis)
    path.write_bytes(data)
    if mixed.layers:
        basis.progress.stage("timing both files")
        integers = min_snr.finished(quantized.graph, job, basis)
        before_ms, after_ms = min_snr.latency_ms(integers, path)
        mixed = replace(mixed, latency_before_ms=before_ms, latency_after_ms=after_ms)
    coarse = ends.coarse_probabilities(quantized.graph, job, basis)
    notes = (*quantized.notes, min_snr.note(mixed), *_note(coarse))
    return Written(
        path.name,
        notes,
        mixed,
        integer="mixed" if mixed.layers or coarse else quantized.integer,
        float_ops=_with_softmax(quantized, coarse),
        float_places=places,
    )


def _float32_onnx(_job: Job, path: Path, basis: Ingredients) -> Written:
    path.write_bytes(_float_onnx(basis).read_bytes())
    return Written(path.name)


def _float16_onnx(_job: Job, path: Path, basis: Ingredients) -> Written:
    from edgecnn.quantize.onnx_float16 import to_float16

    to_float16(_float_onnx(basis), path, progress=basis.progress)
    return Written(path.name)


def _dynamic_onnx(_job: Job, path: Path, basis: Ingredients) -> Written:
    from edgecnn.quantize.onnx_dynamic import to_dynamic

    to_dynamic(_float_onnx(basis), path)
    return Written(path.name)


def _integer_onnx(job: Job, path: Path, basis: Ingredients, decision: Decision) -> Written:
    """An int8 .onnx.

    Args:
        job: the recipe.
        path: of the file.
        basis: what it is made of.
        decision: how the .tflite is quantized, where there is one: its settings were measured, and
            the network is the same. Without it they are what is best where nothing was measured.
    """
    from edgecnn.exporting import rescue_onnx

    quantized = decision.model
    settings = (quantized.choice.measured if quantized else None) or _unmeasured(basis)
    decided = quantized.decided if quantized else None
    with held.temporary() as folder:
        source, twin, note = _taken_over(folder, basis, decided)
        drafting = partial(_onnx_draft, source, basis, settings)
        macs = inspect(_float_onnx(basis), delegate=False).graph.macs_by_dtype
        mended = None
        if rescue.allowed(basis, sum(macs.values())):
            mended = rescue_onnx.attempt(drafting, path, basis)
        draft = drafting(mended.last if mended else 0, beside=twin)
        result = draft.write(path, mended.activations if mended else ())
    origin = deciding.notes_of_onnx(job, decision, basis)
    notes = [*origin, *result.notes, mended.note if mended else "", note]
    return Written(
        path.name,
        tuple(filter(None, notes)),
        integer="mixed" if result.float_ops else "full",
        float_ops=result.float_ops,
    )


def _taken_over(
    folder: Path, basis: Ingredients, decided: Decided | None
) -> tuple[Path, Beside | None, str]:
    """As `_as_decided`; the float .onnx as it is, and why, where the two cannot be matched."""
    try:
        with deciding.unwritten(basis.plan):
            return _as_decided(folder, basis, decided)
    except EdgeCnnError as error:
        return _float_onnx(basis), None, deciding.without(error, basis)


def _as_decided(
    folder: Path, basis: Ingredients, decided: Decided | None
) -> tuple[Path, Beside | None, str]:
    """The float .onnx with its channels scaled as the .tflite's, what it takes over, and a note."""
    from edgecnn.formats import onnx_file
    from edgecnn.quantize import onnx_equalize, onnx_twin

    plain = _float_onnx(basis)
    if decided is None:
        return plain, None, ""
    feeds = next(basis.file_feeds("tflite")), next(basis.file_feeds("onnx"))
    model = onnx_twin.prepared(plain)
    names = onnx_twin.names(model, _float_tflite(basis).folded, feeds)
    scales = {name: decided.scale[twin] for name, twin in names.items() if twin in decided.scale}
    onnx_equalize.apply(model.graph, scales)
    path = folder / "scaled.onnx"
    onnx_file.save(model, path)
    beside = onnx_twin.Beside(decided, names)
    if not decided.scale:
        return path, beside, ""
    expected, measured = (basis.calibration_answers(p, "onnx", _FEW_RUNS) for p in (plain, path))
    parities = parity.compare(expected, measured, basis.floats.outputs, on_values=True)
    snr_db = parity.worst(parities).snr_db
    if snr_db is not None and snr_db < _SAME_FUNCTION_DB:
        note = f"the .onnx is not equalized: scaled, it has {snr_db:.0f} dB of the float one"
        return plain, None, note
    return path, beside, "the .onnx is equalized as the .tflite is"


def _unmeasured(basis: Ingredients) -> Settings:
    few = basis.samples.split.calibration.samples < choosing.FEW
    return Settings(wide=few, views=False)


def _onnx_draft(
    source: Path,
    basis: Ingredients,
    settings: Settings,
    last_float: int = 0,
    left_out: Sequence[int] = (),
    beside: Beside | None = None,
) -> Draft:
    from edgecnn.quantize import onnx_qdq

    method = basis.options.calibration_method
    origin = basis.calibration.origin
    samples = basis.samples.split.calibration.samples
    kept = ~np.isin(origin, left_out)
    if not settings.views:
        kept[samples:] = False
    parts = statistics.deal(samples, basis.options.seed)[origin]
    return onnx_qdq.draft(
        source,
        (feed for feed, keep in zip(basis.enlarged_feeds("onnx"), kept, strict=True) if keep),
        method=settings.method if method == integer.AUTO else method,  # type: ignore[arg-type] # one of plan.METHODS
        dealt=parts[kept] if settings.wide else None,
        beside=beside,
        runs=int(kept.sum()),
        last_float=last_float,
        threads=basis.plan.threads,
        progress=basis.progress,
    )


_WRITERS: dict[tuple[str, str], Callable[[Job, Path, Ingredients], Written]] = {
    ("tflite", "float32"): _float32_tflite,
    ("tflite", "float16"): _float16_tflite,
    ("tflite", "dynamic"): _dynamic_tflite,
    ("onnx", "float32"): _float32_onnx,
    ("onnx", "float16"): _float16_onnx,
    ("onnx", "dynamic"): _dynamic_onnx,
}
_INTEGER_WRITERS: dict[str, Callable[[Job, Path, Ingredients, Decision], Written]] = {
    "tflite": _integer_tflite,
    "onnx": _integer_onnx,
}
