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
    """An input or output of a file; scale and zero point are None where it is not quantized."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None = None
    zero_point: int | None = None


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
    """How close a file's logits are to the float reference, on images calibration did not see.

    Attributes:
        snr_db: 10 log10 of the logits' power over the error's; None stands for identical.
        cosine: cosine similarity of all logits.
        max_abs_error: largest absolute difference of a logit.
        top1_agreement: share of images whose best class is the same; a tie counts as
            agreement when the reference's class is among the tied.
        samples: number of images.
    """

    snr_db: float | None
    cosine: float
    max_abs_error: float
    top1_agreement: float
    samples: int


@dataclass(frozen=True)
class FileInfo:
    """One exported file, as the manifest describes it. `path` is relative to the manifest."""

    path: str
    format: str
    sha256: str
    bytes: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    graph: GraphInfo
    parity: ParityInfo


@dataclass(frozen=True)
class Manifest:
    """manifest.json: everything that is known of an artifact folder."""

    edgecnn: str
    model: ModelInfo
    recipe: str
    seed: int
    preprocessing: Preprocessing
    calibration: CalibrationInfo | None
    versions: dict[str, str]
    files: tuple[FileInfo, ...]
    notes: tuple[str, ...] = ()
    schema: int = field(default=SCHEMA)
