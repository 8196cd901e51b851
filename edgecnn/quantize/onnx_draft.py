"""An int8 ONNX file in the making: weights and ranges are chosen, the QDQ nodes go in last.

The QDQ form is what onnxruntime, and every other runtime, fuses into integer kernels.
onnxruntime's quantizer inserts the nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from edgecnn.errors import EdgeCnnError
from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import from_proto, maker_of, name_of, to_proto
from edgecnn.formats.onnx_rewrites import bypass
from edgecnn.quantize.onnx_islands import FloatParts, float_operators
from edgecnn.quantize.onnx_ranges import PASSING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    import onnx
    import onnx_ir as ir

ActivationDtype = Literal["int8", "uint8"]
_MOST_GROUPS = 48  # each is a file to write and to measure

# Integer kernels exist for these in onnxruntime; an operator outside stays float between its
# neighbours. Softmax stays float on purpose: in int8 its small probabilities tie.
QUANTIZED = (
    "Add", "AveragePool", "Clip", "Concat", "Conv", "Flatten", "Gather", "Gemm",
    "GlobalAveragePool", "LeakyRelu", "MatMul", "MaxPool", "Mul", "Pad", "Relu", "Reshape",
    "Resize", "Sigmoid", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip


@dataclass(frozen=True)
class Int8Result:
    """What became of a file.

    Attributes:
        float_ops: operators that compute in float, name to count.
        notes: sentences for the manifest.
    """

    float_ops: dict[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Draft:
    """A float graph whose weights int8 can represent, and all that its int8 twin is made of.

    Attributes:
        prepared: the graph, weights and biases chosen.
        ranges: (low, high) by tensor.
        parts: what stays float.
        kept_float: names of the nodes that stay float or touch a tensor without a range.
        overrides: onnxruntime's `TensorQuantOverrides`, by weight.
        activations: their dtype.
        notes: sentences for the manifest.
    """

    prepared: ir.Model
    ranges: Mapping[str, tuple[float, float]]
    parts: FloatParts
    kept_float: tuple[str, ...]
    overrides: dict[str, list[dict[str, Any]]]
    activations: ActivationDtype
    notes: tuple[str, ...]

    @property
    def activation_groups(self) -> list[frozenset[str]]:
        """Names of the activations that are quantized, in the graph's order.

        Those that only moved are one group; of a large graph neighbours are one.
        """
        names = {
            name_of(value): None
            for node in self.prepared.graph
            if node.name not in self.kept_float
            for value in (*node.inputs, *node.outputs)
            if value is not None and value.const_value is None
        }
        group = {n: {n} for n in names if n in self.ranges and n not in self.parts.tensors}
        for node in self.prepared.graph:
            ends = name_of(node.inputs[0]), name_of(node.outputs[0])
            if node.op_type in PASSING and group.keys() >= set(ends):
                joined = group[ends[0]] | group[ends[1]]
                group.update(dict.fromkeys(joined, joined))
        groups = list(dict.fromkeys(frozenset(some) for some in group.values()))
        step = max(1, -(-len(groups) // _MOST_GROUPS))
        return [frozenset().union(*groups[k : k + step]) for k in range(0, len(groups), step)]

    def model(self, kept: Collection[str] = ()) -> ir.Model:
        """The int8 model; activations of these names are not quantized."""
        names = frozenset(kept)
        # A ReLU may go only where a QuantizeLinear behind it starts at zero.
        clips = [
            node.name or ""
            for node in self.prepared.graph
            if node.op_type in {"Clip", "Relu"}
            and not names.isdisjoint({name_of(node.inputs[0]), name_of(node.outputs[0])})
        ]
        model = from_proto(
            _insert_qdq(
                to_proto(self.prepared),
                self.ranges,
                self.activations,
                [*self.kept_float, *clips],
                self.overrides,
            )
        )
        inputs = {name_of(value) for value in self.prepared.graph.inputs}
        _unquantize(model.graph, (self.parts.tensors - inputs) | names)
        _check_ends(self.prepared.graph, model.graph)
        return model

    def write(self, path: Path, kept: Collection[str] = ()) -> Int8Result:
        """Write `model(kept)` to a path nobody reads yet."""
        model = self.model(kept)
        onnx_file.save(model, path)
        return Int8Result(float_operators(model.graph, QUANTIZED), self.notes)


def _insert_qdq(
    model: onnx.ModelProto,
    ranges: Mapping[str, tuple[float, float]],
    activations: ActivationDtype,
    kept_float: list[str],
    overrides: dict[str, list[dict[str, Any]]],
) -> onnx.ModelProto:
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    data = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in ranges.items()
    }
    extra: dict[str, Any] = {
        "WeightSymmetric": True,
        "ActivationSymmetric": False,
        "TensorQuantOverrides": overrides,
    }
    quantizer = QDQQuantizer(
        model,
        per_channel=True,
        reduce_range=False,  # `onnx_weights` keeps pairs of weights from overflowing
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QInt8 if activations == "int8" else QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, data),
        nodes_to_quantize=[],
        nodes_to_exclude=kept_float,
        op_types_to_quantize=list(QUANTIZED),
        extra_options=extra,
    )
    quantizer.quantize_model()
    result: onnx.ModelProto = quantizer.model.model
    return result


def _check_ends(before: ir.Graph, after: ir.Graph) -> None:
    """Hold the quantizer to the contract: inputs and outputs, by name, order and type."""
    for old, new in ((before.inputs, after.inputs), (before.outputs, after.outputs)):
        kinds = [[(value.name, value.dtype) for value in values] for values in (old, new)]
        if kinds[0] != kinds[1]:
            raise EdgeCnnError(
                f"onnxruntime's quantizer changed inputs or outputs: {kinds[0]} became {kinds[1]}.",
                hint="This is a mistake of edgecnn; please report the network.",
            )


def _unquantize(graph: ir.Graph, names: Collection[str]) -> None:
    """Take out the pairs of QuantizeLinear and DequantizeLinear behind tensors that stay float.

    onnxruntime fuses a Gemm with quantized inputs and a float output as well as a quantized one:
    its sums are exact, and float logits do not tie.
    """
    for node in [n for n in graph if n.op_type == "DequantizeLinear"]:
        quantize = maker_of(node.inputs[0])
        if quantize is None or quantize.op_type != "QuantizeLinear":
            continue
        pair = {name_of(quantize.inputs[0]), name_of(node.outputs[0])}
        if not pair.isdisjoint(names):
            bypass(graph, node)
            bypass(graph, quantize)
