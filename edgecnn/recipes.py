"""The recipes: what precision a file's weights, activations, inputs and outputs have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Format = Literal["tflite", "onnx"]
IoDtype = Literal["float32", "int8", "uint8", "int16"]

FORMATS: tuple[Format, ...] = ("tflite", "onnx")


@dataclass(frozen=True)
class Recipe:
    """A named precision, in the vocabulary of TFLite's quantization specification.

    Attributes:
        name: what the user types and the manifest says.
        weights: dtype of the weights of convolutions and fully connected layers.
        activations: dtype the graph computes its activations in.
        io: dtype of the graph's input and output in a .tflite file, unless `--io` says otherwise.
        calibrated: whether activation ranges must be measured on images.
        formats: the file formats that can have it.
        summary: one line for `--help`.
    """

    name: str
    weights: str
    activations: str
    io: IoDtype
    calibrated: bool
    formats: tuple[Format, ...]
    summary: str


_ALL = (
    Recipe("float32", "float32", "float32", "float32", calibrated=False, formats=FORMATS,
           summary="32-bit floats, as trained"),
    Recipe("float16", "float16", "float32", "float32", calibrated=False, formats=FORMATS,
           summary="half-precision weights, half the size"),
    Recipe("dynamic", "int8", "float32", "float32", calibrated=False, formats=FORMATS,
           summary="int8 weights, activations quantized at run time"),
    Recipe("int8", "int8", "int8", "int8", calibrated=True, formats=FORMATS,
           summary="full integer, per-channel weights; fastest on ARM"),
    Recipe("int16x8", "int8", "int16", "int16", calibrated=True, formats=("tflite",),
           summary="int16 activations, int8 weights; most accurate, slow"),
)  # fmt: skip

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
