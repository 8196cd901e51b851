"""Recurrent layers, unrolled over their fixed number of steps.

What depends on the input alone is one matrix product over all steps; each step is one more and a
few elementwise operators.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert.onnx_import.lazy import function, tf
from edgecnn.convert.onnx_import.table import operator
from edgecnn.convert.onnx_import.value import Value, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from edgecnn.convert.onnx_import.node import Node

# More steps than these make a file that is mostly bookkeeping.
_MOST_STEPS = 256
_DEFAULTS = {
    "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"],
}  # fmt: skip
_FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {
    "sigmoid": function("sigmoid"),
    "tanh": function("tanh"),
    "relu": function("nn.relu"),
}


@dataclass(frozen=True)
class _Direction:
    """One direction of a layer: everything of it that is constant.

    Attributes:
        weights: (input, gates * hidden), of the input.
        hidden: size of the state.
        recurrence: (hidden, gates * hidden), of the state before: tf.Tensors that all steps share,
            a GRU's in two parts where its reset comes first.
        bias: (gates * hidden,), added to the input's part.
        inner: (gates * hidden,), added to the state's part.
        functions: the activations, in ONNX's order.
        backwards: from the last step to the first.
    """

    hidden: int
    weights: NDArray[Any]
    recurrence: tuple[Any, ...]
    bias: NDArray[Any]
    inner: NDArray[Any]
    functions: tuple[Callable[[Any], Any], ...]
    backwards: bool


def _limit(attributes: Mapping[str, Any]) -> str:
    known = {*_FUNCTIONS}
    names = {name.decode() if isinstance(name, bytes) else name for name in
             attributes.get("activations", [])}  # fmt: skip
    foreign = sorted(name for name in names if name.lower() not in known)
    if foreign:
        return f"it has the activations {', '.join(foreign)}"
    if attributes.get("input_forget", 0):
        return "it couples its gates"
    return ""


@operator("LSTM", "GRU", "RNN", limit=_limit, note="constant weights; all steps, unrolled")
def recurrent(node: Node) -> tuple[Value, ...]:
    """Y (T, directions, N, hidden), the last state (directions, N, hidden), and an LSTM's cell."""
    value = node.value(0)
    if node.get("layout", 0):
        raise node.refused("its layout has the batch first")
    steps, batch, _ = value.shape
    if steps > _MOST_STEPS:
        raise node.refused(f"it has {steps} steps, and {_MOST_STEPS} at most are unrolled")
    _refuse_lengths(node, steps)
    count = 2 if node.get("direction", "forward") == "bidirectional" else 1
    runs = [_run(node, _direction(node, i), i, value.plain(), batch) for i in range(count)]
    outputs = tf.stack([tf.stack(run[0], 0) for run in runs], 1)
    last = tf.stack([run[1] for run in runs], 0)
    cells = [run[2] for run in runs if run[2] is not None]
    ends = [plain(outputs), plain(last)]
    return (*ends, plain(tf.stack(cells, 0))) if cells else tuple(ends)


def _refuse_lengths(node: Node, steps: int) -> None:
    if node.has(4) and np.any(node.known(4, "sequence lengths") != steps):
        raise node.refused("its sequences have different lengths")
    if node.operator == "LSTM" and node.has(7) and np.any(node.known(7, "peepholes")):
        raise node.refused("it has peepholes")


def _direction(node: Node, index: int) -> _Direction:
    weights, recurrence = node.known(1, "weights")[index], node.known(2, "weights")[index]
    gates = weights.shape[0]
    zeros = np.zeros(2 * gates, np.float32)
    bias = node.known(3, "bias")[index] if node.has(3) else zeros
    outer, inner = bias[:gates], bias[gates:]
    if not (node.operator == "GRU" and node.get("linear_before_reset", 0)):
        outer, inner = outer + inner, np.zeros_like(inner)  # one sum for both
    names = [n.decode() if isinstance(n, bytes) else n for n in node.get("activations", [])]
    count = len(_DEFAULTS[node.operator])
    chosen = names[index * count : (index + 1) * count] or _DEFAULTS[node.operator]
    functions = _clipping(node, tuple(_FUNCTIONS[name.lower()] for name in chosen))
    backwards = index == 1 or node.get("direction", "forward") == "reverse"
    parts = [recurrence.T]
    if node.operator == "GRU" and not node.get("linear_before_reset", 0):
        parts = np.split(recurrence.T, [2 * recurrence.shape[1]], 1)
    shared = tuple(tf.constant(np.ascontiguousarray(part)) for part in parts)
    size = recurrence.shape[1]
    return _Direction(size, weights.T, shared, outer, inner, functions, backwards)


def _clipping(
    node: Node, functions: tuple[Callable[[Any], Any], ...]
) -> tuple[Callable[[Any], Any], ...]:
    """Activations of gates, of what lies within the threshold; not of a cell's output."""
    limit = node.get("clip")
    if limit is None:
        return functions

    def clipped(inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda x: inner(tf.maximum(tf.minimum(x, limit), -limit))

    gates = 2 if node.operator == "LSTM" else len(functions)
    return (*(clipped(one) for one in functions[:gates]), *functions[gates:])


def _run(
    node: Node,
    direction: _Direction,
    index: int,
    sequence: Any,  # noqa: ANN401 - tf.Tensor
    batch: int,
) -> tuple[list[Any], Any, Any]:
    """Outputs in the order of time, the last state, and the last cell of an LSTM."""
    steps, _, width = (int(size) for size in sequence.shape)
    rows = tf.reshape(sequence, (steps * batch, width))
    driven = tf.matmul(rows, tf.constant(direction.weights)) + tf.constant(direction.bias)
    parts = tf.split(driven, steps, 0) if steps > 1 else [driven]
    state = _initial(node, 5, index, (batch, direction.hidden))
    cell = _initial(node, 6, index, (batch, direction.hidden))
    step = {"LSTM": _lstm, "GRU": _gru, "RNN": _rnn}[node.operator]
    outputs = []
    for part in reversed(parts) if direction.backwards else parts:
        state, cell = step(node, direction, part, state, cell)
        outputs.append(state)
    if direction.backwards:
        outputs.reverse()
    return outputs, state, cell if node.operator == "LSTM" else None


def _initial(node: Node, operand: int, index: int, shape: tuple[int, int]) -> Any:  # noqa: ANN401 - tf.Tensor
    if not node.has(operand) or (operand == 6 and node.operator != "LSTM"):  # noqa: PLR2004 - the cell
        return tf.zeros(shape)
    value = node.value(operand)
    if value.array is not None:
        return tf.constant(value.array[index])
    return tf.reshape(tf.slice(value.plain(), [index, 0, 0], [1, *shape]), shape)


def _lstm(_: Node, d: _Direction, part: Any, state: Any, cell: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tf.Tensor
    """ONNX has the gates in the order input, output, forget, cell."""
    gate, inner, outer = d.functions
    i, o, f, c = tf.split(part + tf.matmul(state, d.recurrence[0]), 4, 1)
    cell = gate(f) * cell + gate(i) * inner(c)
    return gate(o) * outer(cell), cell


def _gru(node: Node, d: _Direction, part: Any, state: Any, cell: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tf.Tensor
    """ONNX has the gates in the order update, reset, hidden."""
    gate, inner = d.functions
    z_in, r_in, h_in = tf.split(part, 3, 1)
    if node.get("linear_before_reset", 0):
        moved = tf.matmul(state, d.recurrence[0]) + tf.constant(d.inner)
        z_state, r_state, h_state = tf.split(moved, 3, 1)
        update = gate(z_in + z_state)
        fresh = inner(h_in + gate(r_in + r_state) * h_state)
    else:
        first, last = d.recurrence
        z_state, r_state = tf.split(tf.matmul(state, first), 2, 1)
        update = gate(z_in + z_state)
        fresh = inner(h_in + tf.matmul(gate(r_in + r_state) * state, last))
    return (1.0 - update) * fresh + update * state, cell


def _rnn(_: Node, d: _Direction, part: Any, state: Any, cell: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tf.Tensor
    return d.functions[0](part + tf.matmul(state, d.recurrence[0])), cell
