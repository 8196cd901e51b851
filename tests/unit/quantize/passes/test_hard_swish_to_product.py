"""HARD_SWISH in int8: the same numbers from operators that XNNPACK takes."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.formats.tflite_graph import Graph, Operator, Quantization
from edgecnn.quantize.passes import hard_swish_to_product
from edgecnn.runtime.litert import LiteRTSession


def _graph(step: float, zero_point: int = 0) -> Graph:
    """HARD_SWISH of all int8 numbers; its output has 255 steps for what comes out."""
    graph = Graph()
    source = graph.add_tensor("x", "INT8", (1, 256))
    source.quantization = Quantization.of(step, zero_point)
    output = graph.add_tensor("y", "INT8", (1, 256))
    largest = step * (127 - zero_point)
    low = 3 / 8
    output.quantization = Quantization.of(
        (largest + low) / 255, round(-128 + 255 * low / (largest + low))
    )
    graph.operators.append(Operator("HARD_SWISH", [source], [output]))
    graph.inputs, graph.outputs = [source], [output]
    graph.set_signature()
    return graph


def _answer(graph: Graph) -> np.ndarray:
    (got,) = LiteRTSession(graph.write()).run([np.arange(-128, 128, dtype=np.int8)[None]])
    steps = graph.outputs[0].quantization
    assert steps is not None
    return np.asarray((got.astype(np.float64) - steps.zero_point[0]) * steps.scale[0])


@pytest.mark.parametrize("step", [0.01, 0.05, 0.2])
def test_it_computes_hard_swish(step: float) -> None:
    graph = _graph(step)
    assert hard_swish_to_product.apply(graph).changes == 1
    assert [operator.name for operator in graph.operators] == ["ADD", "MUL", "MUL"]
    x = np.arange(-128, 128) * step
    wanted = x * np.clip(x + 3, 0, 6) / 6
    steps = graph.outputs[0].quantization
    assert steps is not None
    # Half a step of the output, and |x| times half a step of the gate and half of its sum's.
    allowed = 0.51 * float(steps.scale[0]) + np.abs(x) * 1.1 / 255
    assert (np.abs(_answer(graph)[0] - wanted) <= allowed).all()


def test_floats_and_steps_that_xnnpack_cannot_add_stay() -> None:
    graph = _graph(10.0)
    assert hard_swish_to_product.apply(graph).changes == 0
    for tensor in (graph["x"], graph["y"]):
        tensor.dtype, tensor.quantization = "FLOAT32", None
    assert hard_swish_to_product.apply(graph).changes == 0
