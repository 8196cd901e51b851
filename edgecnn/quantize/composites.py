"""Functions of one tensor made of several operators, which int8 steps between them would ruin.

A normalization (MEAN, SQUARED_DIFFERENCE, RSQRT, MUL), a softplus (EXP, ADD, LOG), a SELU: between
its operators numbers span many orders of magnitude, and 256 steps keep the largest only. Such a
composite is found by its shape alone: operators that work element by element or reduce, all fed by
one tensor, joined to each other, with a steep one among them. Attention is the other kind: the
products on both sides of a SOFTMAX whose probabilities are far below 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgecnn.formats.tflite_graph import Graph, Operator, Tensor

_STEEP = frozenset({"EXP", "LOG", "SQRT", "RSQRT", "POW", "SQUARE", "SQUARED_DIFFERENCE",
                    "REDUCE_PROD"})  # fmt: skip
_SHAPING = frozenset({"RESHAPE", "EXPAND_DIMS", "SQUEEZE", "TRANSPOSE", "BROADCAST_TO", "CAST"})
_ELEMENTWISE = frozenset({
    "ADD", "SUB", "MUL", "DIV", "NEG", "ABS", "MINIMUM", "MAXIMUM", "SELECT", "SELECT_V2",
    "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "EQUAL", "NOT_EQUAL", "LOGICAL_AND",
    "LOGICAL_OR", "LOGICAL_NOT", "LOGISTIC", "TANH", "RELU", "RELU6", "RELU_N1_TO_1",
    "RELU_0_TO_1", "LEAKY_RELU", "PRELU", "ELU", "GELU", "HARD_SWISH", "FLOOR", "CEIL", "ROUND",
    "SIGN", "SIN", "COS", "ADD_N", "FLOOR_DIV", "FLOOR_MOD",
})  # fmt: skip
_REDUCING = frozenset({"MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"})
_LIGHT = _STEEP | _SHAPING | _ELEMENTWISE | _REDUCING
_PARTS = frozenset(
    {"CONCATENATION", "PACK", "SLICE", "SPLIT", "SPLIT_V", "STRIDED_SLICE", "UNPACK"}
)
_PRODUCTS = frozenset({"BATCH_MATMUL", "FULLY_CONNECTED"})
_FEWEST = 2  # a steep operator on its own is no composite


def is_light(operator: Operator) -> bool:
    """Whether an operator does little for each number: in float it costs hardly more."""
    return not operator.custom and operator.name in _LIGHT


def is_steep(operator: Operator) -> bool:
    """Whether it turns numbers of one magnitude into many magnitudes, or the reverse."""
    if operator.name == "MUL":
        return len(operator.inputs) > 1 and operator.inputs[0] is operator.inputs[1]
    if operator.name == "DIV":
        divisor = operator.input(1)
        return divisor is not None and not divisor.is_constant
    return not operator.custom and operator.name in _STEEP


def composites(graph: Graph) -> set[Operator]:
    """Every operator of a composite with a steep one in it."""
    roots = _roots(graph)
    result: set[Operator] = set()
    for operator in graph.operators:
        if operator not in result and operator in roots and is_steep(operator):
            members = _joined(graph, operator, roots)
            if sum(member.name not in _SHAPING for member in members) >= _FEWEST:
                result |= members
    return result


def _roots(graph: Graph) -> dict[Operator, Tensor]:
    """By light operator: the one tensor all it computes comes from; those of two have none."""
    source: dict[Tensor, Tensor] = {}
    roots: dict[Operator, Tensor] = {}
    for operator in graph.operators:
        fed_by = {source.get(t, t) for t in operator.read if not t.is_constant}
        if is_light(operator) and len(fed_by) == 1:
            roots[operator] = fed_by.pop()
            source.update(dict.fromkeys(operator.outputs, roots[operator]))
    return roots


def _joined(graph: Graph, start: Operator, roots: dict[Operator, Tensor]) -> set[Operator]:
    """The operators of the same root that a tensor beyond the root joins to one."""
    root, members, todo = roots[start], {start}, [start]
    while todo:
        for neighbour in _neighbours(graph, todo.pop(), root):
            if roots.get(neighbour) is root and neighbour not in members:
                members.add(neighbour)
                todo.append(neighbour)
    return members


def _neighbours(graph: Graph, operator: Operator, root: Tensor) -> Iterator[Operator]:
    for tensor in operator.read:
        maker = graph.producer(tensor)
        if maker is not None and tensor is not root:
            yield maker
    for tensor in operator.outputs:
        yield from graph.consumers(tensor)


def places(graph: Graph) -> set[Operator]:
    """What computes the places that a GATHER reads at, back to a product or an input.

    A place is an element's number: 256 steps of it are no neighbours of each other.
    """
    result: set[Operator] = set()
    todo = [op.inputs[1] for op in graph.operators if op.name in {"GATHER", "GATHER_ND"}]
    while todo:
        tensor = todo.pop()
        maker = graph.producer(tensor) if tensor is not None else None
        if maker is not None and maker not in result and (is_light(maker) or maker.name in _PARTS):
            result.add(maker)
            todo += maker.read
    return result


def attention(graph: Graph) -> set[Operator]:
    """Each SOFTMAX between two products, those, and what lies between them."""
    result: set[Operator] = set()
    for operator in graph.operators:
        if operator.name != "SOFTMAX" or operator.output in graph.outputs:
            continue
        before = _up_to_product(graph, operator, forward=False)
        behind = _up_to_product(graph, operator, forward=True)
        if before and behind:
            result |= {operator, *before, *behind}
    return result


def _up_to_product(graph: Graph, start: Operator, *, forward: bool) -> set[Operator]:
    """The light operators up to the next product, and that; nothing where there is none."""
    seen: set[Operator] = set()
    todo, is_product = [start], False
    while todo:
        operator = todo.pop()
        near = (
            [r for t in operator.outputs for r in graph.consumers(t)]
            if forward
            else [m for t in operator.read if (m := graph.producer(t)) is not None]
        )
        for neighbour in near:
            product = neighbour.name in _PRODUCTS and _is_of_activations(neighbour)
            if neighbour not in seen and (product or is_light(neighbour)):
                seen.add(neighbour)
                is_product |= product
                if not product:
                    todo.append(neighbour)
    return seen if is_product else set()


def _is_of_activations(operator: Operator) -> bool:
    return not any(tensor.is_constant for tensor in operator.read[:2])


def has_control_flow(graph: Graph) -> list[str]:
    """Names of operators that run other subgraphs, or keep a state."""
    names = {"WHILE", "IF", "CALL", "CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE",
             "STABLEHLO_WHILE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM",
             "UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_RNN", "LSTM", "RNN",
             "SVDF"}  # fmt: skip
    control_flow = [op.name for op in graph.operators if op.name in names and not op.custom]
    return sorted(set(control_flow))
