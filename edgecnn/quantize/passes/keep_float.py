"""Gives some layers of an integer model back to float32.

The model was laid out from a float one, operator by operator and under the same names: the float
operator takes the integer one's place, with its own float weights. What it reads is turned into
float by a DEQUANTIZE, unless a float layer made it; what integer layers read of it is turned into
the steps they expect by a QUANTIZE. Between two float layers nothing is rounded. XNNPACK takes both
conversions, so the graph stays one partition. Where the integer layout requantized a tensor for one
reader, a float reader gets what was there before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats.tflite_graph import Operator
from edgecnn.quantize.passes import PassResult

if TYPE_CHECKING:
    from collections.abc import Collection

    from edgecnn.formats.tflite_graph import Graph, Tensor

SUFFIX = "_float"  # of a float tensor beside one whose name must stay: an end, or a DEQUANTIZE's


def apply(graph: Graph, real: Graph, layers: Collection[str]) -> PassResult:
    """Change an integer graph in place; its ends keep their dtypes. Counts operators.

    Args:
        graph: the integer graph.
        real: the float one it was laid out from; left as it is.
        layers: names of the outputs of the operators to compute in float.
    """
    work = _Work(graph, real)
    operators, layers = list(graph.operators), frozenset(layers)
    kept = {op for op in operators if _rounds(op) and _name(op) in layers & work.twins.keys()}
    graph.operators = []
    for operator in operators:
        if operator in kept:
            work.compute_in_float(operator)
        else:
            graph.operators.append(operator)
    graph.remove_dead()
    return PassResult(len(kept))


def _name(operator: Operator) -> str:
    return operator.output.name if operator.outputs else ""


def _rounds(operator: Operator) -> bool:
    return bool(operator.outputs) and operator.output.quantization is not None


class _Work:
    def __init__(self, graph: Graph, real: Graph) -> None:
        self.graph, self.twins = graph, real.by_output()
        self._by_name = graph.by_name()
        self._real_of: dict[str, Tensor] = {}
        self._constants: dict[Tensor, Tensor] = {}

    def compute_in_float(self, operator: Operator) -> None:
        """Append the float operator, with what brings its inputs to float and its output back."""
        twin = self.twins[operator.output.name]
        inputs = [self._input(tensor) for tensor in twin.inputs]
        outputs = [self._output(steps) for steps in operator.outputs]
        added = Operator(twin.name, inputs, outputs, twin.options, custom=twin.custom)
        added.raw = twin.raw if twin.custom else None  # with the options of its own
        self.graph.operators.append(added)
        for output, steps in zip(outputs, operator.outputs, strict=True):
            if output is steps:
                continue
            # Goes again if nobody reads the steps.
            self.graph.operators.append(Operator("QUANTIZE", [output], [steps], version=2))

    def _output(self, steps: Tensor) -> Tensor:
        """The float tensor beside steps; it takes their name where they are no end.

        What holds no steps, such as the places that a TOPK_V2 finds, stays what it is.
        """
        if steps.quantization is None:
            return steps
        name = steps.name
        output = self._float_tensor(steps, name)
        if steps not in self.graph.outputs:
            steps.name = f"{name}_inner"
            output.name = name
        return output

    def _input(self, tensor: Tensor | None) -> Tensor | None:
        """What the float operator reads in the integer graph."""
        if tensor is None:
            return None
        if tensor.is_constant:
            return self._constant(tensor)
        steps = self._by_name[tensor.name]
        if steps.quantization is None:  # no steps: float already, or numbers that count things
            return steps
        if tensor.name not in self._real_of:
            output = self._float_tensor(steps, tensor.name)
            self.graph.operators.append(Operator("DEQUANTIZE", [steps], [output], version=2))
        return self._real_of[tensor.name]

    def _float_tensor(self, steps: Tensor, name: str) -> Tensor:
        tensor = self.graph.add_like(steps, f"{name}{SUFFIX}")
        tensor.dtype, tensor.quantization = "FLOAT32", None
        self._real_of[name] = tensor
        return tensor

    def _constant(self, tensor: Tensor) -> Tensor:
        if tensor not in self._constants:
            constant = tensor.like(self.graph.unique_name(f"{tensor.name}_kept"))
            self.graph.tensors.append(constant)
            constant.data = np.array(tensor.data)
            self._constants[tensor] = constant
        return self._constants[tensor]
