"""What each operator of a TFLite subgraph computes in, weighs and costs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from edgecnn.errors import InputError
from edgecnn.inspection import macs
from edgecnn.inspection.record import DYNAMIC, Operator

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgecnn.inspection.tflite_graph import Graph, Node, Tensor

# Operators that hand constants on: float16 weights stand behind a DEQUANTIZE, sparse ones behind
# a DENSIFY.
_UNPACKING = {"DEQUANTIZE", "DENSIFY"}
_WEIGHT_INTEGERS = {"int2", "int4", "int8", "uint8"}
# Constants of these dtypes are shapes, axes and indices, save where a slot below says otherwise.
_STRUCTURAL = {"int32", "uint32", "int64", "uint64", "bool", "string", "resource", "variant"}


class _Slots(NamedTuple):
    """Where an operator keeps what it multiplies, and how many axes the weights have.

    `more` weights follow the same rule; -1 stands there for one that is left out.
    """

    data: int
    weights: int
    bias: int | None
    weights_rank: int | None
    rule: macs.Rule
    more: tuple[int, ...] = ()


# Weight layouts: TFLite's kernels (conv OHWI, depthwise 1HWC, fully connected OI, 3-D DHWIO; the
# transposed ones take the output's shape first).
_MAC_OPS = {
    "CONV_2D": _Slots(0, 1, 2, 4, macs.per_output(1)),
    "DEPTHWISE_CONV_2D": _Slots(0, 1, 2, 4, macs.per_output(1, 3)),
    "FULLY_CONNECTED": _Slots(0, 1, 2, 2, macs.per_output(1)),
    "CONV_3D": _Slots(0, 1, 2, 5, macs.per_output(0, 4)),
    "TRANSPOSE_CONV": _Slots(2, 1, 3, 4, macs.per_input(0, 3)),
    "CONV_3D_TRANSPOSE": _Slots(2, 1, 3, 5, macs.per_input(0, 4)),
    "BATCH_MATMUL": _Slots(0, 1, None, None, macs.matmul(-1)),
    # Gates first; the recurrent matrices, the projection, and the other direction follow.
    "LSTM": _Slots(0, 2, 13, 2, macs.recurrent, (1, *range(3, 9), 16)),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _Slots(0, 2, 13, 2, macs.recurrent, (1, *range(3, 9), 16)),
    "BIDIRECTIONAL_SEQUENCE_LSTM": _Slots(
        0, 2, 13, 2, macs.recurrent, (1, *range(3, 9), 16, *range(18, 26), 33)
    ),
    "RNN": _Slots(0, 1, 3, 2, macs.recurrent, (2,)),
    "UNIDIRECTIONAL_SEQUENCE_RNN": _Slots(0, 1, 3, 2, macs.recurrent, (2,)),
    "BIDIRECTIONAL_SEQUENCE_RNN": _Slots(0, 1, 3, 2, macs.recurrent, (2, 5, 6)),
    "SVDF": _Slots(0, 1, 3, 2, macs.recurrent, (2,)),
}
# Custom operators that LiteRT brings along, under their own codes.
_CUSTOM_MAC_OPS = {"Convolution2DTransposeBias": _Slots(0, 1, 2, 4, macs.per_input(0, 3))}
_FLEX_PRODUCT = re.compile(r"Flex.*(Conv|MatMul|Einsum|LSTM|GRU|RNN)")
_ADJOINT_LHS = _MAC_OPS["BATCH_MATMUL"]._replace(rule=macs.matmul(-2))


def _slots_of(node: Node) -> _Slots | None:
    return (_CUSTOM_MAC_OPS if node.is_custom else _MAC_OPS).get(node.name)


def _other_cost(node: Node) -> int | None:
    """None for an operator of TensorFlow's that multiplies: no rule here counts it."""
    return None if node.is_custom and _FLEX_PRODUCT.match(node.name) else 0


class GraphView:
    """A subgraph, with what is looked up for every operator.

    Args:
        graph: the subgraph.
        name: what errors call the file.
    """

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph = graph
        # An open first axis is the batch where an input has one too; else it is a size like others.
        shapes = [graph.tensors[index].open_shape for index in graph.inputs]
        self._has_open_batch = any(shape[:1] == (-1,) for shape in shapes)
        self._name = name
        self._makers = {out: node for node in graph.nodes for out in node.outputs}
        self._places = {out: place for place, n in enumerate(graph.nodes) for out in n.outputs}
        self._border_in = set(graph.inputs)
        self._border_out = set(graph.outputs)

    def count(self, node: Node, first: int = 0) -> tuple[Operator, bool]:
        """The operator, and whether its MACs could be counted.

        Args:
            node: of this graph.
            first: the place of the graph's first operator among all that are counted.

        Raises:
            InputError: it lacks an input that every operator of its kind has.
        """
        slots = self._slots(node)
        weights = self._stored(node, slots.weights) if slots else None
        cost = self._costs(node, slots) if slots else _other_cost(node)
        activations = [t for t in self._tensors(node.inputs) if t.buffer is None]
        outputs = self._tensors(node.outputs)
        operator = Operator(
            name=node.name,
            compute_dtype=self._compute_dtype(node, slots, activations, outputs),
            weights_dtype=weights.dtype if weights else None,
            weights_elements=weights.elements if weights else 0,
            macs=cost or 0,
            input_shapes=tuple(tensor.open_shape for tensor in activations),
            output_shapes=tuple(tensor.open_shape for tensor in outputs),
            weights_shape=weights.shape if weights else (),
            input_dtypes=tuple(tensor.dtype for tensor in activations),
            output_dtypes=tuple(tensor.dtype for tensor in outputs),
            at_border=not self._border_in.isdisjoint(node.inputs)
            or not self._border_out.isdisjoint(node.outputs),
            window=node.window,
            parameters=self._parameters(node),
            sources=self._sources(node, first),
            counted=cost is not None,
        )
        return operator, cost is not None

    def parameters_of(self, node: Node) -> list[Tensor]:
        """The constants an operator reads that were learned, not shapes or axes."""
        slots = _slots_of(node)
        learned = {slots.weights, slots.bias} if slots else set()
        return [
            self.graph.tensors[index]
            for slot, index in enumerate(node.inputs)
            if index >= 0
            and self.graph.tensors[index].buffer is not None
            and (slot in learned or self.graph.tensors[index].dtype not in _STRUCTURAL)
        ]

    def _parameters(self, node: Node) -> int:
        """Elements of the learned constants it reads, packed ones as well."""
        slots = _slots_of(node)
        learned = {slots.weights, slots.bias} if slots else set()
        stored = [
            (slot, self._stored(node, slot)) for slot, index in enumerate(node.inputs) if index >= 0
        ]
        return sum(
            tensor.elements
            for slot, tensor in stored
            if tensor is not None and (slot in learned or tensor.dtype not in _STRUCTURAL)
        )

    def _sources(self, node: Node, first: int) -> tuple[int, ...]:
        activations = [i for i in node.inputs if i >= 0 and self.graph.tensors[i].buffer is None]
        places = [self._places.get(index) for index in activations]
        return tuple(-1 if place is None else first + place for place in places)

    def _tensors(self, indices: Iterable[int]) -> list[Tensor]:
        return [self.graph.tensors[index] for index in indices if index >= 0]

    def _slots(self, node: Node) -> _Slots | None:
        slots = _slots_of(node)
        if slots is None:
            return None
        needed = (slots.data, slots.weights)
        if not node.outputs or any(
            slot >= len(node.inputs) or node.inputs[slot] < 0 for slot in needed
        ):
            raise InputError(
                f"{self._name} is damaged at operators: {node.name} lacks an input or its output.",
                hint="Get or make the file again.",
            )
        return _ADJOINT_LHS if node.adjoint_lhs else slots

    def _costs(self, node: Node, slots: _Slots) -> int | None:
        present = [s for s in (slots.weights, *slots.more) if node.inputs[s : s + 1] > (-1,)]
        counts = [self._cost(node, slots, slot) for slot in present]
        return None if None in counts else sum(count or 0 for count in counts)

    def _cost(self, node: Node, slots: _Slots, weights_slot: int) -> int | None:
        data = self.graph.tensors[node.inputs[slots.data]]
        weights = self.graph.tensors[node.inputs[weights_slot]]
        output = self.graph.tensors[node.outputs[0]]
        if slots.weights_rank not in (None, len(weights.shape)):
            return None
        if self._is_open(data) or self._is_open(output) or self._is_open(weights):
            return None
        return slots.rule(data.shape, weights.shape, output.shape)

    def _is_open(self, tensor: Tensor) -> bool:
        """Whether the file leaves a size open that is not the batch; what it stores is no size."""
        return -1 in tensor.open_shape[self._has_open_batch :]

    def _stored(self, node: Node, slot: int) -> Tensor | None:
        """The constant behind an input, through what unpacks it; None for an activation."""
        tensor = self.graph.tensors[node.inputs[slot]]
        maker = self._makers.get(node.inputs[slot])
        if tensor.buffer is None and maker and maker.name in _UNPACKING and maker.inputs:
            source = maker.inputs[0]
            behind = self._makers.get(source)
            if behind and behind is not maker and behind.name in _UNPACKING and behind.inputs:
                source = behind.inputs[0]
            tensor = self.graph.tensors[source] if source >= 0 else tensor
        return tensor if tensor.buffer is not None else None

    def _compute_dtype(
        self,
        node: Node,
        slots: _Slots | None,
        activations: Sequence[Tensor],
        outputs: Sequence[Tensor],
    ) -> str:
        if slots is None:
            named = [*activations, *outputs]
            return named[0].dtype if named else "none"
        data = self.graph.tensors[node.inputs[slots.data]].dtype
        weights = self.graph.tensors[node.inputs[slots.weights]].dtype
        return DYNAMIC if data == "float32" and weights in _WEIGHT_INTEGERS else data
