"""Lays out an integer graph: each operator on integers, or on real numbers, and what lies between.

A tensor that an integer operator makes becomes integers in its place, under its own name. What one
side makes and the other reads goes through a QUANTIZE or DEQUANTIZE right ahead of its first
reader; integers that two readers expect on different scales go through a QUANTIZE too. Between two
float operators nothing is rounded. Where the scale of a tensor comes from stands in `kernels`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.errors import EdgeCnnError
from edgecnn.formats import tflite_schema as schema
from edgecnn.formats.tflite_graph import Operator, Quantization
from edgecnn.quantize import kernels, rounding, shared_joins

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from edgecnn.formats.tflite_graph import Graph, Tensor
    from edgecnn.quantize.ranges import Range
    from edgecnn.quantize.weights import QuantizedLayer

_LEAST_WIDTH = 1e-9  # no scale is zero
_DTYPES = {8: "INT8", 16: "INT16"}


@dataclass(frozen=True)
class _Width:
    bits: int

    @property
    def dtype(self) -> str:
        return _DTYPES[self.bits]

    @property
    def lowest(self) -> int:
        return -(1 << (self.bits - 1))

    @property
    def highest(self) -> int:
        return (1 << (self.bits - 1)) - 1

    def steps(self, limits: Range) -> Quantization:
        """Scale and zero point for a range; zero is always inside. 16 bits are symmetric."""
        low, high = np.float32(min(limits[0], 0.0)), np.float32(max(limits[1], 0.0))
        if self.bits == _Width(16).bits:
            bound = max(-low, high, np.float32(_LEAST_WIDTH))
            return Quantization.of(float(np.float32(bound / np.float32(self.highest))))
        width = max(np.float32(high - low), np.float32(_LEAST_WIDTH))
        scale = np.float32(width / np.float32(self.highest - self.lowest))
        zero_point = int(np.rint(self.lowest - low / scale))
        return Quantization.of(float(scale), zero_point)


def lay_out(
    graph: Graph,
    ranges: Mapping[str, Range],
    bits: int,
    in_float: Collection[Operator] = (),
    layers: Mapping[str, QuantizedLayer] | None = None,
) -> None:
    """Turn a float graph into an integer one, in place; its ends become integers where they can.

    Args:
        graph: a float graph.
        ranges: of every float tensor that is no constant, by name.
        bits: of an activation, 8 or 16.
        in_float: operators that keep computing on real numbers.
        layers: by the name of its output, a convolution's weights where they are decided already;
            those of the others are rounded to nearest. `write_layers` is to follow: it knows the
            biases.

    Raises:
        EdgeCnnError: a tensor's range is not known.
    """
    _Layout(graph, ranges, _Width(bits), set(in_float), layers or {}).apply()


def _width(limits: Range) -> float:
    return max(limits[1], 0.0) - min(limits[0], 0.0)


class _Layout:
    def __init__(
        self, graph: Graph, ranges: Mapping[str, Range], width: _Width, in_float: set[Operator],
        layers: Mapping[str, QuantizedLayer],
    ) -> None:  # fmt: skip
        self.graph, self.ranges, self.width = graph, dict(ranges), width
        self.layers = layers
        self.kernels = {
            operator: kernel
            for operator in graph.operators
            if operator not in in_float and kernels.has_floats(operator)
            and (kernel := kernels.kernel_of(operator, width.bits)) is not None
        }  # fmt: skip
        self.scales: dict[Tensor, Quantization] = {}  # tensors that hold integers
        self.converted: dict[tuple[Tensor, Quantization | None], Tensor] = {}
        self.is_float = {tensor for op in graph.operators for tensor in (*op.read, *op.outputs)
                         if tensor.is_float}  # fmt: skip
        self.float_readers = {
            tensor for op in graph.operators if op not in self.kernels for tensor in op.read
        }

    def apply(self) -> None:
        self._widen_joins()
        self._share_scales()
        self._fix_scales()
        scales = {op: self._input_scales(op) for op in self.graph.operators}
        before: dict[Operator, list[Operator]] = {}
        for operator in self.graph.operators:
            before[operator] = []
            for position, tensor in enumerate(operator.inputs):
                if tensor is not None and tensor in self.is_float:
                    self._convert(operator, position, scales[operator], before[operator])
        for tensor, steps in self.scales.items():
            tensor.dtype, tensor.quantization = self.width.dtype, steps
        self.graph.operators = [
            new for operator in self.graph.operators for new in (*before[operator], operator)
        ]
        for tensor in self.graph.tensors:
            if not tensor.is_constant:
                tensor.buffer = None  # an empty one of its own would go into the file
        self.graph.drop_unused()

    # --- scales ----------------------------------------------------------------------------------

    def _widen_joins(self) -> None:
        """Give joins of the same tensors one range where none of them loses by it."""
        joins = [operator for operator in self.graph.operators if self._joins(operator)]
        sources = {
            operator: [
                shared_joins.Source(
                    tensor.name, tensor.elements, self._width_of(tensor),
                    is_free=self._is_free(tensor) and self._is_joined_only(tensor),
                )
                for tensor in kernels.data_inputs(operator)
            ]
            for operator in joins
        }  # fmt: skip
        own = {operator: self._range(operator.output) for operator in joins}
        for operator, limits in shared_joins.common_ranges(sources, own).items():
            self.ranges[operator.output.name] = limits

    def _width_of(self, tensor: Tensor) -> float:
        """Of its own range; 0 where calibration knows none, as of what a float operator makes."""
        known = tensor.is_constant or tensor.name in self.ranges
        return _width(self._range(tensor)) if known else 0.0

    def _is_joined_only(self, tensor: Tensor) -> bool:
        return all(self._joins(reader) for reader in self.graph.consumers(tensor))

    def _share_scales(self) -> None:
        """Give what is joined the range of the whole where nothing else depends on its own."""
        for operator in reversed(self.graph.operators):
            if not self._joins(operator):
                continue
            for source in kernels.data_inputs(operator):
                if self._is_free(source) and self._readers_agree(source):
                    self.ranges[source.name] = self._range(operator.output)

    def _joins(self, operator: Operator) -> bool:
        kernel = self.kernels.get(operator)
        return kernel is not None and kernel.scale == "output"

    def _is_free(self, tensor: Tensor) -> bool:
        """Whether only a tensor's own range decides its scale."""
        maker = self.graph.producer(tensor)
        if tensor.is_constant or tensor in self.graph.outputs:
            return False
        return maker is None or (
            maker in self.kernels and self.kernels[maker].scale in {"own", "output"}
        )

    def _readers_agree(self, tensor: Tensor) -> bool:
        """Whether all that read it join it to others of one range."""
        if not self._is_joined_only(tensor):
            return False
        readers = self.graph.consumers(tensor)
        return len({self._range(reader.output) for reader in readers}) == 1

    def _fix_scales(self) -> None:
        """Choose the scale of every tensor that integer operators make, and of the inputs."""
        for tensor in self.graph.inputs:
            readers = self.graph.consumers(tensor)
            if tensor.is_float and any(reader in self.kernels for reader in readers):
                self.scales[tensor] = self.width.steps(self._range(tensor))
        for operator in self.graph.operators:
            kernel = self.kernels.get(operator)
            if kernel is None:
                continue
            for tensor in operator.outputs:
                if tensor.is_float:
                    self.scales[tensor] = self._output_scale(operator, kernel, tensor)

    def _output_scale(
        self, operator: Operator, kernel: kernels.Kernel, output: Tensor
    ) -> Quantization:
        if kernel.scale == "input":
            return self._scale_of(kernels.data_inputs(operator)[0])
        fixed = kernel.fixed_scale(self.width.bits)
        if fixed is not None:
            return Quantization.of(*fixed)
        return self.width.steps(self._range(output))

    def _scale_of(self, tensor: Tensor) -> Quantization:
        """The scale on which a tensor is read where its reader has no wish of its own."""
        if tensor not in self.scales:
            return self.width.steps(self._range(tensor))
        return self.scales[tensor]

    def _range(self, tensor: Tensor) -> Range:
        values = tensor.data
        if values is not None:
            return float(values.min(initial=0)), float(values.max(initial=0))
        if tensor.name not in self.ranges:
            raise EdgeCnnError(
                f"The range of {tensor.name} is not known: calibration did not see it.",
                hint="Report this; the recipes float16 and dynamic need no calibration.",
            )
        return self.ranges[tensor.name]

    def _input_scales(self, operator: Operator) -> dict[int, Quantization]:
        """By position: the scale on which an integer operator reads its data."""
        kernel = self.kernels.get(operator)
        if kernel is None:
            return {}
        data = set(kernels.data_inputs(operator))
        places = [k for k, tensor in enumerate(operator.inputs) if tensor in data]
        if kernel.scale == "output":
            return dict.fromkeys(places, self.scales[operator.output])
        return {k: self._scale_of(operator.inputs[k]) for k in places}  # type: ignore[arg-type] # data

    # --- conversions -----------------------------------------------------------------------------

    def _convert(
        self,
        operator: Operator,
        position: int,
        scales: Mapping[int, Quantization],
        before: list[Operator],
    ) -> None:
        """Let an operator read its input as it needs it."""
        tensor, steps = operator.inputs[position], scales.get(position)
        assert tensor is not None  # noqa: S101 - the caller looked
        parts = kernels.WEIGHTED.get(operator.name) if operator in self.kernels else None
        if parts is not None and position in {parts.weights, parts.bias}:
            if position == parts.weights:
                self._quantize_weights(operator, parts, scales[parts.data])
        elif tensor.is_constant:
            if steps is not None:
                operator.inputs[position] = self._constant(tensor, steps)
        elif self.scales.get(tensor) != steps:
            key = (tensor, steps)
            if key not in self.converted:
                self.converted[key] = self._conversion(tensor, steps, before)
            operator.inputs[position] = self.converted[key]

    def _conversion(
        self, tensor: Tensor, steps: Quantization | None, before: list[Operator]
    ) -> Tensor:
        name = "DEQUANTIZE" if steps is None else "QUANTIZE"
        converted = self.graph.add_like(tensor, f"{tensor.name}_{name.lower()}d")
        converted.quantization, converted.dtype = steps, self.width.dtype if steps else "FLOAT32"
        before.append(Operator(name, [tensor], [converted]))
        return converted

    def _constant(self, tensor: Tensor, steps: Quantization) -> Tensor:
        key = (tensor, steps)
        if key not in self.converted:
            values = tensor.data
            assert values is not None  # noqa: S101 - the caller looked
            integers = np.clip(
                np.rint(values / steps.scale[0] + steps.zero_point[0]),
                self.width.lowest, self.width.highest,
            )  # fmt: skip
            constant = self._own(tensor)
            constant.data = integers.astype(schema.numpy_dtype(self.width.dtype))
            constant.quantization = steps
            self.converted[key] = constant
        return self.converted[key]

    def _own(self, tensor: Tensor) -> Tensor:
        """The constant itself where nothing else reads it any more, else another like it."""
        if tensor.is_float and len(set(self.graph.consumers(tensor))) == 1:
            return tensor
        return self.graph.add_like(tensor, f"{tensor.name}_quantized")

    def _quantize_weights(
        self, operator: Operator, parts: kernels.Weighted, source: Quantization
    ) -> None:
        """Weights per output; the bias in steps of input times weights."""
        weights, bias = operator.inputs[parts.weights], operator.input(parts.bias)
        assert weights is not None  # noqa: S101 - `kernel_of` looked
        layer = self.layers.get(operator.output.name)
        if layer is None or layer.axis != parts.axis:
            integers, scale = rounding.nearest_along(np.asarray(weights.data), parts.axis)
        else:
            integers, scale = layer.weights, layer.scale
        quantized = self._own(weights)
        quantized.data = integers
        zeros = np.zeros(len(scale), np.int64)
        quantized.quantization = Quantization(scale.astype(np.float32), zeros, parts.axis)
        operator.inputs[parts.weights] = quantized
        if bias is not None:
            operator.inputs[parts.bias] = self._bias(bias, scale * source.scale[0])

    def _bias(self, bias: Tensor, steps: NDArray[np.float64]) -> Tensor:
        values, limits = bias.data, np.iinfo(np.int32)
        assert values is not None  # noqa: S101 - `kernel_of` looked
        quantized = self._own(bias)
        quantized.data = np.clip(np.rint(values / steps), limits.min, limits.max).astype(
            schema.numpy_dtype(kernels.bias_dtype(self.width.bits))
        )
        zeros = np.zeros(len(steps), np.int64)
        quantized.quantization = Quantization(steps.astype(np.float32), zeros)
        return quantized
