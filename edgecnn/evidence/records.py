"""The records that experiments write and that claims, the report and the tests read.

Each file of `artifacts/experiments/` is one of the classes at the end, with a `Header` that says
when, where and by what command it was made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Provenance = Literal["counted", "measured", "emulated", "predicted", "published"]
Convolution = Literal["separable", "normal"]
Match = Literal["itself", "equal widths", "equal parameters"]
GradientKind = Literal["plain", "residual", "plain + batch norm", "residual + batch norm"]


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
class GradientRun:
    """Gradient norms of one network at its initialization.

    Attributes:
        kind: whether blocks have a skip, and whether normalizations follow the convolutions.
        depth: convolutions.
        initializer: of the kernels, as Keras names it.
        seed: of weights and images.
        gradient_norms: L2 norm of the loss's gradient with respect to each convolution's kernel,
            from the input to the output.
        accuracy: on test images after brief training, 0..1; None where it was not trained.
    """

    kind: GradientKind
    depth: int
    initializer: str
    seed: int
    gradient_norms: tuple[float, ...]
    accuracy: float | None = None


@dataclass(frozen=True)
class TwinRun:
    """One trained network.

    Attributes:
        network: zoo name.
        convolution: of its blocks.
        match: what is equal between it and the separable network.
        width: width multiplier.
        input_size: height and width, pixels.
        seed: of weights and of the order of images.
        parameters: all of them.
        macs: of one inference.
        training_samples: images it saw in each epoch.
        epochs: passes over them.
        test_samples: images it was evaluated on.
        accuracy: top-1 on them, 0..1, of the float network.
        training_seconds: wall time, on a machine that may have been busy.
    """

    network: str
    convolution: Convolution
    match: Match
    width: float
    input_size: int
    seed: int
    parameters: int
    macs: int
    training_samples: int
    epochs: int
    test_samples: int
    accuracy: float
    training_seconds: float


@dataclass(frozen=True)
class RecipeRun:
    """A trained network's file under one recipe.

    Attributes:
        network: zoo name.
        convolution: of its blocks.
        match: as in `TwinRun`.
        seed: likewise.
        recipe: of `edgecnn.recipes.RECIPES`.
        accuracy: top-1, 0..1.
        float_accuracy: of the float32 file, on the same images.
        test_samples: how many images both numbers are of.
        snr_db: of the logits against float; None: identical.
        size_bytes: of the .tflite.
        latency_ms: median on the header's machine, one thread; None where it was not measured.
    """

    network: str
    convolution: Convolution
    match: Match
    seed: int
    recipe: str
    accuracy: float
    float_accuracy: float
    test_samples: int
    snr_db: float | None
    size_bytes: int
    latency_ms: float | None = None


@dataclass(frozen=True)
class Contender:
    """One network under one recipe, as it would go to a device.

    Attributes:
        model: zoo name or keras:NAME; "xception" with normal convolutions is another contender.
        label: what to call it in tables.
        convolution: of its blocks; None where that is not a choice.
        input_size: height and width, pixels.
        parameters: all of them.
        macs: of one inference.
        published_top1: ImageNet top-1 published for the network in float, 0..1.
        recipe: of `edgecnn.recipes.RECIPES`.
        size_bytes: of the .tflite.
        size_provenance: "measured" for a file that was written, else "predicted".
        memory_bytes: peak of a process that runs it, above one that runs a tiny network.
        memory_provenance: likewise.
        local_latency_ms: median on the header's machine, one thread; None: not measured.
        width: width multiplier; None where the network has none, or has its own width.
        delegate_partitions: that LiteRT hands to XNNPACK, of a file that was written: one is a
            graph in one piece; None for no file.
        file_sha256: of the .tflite, by which results of `bench` are known to be of it; empty where
            none was written.
    """

    model: str
    label: str
    convolution: Convolution | None
    input_size: int
    parameters: int
    macs: int
    published_top1: float | None
    recipe: str
    size_bytes: int
    size_provenance: Provenance
    memory_bytes: int
    memory_provenance: Provenance
    local_latency_ms: float | None
    width: float | None = None
    delegate_partitions: int | None = None
    file_sha256: str = ""


@dataclass(frozen=True)
class DeviceLatency:
    """A contender on a device.

    Attributes:
        label: the contender's.
        recipe: likewise.
        device: profile name, or the target that was measured.
        threads: of one inference.
        latency_ms: median, or what is expected.
        low_ms: lower end of the interval; of measured ones the fastest repeat.
        high_ms: upper end.
        interval: the rate at which such intervals held for networks left out of the fit, 0..1;
            None for a measurement.
        power_w: of the whole device while it runs; None where the profile does not know.
        energy_mj: of one inference, the device's power at rest included.
        basis: what a prediction rests on: "interpolated", "extrapolated" or "no rows"; "measured".
        provenance: of the latency.
    """

    label: str
    recipe: str
    device: str
    threads: int
    latency_ms: float
    low_ms: float
    high_ms: float
    interval: float | None
    power_w: float | None
    energy_mj: float | None
    basis: str
    provenance: Provenance


@dataclass(frozen=True)
class Fitted:
    """What `edgecnn fit` found: the largest xception that meets a budget on a device.

    Attributes:
        device: profile name.
        budget_ms: latency asked for.
        found: False where nothing meets it; the rest is then of the fastest candidate.
        width: width multiplier.
        input_size: height and width, pixels.
        recipe: of `edgecnn.recipes.RECIPES`.
        threads: of one inference.
        latency_ms: predicted, with its interval.
        low_ms: lower end of the interval.
        high_ms: upper end.
    """

    device: str
    budget_ms: float
    found: bool
    width: float
    input_size: int
    recipe: str
    threads: int
    latency_ms: float
    low_ms: float
    high_ms: float


@dataclass(frozen=True)
class OperatorTime:
    """What one kind of operator takes in a network.

    Attributes:
        model: the artifact, as "xception int8".
        operator: as the runtime names it.
        count: how many.
        time_ms: of one inference, all together.
        share: of the whole, 0..1.
        macs: multiply-accumulates; 0 where none are counted.
    """

    model: str
    operator: str
    count: int
    time_ms: float
    share: float
    macs: int


@dataclass(frozen=True)
class LayerFidelity:
    """How far a quantized network is from float at one layer.

    Attributes:
        model: the artifact, as "xception int8".
        index: place in the order of execution, from 0.
        layer: the tensor's name.
        operator: that computes it.
        snr_db: against the float network's tensor; None: identical.
    """

    model: str
    index: int
    layer: str
    operator: str
    snr_db: float | None


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
    """

    header: Header
    contenders: tuple[Contender, ...]
    latencies: tuple[DeviceLatency, ...]
    fits: tuple[Fitted, ...] = ()
    schema: int = 1
    runtime_bytes: int | None = None


@dataclass(frozen=True)
class Layers:
    """artifacts/experiments/layers.json: where time goes and where fidelity goes."""

    header: Header
    operators: tuple[OperatorTime, ...] = ()
    fidelity: tuple[LayerFidelity, ...] = ()
    notes: tuple[str, ...] = field(default=())
    schema: int = 1
