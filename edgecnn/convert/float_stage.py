"""The float stage: from what the user named to float files and a proof of them, in a child process.

`make` is called through `isolation`, which keeps TensorFlow's memory, noise and crashes to itself,
and the native code that a foreign file meets. It writes model.tflite and model.onnx where asked
for, info.json, and proof.npz: some of the calibration inputs, and what the source's own framework
(Keras, a SavedModel's function, ONNX Runtime, LiteRT) makes of them.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import itertools
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import layouts
from edgecnn.calibration import preprocessing as scaling
from edgecnn.calibration import sources
from edgecnn.convert import input_scaling, proof
from edgecnn.errors import EdgeCnnError, InputError
from edgecnn.progress import Recorder
from edgecnn.records import EndLayouts, Network

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from numpy.typing import NDArray

    from edgecnn.building import BuildRequest, BuiltModel
    from edgecnn.calibration.sampleset import Split
    from edgecnn.calibration.sources import Sampling
    from edgecnn.progress import Progress
    from edgecnn.records import Preprocessing

    Array = NDArray[Any]

INFO, TFLITE, ONNX = "info.json", "model.tflite", "model.onnx"
FILES = {"tflite": TFLITE, "onnx": ONNX}
# What TensorFlow reads when it is imported: no GPU probing, no chatter.
TENSORFLOW = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "TF_ENABLE_ONEDNN_OPTS": "1",
}
# What the child starts with. The converter copies the weights several times over, and both
# allocators keep what is freed: oneDNN's pool, and glibc unless it is told from which size on it
# has to give it back. Xception's peak: 2.5 GB before, 1.9 with these two.
ENVIRONMENT = {
    **TENSORFLOW,
    "TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 20),
}
# Raise it when the stage writes other bytes for the same request: files of another version that lie
# in a cache are not mixed with ours.
VERSION = 4
# Enough for a mean and variance over all positions, and little enough memory.
ADAPTATION_SAMPLES = 4
# How many calibration samples the stage looks at in all, the first ones.
SAMPLES = max(ADAPTATION_SAMPLES, proof.SAMPLES)


@dataclass(frozen=True)
class Feeding:
    """What a network is fed while it is converted.

    Attributes:
        sampling: which samples.
        preprocessing: how pixels become inputs, as far as it is known.
        split: the samples, where they could be loaded before the network was built.
        adapts: whether normalization statistics of random weights are adapted to them.
    """

    sampling: Sampling
    preprocessing: Preprocessing | None
    split: Split | None = None
    adapts: bool = False


@dataclass(frozen=True)
class Samples:
    """The samples of an export, and how pixels among them become inputs."""

    split: Split
    preprocessing: Preprocessing
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Info:
    """What the stage found out, beside the files.

    Attributes:
        network: the network's ends.
        layouts: by format, of the file's ends.
        own_scaling: what the network itself does to its input first, "" for nothing.
        warnings: what was told while the files were made, to be told again when they are reused.
    """

    network: Network
    layouts: dict[str, EndLayouts]
    own_scaling: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What the stage did.

    Attributes:
        samples: loaded once it was known what the network takes.
        refused: by format, why it cannot have this network.
    """

    samples: Samples
    refused: dict[str, EdgeCnnError]


def make(
    request: BuildRequest,
    folder: str,
    *,
    formats: tuple[str, ...],
    feeding: Feeding,
    progress: Progress,
) -> Outcome:
    """Build or read, convert, and answer the proof's questions for one network.

    Args:
        request: what to build or read.
        folder: an empty folder for the files.
        formats: "tflite", "onnx" or both.
        feeding: what it is fed.
        progress: told of each step.

    Returns:
        The samples, and the formats that cannot be had.

    Raises:
        InputError: as `building.build`, or samples that do not fit.
    """
    from edgecnn.building import identify

    maker = _MAKERS[identify(request).kind]
    return maker(request, Path(folder), formats, feeding, Recorder(progress))


def _make_with_tensorflow(
    request: BuildRequest,
    folder: Path,
    formats: tuple[str, ...],
    feeding: Feeding,
    progress: Recorder,
) -> Outcome:
    from edgecnn import building
    from edgecnn.convert import tflite_float

    _import_tensorflow(progress)
    progress.stage("building the network")
    built = building.build(request)
    network, name = built.network, built.identity.name
    if feeding.adapts and built.keras_model is not None:
        progress.stage("adapting normalization statistics")
        _adapt(built, feeding)
    progress.stage("tracing")
    traced = tflite_float.trace(built)
    own_scaling = input_scaling.of_tensorflow(traced)
    samples = gather(network, feeding, own_scaling, progress)
    proof.write(
        folder,
        network,
        samples.split.calibration,
        samples.preprocessing,
        proof.of_keras(built, network),
    )
    del built  # each holds the weights once more, and the converter copies them several times over
    gc.collect()
    ends = dict.fromkeys(formats, own_layouts(network))
    _write_info(folder, Info(network, ends, own_scaling, tuple(progress.warnings)))
    attempts = _Attempts(formats)
    with attempts.of("onnx") as is_needed:
        if is_needed:
            from edgecnn.convert import onnx_float

            progress.stage("converting to float .onnx")
            onnx_float.to_onnx(
                traced,
                folder / ONNX,
                input_names=[end.name for end in network.inputs],
                output_names=[end.name for end in network.outputs],
            )
    with attempts.of("tflite") as is_needed:
        if is_needed:
            progress.stage("converting to float .tflite")
            definition = tflite_float.define(traced)
            del traced
            gc.collect()
            (folder / TFLITE).write_bytes(tflite_float.to_tflite(definition, name))
    return attempts.outcome(samples)


def _make_from_onnx(
    request: BuildRequest,
    folder: Path,
    formats: tuple[str, ...],
    feeding: Feeding,
    progress: Recorder,
) -> Outcome:
    from edgecnn.convert import onnx_parsing, onnx_source
    from edgecnn.formats import onnx_file
    from edgecnn.formats.onnx_graph import from_proto

    progress.stage("reading the .onnx")
    source = onnx_source.prepare_model(
        onnx_parsing.parse(Path(request.model)),
        dict(request.input_shapes),
        request.size,
        progress=progress,
    )
    model, network = source.model, source.network
    own_scaling = input_scaling.of_onnx(model)
    ends: dict[str, EndLayouts] = {}
    attempts = _Attempts(formats)
    with attempts.of("tflite") as is_needed:
        if is_needed:
            network, ends["tflite"] = _lower(model, network, request, folder, progress)
    ends["onnx"] = own_layouts(network)
    with attempts.of("onnx") as is_needed:
        if is_needed:
            onnx_file.save(from_proto(model), folder / ONNX)
    samples = gather(network, feeding, own_scaling, progress)
    proof.write(
        folder,
        network,
        samples.split.calibration,
        samples.preprocessing,
        proof.of_onnx(Path(request.model), network),
    )
    _write_info(folder, Info(network, ends, own_scaling, tuple(progress.warnings)))
    return attempts.outcome(samples)


def _lower(
    model: Any,  # noqa: ANN401 - an onnx.ModelProto
    network: Network,
    request: BuildRequest,
    folder: Path,
    progress: Progress,
) -> tuple[Network, EndLayouts]:
    """Write the .tflite of a prepared ONNX model.

    Returns:
        The network, its layouts as far as lowering knows more of them, and those of the .tflite.
    """
    from edgecnn.convert import onnx_import, tflite_float

    name = Path(request.model).stem
    onnx_import.refuse_unsupported(model, name)  # before TensorFlow's seconds
    _import_tensorflow(progress)
    progress.stage("converting to float .tflite")
    lowered = onnx_import.lower(model, network, name)
    definition = tflite_float.define(lowered.traced)
    (folder / TFLITE).write_bytes(tflite_float.to_tflite(definition, name))
    known = replace(
        network,
        inputs=tuple(end.endpoint for end in lowered.inputs),
        outputs=tuple(end.endpoint for end in lowered.outputs),
    )
    layouts_there = EndLayouts(
        tuple(end.layout for end in lowered.inputs), tuple(end.layout for end in lowered.outputs)
    )
    return known, layouts_there


def _make_from_tflite(
    request: BuildRequest,
    folder: Path,
    _formats: tuple[str, ...],
    feeding: Feeding,
    progress: Recorder,
) -> Outcome:
    from edgecnn.convert import tflite_source

    progress.stage("reading the .tflite")
    path = Path(request.model)
    network, own_scaling, data = tflite_source.prepare(path)
    samples = gather(network, feeding, own_scaling, progress)
    (folder / TFLITE).write_bytes(data)
    proof.write(
        folder,
        network,
        samples.split.calibration,
        samples.preprocessing,
        proof.of_tflite(path, network),
    )
    ends = {"tflite": own_layouts(network)}
    _write_info(folder, Info(network, ends, own_scaling, tuple(progress.warnings)))
    return Outcome(samples, {})


_MAKERS: dict[str, Callable[..., Outcome]] = {
    "zoo": _make_with_tensorflow,
    "keras": _make_with_tensorflow,
    "keras-file": _make_with_tensorflow,
    "savedmodel": _make_with_tensorflow,
    "onnx": _make_from_onnx,
    "tflite": _make_from_tflite,
}


class _Attempts:
    """Formats tried one after the other: what one cannot have does not sink the others."""

    def __init__(self, formats: Sequence[str]) -> None:
        self._formats = formats
        self._refused: dict[str, EdgeCnnError] = {}

    @contextlib.contextmanager
    def of(self, file_format: str) -> Generator[bool, None, None]:
        """Whether this format is asked for; what it cannot have is kept for the outcome."""
        try:
            yield file_format in self._formats
        except InputError as error:
            self._refused[file_format] = error

    def outcome(self, samples: Samples) -> Outcome:
        """What came of them."""
        return Outcome(samples, self._refused)


def _import_tensorflow(progress: Progress) -> None:
    os.environ.update(TENSORFLOW)
    progress.stage("importing TensorFlow")
    importlib.import_module("tensorflow")  # here, so that its seconds have a name


def own_layouts(network: Network) -> EndLayouts:
    """The layouts of a file whose ends are those of the source model."""
    return EndLayouts(
        tuple(end.layout for end in network.inputs), tuple(end.layout for end in network.outputs)
    )


def gather(network: Network, feeding: Feeding, own_scaling: str, progress: Progress) -> Samples:
    """The samples of a network whose ends are known, and how their pixels are scaled.

    Args:
        network: what it takes.
        feeding: what is asked for and known.
        own_scaling: what the network itself does to its input first, "" for nothing.
        progress: told of the step.

    Raises:
        InputError: pixels would have to be scaled and nobody said how, or no samples can be had.
    """
    preprocessing, warnings = scaling.resolve(
        feeding.preprocessing,
        takes_pictures=len(network.inputs) == 1
        and layouts.is_image(network.inputs[0])
        and network.inputs[0].dtype.startswith("float"),
        feeds_pictures=not feeding.sampling.holds_arrays,
        own_scaling=own_scaling,
    )
    if feeding.split is not None:
        return Samples(feeding.split, preprocessing, warnings)
    progress.stage("loading samples")
    return Samples(sources.load(feeding.sampling, network.inputs), preprocessing, warnings)


def _adapt(built: BuiltModel, feeding: Feeding) -> None:
    from edgecnn import building

    assert feeding.split is not None  # noqa: S101 - for the type checker: random weights come
    assert feeding.preprocessing is not None  # noqa: S101 - with a size and a preprocessing
    feeds = feeding.split.calibration.feeds(built.network.inputs, feeding.preprocessing)
    images = [feed[0] for feed in itertools.islice(feeds, ADAPTATION_SAMPLES)]
    building.adapt_batch_normalization(built.keras_model, np.concatenate(images))


def _write_info(folder: Path, info: Info) -> None:
    (folder / INFO).write_text(json.dumps(asdict(info)), encoding="utf-8")


def read_info(folder: Path) -> Info:
    """What `make` found out."""
    import cattrs

    return cattrs.structure(json.loads((folder / INFO).read_text(encoding="utf-8")), Info)
