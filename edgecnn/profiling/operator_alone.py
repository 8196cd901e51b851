"""Times each operator of a .tflite file alone, in a file of its own.

For runtimes whose profiler Python cannot reach. An operator alone finds its weights and inputs in
the cache, where the whole net may have pushed them out, so the figures are shares of the whole
net's time at best; `operators` scales them, and says so. Operators of equal shapes are timed once.

Native code runs the file: call `profile` in a child process.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.formats.tflite_graph import Graph, Operator
from edgecnn.formats.tflite_schema import generated
from edgecnn.profiling.operator_litert import Event, Run
from edgecnn.profiling.operator_matrix import matrix_product
from edgecnn.runtime.timing import loaded, pin, warmed_samples_ms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.formats.tflite_graph import Tensor

_US_PER_MS = 1e3


def profile(path: str, threads: int, seconds: float) -> tuple[Run, ...]:
    """Time every operator of the main graph alone; one "run" whose parts ran one by one.

    Operators that only unpack constants take no time: runtimes run them when they load the file.

    Raises:
        InputError: the runtime refuses the file, or one of its operators alone.
        MissingPartError: ai-edge-litert is not installed.
    """
    generated()  # a missing runtime is named before anything is timed
    pin(threads)
    loaded(path, threads)  # a damaged file is refused before it is taken apart
    graph = Graph.read(Path(path).read_bytes())
    unpacked = _unpacked(graph)
    operators = [op for op in graph.operators if not unpacked.issuperset(op.outputs)]
    groups: dict[str, list[Operator]] = {}
    for operator in operators:
        groups.setdefault(_likeness(operator, unpacked), []).append(operator)
    each_s = seconds / (len(groups) + 1)
    with tempfile.TemporaryDirectory() as folder:
        # A product of two numbers: what it takes is the time of the call itself.
        nothing_ms = _alone_ms(matrix_product("float32", 1, 1), Path(folder), threads, each_s)
        times = {
            likeness: max(
                _alone_ms(extract(graph, group[0]), Path(folder), threads, each_s) - nothing_ms, 0.0
            )
            for likeness, group in groups.items()
        }
    took_us = {op: times[like] * _US_PER_MS for like, group in groups.items() for op in group}
    events = tuple(Event(op.name, graph.position(op), took_us[op]) for op in operators)
    return (Run(sum(event.elapsed_us for event in events), events),)


def extract(graph: Graph, operator: Operator) -> bytes:
    """A file of one operator, with the constants it reads and what unpacks them.

    Args:
        graph: left as it is.
        operator: of it.
    """
    unpacked = _unpacked(graph)
    fed = [tensor for tensor in operator.read if not _constant(tensor, unpacked)]
    alone = Graph(
        dict.fromkeys(fed),
        operator.outputs,
        [*_makers(graph, operator, unpacked), operator],
        graph.tensors,
        description=graph.description,
    )
    alone.others, alone.model = graph.others, graph.model
    alone.set_signature()
    return alone.write()


def _alone_ms(data: bytes, folder: Path, threads: int, seconds: float) -> float:
    path = folder / "alone.tflite"
    path.write_bytes(data)
    # Low, not middle: the operators are timed one after the other, not side by side, and another
    # program's burst must not fall on one of them alone.
    return float(np.quantile(warmed_samples_ms(str(path), threads, seconds), 0.1))


def _unpacked(graph: Graph) -> set[Tensor]:
    """Tensors made of constants alone: float16 weights behind a DEQUANTIZE, and their like."""
    unpacked: set[Tensor] = set()
    for operator in graph.operators:  # in the order they run
        if operator.read and all(_constant(tensor, unpacked) for tensor in operator.read):
            unpacked.update(operator.outputs)
    return unpacked


def _constant(tensor: Tensor, unpacked: set[Tensor]) -> bool:
    return tensor in unpacked or tensor.is_constant


def _makers(graph: Graph, operator: Operator, unpacked: set[Tensor]) -> list[Operator]:
    """The operators that unpack the constants `wanted` reads, in the order they run."""
    needed: set[Operator] = set()
    queue = operator.read
    while queue:
        tensor = queue.pop()
        maker = graph.producer(tensor)
        if tensor in unpacked and maker is not None and maker not in needed:
            needed.add(maker)
            queue += maker.read
    return sorted(needed, key=graph.position)


def _likeness(operator: Operator, unpacked: set[Tensor]) -> str:
    """Equal for operators that take the same time: kind, options, and every tensor's form."""

    def form(tensor: Tensor | None) -> object:
        if tensor is None:
            return None
        return tensor.shape, tensor.dtype, _constant(tensor, unpacked)

    options = {} if operator.options is None else vars(operator.options)
    sides = [[form(tensor) for tensor in side] for side in (operator.inputs, operator.outputs)]
    return repr((operator.name, _plain(options), sides))


def _plain(options: dict[str, Any]) -> Iterable[tuple[str, object]]:
    return sorted((name, np.asarray(value).tolist()) for name, value in options.items())
