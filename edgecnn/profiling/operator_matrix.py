"""A .tflite file of one matrix product, made here and now: what a CPU does at best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgecnn.errors import MissingPartError
from edgecnn.formats import tflite_file

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from edgecnn.formats.tflite_file import ModelT, SubGraphT

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


def tflite_schema() -> Any:  # noqa: ANN401 - a generated module without types
    """The classes that .tflite files are made of.

    Raises:
        MissingPartError: ai-edge-litert is not installed.
    """
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError as error:
        raise MissingPartError(
            "Operators are measured with ai-edge-litert, which is not installed.",
            hint="pip install ai-edge-litert (it has no wheels for 32-bit systems)",
        ) from error
    return schema_py_generated


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
    model, graph = _empty()
    source = _tensor(graph, "input", kinds.activations, pixels)
    target = _tensor(graph, "output", kinds.activations, pixels)
    weights = _tensor(graph, "weights", kinds.weights, (channels, 1, 1, channels), channels)
    bias = _tensor(graph, "bias", kinds.bias, (channels,), channels)
    random = np.random.default_rng(0).integers(-127, 128, (channels, 1, 1, channels))
    tflite_file.set_constant(model, graph, weights, random.astype(_NUMPY[kinds.weights]))
    tflite_file.set_constant(model, graph, bias, np.zeros(channels, _NUMPY[kinds.bias]))
    _convolve(model, graph, (source, weights, bias), target)
    graph.inputs, graph.outputs = [source], [target]
    tflite_file.set_signature(model)
    return tflite_file.write(model)


def _empty() -> tuple[ModelT, SubGraphT]:
    schema = tflite_schema()
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.description = 3, "edgecnn roofline"
    model.buffers, model.operatorCodes, model.subgraphs = [schema.BufferT()], [], [graph]
    graph.tensors, graph.operators = [], []
    return model, graph


def _tensor(
    graph: SubGraphT, name: str, dtype: str, shape: tuple[int, ...], scales: int = 1
) -> int:
    schema = tflite_schema()
    tensor = schema.TensorT()
    tensor.name, tensor.type = name.encode(), tflite_file.tensor_type(dtype)
    tensor.shape, tensor.buffer = np.asarray(shape, np.int32), 0
    if dtype != "FLOAT32":
        tensor.quantization = schema.QuantizationParametersT()
        # A bias counts in the product of the input's and the weights' scales.
        scale = _SCALE**2 if dtype == "INT32" else _SCALE
        tensor.quantization.scale = np.full(scales, scale, np.float32)
        tensor.quantization.zeroPoint = np.zeros(scales, np.int64)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _convolve(model: ModelT, graph: SubGraphT, inputs: tuple[int, int, int], output: int) -> None:
    schema = tflite_schema()
    options = schema.Conv2DOptionsT()
    options.strideH = options.strideW = 1
    options.dilationHFactor = options.dilationWFactor = 1
    # Version 5: float activations with weights quantized channel by channel.
    operator = tflite_file.add_operator(model, "CONV_2D", inputs, (output,), version=5)
    operator.builtinOptionsType = int(schema.BuiltinOptions.Conv2DOptions)
    operator.builtinOptions = options
    graph.operators.append(operator)
