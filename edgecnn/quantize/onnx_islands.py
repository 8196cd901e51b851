"""Which parts of an ONNX graph stay float under int8, and why.

Four reasons, beside the plain one that onnxruntime has no integer kernel for an operator:

- **Islands.** A function written out in small steps (LayerNormalization, GELU) has steps without a
  kernel; the additions and products between those would be rounded for nothing.
- **Sums.** A Gemm that adds to what was computed has no integer kernel either.
- **Ends.** What the last Gemm or MatMul gives is exact as float, and costs nothing so; what is made
  of it stays float. So does what a Gemm or MatMul hands to float operators alone (a softmax).
- **Spread.** Behind the last weighted operator there is no layer left that could average rounding
  away: a tensor one of whose groups (channels, columns) int8 would leave below `_LEAST_DB` of its
  own spread stays float, with all that is made of it. Boxes in pixels beside scores of 0 to 1 are
  such a tensor, and so is a regression around 2000 with a spread of 30.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.formats.onnx_graph import maker_of, name_of
from edgecnn.quantize.onnx_ranges import LEVELS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import onnx_ir as ir
    from numpy.typing import NDArray

    Ranges = Mapping[str, tuple[float, float]]

WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
_MATRIX = {"Gemm", "MatMul"}
_STEPS = {"Add", "Div", "Mul", "Sub"}
# Their results go through several orders of magnitude: what is computed with them is float too.
_WIDE = {"Erf", "Exp", "Log", "Pow", "Reciprocal", "Sqrt"}
# A convolution pays for a float output with its integer kernel, so it is held to less.
_LEAST_DB = 30.0
_LEAST_DB_OF_CONVOLUTION = 20.0
_MOST_GROUPS = 256
_MAP = 4


class Spread:
    """Streaming mean and variance of one tensor's groups: its slices along one axis.

    Axes of 2 to 256 slices count, of a tensor with four axes or more its channels only (axis 1 or
    the last). A tensor with no such axis is one group.
    """

    def __init__(self) -> None:
        self._moments: dict[int | None, NDArray[np.float64]] = {}

    def add(self, values: NDArray[Any]) -> None:
        """Take one run's values: any shape, the first axis the batch."""
        exact = values.astype(np.float64)
        for axis in _group_axes(values.shape):
            others = tuple(k for k in range(values.ndim) if k != axis)
            number = exact.size / (1 if axis is None else values.shape[axis])
            sums = [exact.sum(axis=others), np.square(exact).sum(axis=others)]
            row = np.stack([np.full_like(sums[0], number), *sums])
            self._moments[axis] = self._moments.get(axis, np.zeros_like(row)) + row

    def least_db(self, low: float, high: float) -> float:
        """What rounding to 256 levels of low..high leaves of the group with the least spread."""
        noise = ((high - low) / (LEVELS - 1)) ** 2 / 12
        worst = np.inf
        for number, total, squares in self._moments.values():
            variance = np.maximum(squares / number - (total / number) ** 2, 0.0)
            # A group that never changes has nothing to lose but its value.
            moving = variance[variance > 1e-12 * np.maximum(squares / number, 1e-30)]
            worst = min(worst, float(moving.min()) if moving.size else np.inf)
        return float(10 * np.log10(worst / noise)) if noise else np.inf


def _group_axes(shape: tuple[int, ...]) -> list[int | None]:
    axes = range(1, len(shape)) if len(shape) < _MAP else (1, len(shape) - 1)
    some: list[int | None] = [axis for axis in axes if 1 < shape[axis] <= _MOST_GROUPS]
    return some or [None]


@dataclass(frozen=True)
class FloatParts:
    """What stays float.

    Attributes:
        nodes: operators that are not quantized.
        tensors: names of tensors that no QuantizeLinear may stand behind.
        notes: a sentence for each output that leaves as float for its spread.
    """

    nodes: frozenset[ir.Node]
    tensors: frozenset[str]
    notes: tuple[str, ...]


def tail(graph: ir.Graph) -> list[ir.Value]:
    """The tensors with no weighted operator behind them: outputs, and back to what makes them."""
    led_on: set[ir.Value | None] = set()  # tensors that a weighted operator reads, at once or later
    known = []
    for node in reversed(graph):
        goes_on = node.op_type in WEIGHTED or not led_on.isdisjoint(node.outputs)
        known += [value for value in node.outputs if value.name and value not in led_on]
        if goes_on:
            led_on.update(node.inputs)
    return sorted(known, key=name_of)


def float_parts(
    graph: ir.Graph,
    ranges: Ranges,
    spreads: Mapping[str, Spread],
    quantized: Collection[str],
    sensitive: tuple[set[ir.Node], list[str]] = (set(), []),
) -> FloatParts:
    """Decide what stays float.

    Args:
        graph: prepared for int8.
        ranges: (low, high) by tensor.
        spreads: of the tensors in `tail`.
        quantized: operators that have integer kernels.
        sensitive: of `onnx_heads.sensitive`: operators that stay float as well, and why.
    """
    ends, notes = _float_ends(graph, ranges, spreads)
    behind = _behind(ends)
    excluded = {
        node
        for node in graph
        if (not ends.isdisjoint(node.outputs) and node.op_type not in _MATRIX)
        or not behind.isdisjoint(node.outputs)
        or _adds_a_variable(node)
    } | sensitive[0]
    excluded |= _islands(graph, excluded, quantized)
    floats = {node for node in graph if node.op_type not in quantized} | excluded
    inner = {
        node.outputs[0]
        for node in graph
        if node.op_type in _MATRIX
        and (readers := node.outputs[0].consumers())
        and floats.issuperset(readers)
    }
    tensors = frozenset(name_of(value) for value in ends | behind | inner)
    return FloatParts(frozenset(excluded), tensors, (*notes, *sensitive[1]))


def _adds_a_variable(node: ir.Node) -> bool:
    """A Gemm onto something computed (a step of an unrolled recurrence) has no integer kernel."""
    return node.op_type == "Gemm" and any(
        value is not None and value.const_value is None for value in node.inputs[2:]
    )


def _float_ends(
    graph: ir.Graph, ranges: Ranges, spreads: Mapping[str, Spread]
) -> tuple[set[ir.Value], list[str]]:
    makers = {value: node for value in tail(graph) if (node := value.producer()) is not None}
    ends = {value for value, node in makers.items() if node.op_type in _MATRIX}
    tight: set[ir.Value] = set()
    exact = ends | _behind(ends)
    for value, node in makers.items():
        name = name_of(value)
        if name in ranges and name in spreads and value not in exact:
            least = _LEAST_DB_OF_CONVOLUTION if node.op_type in WEIGHTED else _LEAST_DB
            if spreads[name].least_db(*ranges[name]) < least:
                tight.add(value)
    notes = [
        f"Output '{value.name}' is float32 from its last layer on: 256 levels would leave too"
        " little of the spread of its values."
        for value in graph.outputs
        if value in tight | _behind(tight)
    ]
    return ends | tight, notes


def _behind(tensors: set[ir.Value]) -> set[ir.Value]:
    """All tensors that are computed from these."""
    queue = list(tensors)
    known: set[ir.Value] = set()
    for value in queue:
        for node in value.consumers():
            if not known.issuperset(node.outputs):
                known.update(node.outputs)
                queue.extend(node.outputs)
    return known


def _islands(graph: ir.Graph, excluded: set[ir.Node], quantized: Collection[str]) -> set[ir.Node]:
    """Sums and products that only float operators feed or read, or that a wide function feeds."""
    floats = {node for node in graph if node.op_type not in quantized or node in excluded}
    wide = {node for node in graph if node.op_type in _WIDE}
    steps = [node for node in graph if node.op_type in _STEPS]
    added: set[ir.Node] = set()
    while True:
        more = {
            node for node in steps if node not in floats and _is_island_step(node, floats, wide)
        }
        if not more:
            return added
        added |= more
        floats |= more
        wide |= {n for n in steps if n in floats and not wide.isdisjoint(n.predecessors())}


def _is_island_step(node: ir.Node, floats: set[ir.Node], wide: set[ir.Node]) -> bool:
    sources = [value for value in node.inputs if value is not None and value.const_value is None]
    fed = all(value.producer() in floats for value in sources)
    readers = node.outputs[0].consumers()
    read = bool(readers) and floats.issuperset(readers)
    return fed or read or not wide.isdisjoint(node.predecessors())


_MOVING = {"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
_ANSWERS = {"LogSoftmax", "Softmax"}


def float_operators(graph: ir.Graph, quantized: Collection[str]) -> dict[str, int]:
    """Operators of a finished QDQ graph that compute in float, name to count.

    `quantized` are the operators that have integer kernels. Those that only move values do not
    count, nor a softmax over the network's answers.
    """
    floats = Counter[str]()
    for node in graph:
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"} | _MOVING:
            continue
        if node.op_type in _ANSWERS and _leads_to_output(node.outputs[0]):
            continue
        if node.op_type not in quantized or not _is_integer(node):
            floats[node.op_type] += 1
    return dict(sorted(floats.items()))


def _leads_to_output(tensor: ir.Value) -> bool:
    return tensor.is_graph_output() or any(
        reader.op_type in _MOVING and _leads_to_output(reader.outputs[0])
        for reader in tensor.consumers()
    )


def _reads_an_input(node: ir.Node) -> bool:
    """Whether some of its data come straight from the network's inputs, as they are."""
    data = [value for value in node.inputs if value is not None and value.const_value is None]
    return any(value.producer() is None for value in data)


def _is_integer(node: ir.Node) -> bool:
    """Whether onnxruntime makes an integer operator of it: quantized in, and quantized out."""
    makers = node.predecessors()
    fed = any(maker.op_type == "DequantizeLinear" for maker in makers)
    plain = [maker for maker in makers if maker.op_type != "DequantizeLinear"]
    if node.op_type in {"Resize", "Pad", "Clip", "Slice", "Gather", "Split"}:
        plain = plain[:0] if fed else plain
    if not fed or plain or _reads_an_input(node):
        return False
    if node.op_type in WEIGHTED and maker_of(node.inputs[1]) is None:
        return False  # its weights are float32
    after = {reader.op_type for reader in node.successors()}
    return node.op_type in _MATRIX or (bool(after) and after <= {"QuantizeLinear", "Relu", "Clip"})
