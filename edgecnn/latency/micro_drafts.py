"""What an int8 export of a model of one's own would take on a microcontroller.

The float .tflite is the one an export starts from; its operators are laid out by the exporter's own
passes (`quantize.outline`), under what calibration says of it where there is anything to feed.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.building import BuildRequest, identify
from edgecnn.calibration import statistics, views
from edgecnn.calibration.preprocessing import AS_IT_IS
from edgecnn.calibration.sources import NOISE, Sampling
from edgecnn.convert import float_cache, float_stage, float_tflite
from edgecnn.inspection import arena, flatbuffer, tflite
from edgecnn.latency.built import StagesOnly
from edgecnn.latency.files import costs_of_inspection
from edgecnn.latency.micro_footprint import Bounds, Footprint, of_costs
from edgecnn.quantize import mixed, outline
from edgecnn.quantize.outline import Samples
from edgecnn.records import Preprocessing
from edgecnn.tflm.arena import CONVERSION_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.building import ModelIdentity
    from edgecnn.convert.float_cache import FloatModel
    from edgecnn.convert.float_stage import Samples as Sampled
    from edgecnn.convert.float_tflite import FloatTflite
    from edgecnn.latency.subjects import Shape
    from edgecnn.progress import Progress
    from edgecnn.quantize.outline import Outlines
    from edgecnn.tflm.arena import ArenaEstimate

_MEASURED_ON = 32
_UNIT = Preprocessing.from_range(0.0, 1.0)

NOT_CALIBRATED = (
    "{name} takes no picture, and no --calibration FILE.npz was given: what calibration decides is"
    " not in the estimate."
)
CALIBRATED = "Which layers stay in float and which scales part was judged on {source}{scaled}."
ASSUMED = ", scaled to 0..1 since nobody said how (--input-range)"
MAY_MIX = (
    "Where int8 alone has less than 20 dB SNR, an export gives layers back to float: that was tried"
    " on the samples; the upper end is every layer in float. --strict never does."
)
RANDOM = "The weights are random. Trained ones may leave layers in float, which takes more."


@dataclass(frozen=True)
class Feed:
    """What a network is calibrated on, as the user says.

    Attributes:
        calibration: a folder of images, an .npz, "fashion-mnist"; None for bundled photographs.
        preprocessing: how pixels become inputs; None where nobody said.
    """

    calibration: str | None = None
    preprocessing: Preprocessing | None = None


def footprints(
    model: str, recipes: Sequence[str], shape: Shape, feed: Feed, progress: Progress
) -> dict[str, Footprint]:
    """Reckon what an export takes, under each recipe.

    Args:
        model: `keras:NAME`, or a path to a Keras file, a SavedModel, a float .onnx or .tflite.
        recipes: int8, float32.
        shape: where the model leaves it open.
        feed: what to calibrate on.
        progress: told of each step.

    Raises:
        InputError: there is no such model, it cannot have that shape, or no integers pass
            through it.
        MissingPartError: TensorFlow is not installed, and the model is no .tflite.
    """
    request = BuildRequest(
        model,
        classes=shape.classes,
        input_size=shape.input_size,
        input_shapes=tuple(shape.input_shapes.items()),
        width=shape.width,
        convolution=shape.convolution,
    )
    identity = identify(request)
    progress.stage(f"{identity.name}: its float file (converted once; then it is in the cache)")
    calibrated = feed.calibration is not None
    files, samples = float_cache.obtain(
        request,
        identity,
        ("tflite",),
        sampling=Sampling(feed.calibration, calibrated=calibrated),
        preprocessing=feed.preprocessing or identity.preprocessing or AS_IT_IS,
        progress=StagesOnly(progress),
    )
    source = float_tflite.read(files)
    reckoned = {}
    for recipe in recipes:
        if recipe == "int8":
            progress.stage("calibrating", samples.split.calibration.samples)
            known, basis = _statistics(files, source, samples, feed, identity, progress)
            reckoned[recipe] = _of_int8(identity, source, known, basis)
        else:
            cost = costs_of_inspection(identity.name, tflite.read(source.data, identity.name))
            reckoned[recipe] = of_costs(cost)
    return reckoned


def _of_int8(
    identity: ModelIdentity, source: FloatTflite, known: Samples | None, basis: str
) -> Footprint:
    random = identity.has_random_weights
    graph = tflite.read(source.data, identity.name).graph
    mixes = not random and sum(graph.macs_by_dtype.values()) <= mixed.MOST_MACS
    laid_out = outline.outlines(source.folded, known, source.scores, random=random, may_mix=mixes)
    notes = (basis, *([MAY_MIX] if mixes else []), *([RANDOM] if random else []))
    return _footprint(identity.name, laid_out, notes)


def _statistics(
    files: FloatModel,
    source: FloatTflite,
    samples: Sampled,
    feed: Feed,
    identity: ModelIdentity,
    progress: Progress,
) -> tuple[Samples | None, str]:
    """What calibration sees of the float file, and a sentence that says on what."""
    calibration, inputs = samples.split.calibration, files.network.inputs
    if calibration.source == NOISE:
        return None, NOT_CALIBRATED.format(name=identity.name)
    own_scaling = float_stage.read_info(files.folders["tflite"]).own_scaling
    known = feed.preprocessing or identity.preprocessing
    assumed = known is None and not own_scaling and feed.calibration is None
    scaling = _UNIT if assumed else samples.preprocessing
    enlarged = views.enlarge(calibration, inputs, None if identity.has_random_weights else 0)
    threads = os.cpu_count() or 1
    seen = statistics.collect(
        source.folded,
        files.in_file_layout(enlarged.samples.feeds(inputs, scaling), "tflite"),
        answers=source.scores,
        runs=enlarged.samples.samples,
        threads=threads,
        origin=enlarged.origin,
        progress=progress,
    )
    feeds = files.in_file_layout(calibration.feeds(inputs, scaling), "tflite")
    first = Samples(seen, list(itertools.islice(feeds, _MEASURED_ON)), threads)
    return first, CALIBRATED.format(source=calibration.source, scaled=ASSUMED if assumed else "")


def _footprint(name: str, laid_out: Outlines, notes: tuple[str, ...]) -> Footprint:
    expected = laid_out.expected.graph.write()
    integers = [outlined.graph.write() for outlined in (laid_out.by_shape, laid_out.apart)]
    arenas = [_arena(data, name).arena_bytes for data in integers]
    sizes = [len(data) for data in integers]
    if laid_out.in_float is not None:
        data = laid_out.in_float.graph.write()
        arenas.append(_mixed_arena_bytes(_arena(data, name), laid_out))
        sizes.append(len(data))
    return Footprint(
        costs_of_inspection(name, tflite.read(expected, name)),
        Bounds.of(_arena(expected, name).arena_bytes, arenas),
        Bounds.of(len(expected), sizes),
        laid_out.expected.float_ops,
        laid_out.expected.reasons,
        notes,
    )


def _arena(data: bytes, name: str) -> ArenaEstimate:
    return arena.estimate(flatbuffer.parse(data, name), name)


def _mixed_arena_bytes(in_float: ArenaEstimate, laid_out: Outlines) -> int:
    """At most, where any of the layers may be float.

    What integer and float layers read is held as both, a byte beside four, and a conversion stands
    between each two.
    """
    conversions = CONVERSION_BYTES * len(laid_out.by_shape.graph.operators)
    return in_float.arena_bytes + in_float.planned_bytes // 4 + conversions
