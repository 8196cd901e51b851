"""What the functions of an .onnx file would grow to, before they are inlined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx

# Functions that call functions multiply; real exports stay below ten thousand nodes.
_MOST_NODES = 100_000


def refuse_growth(model: onnx.ModelProto, what: str) -> None:
    """Count the nodes that inlining would make before making them.

    Raises:
        InputError: there are too many, or a function calls itself.
    """
    if not model.functions:
        return
    functions = {(f.domain, f.name): f for f in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(key: tuple[str, str], above: tuple[tuple[str, str], ...]) -> int:
        if key in above or len(above) > len(functions):
            raise InputError(f"A function in {what} calls itself ({key[1]}).")
        if key not in sizes:
            sizes[key] = sum(
                size(inner, (*above, key)) if (inner := (n.domain, n.op_type)) in functions else 1
                for n in _all_nodes(functions[key].node)
            )
        return sizes[key]

    total = sum(
        size(key, ()) if (key := (n.domain, n.op_type)) in functions else 1
        for n in _nodes(model.graph)
    )
    if total > _MOST_NODES:
        raise InputError(
            f"{what} holds functions within functions that make {total:,} operators.",
            hint="The file is hostile, or no network; it is not read.",
        )


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    yield from _all_nodes(graph.node)


def _all_nodes(nodes: object) -> Iterator[onnx.NodeProto]:
    for node in nodes:  # type: ignore[attr-defined] # protobuf's container has no public type
        yield node
        for item in node.attribute:
            for inner in [item.g] if item.HasField("g") else item.graphs:
                yield from _nodes(inner)
