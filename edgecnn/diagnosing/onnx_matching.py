"""Which node of a float .onnx is the counterpart of which in the quantized one.

Names are no help: edgecnn numbers the nodes of each file anew. Both graphs are walked from their
inputs: a node's counterpart reads the counterparts of what it reads, and does the same with them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats.onnx_graph import array_of, is_float, name_of, shape_of
from edgecnn.quantize.onnx_products import product_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import onnx_ir as ir

    from edgecnn.diagnosing.onnx_plain import Plain

_ACTIVATIONS = {"Clip", "Relu"}
_COMMUTE = {"Add", "Mul"}
# Behind them a ReLU leaves of a tensor what it would have left ahead of them.
_SELECTING = {"Concat", "Flatten", "MaxPool", "Reshape", "Slice", "Squeeze", "Transpose",
              "Unsqueeze"}  # fmt: skip


@dataclass(frozen=True)
class Match:
    """Two nodes that make the same tensor.

    Attributes:
        index: place of the quantized file's node among those that are no QuantizeLinear or
            DequantizeLinear.
        node: of the quantized file.
        twin: of the float one.
        activation: what follows the twin, and in the quantized file is done by the range alone.
        matched_by: "structure", "name" or "order".
    """

    index: int
    node: ir.Node
    twin: ir.Node
    activation: ir.Node | None
    matched_by: str

    @property
    def real(self) -> ir.Value:
        """The float file's tensor."""
        return (self.activation or self.twin).outputs[0]


def match(quantized: Plain, real: Plain) -> tuple[list[Match], int]:
    """Pair the nodes that make real numbers.

    Returns:
        The pairs in order of execution, and how many nodes have no counterpart.
    """
    walk = _Walk(quantized, real)
    for index, node in enumerate(quantized.model.graph):
        if makes_reals(node):
            walk.visit(index, node)
    walk.by_order()
    return sorted(walk.matches, key=lambda pair: pair.index), len(walk.left)


def makes_reals(node: ir.Node) -> bool:
    """Whether a node computes real numbers, and not shapes or indices."""
    return bool(node.outputs) and is_float(node.outputs[0])


class _Walk:
    """Both graphs, and what is matched so far."""

    def __init__(self, quantized: Plain, real: Plain) -> None:
        ends = zip(quantized.model.graph.inputs, real.model.graph.inputs, strict=True)
        self.quantized, self.real = quantized, real
        self.twins: dict[ir.Value, ir.Value] = dict(ends)
        self.named = {name_of(n.outputs[0]): n for n in real.model.graph if makes_reals(n)}
        self.taken: set[ir.Node] = set()
        self.matches: list[Match] = []
        self.left: list[tuple[int, ir.Node]] = []

    def visit(self, index: int, node: ir.Node) -> None:
        """Find a node's counterpart among the readers of what its inputs' counterparts are."""
        choice = self._candidates(node)
        if choice:
            self._take(index, node, max(choice, key=lambda twin: self._likeness(node, twin)),
                       "structure")  # fmt: skip
            return
        named = self.named.get(name_of(node.outputs[0]))
        if named is not None and named not in self.taken and _kind(named) == _kind(node):
            self._take(index, node, named, "name")
        else:
            self.left.append((index, node))

    def by_order(self) -> None:
        """What is left, by kind and shape, where both files have equally many."""
        ours, theirs = defaultdict(list), defaultdict(list)
        for index, node in self.left:
            ours[_kind(node)].append((index, node))
        for twin in self.named.values():
            if twin not in self.taken:
                theirs[_kind(twin)].append(twin)
        for kind, nodes in ours.items():
            if len(nodes) == len(theirs[kind]):
                for (index, node), twin in zip(nodes, theirs[kind], strict=True):
                    self._take(index, node, twin, "order")
                    self.left.remove((index, node))

    def _candidates(self, node: ir.Node) -> list[ir.Node]:
        read = [self.twins.get(value) for value in _read(node)]
        first = read[0] if read else None
        if first is None or None in read:
            return []
        return [
            twin
            for twin in dict.fromkeys(first.consumers())
            if twin not in self.taken
            and _kind(twin) == _kind(node)
            and _same(_read(twin), read, any_order=node.op_type in _COMMUTE)
        ]

    def _likeness(self, node: ir.Node, twin: ir.Node) -> tuple[float, ...]:
        """Weights tell nodes of one kind apart, then an activation, then who reads them."""
        activation = _activation_of(twin)
        steps = self.quantized.tensors.get(node.outputs[0])
        begins = steps is not None and steps.begins_at_zero
        readers = _kinds(node.outputs[0].consumers())
        theirs = _kinds((activation or twin).outputs[0].consumers())
        return _alike(node, twin), float(begins == (activation is not None)), readers == theirs

    def _take(self, index: int, node: ir.Node, twin: ir.Node, matched_by: str) -> None:
        activation = _activation_of(twin)
        if any(reader.op_type in _ACTIVATIONS for reader in node.outputs[0].consumers()):
            activation = None
        pair = Match(index, node, twin, activation, matched_by)
        self.matches.append(pair)
        self.taken.update(filter(None, (twin, activation)))
        self.twins.update(zip(node.outputs, twin.outputs, strict=False))
        self.twins[node.outputs[0]] = pair.real


def drops_below_zero(value: ir.Value) -> bool:
    """Whether all that reads a tensor lets nothing below zero through."""
    readers = value.consumers()
    return bool(readers) and not value.is_graph_output() and all(map(_drops, readers))


def _drops(node: ir.Node) -> bool:
    if node.op_type == "Clip":
        low = array_of(node.inputs[1]) if len(node.inputs) > 1 else None
        return low is not None and bool(low >= 0)
    moves = node.op_type in _SELECTING and drops_below_zero(node.outputs[0])
    return node.op_type == "Relu" or moves


def _read(node: ir.Node) -> list[ir.Value]:
    """The real tensors that a node reads."""
    return [value for value in node.inputs if value is not None and is_float(value)]


def _kind(node: ir.Node) -> tuple[object, ...]:
    product = product_of(node)
    kernel = () if product is None else (product.kernel.shape, product.groups)
    return node.op_type, shape_of(node.outputs[0]), kernel


def _same(tensors: list[ir.Value], others: list[ir.Value | None], *, any_order: bool) -> bool:
    if any_order:
        return sorted(map(id, tensors)) == sorted(map(id, others))
    return len(tensors) == len(others) and all(a is b for a, b in zip(tensors, others, strict=True))


def _kinds(nodes: Iterable[ir.Node]) -> list[str]:
    return sorted(node.op_type for node in nodes if node.op_type not in _ACTIVATIONS)


def _activation_of(node: ir.Node) -> ir.Node | None:
    """The ReLU that alone reads what a node makes, as a range can stand for it."""
    value = node.outputs[0]
    readers = value.consumers()
    if len(readers) != 1 or value.is_graph_output() or node.op_type in _ACTIVATIONS:
        return None
    return readers[0] if readers[0].op_type in _ACTIVATIONS else None


def _alike(node: ir.Node, twin: ir.Node) -> float:
    """How alike the weights of two products are, 1 at most; 1 of other nodes."""
    ours, theirs = product_of(node), product_of(twin)
    if ours is None or theirs is None:
        return 1.0
    first, second = (p.kernel.astype(np.float64).reshape(-1) for p in (ours, theirs))
    norms = float(np.linalg.norm(first) * np.linalg.norm(second))
    return round(float(first @ second) / norms, 6) if norms > 0 else 1.0
