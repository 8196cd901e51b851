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

from edgecnn.quantize.onnx_ranges import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import onnx
    from numpy.typing import NDArray

    from edgecnn.formats.onnx_graph import OnnxGraph

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
        nodes: first output of each operator that is not quantized.
        tensors: tensors that no QuantizeLinear may stand behind.
        notes: a sentence for each output that leaves as float for its spread.
    """

    nodes: frozenset[str]
    tensors: frozenset[str]
    notes: tuple[str, ...]


def tail(graph: OnnxGraph) -> list[str]:
    """The tensors with no weighted operator behind them: outputs, and back to what makes them."""
    led_on = set[str]()  # tensors that a weighted operator reads, at once or later
    known = []
    for node in reversed(graph.nodes):
        goes_on = node.op_type in WEIGHTED or bool(led_on & set(node.output))
        known += [name for name in node.output if name and name not in led_on]
        if goes_on:
            led_on.update(node.input)
    return sorted(known)


def float_parts(
    graph: OnnxGraph,
    ranges: Ranges,
    spreads: Mapping[str, Spread],
    quantized: Iterable[str],
    sensitive: tuple[set[str], list[str]] = (set(), []),
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
    behind = _behind(graph, ends)
    excluded = {
        node.output[0]
        for node in graph.nodes
        if (set(node.output) & ends and node.op_type not in _MATRIX) or set(node.output) & behind
    } | sensitive[0]
    excluded |= {node.output[0] for node in graph.nodes if _adds_a_variable(graph, node)}
    excluded |= _islands(graph, excluded, set(quantized))
    floats = {n.output[0] for n in graph.nodes if n.op_type not in quantized} | excluded
    inner = {
        node.output[0]
        for node in graph.nodes
        if node.op_type in _MATRIX
        and (readers := graph.consumers(node.output[0]))
        and all(reader.output[0] in floats for reader in readers)
    }
    tensors = frozenset(ends | behind | inner)
    return FloatParts(frozenset(excluded), tensors, (*notes, *sensitive[1]))


def _adds_a_variable(graph: OnnxGraph, node: onnx.NodeProto) -> bool:
    """A Gemm onto something computed (a step of an unrolled recurrence) has no integer kernel."""
    return node.op_type == "Gemm" and any(
        name and name not in graph.constants for name in node.input[2:]
    )


def _float_ends(
    graph: OnnxGraph, ranges: Ranges, spreads: Mapping[str, Spread]
) -> tuple[set[str], list[str]]:
    makers = {name: graph.producer(name) for name in tail(graph)}
    ends = {name for name, node in makers.items() if node is not None and node.op_type in _MATRIX}
    tight, exact = set[str](), ends | _behind(graph, ends)
    for name, node in makers.items():
        if node is not None and name in ranges and name in spreads and name not in exact:
            least = _LEAST_DB_OF_CONVOLUTION if node.op_type in WEIGHTED else _LEAST_DB
            if spreads[name].least_db(*ranges[name]) < least:
                tight.add(name)
    notes = [
        f"Output '{name}' is float32 from its last layer on: 256 levels would leave too little of"
        " the spread of its values."
        for name in graph.outputs
        if name in tight | _behind(graph, tight)
    ]
    return ends | tight, notes


def _behind(graph: OnnxGraph, tensors: set[str]) -> set[str]:
    """All tensors that are computed from these."""
    queue, known = list(tensors), set[str]()
    for name in queue:
        for node in graph.consumers(name):
            if not set(node.output) <= known:
                known.update(node.output)
                queue.extend(node.output)
    return known


def _islands(graph: OnnxGraph, excluded: set[str], quantized: set[str]) -> set[str]:
    """Sums and products that only float operators feed or read, or that a wide function feeds."""
    floats = {
        n.output[0] for n in graph.nodes if n.op_type not in quantized or n.output[0] in excluded
    }
    wide = {n.output[0] for n in graph.nodes if n.op_type in _WIDE}
    steps = [n for n in graph.nodes if n.op_type in _STEPS]
    added = set[str]()
    while True:
        more = {
            node.output[0]
            for node in steps
            if node.output[0] not in floats and _is_island_step(graph, node, floats, wide)
        }
        if not more:
            return added
        added |= more
        floats |= more
        wide |= {n.output[0] for n in steps if n.output[0] in floats and set(n.input) & wide}


def _is_island_step(
    graph: OnnxGraph, node: onnx.NodeProto, floats: set[str], wide: set[str]
) -> bool:
    sources = [s for s in node.input if s not in graph.constants]
    makers = [graph.producer(source) for source in sources]
    fed = all(maker is not None and maker.output[0] in floats for maker in makers)
    readers = graph.consumers(node.output[0])
    read = bool(readers) and all(reader.output[0] in floats for reader in readers)
    return fed or read or bool(set(sources) & wide)


_MOVING = {"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
_ANSWERS = {"LogSoftmax", "Softmax"}


def float_operators(graph: OnnxGraph, quantized: Iterable[str]) -> dict[str, int]:
    """Operators of a finished QDQ graph that compute in float, name to count.

    `quantized` are the operators that have integer kernels. Those that only move values do not
    count, nor a softmax over the network's answers.
    """
    floats, kernels = Counter[str](), set(quantized)
    for node in graph.nodes:
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"} | _MOVING:
            continue
        if node.op_type in _ANSWERS and _leads_to_output(graph, node.output[0]):
            continue
        if node.op_type not in kernels or not _is_integer(graph, node):
            floats[node.op_type] += 1
    return dict(sorted(floats.items()))


def _leads_to_output(graph: OnnxGraph, tensor: str) -> bool:
    readers = graph.consumers(tensor)
    return tensor in graph.outputs or any(
        reader.op_type in _MOVING and _leads_to_output(graph, reader.output[0])
        for reader in readers
    )


def _is_integer(graph: OnnxGraph, node: onnx.NodeProto) -> bool:
    """Whether onnxruntime makes an integer operator of it: quantized in, and quantized out."""
    makers = [graph.producer(name) for name in node.input if name]
    fed = any(maker is not None and maker.op_type == "DequantizeLinear" for maker in makers)
    plain = [m for m in makers if m is not None and m.op_type != "DequantizeLinear"]
    if node.op_type in {"Resize", "Pad", "Clip", "Slice", "Gather", "Split"}:
        plain = plain[:0] if fed else plain
    if not fed or plain:
        return False
    if node.op_type in WEIGHTED and graph.producer(node.input[1]) is None:
        return False  # its weights are float32
    after = [reader.op_type for name in node.output for reader in graph.consumers(name)]
    return node.op_type in _MATRIX or (
        bool(after) and set(after) <= {"QuantizeLinear", "Relu", "Clip"}
    )
