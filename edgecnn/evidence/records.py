"""The records that experiments write and that claims, the report and the tests read.

Each file of `artifacts/experiments/` is one of the classes at the end, with a `Header` that says
when, where and by what command it was made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edgecnn.evidence.device_records import (
    Contender,
    DeviceLatency,
    Fitted,
    LayerFidelity,
    OperatorTime,
)
from edgecnn.evidence.training_records import GradientKind, GradientRun, RecipeRun, TwinRun
from edgecnn.evidence.words import Convolution, Match, Provenance

__all__ = [
    "Contender",
    "Convolution",
    "Counted",
    "DeviceLatency",
    "Devices",
    "Fitted",
    "GradientKind",
    "GradientRun",
    "Gradients",
    "Header",
    "KernelPair",
    "Kernels",
    "LayerFidelity",
    "Layers",
    "Machine",
    "Match",
    "OperatorTime",
    "Parameters",
    "Provenance",
    "RecipeRun",
    "Side",
    "TwinRun",
    "Twins",
]


@dataclass(frozen=True)
class Machine:
    """The computer an experiment ran on; `cores` are those the process could use."""

    cpu: str
    cores: int
    memory_bytes: int
    kernel: str
    python: str


@dataclass(frozen=True)
class Header:
    """Where a record comes from.

    Attributes:
        experiment: the record's name and the stem of its file.
        date: ISO 8601, UTC.
        command: what makes it again, to paste.
        machine: where it ran.
        versions: package to version.
    """

    experiment: str
    date: str
    command: str
    machine: Machine
    versions: dict[str, str]


@dataclass(frozen=True)
class Side:
    """One of two ways to compute about the same: its layers, what they cost, and their time.

    Attributes:
        what: "3x3", "two 3x3", "1x3 + 3x1", "depthwise + pointwise".
        macs: multiply-accumulates of one inference.
        weights: elements of all kernels, without biases.
        latency_ms: median of one inference.
    """

    what: str
    macs: int
    weights: int
    latency_ms: float


@dataclass(frozen=True)
class KernelPair:
    """A cheaper and a costlier way to convolve one tensor.

    Attributes:
        group: which claim it belongs to.
        layer: the layer of xception it stands for; empty for an example of our own.
        size: height and width of the input, pixels.
        channels: of the input.
        filters: channels of the output.
        dtype: what is computed in.
        target: "local", another target of `bench`, or a device profile's name.
        threads: of one inference.
        cheap: the way that is claimed to be cheaper.
        costly: the other.
        latency_ratio: cheap over costly, median over paired rounds where measured.
        low_ratio: lower end of its 95 % interval; None for a prediction.
        high_ratio: upper end.
        provenance: of the latencies; MACs and weights are counted.
    """

    group: Literal["kernel-size", "two-3x3", "factorized", "bottleneck", "separable"]
    layer: str
    size: int
    channels: int
    filters: int
    dtype: Literal["float32", "int8"]
    target: str
    threads: int
    cheap: Side
    costly: Side
    latency_ratio: float
    low_ratio: float | None
    high_ratio: float | None
    provenance: Provenance


@dataclass(frozen=True)
class Counted:
    """The size of a network as built.

    Attributes:
        model: zoo name or keras:NAME.
        classes: of the softmax.
        input_size: height and width, pixels.
        parameters: all of them.
        trainable_parameters: those that training changes.
        macs: of one inference.
        published_top1: ImageNet top-1 of the published weights, 0..1, from the table in Keras's
            documentation; None where there is none.
    """

    model: str
    classes: int
    input_size: int
    parameters: int
    trainable_parameters: int
    macs: int
    published_top1: float | None = None


@dataclass(frozen=True)
class Kernels:
    """artifacts/experiments/kernels.json."""

    header: Header
    pairs: tuple[KernelPair, ...]
    schema: int = 1


@dataclass(frozen=True)
class Parameters:
    """artifacts/experiments/parameters.json; the shape is xception's after its entry flow."""

    header: Header
    networks: tuple[Counted, ...]
    entry_flow_shape: tuple[int, int, int]
    schema: int = 1


@dataclass(frozen=True)
class Gradients:
    """artifacts/experiments/gradients.json."""

    header: Header
    runs: tuple[GradientRun, ...]
    schema: int = 1


@dataclass(frozen=True)
class Twins:
    """artifacts/experiments/twins.json; `data` names the data set."""

    header: Header
    data: str
    runs: tuple[TwinRun, ...]
    recipes: tuple[RecipeRun, ...]
    schema: int = 1


@dataclass(frozen=True)
class Devices:
    """artifacts/experiments/devices.json.

    Attributes:
        runtime_bytes: measured peak of a process with a tiny network, on the header's machine:
            Python, numpy and the runtime, which every contender's `memory_bytes` comes on top of.
        predicted_on: date and time of the predictions, which are renewed without measuring again;
            "" where they are of the header's.
    """

    header: Header
    contenders: tuple[Contender, ...]
    latencies: tuple[DeviceLatency, ...]
    fits: tuple[Fitted, ...] = ()
    schema: int = 1
    runtime_bytes: int | None = None
    predicted_on: str = ""


@dataclass(frozen=True)
class Layers:
    """artifacts/experiments/layers.json: where time goes and where fidelity goes."""

    header: Header
    operators: tuple[OperatorTime, ...] = ()
    fidelity: tuple[LayerFidelity, ...] = ()
    notes: tuple[str, ...] = field(default=())
    schema: int = 1
