"""The proof of a float stage: calibration inputs, and what the source's own framework answers.

Every float file is held against it; a converter's mistake ends there.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecnn.building import BuiltModel
    from edgecnn.calibration.sampleset import SampleSet
    from edgecnn.records import Network, Preprocessing

    Array = NDArray[Any]
    Answer = Callable[[Sequence[Array]], Sequence[Array]]

NAME = "proof.npz"
SAMPLES = 4


def write(
    folder: Path,
    network: Network,
    samples: SampleSet,
    preprocessing: Preprocessing,
    answer: Answer,
) -> None:
    """Keep some calibration inputs as they are fed, and what the source's framework answers."""
    feeds = list(itertools.islice(samples.feeds(network.inputs, preprocessing), SAMPLES))
    answered = [[np.atleast_1d(np.asarray(values)) for values in answer(feed)] for feed in feeds]
    arrays = {
        **{f"x{k}": np.stack([feed[k] for feed in feeds]) for k in range(len(network.inputs))},
        **{f"y{k}": np.concatenate([row[k] for row in answered]) for k in range(len(answered[0]))},
    }
    np.savez(folder / NAME, **arrays)  # type: ignore[arg-type] # numpy means allow_pickle


def read(folder: Path) -> tuple[list[tuple[Array, ...]], tuple[Array, ...]]:
    """The inputs of each run of the proof, and the answers to all, by output."""
    with np.load(folder / NAME, allow_pickle=False) as arrays:
        columns = [arrays[f"x{k}"] for k in range(len(arrays.files)) if f"x{k}" in arrays]
        answers = tuple(arrays[f"y{k}"] for k in range(len(arrays.files)) if f"y{k}" in arrays)
    return list(zip(*columns, strict=True)), answers


def of_keras(built: BuiltModel, network: Network) -> Answer:
    """The built network, in Keras or as a SavedModel's function."""
    import tensorflow as tf

    def answer(feed: Sequence[Array]) -> Sequence[Array]:
        tensors = [tf.constant(values) for values in feed]
        return [
            np.asarray(values, end.dtype)
            for values, end in zip(built.function(tensors), network.outputs, strict=True)
        ]

    return answer


def of_onnx(path: Path, network: Network) -> Answer:
    """The user's own file, under ONNX Runtime: open sizes take what is fed.

    Where the user asks for another shape than the file fixes, it is given that one.
    """
    from edgecnn.convert import onnx_parsing, onnx_shapes
    from edgecnn.formats.onnx_graph import from_proto, to_proto
    from edgecnn.runtime.onnxrt import OnnxSession
    from edgecnn.runtime.session import fits

    threads = os.cpu_count() or 1
    session = OnnxSession(path, threads)
    shapes = {end.name: end.shape for end in network.inputs}
    if not all(fits(shapes[info.name], info) for info in session.inputs):
        model = from_proto(onnx_parsing.parse(path))
        onnx_shapes.fix(model, shapes, None)
        session = OnnxSession(to_proto(model).SerializeToString(), threads)
    places = {info.name: place for place, info in enumerate(session.inputs)}
    order = [places[end.name] for end in network.inputs]

    def answer(feed: Sequence[Array]) -> Sequence[Array]:
        ordered: list[Array] = list(feed)
        for values, place in zip(feed, order, strict=True):
            # Floats of 16 or 64 bits are fed as float32 to the prepared network.
            ordered[place] = values.astype(session.inputs[place].dtype, copy=False)
        return session.run(ordered)

    return answer


def of_tflite(path: Path, network: Network) -> Answer:
    """The user's own file, under LiteRT."""
    from edgecnn.runtime.litert import LiteRTSession

    session = LiteRTSession(path, threads=os.cpu_count() or 1)
    assert len(session.inputs) == len(network.inputs)  # noqa: S101 - it was just read
    return session.run
