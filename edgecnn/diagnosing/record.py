"""What a diagnosis says, and what the search for causes works on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Layer:
    """One operator's output in the quantized file, beside the float network's.

    Attributes:
        index: the operator's place in the quantized file's order of execution, from 0; of an .onnx
            QuantizeLinear and DequantizeLinear do not count.
        layer: the tensor's name in the quantized file.
        operator: that computes it, as the file calls it.
        snr_db: of the tensor, with all error that came before it; None: identical.
        share: of the outputs' squared error, what arises in this layer: the rounding and cutting
            off of its output, and its rounded weights where the file is not equalized
            (`quantize.noise_flow`); 0..1.
        matched_by: "name"; "order" where the two files name it differently; "structure" of an
            .onnx, by what it reads and does.
        channels: size of the last axis.
        low: smallest value in the float network on the samples, as the quantized file scales it.
        high: largest likewise.
        range_low: what the smallest step stands for; None where the tensor is float.
        range_high: the largest step likewise.
        step: what one step stands for; likewise None.
        values: how many float values were looked at, a sample of all.
        clipped_share: of the float values that lie beyond the range by more than half a step.
        clipping_db: power of the float values over that of what is cut off; None: nothing is.
        saturated_share: of the file's values on the last step of a side where no activation cuts,
            beyond the share of float values that belong there.
        lost_channels: zero throughout in the quantized file, though not in float.
        silent_channels: zero throughout in both.
        lost_share: of the float tensor's power, what lay in the lost channels; 0..1.
    """

    index: int
    layer: str
    operator: str
    snr_db: float | None
    share: float
    matched_by: str
    channels: int
    low: float
    high: float
    range_low: float | None
    range_high: float | None
    step: float | None
    values: int
    clipped_share: float
    clipping_db: float | None
    saturated_share: float
    lost_channels: int
    silent_channels: int
    lost_share: float


@dataclass(frozen=True)
class ObservedInput:
    """A float input, as the file takes it and as it was fed.

    Attributes:
        name: of the tensor in the quantized file.
        range_low: what the file's input can hold; None where nothing quantizes it.
        range_high: likewise.
        steps: how many steps that range has; 0 likewise.
        fed_low: smallest value that was fed, after preprocessing.
        fed_high: largest.
        first_layer: name of the output of the first convolution behind it; "" without one.
        stirring: how far that convolution's outputs vary over positions and samples, against how
            far they lie from zero; median over channels. None where it cannot be told.
    """

    name: str
    range_low: float | None
    range_high: float | None
    steps: int
    fed_low: float
    fed_high: float
    first_layer: str
    stirring: float | None


@dataclass(frozen=True)
class ObservedWeights:
    """A convolution whose weights share one scale though it has several output channels."""

    layer: str
    operator: str
    channels: int
    spread: float


@dataclass(frozen=True)
class ObservedAdd:
    """A sum of two tensors: what they and it span in float, and the sum's step."""

    layer: str
    widths: tuple[float, float]
    step: float


@dataclass(frozen=True)
class ObservedOutput:
    """One output of the quantized file, beside the float network's.

    Attributes:
        name: as the source model has it.
        snr_db: as `parity.snr_db` has it; None: identical.
        measured_on: "logits" where it ends in a softmax and what enters that was compared.
    """

    name: str
    snr_db: float | None
    measured_on: Literal["logits", "values"]


@dataclass(frozen=True)
class Observations:
    """All that was seen of the two files on the samples.

    Attributes:
        outputs: of the network, in its order.
        equalized: whether the quantized file scales channels, so that a factor for each channel
            was taken out before comparing.
        layers: those with a counterpart, in order of execution.
        skipped: how many operators have none.
        inputs: of the network, those that are float.
        per_tensor: convolutions with one scale for all their weights.
        adds: sums of two quantized tensors.
    """

    outputs: tuple[ObservedOutput, ...]
    equalized: bool
    layers: tuple[Layer, ...]
    skipped: int
    inputs: tuple[ObservedInput, ...]
    per_tensor: tuple[ObservedWeights, ...] = ()
    adds: tuple[ObservedAdd, ...] = ()

    @property
    def worst(self) -> ObservedOutput:
        """The output that lost most."""
        return min(self.outputs, key=lambda end: math.inf if end.snr_db is None else end.snr_db)


@dataclass(frozen=True)
class Cause:
    """One likely cause, and what would fix it.

    Attributes:
        kind: such as "range too narrow".
        layer: where it shows most; "" for the whole network.
        finding: what was seen, with numbers; one or two sentences.
        command: that would fix it, to be pasted.
    """

    kind: str
    layer: str
    finding: str
    command: str


@dataclass(frozen=True)
class Diagnosis:
    """Where a quantized file departs from float, and why.

    Attributes:
        file: the quantized .tflite or .onnx.
        format: "tflite" or "onnx".
        against: the float file it was compared with, of the same format.
        recipe: as the manifest says; "" for a file without one.
        source: where the samples come from.
        samples: how many.
        observed: layer by layer.
        causes: likely ones, the gravest first; none found is an answer too.
        next_command: what to try where no cause was found.
    """

    file: str
    format: Literal["tflite", "onnx"]
    against: str
    recipe: str
    source: str
    samples: int
    observed: Observations
    causes: tuple[Cause, ...]
    next_command: str

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer with a counterpart, in order of execution."""
        return self.observed.layers
