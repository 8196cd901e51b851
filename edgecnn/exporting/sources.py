"""What every recipe of an export shares: float files, images, reference logits and statistics."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import json
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np

from edgecnn import isolation, parity, store
from edgecnn.calibration import preprocessing as scaling
from edgecnn.calibration import sources, statistics
from edgecnn.convert import float_stage
from edgecnn.errors import InputError
from edgecnn.exporting.network import Network, read_foreign
from edgecnn.exporting.versions import DECISIVE, digest, versions
from edgecnn.formats import tflite_logits
from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize import fixed_batch
from edgecnn.quantize.passes import average_pool_to_depthwise, fold_affine
from edgecnn.records import Preprocessing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edgecnn.calibration.imageset import Split
    from edgecnn.exporting.options import ExportOptions
    from edgecnn.exporting.plan import Plan
    from edgecnn.progress import Progress

# Enough for a mean and variance over all positions, and little enough memory.
_ADAPTATION_IMAGES = 4


class Sources:
    """The shared inputs of one export, each made when it is first needed, or found in the cache."""

    def __init__(self, plan: Plan, options: ExportOptions, progress: Progress) -> None:
        self.plan, self.options, self.progress = plan, options, progress

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """How pixels become inputs: as the user says, else as the model says."""
        chosen = self.options.preprocessing or self.plan.identity.preprocessing
        if chosen is not None:
            return chosen
        source = self.options.calibration
        if source is not None and source.endswith(".npz"):
            return Preprocessing(mean=(0.0,), std=(1.0,))  # its arrays are fed as they are
        raise InputError(
            f"{self.plan.identity.name}: how its input is scaled is not known, and images scaled"
            " wrongly would spoil the calibration unseen.",
            hint="Say it: --input-range 0,1 (or -1,1, or 0,255), or --mean and --std;"
            " or give --calibration FILE.npz with arrays that are fed as they are.",
        )

    @cached_property
    def images(self) -> Split:
        """Calibration images, and others for parity."""
        if self.plan.identity.has_random_weights and self.plan.identity.input_size:
            size, channels = (self.plan.identity.input_size,) * 2, 3
        else:
            _, height, width, channels = self.network.input_shape
            size = (height, width)
        preprocessing = self.preprocessing
        scaling.check_channels(preprocessing, channels)
        self.progress.stage("loading images")
        split: Split = isolation.run(
            "edgecnn.calibration.sources:load",
            self.options.calibration,
            what="decoding the calibration images",
            size=size,
            channels=channels,
            samples=self.options.calibration_samples,
            held_out=sources.DEFAULT_HELD_OUT,
            seed=self.options.seed,
        )
        for warning in split.warnings:
            self.progress.warn(warning)
        return split

    def calibration_feeds(self) -> Iterator[NDArray[np.float32]]:
        """(1, H, W, C) float32, one a calibration image."""
        return self.images.calibration.feed(self.preprocessing)

    def held_out_feeds(self) -> Iterator[NDArray[np.float32]]:
        """Likewise, of the images calibration does not see."""
        return self.images.held_out.feed(self.preprocessing)

    @cached_property
    def _float_key(self) -> str:
        decisive = {name: version for name, version in versions().items() if name in DECISIVE}
        adapted = (
            (self.images.calibration.sha256, _ADAPTATION_IMAGES, str(self.preprocessing))
            if self._adapts
            else None
        )
        return digest(self.plan.identity.cache_key, decisive, float_stage.VERSION, adapted)

    @property
    def _adapts(self) -> bool:
        return self.plan.identity.has_random_weights

    @cached_property
    def network(self) -> Network:
        """Shapes and counts, from the float stage or from the user's own .tflite."""
        if self.plan.identity.kind == "tflite":
            return read_foreign(Path(self.plan.request.model))
        folder = self._float_folder(self.plan.formats[0])
        info = json.loads((folder / float_stage.INFO).read_text(encoding="utf-8"))
        return Network(tuple(info.pop("input_shape")), **info)

    def _float_folder(self, file_format: str) -> Path:
        return store.cached(
            f"float-{file_format}",
            self._float_key,
            lambda part: self._make_float(part, file_format),
        )

    def _make_float(self, part: Path, file_format: str) -> None:
        """Run the float stage once for all formats; the other format's cache is filled beside."""
        others = [f for f in self.plan.formats if f != file_format]
        missing = [f for f in others if not self._is_cached(f)]
        self._run_float_stage(part, (file_format, *missing))
        for other in missing:
            store.cached(f"float-{other}", self._float_key, lambda to, o=other: _move(part, to, o))  # type: ignore[misc] # the default binds the loop's value

    def _is_cached(self, file_format: str) -> bool:
        return (store.cache_folder() / f"float-{file_format}" / self._float_key).exists()

    def _run_float_stage(self, part: Path, formats: tuple[str, ...]) -> None:
        images = None
        if self._adapts:
            feeds = zip(range(_ADAPTATION_IMAGES), self.calibration_feeds(), strict=False)
            images = np.concatenate([feed for _, feed in feeds])
        if any(job.recipe.calibrated for job in self.plan.jobs):
            Thread(target=_import_ahead, daemon=True).start()
        isolation.run(
            "edgecnn.convert.float_stage:make",
            self.plan.request,
            str(part),
            what=f"building and converting {self.plan.identity.name}",
            formats=formats,
            images=images,
            progress=self.progress,
            environment=float_stage.ENVIRONMENT,
        )

    @property
    def unfolded_tflite(self) -> bytes:
        """The float model as it was converted: its weights as they were trained."""
        graph = self._read_float()
        _name_ends(graph)
        return graph.write()

    @cached_property
    def float_tflite(self) -> bytes:
        """The same function with normalizations folded: what most recipes start from."""
        return _folded(self._read_float()).write()

    def _read_float(self) -> Graph:
        if self.plan.identity.kind == "tflite":
            graph = self._read_foreign()
        else:
            path = self._float_folder("tflite") / float_stage.TFLITE
            graph = Graph.read(path.read_bytes())
        average_pool_to_depthwise.apply(graph)
        return graph

    def _read_foreign(self) -> Graph:
        _ = self.network  # refuses what cannot be quantized
        path = self.plan.request.model
        data = Path(path).read_bytes()
        graph = Graph.read(data)
        if not fixed_batch.is_open(graph):
            return graph
        fixed: bytes = isolation.run(
            "edgecnn.quantize.fixed_batch:fix", data, what=f"fixing the batch of {path} at 1"
        )
        return Graph.read(fixed)

    @cached_property
    def float_onnx(self) -> Path:
        """The float .onnx every ONNX recipe starts from."""
        return self._float_folder("onnx") / float_stage.ONNX

    @cached_property
    def float_graph(self) -> Graph:
        """`float_tflite` unpacked; not to be changed."""
        return Graph.read(self.float_tflite)

    @cached_property
    def logits_tensor(self) -> str:
        """Name of the logits in `float_tflite`."""
        return self.float_graph.tensors[tflite_logits.find(self.float_tflite).tensor].name

    @cached_property
    def reference(self) -> NDArray[np.float32]:
        """Float logits of the held-out images, (samples, classes)."""
        key = digest(self._content_key, self.images.held_out.sha256, str(self.preprocessing))
        folder = store.cached("reference", key, self._make_reference)
        found: NDArray[np.float32] = np.load(folder / "logits.npy")
        return found

    @cached_property
    def _content_key(self) -> str:
        """What the float model computes."""
        model = self.float_tflite if self._has_tflite else self.float_onnx.read_bytes()
        return hashlib.sha256(model).hexdigest()

    @property
    def _has_tflite(self) -> bool:
        return "tflite" in self.plan.formats or self.plan.identity.kind == "tflite"

    def _make_reference(self, part: Path) -> None:
        self.progress.stage("float reference", self.images.held_out.samples)
        if self.plan.identity.kind == "tflite":
            found = isolation.run(
                "edgecnn.parity:logits",
                self.float_tflite,
                list(self.held_out_feeds()),
                what=f"running {self.plan.request.model}",
                threads=self.plan.threads,
                progress=self.progress,
            )
        else:
            model = self.float_tflite if self._has_tflite else self.float_onnx
            found = parity.logits(
                model, self.held_out_feeds(), threads=self.plan.threads, progress=self.progress
            )
        np.save(part / "logits.npy", found)

    @cached_property
    def statistics(self) -> statistics.Statistics:
        """Activation statistics of `float_tflite` on the calibration images."""
        _ = self.reference  # a foreign model runs in a child process first
        key = digest(
            self._content_key, self.images.calibration.sha256,
            str(self.preprocessing), self.options.seed, statistics.VERSION,
        )  # fmt: skip
        folder = store.cached("statistics", key, self._make_statistics)
        return statistics.load(folder)

    def _make_statistics(self, part: Path) -> None:
        images = self.images.calibration.samples
        self.progress.stage("calibrating", images)
        found = statistics.collect(
            self.float_graph,
            ([feed] for feed in self.calibration_feeds()),
            answers=[self.logits_tensor],
            runs=images,
            threads=self.plan.threads,
            seed=self.options.seed,
            progress=self.progress,
        )
        statistics.save(found, part)


def folded(float_stage_file: bytes) -> bytes:
    """A cached float stage's .tflite as `Sources.float_tflite` makes it."""
    graph = Graph.read(float_stage_file)
    average_pool_to_depthwise.apply(graph)
    return _folded(graph).write()


def _folded(graph: Graph) -> Graph:
    while fold_affine.apply(graph).changes:
        pass
    _name_ends(graph)
    return graph


def _name_ends(graph: Graph) -> None:
    """Ends called input and output, and the signature that tools ask for."""
    for name, end in (("input", graph.inputs[0]), ("output", graph.outputs[0])):
        if graph.find(name) is None:
            end.name = name
    graph.set_signature()


def _import_ahead() -> None:
    """Import what quantizing needs while the child process is busy with TensorFlow.

    Not SciPy: its 40 MiB would lie beside TensorFlow's peak, for the third of a second they save.
    """
    for module in ("ai_edge_litert.interpreter", "litert_quantizer.quantizer"):
        importlib.import_module(module)


def _move(source: Path, to: Path, file_format: str) -> None:
    name = {"tflite": float_stage.TFLITE, "onnx": float_stage.ONNX}[file_format]
    (source / name).rename(to / name)
    (to / float_stage.INFO).write_bytes((source / float_stage.INFO).read_bytes())
