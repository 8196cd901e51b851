"""What a saved_model.pb says its graphs do, read from its bytes: nothing is loaded or run.

The messages are TensorFlow's (saved_model.proto, meta_graph.proto, graph.proto, function.proto,
saved_object_graph.proto). Only the few fields that name operators and functions are looked at;
where protobuf would drop a field that stands twice, both are seen here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Message: TypeAlias = memoryview

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}
_MORE = 0x80  # the bit of a number's byte that says that more follow
_LONGEST_VARINT = 10
_LIST, _FUNCTION = 1, 10  # of an attribute's value
_DEEPEST = 32


@dataclass(frozen=True)
class Node:
    """An operator of a graph or of a function.

    Attributes:
        name: in its graph.
        op: the operator, or the function it calls.
        inputs: names of the nodes it takes from or waits for.
        functions: what it may call.
        prints_to: where an operator that prints does; "" where it does not say.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    functions: tuple[str, ...]
    prints_to: str = ""


@dataclass(frozen=True)
class MetaGraph:
    """One graph of a SavedModel.

    Attributes:
        nodes: of the graph itself.
        functions: of its library, by name.
        ends: nodes that signatures and initializers name.
        restores: the node that the saver restores with.
        called: functions that the objects of the model name.
    """

    nodes: list[Node] = field(default_factory=list)
    functions: dict[str, list[Node]] = field(default_factory=dict)
    ends: set[str] = field(default_factory=set)
    restores: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)

    def everything(self) -> Iterator[tuple[str, Node]]:
        """Every node, with the function it stands in; "" for the graph itself."""
        yield from (("", node) for node in self.nodes)
        for name, nodes in self.functions.items():
            yield from ((name, node) for node in nodes)

    def run(self, *, restoring: bool) -> tuple[set[str], set[str]]:
        """What runs when the model is loaded or called.

        Args:
            restoring: with what the saver restores variables by.

        Returns:
            Names of nodes of the graph itself, and names of functions.
        """
        nodes: dict[str, list[Node]] = {}
        for node in self.nodes:
            nodes.setdefault(node.name, []).append(node)
        reached: set[str] = set()
        functions: set[str] = set()
        pending = list(self.ends | (self.restores if restoring else set()))
        calls = list(self.called)
        while pending or calls:
            if calls:
                name = calls.pop()
                if name in functions or name not in self.functions:
                    continue
                functions.add(name)
                calls += [call for node in self.functions[name] for call in _calls(node)]
                continue
            name = pending.pop()
            if name not in reached:
                reached.add(name)
                for node in nodes.get(name, ()):
                    pending += node.inputs
                    calls += _calls(node)
        return reached, functions


def _calls(node: Node) -> tuple[str, ...]:
    return (node.op, *node.functions)


def read(content: Message) -> list[MetaGraph]:
    """Read a saved_model.pb.

    Raises:
        ValueError: it is no such file, or is cut off.
    """
    return [_meta_graph(graph) for graph in _all(content, 2)]


def _meta_graph(message: Message) -> MetaGraph:
    result = MetaGraph()
    for graph in _all(message, 2):
        result.nodes.extend(map(_node, _all(graph, 1)))
        for library in _all(graph, 2):
            for function in _all(library, 1):
                names = [
                    _text(name) for signature in _all(function, 1) for name in _all(signature, 1)
                ]
                nodes = [_node(node) for node in _all(function, 3)]
                for name in names:
                    result.functions.setdefault(name, []).extend(nodes)
    for saver in _all(message, 3):
        result.restores.update(_node_name(_text(name)) for name in _all(saver, 3))
    for collection in _entries(message, 4):
        result.ends.update(
            _node_name(_text(n)) for nodes in _all(collection, 1) for n in _all(nodes, 1)
        )
    for signature in _entries(message, 5):
        for tensor in (*_entries(signature, 1), *_entries(signature, 2)):
            result.ends.update(_tensor_names(tensor))
    for objects in _all(message, 7):
        result.called.update(_functions_of_objects(objects))
    return result


def _functions_of_objects(message: Message) -> Iterator[str]:
    for entry in _all(message, 2):
        yield from map(_text, _all(entry, 1))
    for node in _all(message, 1):
        for kind in (6, 8):  # a function, a bare concrete function: both begin with names
            for function in _all(node, kind):
                yield from map(_text, _all(function, 1))


def _tensor_names(message: Message, depth: int = 0) -> Iterator[str]:
    yield from (_node_name(_text(name)) for name in _all(message, 1))
    for sparse in _all(message, 4):
        for part in (1, 2, 3):
            yield from (_node_name(_text(name)) for name in _all(sparse, part))
    for composite in _all(message, 5):
        for component in _all(composite, 2):
            yield from _tensor_names(component, _deeper(depth))


def _node_name(tensor: str) -> str:
    """The node of a tensor "name:0" or of a control input "^name"."""
    return tensor.removeprefix("^").partition(":")[0]


def _node(message: Message) -> Node:
    fields: dict[int, list[Message]] = {1: [], 2: [], 3: [], 5: []}
    for number, content in _fields(message):
        if number in fields:
            fields[number].append(content)
    if len(fields[1]) > 1 or len(fields[2]) > 1:  # protobuf would take the last
        raise ValueError("an operator of it has two names")
    op = "".join(map(_text, fields[2]))
    functions: list[str] = []
    streams: list[str] = []
    for entry in fields[5]:
        for value in _all(entry, 2):
            functions += _functions_of_value(value)
            if op == "PrintV2" and "output_stream" in map(_text, _all(entry, 1)):
                streams += map(_text, _all(value, 2))
    return Node(
        "".join(map(_text, fields[1])),
        op,
        tuple(_node_name(_text(name)) for name in fields[3]),
        tuple(functions),
        ",".join(streams),
    )


def _functions_of_value(message: Message, depth: int = 0) -> Iterator[str]:
    """The functions that an attribute names, alone, in a list, or as another one's attribute."""
    named: list[Message] = []
    for number, content in _fields(message):
        if number == _FUNCTION:
            named.append(content)
        elif number == _LIST:
            named += _all(content, 9)
    for function in named:
        yield from map(_text, _all(function, 1))
        for value in _entries(function, 2):
            yield from _functions_of_value(value, _deeper(depth))


def _deeper(depth: int) -> int:
    if depth >= _DEEPEST:
        raise ValueError("its messages are nested too deep")
    return depth + 1


def _entries(message: Message, number: int) -> Iterator[Message]:
    """The values of a map."""
    for entry in _all(message, number):
        yield from _all(entry, 2)


def _all(message: Message, field_number: int) -> Iterator[Message]:
    """Every field of this number that holds bytes: a text, or a message."""
    return (content for number, content in _fields(message) if number == field_number)


def _fields(message: Message) -> Iterator[tuple[int, Message]]:
    """The fields that hold bytes, with their numbers."""
    position, size = 0, len(message)
    while position < size:
        tag = message[position]
        position += 1
        if tag >= _MORE:
            tag, position = _varint(message, position - 1)
        kind = tag & 7
        if kind == _BYTES:
            length, position = _varint(message, position)
            end = position + length
            if end > size:
                raise ValueError("it is cut off")
            yield (tag & 0xFFFFFFFF) >> 3, message[position:end]
            position = end
        elif kind == _VARINT:
            _, position = _varint(message, position)
        else:
            position += _SIZES.get(kind, 0)  # a group's ends have no content of their own


def _varint(message: Message, position: int) -> tuple[int, int]:
    value = 0
    for place in range(_LONGEST_VARINT):
        if position >= len(message):
            raise ValueError("it is cut off")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << (7 * place)
        if byte < _MORE:
            return value, position
    raise ValueError("it holds a number without an end")


def _text(message: Message) -> str:
    return bytes(message).decode("utf-8", "surrogateescape")
