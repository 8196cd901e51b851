"""The frozen records that pass from room to room, and stand in manifest.json."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

SCHEMA = 1


@dataclass(frozen=True)
class Preprocessing:
    """How a pixel in 0..255 becomes the number a network is fed: (pixel - mean) / std.

    Attributes:
        mean: one value, or one for each channel, in pixel units (0..255).
        std: likewise; the divisor.
        channel_order: the order the network expects its channels in.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (255.0,)
    channel_order: Literal["RGB", "BGR"] = "RGB"

    @classmethod
    def from_range(cls, low: float, high: float) -> Preprocessing:
        """Scale 0..255 linearly onto low..high."""
        std = 255.0 / (high - low)
        return cls(mean=(-low * std,), std=(std,))


@dataclass(frozen=True)
class ModelSpec:
    """One network of the zoo, as data: enough to list it and to build it.

    Attributes:
        name: what the user types.
        builder: "module:function" that returns a Keras model.
        input_size: height and width of the square input, pixels.
        classes: number of classes of the softmax.
        min_input_size: the smallest input the architecture can take; None when it is fixed.
        has_width: whether the builder takes a width multiplier.
        has_convolution: whether it takes `convolution`: its twin with normal convolutions.
        preprocessing: what the network is fed.
        document: the source document (under the project's seeds) that defines it.
        parameters: all parameters at the default input size, width and classes.
        trainable_parameters: those of them that training changes.
        macs: multiply-accumulates of one inference, likewise.
        activations: elements of all convolution and dense outputs, likewise.
        summary: one line for `edgecnn models`.
    """

    name: str
    builder: str
    input_size: int
    classes: int
    min_input_size: int | None
    has_width: bool
    preprocessing: Preprocessing
    document: str
    parameters: int
    trainable_parameters: int
    macs: int
    activations: int
    summary: str
    has_convolution: bool = False


@dataclass(frozen=True)
class Endpoint:
    """An input or output of a network, as the source model has it.

    Attributes:
        name: the model's own.
        dtype: numpy's name of it, such as "float32".
        shape: every size fixed; the first is the batch, 1 where the model leaves it open.
        layout: what the axes are, one letter each, such as "NHWC" or "NCHW" (batch, height, width,
            channels); "" where that is not known or the tensor is no image.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    layout: str = ""


@dataclass(frozen=True)
class Network:
    """A network once it was built, loaded or read: its ends are in the model's order."""

    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    parameters: int
    trainable_parameters: int


@dataclass(frozen=True)
class EndLayouts:
    """The layouts that a file's ends have, in order.

    A .tflite made from channels-first ONNX has its images channels last.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


OutputKind = Literal["probabilities", "logits", "values"]


@dataclass(frozen=True)
class OutputInfo(Endpoint):
    """An output of the source model, and what its numbers are.

    Attributes:
        kind: "probabilities" (it ends in a softmax or a sigmoid), "logits" (scores in front of
            one), or "values": anything else, and never put through a softmax.
    """

    kind: OutputKind = "values"


@dataclass(frozen=True)
class ModelInfo:
    """A built network, as the manifest names it.

    Attributes:
        name: zoo name, `keras:NAME`, or the stem of the user's file.
        parameters: all parameters, trainable or not.
        trainable_parameters: those that training changes.
        macs: multiply-accumulates of one inference at batch 1.
        input_shape: (1, height, width, channels).
        classes: size of the last axis of the output.
        weights: "random", "imagenet", or the name of the file they came from.
    """

    name: str
    parameters: int
    trainable_parameters: int
    macs: int
    input_shape: tuple[int, ...]
    classes: int
    weights: str


@dataclass(frozen=True)
class CalibrationInfo:
    """Where activation ranges came from."""

    source: str
    samples: int
    sha256: str
    method: str


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a file; scale and zero point are None where it is not quantized.

    `layout` names its axes as `Endpoint.layout` does; "" where nobody said.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None = None
    zero_point: int | None = None
    layout: str = ""


@dataclass(frozen=True)
class GraphInfo:
    """What a model file really is, read from the file itself.

    Attributes:
        ops: operator name to count.
        macs_by_dtype: multiply-accumulates by the dtype they are computed in.
        parameters_by_dtype: weights and biases by the dtype they are stored in.
        delegate_partitions: XNNPACK partitions LiteRT makes of it; None when not known
            (an ONNX file, or the runtime is not installed).
        undelegated_ops: operators that stay outside every partition, name to count.
        flex_ops: operators that need TensorFlow itself (SELECT_TF_OPS).
        variable_ops: operators that read or write resource variables.
        custom_ops: custom operators other than Flex.
    """

    ops: dict[str, int]
    macs_by_dtype: dict[str, int]
    parameters_by_dtype: dict[str, int]
    delegate_partitions: int | None
    undelegated_ops: dict[str, int]
    flex_ops: tuple[str, ...] = ()
    variable_ops: tuple[str, ...] = ()
    custom_ops: tuple[str, ...] = ()


@dataclass(frozen=True)
class ParityInfo:
    """How close one output of a file is to the float reference, on samples calibration did not see.

    Attributes:
        snr_db: 10 log10 of the output's variance about its mean over the samples, over the error's
            power; None stands for identical.
        cosine: cosine similarity of all values.
        max_abs_error: largest absolute difference of a value.
        top1_agreement: of class scores, the share of samples whose best class is the same; a tie
            counts as agreement when the reference's class is among the tied. Else None.
        samples: number of samples.
        output: the output's name.
        measured_on: "logits" where an output ends in a softmax and what enters it was compared.
        worst_group_db: the SNR of the group of channels that is worst; None where there is one
            group only, or no error.
        worst_group: which one that is, such as "axis 2, channel 4".
        pixel_agreement: of maps of classes, the share of pixels with the same class; else None.
        spread_db: standard error over the samples of the lower of `snr_db` and `worst_group_db`;
            None where there is one sample, no error, or no distance to speak of.
        values_db: where logits were compared, the SNR of the probabilities behind them, as a whole
            or in the worst group, whichever is lower; None elsewhere, and without an error.
        values_spread_db: the standard error of that.
    """

    snr_db: float | None
    cosine: float
    max_abs_error: float
    top1_agreement: float | None
    samples: int
    output: str = ""
    measured_on: Literal["logits", "values"] = "values"
    worst_group_db: float | None = None
    worst_group: str = ""
    pixel_agreement: float | None = None
    spread_db: float | None = None
    values_db: float | None = None
    values_spread_db: float | None = None


@dataclass(frozen=True)
class FileInfo:
    """One exported file, as the manifest describes it. `path` is relative to the manifest.

    Attributes:
        path: relative to the manifest.
        format: "tflite" or "onnx".
        sha256: of its bytes, hex.
        bytes: its size.
        inputs: in the source model's order.
        outputs: likewise.
        graph: what it consists of.
        parity: of the output that is worst.
        parities: of every output, in order.
        integer: of a quantized file: "full", or "mixed" where operators stayed float; else None.
        float_ops: those operators, name to count.
    """

    path: str
    format: str
    sha256: str
    bytes: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    graph: GraphInfo
    parity: ParityInfo
    parities: tuple[ParityInfo, ...] = ()
    integer: Literal["full", "mixed"] | None = None
    float_ops: dict[str, int] = field(default_factory=dict)

    @property
    def layouts(self) -> EndLayouts:
        """Of its ends."""
        return EndLayouts(
            tuple(tensor.layout for tensor in self.inputs),
            tuple(tensor.layout for tensor in self.outputs),
        )


@dataclass(frozen=True)
class Manifest:
    """manifest.json: everything that is known of an artifact folder.

    `inputs` and `outputs` are the source model's, in its order and layout; `files` have theirs.
    """

    edgecnn: str
    model: ModelInfo
    recipe: str
    seed: int
    preprocessing: Preprocessing
    calibration: CalibrationInfo | None
    versions: dict[str, str]
    files: tuple[FileInfo, ...]
    notes: tuple[str, ...] = ()
    inputs: tuple[Endpoint, ...] = ()
    outputs: tuple[OutputInfo, ...] = ()
    schema: int = field(default=SCHEMA)
