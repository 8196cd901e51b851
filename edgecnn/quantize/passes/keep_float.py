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

from edgecnn.formats import tflite_file as tfl
from edgecnn.quantize.passes import affine

if TYPE_CHECKING:
    from collections.abc import Collection

SUFFIX = "_float"  # of a float tensor beside one whose name must stay: an end, or a DEQUANTIZE's
_FLOAT = "FLOAT32"


def apply(model: tfl.ModelT, real: tfl.ModelT, layers: Collection[str]) -> int:
    """Change an integer model in place; its ends keep their dtypes.

    Args:
        model: the integer model.
        real: the float model it was laid out from.
        layers: names of the outputs of the operators to compute in float.

    Returns:
        How many operators were given back.
    """
    work = _Work(model, real)
    operators = list(work.graph.operators)
    kept = [op for op in operators if work.output_name(op) in layers and work.twin(op) is not None]
    work.graph.operators = []
    for operator in operators:
        if any(operator is each for each in kept):
            work.compute_in_float(operator)
        else:
            work.graph.operators.append(operator)
    affine.remove_dead(model, work.graph)
    return len(kept)


class _Work:
    def __init__(self, model: tfl.ModelT, real: tfl.ModelT) -> None:
        self.model, self.real = model, real
        self.graph, self.real_graph = tfl.main_graph(model), tfl.main_graph(real)
        self._twins = {
            tfl.tensor_name(self.real_graph.tensors[int(operator.outputs[0])]): operator
            for operator in self.real_graph.operators
        }
        self._by_name = {tfl.tensor_name(t): i for i, t in enumerate(self.graph.tensors)}
        self._real_of: dict[str, int] = {}
        self._constants: dict[int, int] = {}

    def output_name(self, operator: tfl.OperatorT) -> str:
        return tfl.tensor_name(self.graph.tensors[int(operator.outputs[0])])

    def twin(self, operator: tfl.OperatorT) -> tfl.OperatorT | None:
        return self._twins.get(self.output_name(operator))

    def compute_in_float(self, operator: tfl.OperatorT) -> None:
        """Append the float operator, with what brings its inputs to float and its output back."""
        twin = self._twins[self.output_name(operator)]
        inputs = [self._input(int(tensor)) for tensor in twin.inputs]
        name, steps = self.output_name(operator), int(operator.outputs[0])
        output = self._float_tensor(steps, name)
        if steps not in {int(end) for end in self.graph.outputs}:
            self.graph.tensors[output].name = name.encode()
            self.graph.tensors[steps].name = f"{name}_inner".encode()
        made = tfl.add_operator(
            self.model, tfl.operator_name(self.real, twin), inputs, [output], version=1
        )
        made.builtinOptionsType, made.builtinOptions = twin.builtinOptionsType, twin.builtinOptions
        back = tfl.add_operator(self.model, "QUANTIZE", [output], [steps], version=2)
        self.graph.operators += [made, back]  # the second goes again if nobody reads steps

    def _input(self, tensor: int) -> int:
        """What the float operator reads in the integer model's graph."""
        if tensor == tfl.NO_TENSOR:
            return tensor
        if tfl.constant(self.real, self.real_graph, tensor) is not None:
            return self._constant(tensor)
        name = tfl.tensor_name(self.real_graph.tensors[tensor])
        if name not in self._real_of:
            steps = self._by_name[name]
            output = self._float_tensor(steps, name)
            self.graph.operators.append(
                tfl.add_operator(self.model, "DEQUANTIZE", [steps], [output], version=2)
            )
        return self._real_of[name]

    def _float_tensor(self, steps: int, name: str) -> int:
        index = tfl.add_tensor(self.graph, self.graph.tensors[steps], f"{name}{SUFFIX}")
        self.graph.tensors[index].type = tfl.tensor_type(_FLOAT)
        self.graph.tensors[index].quantization = None
        self._real_of[name] = index
        return index

    def _constant(self, tensor: int) -> int:
        if tensor not in self._constants:
            like = self.real_graph.tensors[tensor]
            name = f"{tfl.tensor_name(like)}_kept"
            index = tfl.add_tensor(self.graph, like, name)
            values = tfl.constant(self.real, self.real_graph, tensor)
            assert values is not None  # noqa: S101 - the caller looked
            tfl.set_constant(self.model, self.graph, index, np.array(values))
            self._constants[tensor] = index
        return self._constants[tensor]
