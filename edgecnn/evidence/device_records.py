"""What experiments found on devices and inside networks; `records` has them too."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.evidence.words import Convolution, Provenance  # noqa: TC001 - cattrs resolves the types


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
        interval: the rate at which such intervals hold for sources left out of the fit, 0..1;
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
