"""Small ONNX files as other exporters write them, made with onnx.helper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]


class Foreign:
    """Writes a graph of any opset with named inputs and outputs; weights are seeded."""

    def __init__(self, *, opset: int = 17, ir_version: int = 8, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.opset, self.ir_version = opset, ir_version
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: Sequence[int | str], kind: int = TensorProto.FLOAT) -> str:
        """Declare an input; a text stands for an open size."""
        self.inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))
        return name

    def constant(self, value: Array | np.generic | float | list[int]) -> str:
        """Add an initializer and return its name."""
        array = np.asarray(value)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def normal(self, *shape: int, scale: float = 0.3) -> str:
        """Add a random float32 initializer."""
        return self.constant((scale * self.random.normal(size=shape)).astype(np.float32))

    def node(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:  # noqa: ANN401 - any attribute
        """Append a node and return its first output's name; the others end in _1, _2, ..."""
        name = f"t{len(self.nodes)}"
        names = [name, *(f"{name}_{k}" for k in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return name

    def conv(
        self,
        source: str,
        inputs: int,
        outputs: int,
        *,
        size: int = 3,
        **attributes: Any,  # noqa: ANN401 - any attribute
    ) -> str:
        """Append a convolution with a bias."""
        group = int(attributes.get("group", 1))
        weight = self.normal(outputs, inputs // group, size, size)
        return self.node("Conv", source, weight, self.normal(outputs), **attributes)

    def normalization(self, source: str, channels: int, **attributes: Any) -> str:  # noqa: ANN401 - any attribute
        """Append a BatchNormalization with trained-looking statistics."""
        scale = self.constant(self.random.uniform(0.5, 2, channels).astype(np.float32))
        variance = self.constant(self.random.uniform(0.5, 2, channels).astype(np.float32))
        shift, mean = self.normal(channels), self.normal(channels)
        return self.node("BatchNormalization", source, scale, shift, mean, variance, **attributes)

    def model(
        self, outputs: Mapping[str, Sequence[int | str] | None], kind: int = TensorProto.FLOAT
    ) -> onnx.ModelProto:
        """The model; `outputs` are tensor names and their declared shapes."""
        ends = [helper.make_tensor_value_info(n, kind, s) for n, s in outputs.items()]
        inputs = list(self.inputs)
        if self.ir_version < 4:  # weights are listed as inputs
            inputs += [
                helper.make_tensor_value_info(c.name, c.data_type, list(c.dims))
                for c in self.constants
            ]
        graph = helper.make_graph(self.nodes, "net", inputs, ends, self.constants)
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self.opset)],
            ir_version=self.ir_version,
        )


def answers(model: onnx.ModelProto, feed: Mapping[str, Array]) -> list[Array]:
    """All outputs of one inference."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    values: list[Array] = session.run(None, dict(feed))
    return values
