"""A .tflite file of one matrix product, made here and now: what a CPU does at best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgecnn.formats.tflite_graph import Graph, Operator, Quantization, Tensor
from edgecnn.formats.tflite_schema import generated

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

_SCALE = 0.01  # of everything quantized: it decides no time


class _Dtypes(NamedTuple):
    """TFLite's types of activations, weights and bias."""

    activations: str
    weights: str
    bias: str


_KINDS = {
    "float32": _Dtypes("FLOAT32", "FLOAT32", "FLOAT32"),
    "int8": _Dtypes("INT8", "INT8", "INT32"),
    "dynamic": _Dtypes("FLOAT32", "INT8", "FLOAT32"),
}
_NUMPY: dict[str, DTypeLike] = {"FLOAT32": np.float32, "INT8": np.int8, "INT32": np.int32}


def matrix_product(dtype: str, side: int, channels: int) -> bytes:
    """A .tflite file of one 1x1 convolution, with as many channels in as out.

    Args:
        dtype: "float32", "int8" (everything) or "dynamic" (int8 weights, float32 activations).
        side: height and width, in pixels.
        channels: read, and made; `side**2 * channels**2` multiply-accumulates.

    Raises:
        MissingPartError: ai-edge-litert is not installed.
    """
    kinds, pixels = _KINDS[dtype], (1, side, side, channels)
    options = generated().Conv2DOptionsT()
    options.strideH = options.strideW = 1
    options.dilationHFactor = options.dilationWFactor = 1
    source, target = _tensor("input", kinds.activations), _tensor("output", kinds.activations)
    source.shape = target.shape = pixels
    random = np.random.default_rng(0).integers(-127, 128, (channels, 1, 1, channels))
    weights = _constant("weights", kinds.weights, random)
    bias = _constant("bias", kinds.bias, np.zeros(channels))
    # Version 5: float activations with weights quantized channel by channel.
    product = Operator("CONV_2D", [source, weights, bias], [target], options, version=5)
    graph = Graph(
        [source], [target], [product], [source, target, weights, bias],
        description="edgecnn roofline",
    )  # fmt: skip
    graph.set_signature()
    return graph.write()


def _tensor(name: str, dtype: str, scales: int = 1) -> Tensor:
    quantization = None
    if dtype != "FLOAT32":
        # A bias counts in the product of the input's and the weights' scales.
        scale = np.full(scales, _SCALE**2 if dtype == "INT32" else _SCALE, np.float32)
        quantization = Quantization(scale, np.zeros(scales, np.int64))
    return Tensor(name, dtype, quantization=quantization)


def _constant(name: str, dtype: str, values: NDArray[Any]) -> Tensor:
    tensor = _tensor(name, dtype, len(values))
    tensor.data = values.astype(_NUMPY[dtype])
    return tensor
