"""Lists of tensors, as PyTorch's chunk, split and stack write them, as the tensors themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats.onnx_graph import array_of, shape_of
from edgecnn.formats.onnx_rewrites import constant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import onnx_ir as ir

    Lists = dict[ir.Value, list[ir.Value]]

_ARE_INPUTS = 13  # sizes of Split and axes of Squeeze and Unsqueeze, since this opset


def resolve(graph: ir.Graph, opset: int) -> bool:
    """Take apart the lists whose length and places are known; edits the graph.

    The others stay, and are refused later by the name of their operator.

    Returns:
        Whether anything changed.
    """
    lists: Lists = {}
    changed = False
    for node in list(graph):
        if (maker := _MAKERS.get(node.op_type)) is not None:
            items = maker(graph, node, lists, opset)
            if items is not None:
                lists[node.outputs[0]] = items
        elif (reader := _READERS.get(node.op_type)) is not None and node.inputs[0] in lists:
            changed |= _take_place(graph, node, reader(graph, node, lists[node.inputs[0]], opset))
    for value in reversed(lists):
        maker_node = value.producer()
        if maker_node is not None and not value.uses() and not value.is_graph_output():
            graph.remove(maker_node, safe=True)
            changed = True
    return changed


def _take_place(graph: ir.Graph, node: ir.Node, value: ir.Value | None) -> bool:
    import onnx_ir as ir

    if value is None:
        return False
    end = ir.node("Identity", [value])
    ir.convenience.replace_nodes_and_values(graph, node, [node], [end], node.outputs, end.outputs)
    return True


def _split(graph: ir.Graph, node: ir.Node, _lists: Lists, opset: int) -> list[ir.Value] | None:
    import onnx_ir as ir

    shape = shape_of(node.inputs[0])
    axis = node.attributes.get_int("axis", 0)
    whole = shape[axis] if shape else 0
    given = node.inputs[1] if len(node.inputs) > 1 else None
    wanted = np.asarray(1) if given is None else array_of(given)
    if not whole or wanted is None:
        return None
    size = int(wanted.reshape(-1)[0])
    sizes = (
        wanted.tolist() if wanted.ndim else [min(size, whole - k) for k in range(0, whole, size)]
    )
    if opset < _ARE_INPUTS:
        parts = ir.node("Split", [node.inputs[0]], {"axis": axis, "split": sizes},
                        num_outputs=len(sizes))  # fmt: skip
    else:
        lengths = constant(graph, "split", np.asarray(sizes, np.int64))
        parts = ir.node("Split", [node.inputs[0], lengths], {"axis": axis}, num_outputs=len(sizes))
    graph.insert_before(node, parts)
    items = list(parts.outputs)
    if given is None and not node.attributes.get_int("keepdims", 1):
        items = [_by_axis(graph, node, "Squeeze", item, axis, opset) for item in items]
    return items


def _by_axis(
    graph: ir.Graph, before: ir.Node, kind: str, value: ir.Value, axis: int, opset: int
) -> ir.Value:
    """The value with an axis of size 1 more or less."""
    import onnx_ir as ir

    if opset < _ARE_INPUTS:
        node = ir.node(kind, [value], {"axes": [axis]})
    else:
        node = ir.node(kind, [value, constant(graph, "axes", np.asarray([axis], np.int64))])
    graph.insert_before(before, node)
    return node.outputs[0]


def _built(_graph: ir.Graph, node: ir.Node, _lists: Lists, _opset: int) -> list[ir.Value] | None:
    items = [value for value in node.inputs if value is not None]
    return items if len(items) == len(node.inputs) else None


def _inserted(_graph: ir.Graph, node: ir.Node, lists: Lists, _opset: int) -> list[ir.Value] | None:
    before, item = lists.get(_source(node)), node.inputs[1]
    place = _place(node, 2)
    if before is None or item is None or (place is None and len(node.inputs) > 2):  # noqa: PLR2004 - the place
        return None
    items = list(before)
    items.insert(len(items) if place is None else place, item)
    return items


def _erased(_graph: ir.Graph, node: ir.Node, lists: Lists, _opset: int) -> list[ir.Value] | None:
    before, place = lists.get(_source(node)), _place(node, 1)
    if before is None or (place is None and len(node.inputs) > 1):
        return None
    items = list(before)
    items.pop(-1 if place is None else place)
    return items


def _passed(_graph: ir.Graph, node: ir.Node, lists: Lists, _opset: int) -> list[ir.Value] | None:
    return lists.get(_source(node))


def _source(node: ir.Node) -> ir.Value:
    source = node.inputs[0]
    assert source is not None  # noqa: S101 - ONNX demands it
    return source


def _place(node: ir.Node, position: int) -> int | None:
    array = array_of(node.inputs[position]) if len(node.inputs) > position else None
    return None if array is None else int(array.reshape(-1)[0])


def _at(_graph: ir.Graph, node: ir.Node, items: list[ir.Value], _opset: int) -> ir.Value | None:
    place = _place(node, 1)
    return None if place is None else items[place]


def _length(graph: ir.Graph, _node: ir.Node, items: list[ir.Value], _opset: int) -> ir.Value:
    return constant(graph, "length", np.asarray(len(items), np.int64))


def _joined(graph: ir.Graph, node: ir.Node, items: list[ir.Value], opset: int) -> ir.Value:
    import onnx_ir as ir

    axis = node.attributes.get_int("axis", 0)
    if node.attributes.get_int("new_axis", 0):
        items = [_by_axis(graph, node, "Unsqueeze", item, axis, opset) for item in items]
    whole = ir.node("Concat", items, {"axis": axis})
    graph.insert_before(node, whole)
    return whole.outputs[0]


_MAKERS: Mapping[str, Callable[[ir.Graph, ir.Node, Lists, int], list[ir.Value] | None]] = {
    "Identity": _passed,
    "SequenceConstruct": _built,
    "SequenceEmpty": _built,
    "SequenceErase": _erased,
    "SequenceInsert": _inserted,
    "SplitToSequence": _split,
}
_READERS: Mapping[str, Callable[[ir.Graph, ir.Node, list[ir.Value], int], ir.Value | None]] = {
    "ConcatFromSequence": _joined,
    "SequenceAt": _at,
    "SequenceLength": _length,
}
