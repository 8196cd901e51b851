"""Float ONNX -> full integer, 8 bits, in QDQ form (static quantization).

The QDQ form is what onnxruntime, and every other runtime, fuses into integer kernels. Ranges come
from `onnx_ranges`; onnxruntime's quantizer inserts the nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from edgecnn.errors import InputError
from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import OnnxGraph, shapes_of
from edgecnn.progress import Progress, Silent
from edgecnn.quantize import onnx_ranges
from edgecnn.quantize.onnx_prepare import prepare

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

ActivationDtype = Literal["int8", "uint8"]

# Integer kernels exist for these in onnxruntime; an operator outside stays float between its
# neighbours. Softmax stays float on purpose: in int8 its small probabilities tie.
_QUANTIZED = (
    "Add", "AveragePool", "Clip", "Concat", "Conv", "Flatten", "Gemm", "GlobalAveragePool",
    "LeakyRelu", "MatMul", "MaxPool", "Mul", "Pad", "Relu", "Reshape", "Resize", "Sigmoid",
    "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip


def to_int8(
    float_path: Path,
    out_path: Path,
    feeds: Iterable[NDArray[np.float32]],
    *,
    method: onnx_ranges.Method = "mse",
    ranges: Mapping[str, tuple[float, float]] | None = None,
    activations: ActivationDtype = "uint8",
    threads: int = 0,
    progress: Progress | None = None,
) -> None:
    """Quantize weights (int8, per channel) and activations (8 bits, asymmetric) in QDQ form.

    Input, output and the logits stay float32. The same file and feeds give the same bytes.

    Activations are uint8 by default. Numerically int8 is the same, one offset apart; but on x86
    onnxruntime fuses int8 only in part (Xception: 13 of 74 convolutions stayed float, 80 ms
    against 41), and on ARM64 both run the same kernels (onnxruntime pull request 9902: uint8
    takes the udot kernel, or the int8 NEON one with a flipped sign bit).

    Args:
        float_path: a file `convert.onnx_float` wrote.
        out_path: the file to write; a path nobody reads yet.
        feeds: calibration arrays (1, H, W, C) float32; read once, one at a time.
        method: how a range is chosen, see `onnx_ranges.measure`.
        ranges: (low, high) by tensor name of the float file, in place of the measured ones.
        activations: `uint8` or `int8`.
        threads: for calibrating; 0 leaves the choice to onnxruntime.
        progress: told of the stage and of each image.

    Raises:
        InputError: no feeds, feeds that do not fit, activations that are not finite, a name in
            `ranges` that the file has not.
        MissingPartError: onnx or onnxruntime is not installed.
    """
    watcher = progress or Silent()
    model = onnx_file.canonicalize(onnx_file.load(float_path))
    _refuse_foreign_names(model, ranges or {})
    watcher.stage("calibrating ONNX")
    measured = onnx_ranges.measure(model, feeds, method=method, threads=threads, progress=watcher)
    watcher.stage("quantizing ONNX")
    prepare(model)
    merged = onnx_ranges.inherit(OnnxGraph(model), {**measured, **(ranges or {})})
    quantized = _insert_qdq(model, {**merged, **(ranges or {})}, activations)
    onnx_file.save(quantized, out_path)


def _refuse_foreign_names(
    model: onnx.ModelProto, ranges: Mapping[str, tuple[float, float]]
) -> None:
    unknown = sorted(ranges.keys() - shapes_of(model).keys())
    if unknown:
        raise InputError(
            f"Ranges are given for tensors the ONNX file has not: {', '.join(unknown[:5])}.",
            hint="Use the names of the float file's tensors, as `edgecnn inspect` lists them.",
        )
    for name, (low, high) in ranges.items():
        if not (low <= 0.0 <= high and 0.0 < high - low < np.inf):
            raise InputError(f"The range of '{name}' is empty, not finite or leaves out zero.")


def _insert_qdq(
    model: onnx.ModelProto, ranges: Mapping[str, tuple[float, float]], activations: ActivationDtype
) -> onnx.ModelProto:
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    data = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in ranges.items()
    }
    for index, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{index}"
    quantizer = QDQQuantizer(
        model,
        per_channel=True,
        reduce_range=False,  # only AVX2 without VNNI saturates, and only with uint8 activations
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QInt8 if activations == "int8" else QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, data),
        nodes_to_quantize=[],
        nodes_to_exclude=_kept_float(model, ranges),
        op_types_to_quantize=list(_QUANTIZED),
        extra_options={"WeightSymmetric": True, "ActivationSymmetric": False},
    )
    quantizer.quantize_model()
    result: onnx.ModelProto = quantizer.model.model
    _unquantize_logits(result)
    return result


def _kept_float(model: onnx.ModelProto, ranges: Mapping[str, Any]) -> list[str]:
    """Nodes that touch a tensor without a range: it is an integer one, such as a shape."""
    known = {*ranges, *(item.name for item in model.graph.initializer), ""}
    return [n.name for n in model.graph.node if not {*n.input, *n.output} <= known]


def _unquantize_logits(model: onnx.ModelProto) -> None:
    """Let the last Gemm or MatMul give float: its sums are exact, and float logits do not tie.

    onnxruntime fuses a Gemm with quantized inputs and a float output as well as a quantized one.
    """
    graph = OnnxGraph(model)
    node = graph.producer(graph.outputs[0])
    while node is not None and node.op_type in {"Softmax", "Reshape", "Identity"}:
        node = graph.producer(node.input[0])
    if node is None or node.op_type != "DequantizeLinear":
        return
    quantize = graph.producer(node.input[0])
    if quantize is None or quantize.op_type != "QuantizeLinear":
        return
    maker = graph.producer(quantize.input[0])
    if maker is not None and maker.op_type in {"Gemm", "MatMul"}:
        graph.bypass(node)
        graph.bypass(quantize)
        graph.write()
