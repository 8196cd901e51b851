"""Gives an integer model other ends: float32 or uint8 in place of int8.

A QUANTIZE behind the input and a QUANTIZE or DEQUANTIZE ahead of the output. uint8 and int8 with
zero points 128 apart stand for the same real numbers, so that conversion loses nothing.

A final SOFTMAX with a float output computes in float: its input is dequantized in the place of its
output. XNNPACK takes no integer SOFTMAX, and the graph would fall in two there; and probabilities
that are not rounded to 1/256 do not tie.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.formats.tflite_graph import Operator
from edgecnn.quantize.passes import PassResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgecnn.formats.tflite_graph import Graph, Tensor
    from edgecnn.recipes import IoDtype

_TYPES = {"float32": "FLOAT32", "uint8": "UINT8", "int8": "INT8", "int16": "INT16"}
_FLOAT = "FLOAT32"
_OFFSET = 128


def apply(graph: Graph, dtype: IoDtype, *, ends: Mapping[str, IoDtype] | None = None) -> PassResult:
    """Change the ends of an integer graph; counts ends.

    An end that is not quantized stays as it is: integers that count things, and real numbers that
    a float operator makes or reads; of these a note says so where integers were asked for.

    Args:
        graph: changed in place.
        dtype: wanted of every end.
        ends: wanted of single ends, by name, in the place of that.
    """
    dtypes = {end: _TYPES[(ends or {}).get(end.name, dtype)]
              for end in (*graph.inputs, *graph.outputs)}  # fmt: skip
    inputs, outputs = (
        [end for end in ends if _changes(end, dtypes[end])]
        for ends in (list(graph.inputs), list(graph.outputs))
    )
    kept = [end.name for end in dtypes if end.is_float and dtypes[end] != _FLOAT]
    for end in inputs:
        _change_input(graph, end, dtypes[end])
    for end in outputs:
        _change_output(graph, end, dtypes[end])
    graph.set_signature()
    notes = (f"float32, and not {dtype}: {', '.join(kept)}",) if kept else ()
    return PassResult(len(inputs) + len(outputs), notes)


def _changes(end: Tensor, dtype: str) -> bool:
    return end.dtype != dtype and end.quantization is not None


def _end_like(graph: Graph, inner: Tensor, dtype: str) -> Tensor:
    """A new end tensor that takes over the inner one's name."""
    name = inner.name
    inner.name = graph.unique_name(f"{name}_inner")
    end = graph.add_like(inner, name)
    end.dtype = dtype
    end.quantization = None
    if dtype == "UINT8" and inner.quantization is not None:
        zero_point = inner.quantization.zero_point + _OFFSET
        end.quantization = replace(inner.quantization, zero_point=zero_point)
    return end


def _change_input(graph: Graph, inner: Tensor, dtype: str) -> None:
    end = _end_like(graph, inner, dtype)
    graph.operators.insert(0, Operator("QUANTIZE", [end], [inner], version=2))
    graph.inputs[graph.inputs.index(inner)] = end


def _change_output(graph: Graph, inner: Tensor, dtype: str) -> None:
    if dtype == "FLOAT32" and _ends_in_softmax(graph, inner):
        _compute_in_float(graph, inner)
        return
    end = _end_like(graph, inner, dtype)
    name = "DEQUANTIZE" if dtype == "FLOAT32" else "QUANTIZE"
    graph.operators.append(Operator(name, [inner], [end], version=2))
    graph.outputs[graph.outputs.index(inner)] = end


def _ends_in_softmax(graph: Graph, output: Tensor) -> bool:
    maker = graph.producer(output)
    return maker is not None and maker.name == "SOFTMAX" and not graph.consumers(output)


def _compute_in_float(graph: Graph, output: Tensor) -> None:
    softmax = graph.producer(output)
    assert softmax is not None  # noqa: S101 - the caller looked
    logits = softmax.source
    real = graph.add_like(logits, f"{logits.name}_float")
    for tensor in (real, output):
        tensor.dtype, tensor.quantization = "FLOAT32", None
    softmax.inputs = [real]
    graph.insert_before(softmax, Operator("DEQUANTIZE", [logits], [real], version=2))
