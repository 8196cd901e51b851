"""Float files of a network, from the cache or made by the float stage once.

Everything that decides their bytes is in the key: the request, the versions of what converts, and
for random weights the images that normalizations are adapted to.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from edgecnn import caching, gate, isolation, layouts
from edgecnn.building import files as building_files
from edgecnn.calibration.sampleset import Split
from edgecnn.convert import float_stage, proof
from edgecnn.convert.float_stage import Feeding, Outcome, Samples
from edgecnn.convert.versions import DECISIVE, digest, versions
from edgecnn.records import EndLayouts, Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from edgecnn.building import BuildRequest, ModelIdentity
    from edgecnn.calibration.sources import Sampling
    from edgecnn.errors import EdgeCnnError
    from edgecnn.progress import Progress
    from edgecnn.records import Network, Preprocessing

_CHANNELS = 3
# What is imported while the child process is busy with TensorFlow, by format: a quarter of a
# second, and two (onnx_ir's sympy). Not SciPy: its 50 MiB would lie beside TensorFlow's peak.
_AHEAD = {
    "tflite": ("ai_edge_litert.interpreter", "litert_quantizer.quantizer"),
    "onnx": ("onnx_ir",),
}


@dataclass(frozen=True)
class FloatModel:
    """A network as float files.

    Attributes:
        network: what is known of it.
        folders: by format, a folder of the cache with the file, info.json and proof.npz.
        layouts: by format, of the file's ends.
        refused: by format, why a file cannot be had.
    """

    network: Network
    folders: dict[str, Path]
    layouts: dict[str, EndLayouts]
    refused: dict[str, EdgeCnnError] = field(default_factory=dict)

    def path(self, file_format: str) -> Path:
        """The float file of a format."""
        return self.folders[file_format] / float_stage.FILES[file_format]

    def in_file_layout(
        self, feeds: Iterable[Sequence[NDArray[Any]]], file_format: str
    ) -> Iterator[tuple[NDArray[Any], ...]]:
        """What the source is fed, as a format's file takes it."""
        theirs = self.layouts[file_format].inputs
        for feed in feeds:
            yield tuple(
                layouts.convert(values, end.layout, target)
                for values, end, target in zip(feed, self.network.inputs, theirs, strict=True)
            )

    @property
    def proof(self) -> Path:
        """A folder with the proof that holds for every format."""
        return next(iter(self.folders.values()))


def obtain(
    request: BuildRequest,
    identity: ModelIdentity,
    formats: Sequence[str],
    *,
    sampling: Sampling,
    preprocessing: Preprocessing | None,
    quantizes: bool = False,
    wanted: Sequence[str] = (),
    progress: Progress,
) -> tuple[FloatModel, Samples]:
    """Float files in these formats, and samples to calibrate and to compare on.

    Args:
        request: what to build or read.
        identity: what it turned out to mean.
        formats: "tflite", "onnx" or both.
        sampling: which samples.
        preprocessing: how pixels become inputs, as the user says; None for the model's own.
        quantizes: whether a file is quantized afterwards: its libraries are imported while
            TensorFlow works.
        wanted: those of the formats that the user asked for; by default all.
        progress: told of each step.

    Raises:
        InputError: the network cannot be built, no format can have it, or the samples do not fit.
        MissingPartError: a package is not installed.
    """
    known = preprocessing or identity.preprocessing
    feeding = Feeding(
        sampling,
        known,
        split=_load_early(identity, sampling, progress),
        adapts=identity.has_random_weights,
    )
    key = _key(identity, feeding)
    if quantizes:
        ahead = [module for name in formats for module in _AHEAD[name]]
        Thread(target=_import_ahead, args=(ahead,), daemon=True).start()
    kept = {name: caching.find(_kind(name), key, warn=progress.warn) for name in formats}
    outcome, new = None, dict[str, Path]()
    if missing := tuple(name for name, folder in kept.items() if folder is None):
        outcome, new = _fill(request, identity, missing, key, feeding, progress)
    refused = {} if outcome is None else outcome.refused
    folders = {n: folder for n in formats if (folder := new.get(n) or kept[n]) is not None}
    if not folders:
        raise refused[(wanted or formats)[0]]
    infos = {name: float_stage.read_info(folder) for name, folder in folders.items()}
    info = next(iter(infos.values()))
    ends = {name: entry.layouts[name] for name, entry in infos.items()}
    model = FloatModel(info.network, folders, ends, refused)
    if outcome is not None:
        return model, outcome.samples
    for warning in info.warnings:  # as when the files were made
        progress.warn(warning)
    return model, _gather(info.network, feeding, info.own_scaling, progress)


def _fill(
    request: BuildRequest,
    identity: ModelIdentity,
    missing: tuple[str, ...],
    key: str,
    feeding: Feeding,
    progress: Progress,
) -> tuple[Outcome, dict[str, Path]]:
    """Run the float stage once for all formats the cache lacks.

    Returns:
        What came out, and by format the cache's folder; not of formats that are refused.
    """
    loaded = feeding.split
    with caching.scratch("float-work", key) as part:
        outcome: Outcome = _runner(request, identity)(
            "edgecnn.convert.float_stage:make",
            request,
            str(part),
            what=f"building and converting {identity.name}",
            formats=missing,
            feeding=feeding if loaded is None else replace(feeding, split=_beginning(loaded)),
            progress=progress,
            environment=float_stage.ENVIRONMENT,
        )
        if loaded is not None:
            outcome = replace(outcome, samples=replace(outcome.samples, split=loaded))
        folders = {
            name: caching.cached(_kind(name), key, functools.partial(_move, part, name))
            for name in missing
            if name not in outcome.refused
        }
    return outcome, folders


def _runner(request: BuildRequest, identity: ModelIdentity) -> Callable[..., Any]:
    """What runs the stage: a user's own file with limits in proportion to its size."""
    if identity.kind in {"zoo", "keras"}:
        return isolation.run
    source, _ = building_files.split_signature(request.model)
    work = gate.CONVERT if identity.kind == "tflite" else gate.CONVERT_BY_TENSORFLOW
    return functools.partial(gate.run, source=source, work=work)


def _load_early(identity: ModelIdentity, sampling: Sampling, progress: Progress) -> Split | None:
    """The samples of a network whose input is known before it is built; else None."""
    if not identity.has_random_weights or identity.input_size is None:
        return None
    progress.stage("loading images")
    return _load(sampling, (_image(identity.input_size),))


def _image(size: int) -> Endpoint:
    return Endpoint(
        "input", "float32", (1, size, size, _CHANNELS), layouts.CHANNELS_LAST[len("NHWC")]
    )


def _beginning(split: Split) -> Split:
    """What the float stage looks at: a hundred images would lie beside its weights for nothing."""
    size = split.calibration.arrays[0].shape[1]
    few = split.calibration.first(float_stage.SAMPLES, (_image(size),))
    return Split(few, few)


def _load(sampling: Sampling, inputs: tuple[Endpoint, ...]) -> Split:
    split: Split = isolation.run(
        "edgecnn.calibration.sources:load", sampling, inputs, what="decoding the samples"
    )
    return split


def _gather(network: Network, feeding: Feeding, own_scaling: str, progress: Progress) -> Samples:
    if feeding.split is not None:
        return float_stage.gather(network, feeding, own_scaling, progress)
    gathered: Samples = isolation.run(
        "edgecnn.convert.float_stage:gather",
        network,
        feeding,
        own_scaling,
        what="decoding the samples",
        progress=progress,
    )
    return gathered


def _key(identity: ModelIdentity, feeding: Feeding) -> str:
    decisive = {name: version for name, version in versions().items() if name in DECISIVE}
    adapted = None
    if feeding.adapts and feeding.split is not None:
        adapted = (
            feeding.split.calibration.sha256,
            float_stage.ADAPTATION_SAMPLES,
            str(feeding.preprocessing),
        )
    return digest(identity.cache_key, decisive, float_stage.VERSION, adapted)


def _kind(file_format: str) -> str:
    return f"float-{file_format}"


def _import_ahead(modules: Iterable[str]) -> None:
    for module in modules:
        importlib.import_module(module)


def _move(source: Path, file_format: str, to: Path) -> None:
    name = float_stage.FILES[file_format]
    (source / name).rename(to / name)
    for shared in (float_stage.INFO, proof.NAME):
        (to / shared).write_bytes((source / shared).read_bytes())
