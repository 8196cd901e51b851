"""Who writes which recipe in which format: one function and one line in the table for each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgecnn.exporting import min_snr
from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize import integer, litert
from edgecnn.quantize.passes import float16, io_dtype

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgecnn.exporting.options import MixedPrecision
    from edgecnn.exporting.plan import Job
    from edgecnn.exporting.sources import Sources
    from edgecnn.quantize.integer import IntegerModel

_TRIAL_IMAGES = 8


@dataclass(frozen=True)
class Written:
    """A file's name in its folder, and what the manifest should say of how it came about.

    Attributes:
        name: of the file.
        notes: sentences for the manifest.
        mixed: what `min_snr_db` took.
        float_places: of its operators that work on floats for that.
    """

    name: str
    notes: tuple[str, ...] = ()
    mixed: MixedPrecision | None = None
    float_places: tuple[int, ...] = ()


def write(job: Job, file_format: str, folder: Path, sources: Sources) -> Written:
    """Write one file of an artifact."""
    path = folder / f"model.{file_format}"
    if is_mixed(job, file_format, sources):
        return _mixed_tflite(job, path, sources)
    notes = _WRITERS[file_format, job.recipe.name](job, path, sources)
    return Written(path.name, notes)


def is_mixed(job: Job, file_format: str, sources: Sources) -> bool:
    """Whether layers of this file may stay in float32."""
    asked = sources.options.min_snr_db is not None
    return asked and (job.recipe.name, file_format) == ("int8", "tflite")


def _float32_tflite(_job: Job, path: Path, sources: Sources) -> tuple[str, ...]:
    path.write_bytes(sources.float_tflite)
    return ()


def _float16_tflite(_job: Job, path: Path, sources: Sources) -> tuple[str, ...]:
    graph = Graph.read(sources.float_tflite)
    float16.apply(graph)
    graph.set_signature()
    path.write_bytes(graph.write())
    return ()


def _dynamic_tflite(_job: Job, path: Path, sources: Sources) -> tuple[str, ...]:
    # A normalization folded into weights makes them harder to quantize; nothing equalizes here.
    path.write_bytes(litert.dynamic(Graph.read(sources.unfolded_tflite)).write())
    return ()


def _integer_tflite(job: Job, path: Path, sources: Sources) -> tuple[str, ...]:
    made = _quantized(job, sources)
    graph = made.graph.copy()
    io_dtype.apply(graph, job.io)
    path.write_bytes(graph.write())
    return made.notes


def _quantized(job: Job, sources: Sources, *, with_source: bool = False) -> IntegerModel:
    known = sources.statistics
    feeds = zip(range(_TRIAL_IMAGES), sources.calibration_feeds(), strict=False)
    sources.progress.stage("quantizing", len(known.layers))
    return integer.quantize(
        sources.float_graph,
        known,
        judged=[sources.logits_tensor],
        activation_bits=16 if job.recipe.activations == "int16" else 8,
        method=sources.options.calibration_method,
        trial=[[feed] for _, feed in feeds],
        threads=sources.plan.threads,
        with_source=with_source,
        progress=sources.progress,
    )


def _mixed_tflite(job: Job, path: Path, sources: Sources) -> Written:
    made = _quantized(job, sources, with_source=True)
    data, mixed, places = min_snr.reach(job, made, sources)
    path.write_bytes(data)
    if mixed.layers:
        sources.progress.stage("timing both files")
        before_ms, after_ms = min_snr.latency_ms(min_snr.finished(made.graph, job), path)
        mixed = replace(mixed, latency_before_ms=before_ms, latency_after_ms=after_ms)
    return Written(path.name, (*made.notes, min_snr.note(mixed)), mixed, places)


def _float32_onnx(_job: Job, path: Path, sources: Sources) -> tuple[str, ...]:
    path.write_bytes(sources.float_onnx.read_bytes())
    return ()


def _float16_onnx(_job: Job, path: Path, sources: Sources) -> tuple[str, ...]:
    from edgecnn.quantize.onnx_float16 import to_float16

    to_float16(sources.float_onnx, path, progress=sources.progress)
    return ()


def _dynamic_onnx(_job: Job, path: Path, sources: Sources) -> tuple[str, ...]:
    from edgecnn.quantize.onnx_dynamic import to_dynamic

    to_dynamic(sources.float_onnx, path)
    return ()


def _integer_onnx(_job: Job, path: Path, sources: Sources) -> tuple[str, ...]:
    from edgecnn.quantize.onnx_qdq import to_int8

    method = sources.options.calibration_method
    to_int8(
        sources.float_onnx,
        path,
        sources.calibration_feeds(),
        method="mse" if method == integer.AUTO else method,  # type: ignore[arg-type] # one of plan.METHODS
        threads=sources.plan.threads,
        progress=sources.progress,
    )
    return ()


_WRITERS: dict[tuple[str, str], Callable[[Job, Path, Sources], tuple[str, ...]]] = {
    ("tflite", "float32"): _float32_tflite,
    ("tflite", "float16"): _float16_tflite,
    ("tflite", "dynamic"): _dynamic_tflite,
    ("tflite", "int8"): _integer_tflite,
    ("tflite", "int16x8"): _integer_tflite,
    ("onnx", "float32"): _float32_onnx,
    ("onnx", "float16"): _float16_onnx,
    ("onnx", "dynamic"): _dynamic_onnx,
    ("onnx", "int8"): _integer_onnx,
}
