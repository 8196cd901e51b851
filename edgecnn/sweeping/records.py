"""What a sweep is made of and what comes of it: frozen records, as they lie in sweep.jsonl."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgecnn.records import SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

Status = Literal["done", "refused", "failed"]


@dataclass(frozen=True, order=True)
class Point:
    """One file that may be made. The axes' order is that of the product: the last turns fastest.

    Attributes:
        model: a zoo name, `keras:NAME`, or a path.
        input_size: height and width, pixels; None for the model's own.
        width: width multiplier; None for the model's own.
        convolution: "normal" for the twin of a network with depthwise convolutions; None: as it is.
        weights: "random", "imagenet" or a file; None for the model's own default.
        classes: size of the output; None for the model's own.
        seed: of random weights and of every sample that is drawn.
        calibration: where calibration samples come from; None for the photographs at hand.
        calibration_samples: how many.
        calibration_method: auto, minmax, percentile or mse.
        recipe: of `edgecnn.recipes.RECIPES`.
        min_snr_db: what an int8 .tflite's logits must have; None for what they have.
        format: "tflite" or "onnx".
    """

    model: str
    input_size: int | None = None
    width: float | None = None
    convolution: str | None = None
    weights: str | None = None
    classes: int | None = None
    seed: int = 0
    calibration: str | None = None
    calibration_samples: int = 100
    calibration_method: str = "auto"
    recipe: str = "int8"
    min_snr_db: float | None = None
    format: str = "tflite"


@dataclass(frozen=True)
class Impossible:
    """A point that cannot be, known before anything runs."""

    point: Point
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Accuracy:
    """What an evaluation came to.

    Attributes:
        measure: "top1", "map", "miou"; "agreement" with the float model where there are no labels.
        value: 0..1.
        low: lower end of its 95 % interval; None where there is none.
        high: upper end.
        images: that were evaluated.
        data: the data set.
    """

    measure: str
    value: float
    low: float | None
    high: float | None
    images: int
    data: str


@dataclass(frozen=True, order=True)
class Place:
    """Where a latency holds.

    Attributes:
        device: a profile's name, or a target that was measured, as the user named it.
        threads: of one inference.
        measured: on the device itself; else predicted.
    """

    device: str
    threads: int
    measured: bool = False


@dataclass(frozen=True)
class Timing:
    """One latency.

    Attributes:
        place: where.
        latency_ms: predicted: the median that is expected; measured: the 90th percentile.
        low_ms: lower end of the prediction's interval; measured: the fastest sample.
        high_ms: upper end; measured: the 99th percentile.
    """

    place: Place
    latency_ms: float
    low_ms: float
    high_ms: float


@dataclass(frozen=True)
class Run:
    """How a point was made: what may differ from one run to the next.

    Attributes:
        seconds: wall time of all its stages.
        peak_bytes: resident memory of its largest process.
        disk_bytes: of the artifact.
        attempts: how often it was begun; more than once where a task died.
        reused: whether the artifact was found in the storage.
    """

    seconds: float = 0.0
    peak_bytes: int = 0
    disk_bytes: int = 0
    attempts: int = 1
    reused: bool = False


@dataclass(frozen=True)
class PointRecord:
    """One line of sweep.jsonl.

    Attributes:
        key: sha256 (hex) of everything that decides the rest but `run`.
        point: which.
        status: "done"; "refused" where the point cannot be had, and never could with these
            versions; "failed" where its task died, again and again, or a device or the disk was in
            the way: the next run begins it again.
        artifact: sha256 (hex) that the artifact is found by in the storage.
        sha256: of the file.
        size_bytes: of the file.
        macs: multiply-accumulates of one inference.
        snr_db: of the worst output against the float network; None where there is no error.
        accuracy: None where nothing was evaluated.
        timings: by place.
        notes: what the user should know.
        message: why it is not done.
        hint: what to do about it.
        run: how it was made.
        schema: of the record.
    """

    key: str
    point: Point
    status: Status
    artifact: str = ""
    sha256: str = ""
    size_bytes: int | None = None
    macs: int | None = None
    snr_db: float | None = None
    accuracy: Accuracy | None = None
    timings: tuple[Timing, ...] = ()
    notes: tuple[str, ...] = ()
    message: str = ""
    hint: str = ""
    run: Run = Run()
    schema: int = SCHEMA


@dataclass(frozen=True)
class Budget:
    """What a network may take; None sets no limit.

    `max_drop` is in percentage points of accuracy below the best of the sweep.
    """

    latency_ms: float | None = None
    size_bytes: int | None = None
    max_drop: float | None = None


@dataclass(frozen=True)
class Front:
    """The points no other one beats in accuracy, latency and size, at one place.

    Attributes:
        place: where the latencies hold; None where none was asked for.
        records: the front, the fastest (or smallest) first.
        taken: the one of them to take under the budget; None where none is within it.
        reason: why, one sentence.
    """

    place: Place | None
    records: tuple[PointRecord, ...]
    taken: PointRecord | None
    reason: str


@dataclass(frozen=True)
class SweepReport:
    """What a sweep came to, or would come to.

    Attributes:
        file: sweep.jsonl, with a line for each point that ended.
        storage: where the artifacts are: a folder, or an address.
        points: how many there are, those that cannot be left out.
        networks: how many networks they are of.
        done: points that are done, now or by an earlier run.
        earlier: of `done` and `refused`, those that an earlier run ended.
        left: points that were not yet begun.
        refused: points that turned out to be impossible.
        failed: points whose tasks died; the next run begins them again.
        impossible: points that were never begun.
        fronts: one for each place.
        budget: what was asked for.
        seconds_left: how long the rest will take, from how long others took; None: not known.
        bytes_left: what it will take on disk, likewise.
        warnings: of lines of the file that hold no record.
        notes: what was said of points that are done, one sentence each.
        done_keys: of the points that are done; of other sweeps the file may have lines too.
    """

    file: Path
    storage: Path | str
    points: int
    networks: int
    done: int
    earlier: int
    left: int
    refused: tuple[PointRecord, ...]
    failed: tuple[PointRecord, ...]
    impossible: tuple[Impossible, ...]
    fronts: tuple[Front, ...]
    budget: Budget
    seconds_left: float | None = None
    bytes_left: int | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    done_keys: frozenset[str] = frozenset()
    schema: int = SCHEMA
