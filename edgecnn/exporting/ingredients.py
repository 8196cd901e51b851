"""What every recipe of an export is made of, stage by stage: plain values, each made once."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgecnn import caching, parity
from edgecnn import reference as references
from edgecnn.calibration import statistics, statistics_file
from edgecnn.convert import float_tflite, proof
from edgecnn.convert.versions import digest
from edgecnn.errors import EdgeCnnError, InputError
from edgecnn.formats import onnx_taps, tflite_logits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from edgecnn.calibration.statistics import Statistics
    from edgecnn.calibration.views import Enlarged
    from edgecnn.convert.float_cache import FloatModel
    from edgecnn.convert.float_stage import Samples
    from edgecnn.convert.float_tflite import FloatTflite
    from edgecnn.exporting.options import ExportOptions
    from edgecnn.exporting.plan import Plan
    from edgecnn.parity import Answers
    from edgecnn.progress import Progress
    from edgecnn.records import Network, OutputInfo, ParityInfo, Preprocessing

_FAITHFUL_DB = 60.0
# Of whole numbers: where two scores are nearly equal, the last bit decides which place is largest.
_FAITHFUL_COUNTS_DB = 30.0
# What float32 itself rounds away: a sigmoid that is nearly zero everywhere has no more to tell.
_ROUNDING = 1e-6
_ANSWERS = "answers.npz"
_CHOICE_SAMPLES = 32
_REFERENCE_VERSION = 3


@dataclass(frozen=True)
class Floats:
    """The float files of a network.

    Attributes:
        model: where they lie, and the network.
        tflite: None where it cannot be had or is not asked for.
        onnx: likewise.
        outputs: what the network's outputs are.
    """

    model: FloatModel
    tflite: FloatTflite | None
    onnx: Path | None
    outputs: tuple[OutputInfo, ...]

    @property
    def network(self) -> Network:
        """What is known of the network."""
        return self.model.network

    def without(self, refused: dict[str, EdgeCnnError], wanted: Sequence[str]) -> Floats:
        """The same without formats whose float file turned out wrong.

        Args:
            refused: by format, what is wrong.
            wanted: the formats that are written; raises where none of them is left.
        """
        everything = {**refused, **self.model.refused}
        if everything.keys() >= set(wanted):
            raise next(reason for name, reason in everything.items() if name in wanted)
        return replace(
            self,
            model=replace(self.model, refused=everything),
            tflite=None if "tflite" in refused else self.tflite,
            onnx=None if "onnx" in refused else self.onnx,
        )

    @property
    def main(self) -> tuple[str, bytes | Path]:
        """The format and file that answer for the network: the .tflite where there is one."""
        if self.tflite is not None:
            return "tflite", self.tflite.data
        assert self.onnx is not None  # noqa: S101 - one format at least can be had
        return "onnx", self.onnx

    def file(self, file_format: str) -> bytes | Path:
        """The float file of a format, as its float32 recipe writes it."""
        if file_format == "tflite" and self.tflite is not None:
            return self.tflite.data
        assert self.onnx is not None  # noqa: S101 - only formats that can be had are asked for
        return self.onnx


@dataclass(frozen=True)
class Ingredients:
    """What the writers take.

    Attributes:
        plan: what is made.
        options: what was asked for.
        floats: the float files.
        samples: to calibrate on, and to compare on.
        calibration: the former, and views of them where they are few, for statistics alone.
        proven: by format, how close the float file is to the source's own framework.
        reference: what the float network gives for the samples that calibration does not see.
        statistics: of the activations of `floats.tflite`; None where no recipe needs them.
        progress: told of each step.
        unmeasured: why there are no statistics, or no .tflite to take them of.
    """

    plan: Plan
    options: ExportOptions
    floats: Floats
    samples: Samples
    calibration: Enlarged
    proven: dict[str, tuple[ParityInfo, ...]]
    reference: Answers
    statistics: Statistics | None
    progress: Progress
    unmeasured: EdgeCnnError | None = None

    @property
    def network(self) -> Network:
        """What is known of the network."""
        return self.floats.network

    def calibration_feeds(self) -> Iterator[tuple[NDArray[Any], ...]]:
        """Of each calibration run an array for every input, in the source's layout."""
        calibration = self.samples.split.calibration
        return calibration.feeds(self.network.inputs, self.samples.preprocessing)

    def held_out_feeds(self) -> Iterator[tuple[NDArray[Any], ...]]:
        """Likewise, of the samples calibration does not see."""
        held_out = self.samples.split.held_out
        return held_out.feeds(self.network.inputs, self.samples.preprocessing)

    def file_feeds(self, file_format: str) -> Iterator[tuple[NDArray[Any], ...]]:
        """Calibration runs in the layout of a format's file."""
        return self.floats.model.in_file_layout(self.calibration_feeds(), file_format)

    def enlarged_feeds(self, file_format: str) -> Iterator[tuple[NDArray[Any], ...]]:
        """As `file_feeds`, with views behind."""
        feeds = self.calibration.samples.feeds(self.network.inputs, self.samples.preprocessing)
        return self.floats.model.in_file_layout(feeds, file_format)

    def calibration_answers(
        self, file: bytes | Path, file_format: str, runs: Sequence[int] | None = None
    ) -> Answers:
        """What a file gives for some calibration samples, to choose on; by default the first."""
        chosen = set(range(_CHOICE_SAMPLES) if runs is None else runs)
        feeds = (feed for run, feed in enumerate(self.calibration_feeds()) if run in chosen)
        return parity.answers(
            file,
            feeds,
            inputs=self.network.inputs,
            outputs=self.floats.outputs,
            file_layouts=self.floats.model.layouts[file_format],
            threads=self.plan.threads,
        )

    def answers(self, file: bytes | Path, file_format: str) -> Answers:
        """What a file gives for the samples that calibration does not see."""
        return parity.answers(
            file,
            self.held_out_feeds(),
            inputs=self.network.inputs,
            outputs=self.floats.outputs,
            file_layouts=self.floats.model.layouts[file_format],
            threads=self.plan.threads,
            progress=self.progress,
        )


def float_files(model: FloatModel, options: ExportOptions) -> Floats:
    """Read the float stage's files and say what the outputs are.

    Raises:
        InputError: a kind was named for an output that the network has not.
    """
    from edgecnn.exporting import outputs

    tflite = float_tflite.read(model) if "tflite" in model.folders else None
    onnx = model.path("onnx") if "onnx" in model.folders else None
    if tflite is not None:
        bounded = [end.has_softmax or end.has_sigmoid for end in tflite_logits.find(tflite.data)]
    else:
        assert onnx is not None  # noqa: S101 - one format at least can be had
        ends = onnx_taps.end_operators(onnx.read_bytes())
        bounded = [end in {"Softmax", "Sigmoid"} for end in ends]
    kinds = outputs.describe(model.network, bounded, options.outputs)
    return Floats(model, tflite, onnx, kinds)


def prove_floats(
    floats: Floats, threads: int
) -> tuple[dict[str, tuple[ParityInfo, ...]], dict[str, EdgeCnnError]]:
    """Hold every float file against the source's own framework, on the stage's proof.

    Returns:
        By format, how close each output is; the outputs themselves are compared, not logits.
        And what is wrong with those that do not run, or are not the source's function.
    """
    feeds, outputs = proof.read(floats.model.proof)
    expected = parity.Answers(outputs, (None,) * len(outputs), len(feeds))
    proven: dict[str, tuple[ParityInfo, ...]] = {}
    refused: dict[str, EdgeCnnError] = {}
    for file_format in floats.model.folders:
        try:
            measured = parity.answers(
                floats.file(file_format),
                feeds,
                inputs=floats.network.inputs,
                outputs=floats.outputs,
                file_layouts=floats.model.layouts[file_format],
                threads=threads,
            )
            parities = parity.compare(expected, measured, floats.outputs, on_values=True)
        except InputError as error:  # its runtime does not take it, or overflows; another's may not
            refused[file_format] = error
            continue
        proven[file_format] = parities
    return proven, {**refused, **_unproven(proven, floats.outputs)}


def _unproven(
    proven: dict[str, tuple[ParityInfo, ...]], outputs: Sequence[OutputInfo]
) -> dict[str, EdgeCnnError]:
    """By format, what is wrong with a float file that is not the source's function."""
    refused: dict[str, EdgeCnnError] = {}
    least = [_FAITHFUL_DB if end.dtype.startswith("float") else _FAITHFUL_COUNTS_DB
             for end in outputs]  # fmt: skip
    for file_format, parities in proven.items():
        for info, least_db in zip(parities, least, strict=True):
            ratio = math.inf if info.snr_db is None else info.snr_db
            if ratio < least_db and info.max_abs_error > _ROUNDING:
                refused[file_format] = EdgeCnnError(
                    f"The converted .{file_format} is not the same function as the network: output"
                    f" {info.output} has {ratio:.1f} dB SNR on {info.samples} calibration samples"
                    f" ({least_db:.0f} at least).",
                    hint="This is a converter's mistake; please report the network.",
                )
    return refused


def make_reference(
    floats: Floats, samples: Samples, *, threads: int, progress: Progress
) -> Answers:
    """What the proven float file gives for the samples calibration does not see, or the cache's."""
    held_out = samples.split.held_out
    file_format, file = floats.main

    def make(part: Path) -> None:
        progress.stage("float reference", held_out.samples)
        measured = parity.answers(
            file,
            held_out.feeds(floats.network.inputs, samples.preprocessing),
            inputs=floats.network.inputs,
            outputs=floats.outputs,
            file_layouts=floats.model.layouts[file_format],
            threads=threads,
            progress=progress,
        )
        arrays = references.arrays_of(measured)
        np.savez(part / _ANSWERS, **arrays)  # type: ignore[arg-type] # numpy means allow_pickle

    key = digest(_content(file), held_out.sha256, str(samples.preprocessing), _REFERENCE_VERSION)
    folder = caching.cached("reference", key, make, warn=progress.warn)
    with np.load(folder / _ANSWERS, allow_pickle=False) as arrays:
        return references.answers_of(arrays, len(floats.outputs), held_out.samples)


def _content(file: bytes | Path) -> str:
    """Sha256 of a file's bytes: what the float model computes."""
    data = file if isinstance(file, bytes) else file.read_bytes()
    return hashlib.sha256(data).hexdigest()


def collect_statistics(
    floats: Floats,
    enlarged: Enlarged,
    preprocessing: Preprocessing,
    *,
    seed: int,
    threads: int,
    progress: Progress,
) -> Statistics:
    """Activation statistics of the float .tflite on calibration samples, or the cache's."""
    tflite = floats.tflite
    assert tflite is not None  # noqa: S101 - only a .tflite is calibrated by them
    calibration = enlarged.samples
    key = digest(
        _content(tflite.data),
        calibration.sha256,
        str(preprocessing),
        seed,
        tflite.scores,
        statistics_file.VERSION,
    )

    def make(part: Path) -> None:
        progress.stage("calibrating", calibration.samples)
        feeds = calibration.feeds(floats.network.inputs, preprocessing)
        measured = statistics.collect(
            tflite.folded,
            floats.model.in_file_layout(feeds, "tflite"),
            answers=tflite.scores,
            runs=calibration.samples,
            threads=threads,
            seed=seed,
            origin=enlarged.origin,
            progress=progress,
        )
        statistics_file.save(measured, part)

    return statistics_file.load(caching.cached("statistics", key, make, warn=progress.warn))
