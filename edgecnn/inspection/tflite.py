"""What a .tflite file really is, counted from its FlatBuffer without TensorFlow."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.inspection import flatbuffer
from edgecnn.inspection.record import Inspection, check_plausible, uncounted_note
from edgecnn.inspection.tflite_ops import GraphView
from edgecnn.records import GraphInfo, TensorInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edgecnn.inspection.record import Operator
    from edgecnn.inspection.tflite_graph import Graph, Model

_FLEX_PREFIX = "Flex"
_VARIABLE_OPS = {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE"}


def read(data: bytes, name: str, shapes: Mapping[int, tuple[int, ...]] | None = None) -> Inspection:
    """Count what a .tflite file holds; pure Python, safe on hostile bytes.

    `delegate_partitions` stays None: only the runtime knows (`edgecnn.inspection.inspect` asks it).

    Args:
        data: the whole file.
        name: what errors call it.
        shapes: of the main graph's tensors, by index, where the runtime was given the sizes that
            the file leaves open. The inputs and outputs stay as the file has them.

    Raises:
        InputError: not a TFLite model, or a damaged one.
        MissingPartError: the package that holds the schema is not installed.
    """
    model = flatbuffer.parse(data, name)
    graphs = [_at(model.graphs[0], shapes), *model.graphs[1:]] if shapes else model.graphs
    views = [GraphView(graph, name) for graph in graphs]
    counted: list[tuple[Operator, bool]] = []
    for view in views:
        first = len(counted)
        counted += [view.count(node, first) for node in view.graph.nodes]
    main = model.graphs[0]
    inspection = Inspection(
        format="tflite",
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        inputs=_infos(main, main.inputs),
        outputs=_infos(main, main.outputs),
        graph=_graph_info(model, views, [operator for operator, _ in counted]),
        operators=tuple(operator for operator, _ in counted),
        producer="",
        description=model.description,
        schema_version=model.version,
        metadata=model.metadata,
        notes=_notes(main, [operator.name for operator, known in counted if not known]),
    )
    check_plausible(inspection, name)
    return inspection


def _at(graph: Graph, shapes: Mapping[int, tuple[int, ...]]) -> Graph:
    """The graph with the shapes that its activations have in the runtime."""
    tensors = [
        replace(tensor, shape=shapes[index], signature=shapes[index])
        if index in shapes and tensor.buffer is None
        else tensor
        for index, tensor in enumerate(graph.tensors)
    ]
    return replace(graph, tensors=tuple(tensors))


def _infos(graph: Graph, indices: Iterable[int]) -> tuple[TensorInfo, ...]:
    tensors = [graph.tensors[index] for index in indices]
    return tuple(
        TensorInfo(
            t.name, t.dtype, t.open_shape, t.scale or None, t.zero_point if t.scale else None
        )
        for t in tensors
    )


def _notes(main: Graph, uncounted: Sequence[str]) -> tuple[str, ...]:
    notes = uncounted_note(uncounted)
    if any(-1 in main.tensors[index].open_shape[1:] for index in main.inputs):
        notes.append("The file leaves sizes open in its inputs: --input-shape says them.")
    return tuple(notes)


def _graph_info(
    model: Model, views: Sequence[GraphView], operators: Sequence[Operator]
) -> GraphInfo:
    custom = {node.name for graph in model.graphs for node in graph.nodes if node.is_custom}
    flex = {name for name in custom if name.startswith(_FLEX_PREFIX)}
    by_dtype = Counter[str]()
    for operator in operators:
        by_dtype[operator.compute_dtype] += operator.macs
    names = Counter(operator.name for operator in operators)
    return GraphInfo(
        ops=dict(sorted(names.items())),
        macs_by_dtype={dtype: count for dtype, count in sorted(by_dtype.items()) if count},
        parameters_by_dtype=_parameters(views),
        delegate_partitions=None,
        undelegated_ops={},
        flex_ops=tuple(sorted(flex)),
        variable_ops=tuple(sorted(_VARIABLE_OPS & names.keys())),
        custom_ops=tuple(sorted(custom - flex)),
    )


def _parameters(views: Sequence[GraphView]) -> dict[str, int]:
    """Elements of weights and biases by stored dtype, each buffer once in the whole file."""
    counts = Counter[str]()
    seen = set[int]()
    for view in views:
        for node in view.graph.nodes:
            for tensor in view.parameters_of(node):
                if tensor.buffer is not None and tensor.buffer not in seen:
                    seen.add(tensor.buffer)
                    counts[tensor.dtype] += tensor.elements
    return dict(sorted(counts.items()))
