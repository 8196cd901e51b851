"""Activation statistics of a float .tflite: what its tensors look like on real images.

Every intermediate tensor is made an output of a copy of the graph, which then runs under XNNPACK
with threads; a fifth of the time a calibrating interpreter takes for the same numbers. Memory does
not grow with the number of images: of each tensor the extremes are kept for each channel, and a
seeded sample of positions (all channels of a pixel together); of each convolution's input, how its
channels vary together.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.calibration.layer_inputs import Geometry, LayerAccumulator, LayerInputs
from edgecnn.errors import InputError
from edgecnn.formats import tflite_file as tfl
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

# Values kept of each tensor: enough for a 99.99th percentile, 105 of them are 55 MB (Xception).
_SAMPLED_VALUES = 1 << 17
_FEWEST_POSITIONS = 256
_MOST_POSITIONS = 4096
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_FILE = "statistics.npz"


@dataclass(frozen=True)
class TensorStatistics:
    """One tensor on the calibration images.

    Attributes:
        low: smallest value of each channel, float32 (C,), over every position of every image.
        high: largest likewise.
        sample: float32 (P, C), positions drawn at random, the same number from each image.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    sample: NDArray[np.float32]

    @property
    def minimum(self) -> float:
        """Smallest value of all."""
        return float(self.low.min())

    @property
    def maximum(self) -> float:
        """Largest value of all."""
        return float(self.high.max())

    @property
    def channels(self) -> int:
        """Size of the last axis."""
        return int(self.sample.shape[1])

    @property
    def power(self) -> NDArray[np.float64]:
        """Mean square of each channel, (C,)."""
        power: NDArray[np.float64] = np.square(self.sample, dtype=np.float64).mean(axis=0)
        return power

    @property
    def active(self) -> NDArray[np.float64]:
        """Share of positions where a channel is above zero, (C,)."""
        share: NDArray[np.float64] = (self.sample > 0).mean(axis=0)
        return share


@dataclass(frozen=True)
class Statistics:
    """All that calibration knows of a float model.

    Attributes:
        tensors: by tensor index of the float model, its input included.
        layers: by the index of a convolution's output tensor.
        logits: float32 (images, classes), what each image gave.
    """

    tensors: dict[int, TensorStatistics]
    layers: dict[int, LayerInputs]
    logits: NDArray[np.float32]


class _TensorAccumulator:
    def __init__(self, shape: Sequence[int], images: int, seed: tuple[int, int]) -> None:
        self.random = np.random.default_rng(seed)
        self.channels = int(shape[-1]) if len(shape) else 1
        self.positions = int(np.prod(shape, dtype=np.int64)) // self.channels
        wanted = np.clip(_SAMPLED_VALUES // self.channels, _FEWEST_POSITIONS, _MOST_POSITIONS)
        self.per_image = min(self.positions, -(-int(wanted) // images))
        self.low = np.full(self.channels, np.inf, np.float32)
        self.high = np.full(self.channels, -np.inf, np.float32)
        self.sample = np.empty((self.per_image * images, self.channels), np.float32)
        self.filled = 0

    def add(self, values: NDArray[np.float32]) -> None:
        rows = values.reshape(self.positions, self.channels)
        np.minimum(self.low, rows.min(axis=0), out=self.low)
        np.maximum(self.high, rows.max(axis=0), out=self.high)
        picked = self.random.choice(self.positions, self.per_image, replace=False, shuffle=False)
        self.sample[self.filled : self.filled + self.per_image] = rows[picked]
        self.filled += self.per_image

    def result(self) -> TensorStatistics:
        return TensorStatistics(self.low, self.high, self.sample[: self.filled])


def collect(
    float_model: bytes,
    feeds: Iterable[NDArray[np.float32]],
    *,
    logits: int,
    images: int,
    threads: int,
    seed: int = 0,
    progress: Progress | None = None,
) -> Statistics:
    """Run the float model on every image and describe each of its float tensors.

    Args:
        float_model: a float .tflite with one input.
        feeds: one (1, H, W, C) float32 array an image, `images` of them.
        logits: index of the tensor whose values are kept for every image.
        images: how many there are.
        threads: for the interpreter.
        seed: of the positions that are sampled.
        progress: advanced by one for each image.

    Raises:
        InputError: a tensor is NaN or infinite, so no range can be told.
    """
    from threadpoolctl import threadpool_limits

    from edgecnn.runtime.litert import LiteRTSession

    model = tfl.read(float_model)
    graph = tfl.main_graph(model)
    entry = int(graph.inputs[0])
    made = sorted(tfl.producers(graph))
    watched = [t for t in made if tfl.type_name(graph.tensors[t]) == "FLOAT32"]
    session = LiteRTSession(tap(model, watched), threads=threads)
    tensors = {
        t: _TensorAccumulator([int(n) for n in graph.tensors[t].shape], images, (seed, t))
        for t in (entry, *watched)
    }
    layers = _layer_accumulators(model, graph, tensors, images, seed)
    answers = []
    # Between two products OpenBLAS's own threads wait spinning, which costs XNNPACK a third of its
    # speed; the pool keeps all cores busy without them.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        for feed in feeds:
            values = dict(zip(tensors, (feed, *session.run_in_place([feed])), strict=True))
            answers.append(values[logits].reshape(-1).copy())
            _add_image(values, tensors, layers, pool)
            del values  # no view may outlive its inference
            (progress or Silent()).advance()
    result = {t: a.result() for t, a in tensors.items()}
    _refuse_nan(result, graph)
    known = {out: layer.result() for out, (_, layer) in layers.items()}
    return Statistics(result, known, np.stack(answers))


def _add_image(
    values: dict[int, NDArray[np.float32]],
    tensors: dict[int, _TensorAccumulator],
    layers: dict[int, tuple[int, LayerAccumulator]],
    pool: ThreadPoolExecutor,
) -> None:
    """Take in one image.

    numpy lets go of the interpreter lock in all of this, and every accumulator draws from a
    generator of its own, so threads change the time and not the result.
    """
    work = [
        *(pool.submit(tensors[t].add, found) for t, found in values.items()),
        *(pool.submit(a.add, values[t]) for t, a in layers.values()),
    ]
    for done in work:
        done.result()


def _layer_accumulators(
    model: tfl.ModelT,
    graph: tfl.SubGraphT,
    tensors: dict[int, _TensorAccumulator],
    images: int,
    seed: int,
) -> dict[int, tuple[int, LayerAccumulator]]:
    """By output tensor: the tensor a convolution reads, and what gathers its inputs."""
    found = {}
    for operator in graph.operators:
        name = tfl.operator_name(model, operator)
        source = int(operator.inputs[0])
        if name in _WEIGHTED and source in tensors:
            found[int(operator.outputs[0])] = (
                source,
                LayerAccumulator(
                    Geometry.of(model, graph, operator),
                    _features(graph, operator, name),
                    depthwise=name == "DEPTHWISE_CONV_2D",
                    images=images,
                    seed=(seed, 1, source),
                ),
            )
    return found


def _features(graph: tfl.SubGraphT, operator: tfl.OperatorT, name: str) -> int:
    tensor = operator.inputs[1] if name == "FULLY_CONNECTED" else operator.inputs[0]
    return int(graph.tensors[int(tensor)].shape[-1])


def tap(model: tfl.ModelT, tensors: Sequence[int]) -> bytes:
    """The model's bytes with these tensors as its outputs; the model itself is left as it was."""
    graph = tfl.main_graph(model)
    outputs, signatures = graph.outputs, model.signatureDefs
    graph.outputs, model.signatureDefs = np.asarray(tensors, np.int32), None
    try:
        return tfl.write(model)
    finally:
        graph.outputs, model.signatureDefs = outputs, signatures


def _refuse_nan(result: dict[int, TensorStatistics], graph: tfl.SubGraphT) -> None:
    for tensor, found in result.items():
        if not (np.isfinite(found.low).all() and np.isfinite(found.high).all()):
            name = tfl.tensor_name(graph.tensors[tensor])
            raise InputError(
                f"The activations of '{name}' are not finite on the calibration images.",
                hint="Check the weights for NaN, and that the images are scaled as the model"
                " expects.",
            )


# Raise it when what is collected changes: cached statistics of another version are not read.
VERSION = 4


def save(statistics: Statistics, folder: Path) -> None:
    """Write to a folder what `load` reads."""
    arrays: dict[str, NDArray[Any]] = {"logits": statistics.logits}
    for tensor, found in statistics.tensors.items():
        arrays[f"tensor/{tensor}/extremes"] = np.stack([found.low, found.high])
        arrays[f"tensor/{tensor}/sample"] = found.sample
    for output, layer in statistics.layers.items():
        arrays[f"layer/{output}/mean"] = layer.mean
        arrays[f"layer/{output}/power"] = layer.power
        if layer.covariance is not None:
            arrays[f"layer/{output}/covariance"] = layer.covariance
    np.savez(folder / _FILE, **arrays)  # type: ignore[arg-type] # names never meet savez's own


def load(folder: Path) -> Statistics:
    """Read what `save` wrote."""
    tensors, layers = {}, {}
    with np.load(folder / _FILE, allow_pickle=False) as arrays:
        for name in arrays.files:
            kind, _, rest = name.partition("/")
            index, _, field = rest.partition("/")
            if (kind, field) == ("tensor", "sample"):
                low, high = arrays[f"tensor/{index}/extremes"]
                tensors[int(index)] = TensorStatistics(low, high, arrays[name])
            elif (kind, field) == ("layer", "mean"):
                key = f"layer/{index}/covariance"
                covariance = arrays[key] if key in arrays.files else None
                power = arrays[f"layer/{index}/power"]
                layers[int(index)] = LayerInputs(arrays[name], power, covariance)
        return Statistics(tensors, layers, arrays["logits"])
