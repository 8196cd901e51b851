"""Times each operator of a .tflite file alone, in a file of its own.

For runtimes whose profiler Python cannot reach. An operator alone finds its weights and inputs in
the cache, where the whole net may have pushed them out, so the figures are shares of the whole
net's time at best; `operators` scales them, and says so. Operators of equal shapes are timed once.

Native code runs the file: call `profile` in a child process.
"""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.formats import tflite_file
from edgecnn.profiling.operator_litert import Event, Run
from edgecnn.profiling.operator_matrix import matrix_product, tflite_schema
from edgecnn.profiling.operator_timing import loaded, pin, warmed_samples_ms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.formats.tflite_file import ModelT, OperatorT

_US_PER_MS = 1e3


def profile(path: str, threads: int, seconds: float) -> tuple[Run, ...]:
    """Time every operator of the main graph alone; one "run" whose parts ran one by one.

    Operators that only unpack constants take no time: runtimes run them when they load the file.

    Raises:
        InputError: the runtime refuses the file, or one of its operators alone.
        MissingPartError: ai-edge-litert is not installed.
    """
    tflite_schema()
    pin(threads)
    loaded(path, threads)  # a damaged file is refused before it is taken apart
    model = tflite_file.read(Path(path).read_bytes())
    operators = tflite_file.main_graph(model).operators
    unpacked = _unpacked(model)
    kept = [i for i, each in enumerate(operators) if not unpacked.issuperset(each.outputs)]
    groups: dict[str, list[int]] = {}
    for index in kept:
        groups.setdefault(_likeness(model, operators[index], unpacked), []).append(index)
    each_s = seconds / (len(groups) + 1)
    with tempfile.TemporaryDirectory() as folder:
        # A product of two numbers: what it takes is the time of the call itself.
        nothing_ms = _alone_ms(matrix_product("float32", 1, 1), Path(folder), threads, each_s)
        times = {
            index: max(
                _alone_ms(extract(model, group[0]), Path(folder), threads, each_s) - nothing_ms, 0.0
            )
            for group in groups.values()
            for index in group[:1]
        }
    first = {index: group[0] for group in groups.values() for index in group}
    events = tuple(
        Event(tflite_file.operator_name(model, operators[i]), i, times[first[i]] * _US_PER_MS)
        for i in kept
    )
    return (Run(sum(event.elapsed_us for event in events), events),)


def extract(model: ModelT, index: int) -> bytes:
    """A file of one operator of the main graph, with the constants it reads and what unpacks them.

    Args:
        model: as `tflite_file.read` gives it; left as it is.
        index: of the operator.
    """
    graph = tflite_file.main_graph(model)
    wanted = graph.operators[index]
    unpacked = _unpacked(model)
    made = copy.copy(model)
    small = copy.copy(graph)
    made.subgraphs, made.metadata, made.signatureDefs = [small], None, None
    made.buffers, made.operatorCodes = list(model.buffers), list(model.operatorCodes)
    small.operators = [copy.copy(each) for each in (*_makers(model, wanted, unpacked), wanted)]
    small.tensors = [copy.copy(tensor) for tensor in graph.tensors]
    fed = [int(i) for i in wanted.inputs if i >= 0 and not _constant(model, int(i), unpacked)]
    small.inputs, small.outputs = list(dict.fromkeys(fed)), [int(i) for i in wanted.outputs]
    tflite_file.set_signature(made)
    tflite_file.drop_unused(made)
    return tflite_file.write(made)


def _alone_ms(data: bytes, folder: Path, threads: int, seconds: float) -> float:
    path = folder / "alone.tflite"
    path.write_bytes(data)
    # Low, not middle: the operators are timed one after the other, not side by side, and another
    # program's burst must not fall on one of them alone.
    return float(np.quantile(warmed_samples_ms(str(path), threads, seconds), 0.1))


def _unpacked(model: ModelT) -> set[int]:
    """Tensors made of constants alone: float16 weights behind a DEQUANTIZE, and their like."""
    graph = tflite_file.main_graph(model)
    found: set[int] = set()
    for operator in graph.operators:  # in the order they run
        inputs = [int(i) for i in operator.inputs if i >= 0]
        if inputs and all(_constant(model, i, found) for i in inputs):
            found |= {int(i) for i in operator.outputs}
    return found


def _constant(model: ModelT, tensor: int, unpacked: set[int]) -> bool:
    if tensor in unpacked:
        return True
    data = model.buffers[tflite_file.main_graph(model).tensors[tensor].buffer].data
    return data is not None and len(data) > 0


def _makers(model: ModelT, wanted: OperatorT, unpacked: set[int]) -> list[OperatorT]:
    """The operators that unpack the constants `wanted` reads, in the order they run."""
    operators = tflite_file.main_graph(model).operators
    producers = tflite_file.producers(tflite_file.main_graph(model))
    needed: set[int] = set()
    queue = [int(i) for i in wanted.inputs]
    while queue:
        tensor = queue.pop()
        if tensor in unpacked and producers[tensor] not in needed:
            needed.add(producers[tensor])
            queue += [int(i) for i in operators[producers[tensor]].inputs]
    return [operators[index] for index in sorted(needed)]


def _likeness(model: ModelT, operator: OperatorT, unpacked: set[int]) -> str:
    """Equal for operators that take the same time: kind, options, and every tensor's form."""
    tensors = tflite_file.main_graph(model).tensors

    def form(index: int) -> object:
        if index < 0:
            return None
        tensor = tensors[index]
        shape = [] if tensor.shape is None else list(tensor.shape)
        return shape, tensor.type, _constant(model, index, unpacked)

    options = vars(operator.builtinOptions) if operator.builtinOptions is not None else {}
    sides = [[form(int(i)) for i in side] for side in (operator.inputs, operator.outputs)]
    return repr((tflite_file.operator_name(model, operator), _plain(options), sides))


def _plain(options: dict[str, Any]) -> Iterable[tuple[str, object]]:
    return sorted((name, np.asarray(value).tolist()) for name, value in options.items())
