"""Gives an integer model other ends: float32 or uint8 in place of int8.

A QUANTIZE behind the input and a QUANTIZE or DEQUANTIZE ahead of the output. uint8 and int8 with
zero points 128 apart stand for the same real numbers, so that conversion loses nothing.

A final SOFTMAX with a float output computes in float: its input is dequantized in the place of its
output. XNNPACK takes no integer SOFTMAX, and the graph would fall in two there; and probabilities
that are not rounded to 1/256 do not tie.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats import tflite_file as tfl

if TYPE_CHECKING:
    from edgecnn.recipes import IoDtype

_TYPES = {"float32": "FLOAT32", "uint8": "UINT8", "int8": "INT8", "int16": "INT16"}
_OFFSET = 128


def apply(model: tfl.ModelT, dtype: IoDtype) -> int:
    """Change the ends in place; returns how many were changed."""
    graph = tfl.main_graph(model)
    wanted = _TYPES[dtype]
    changed = 0
    for position, index in enumerate(list(graph.inputs)):
        if tfl.type_name(graph.tensors[int(index)]) != wanted:
            _change_input(model, graph, position, wanted)
            changed += 1
    for position, index in enumerate(list(graph.outputs)):
        if tfl.type_name(graph.tensors[int(index)]) != wanted:
            _change_output(model, graph, position, wanted)
            changed += 1
    tfl.set_signature(model)
    return changed


def _end_like(graph: tfl.SubGraphT, inner: int, wanted: str) -> int:
    """A new end tensor that takes over the inner one's name."""
    tensor = graph.tensors[inner]
    name = tfl.tensor_name(tensor)
    index = tfl.add_tensor(graph, tensor, name)
    tensor.name = f"{name}_inner".encode()
    end = graph.tensors[index]
    end.type = tfl.tensor_type(wanted)
    end.quantization = None
    if wanted == "UINT8":
        end.quantization = copy.deepcopy(tensor.quantization)
        end.quantization.zeroPoint = np.asarray(end.quantization.zeroPoint, np.int64) + _OFFSET
    return index


def _change_input(model: tfl.ModelT, graph: tfl.SubGraphT, position: int, wanted: str) -> None:
    inner = int(graph.inputs[position])
    end = _end_like(graph, inner, wanted)
    graph.operators.insert(0, tfl.add_operator(model, "QUANTIZE", [end], [inner], version=2))
    graph.inputs = np.array(graph.inputs, np.int32)
    graph.inputs[position] = end


def _change_output(model: tfl.ModelT, graph: tfl.SubGraphT, position: int, wanted: str) -> None:
    inner = int(graph.outputs[position])
    if wanted == "FLOAT32" and _ends_in_softmax(model, graph, inner):
        _compute_in_float(model, graph, inner)
        return
    end = _end_like(graph, inner, wanted)
    name = "DEQUANTIZE" if wanted == "FLOAT32" else "QUANTIZE"
    graph.operators.append(tfl.add_operator(model, name, [inner], [end], version=2))
    graph.outputs = np.array(graph.outputs, np.int32)
    graph.outputs[position] = end


def _ends_in_softmax(model: tfl.ModelT, graph: tfl.SubGraphT, output: int) -> bool:
    maker = tfl.producers(graph).get(output)
    if maker is None or output in tfl.consumers(graph):
        return False
    return tfl.operator_name(model, graph.operators[maker]) == "SOFTMAX"


def _compute_in_float(model: tfl.ModelT, graph: tfl.SubGraphT, output: int) -> None:
    place = tfl.producers(graph)[output]
    softmax = graph.operators[place]
    source = int(softmax.inputs[0])
    logits = graph.tensors[source]
    real = tfl.add_tensor(graph, logits, f"{tfl.tensor_name(logits)}_float")
    for index in (real, output):
        graph.tensors[index].type = tfl.tensor_type("FLOAT32")
        graph.tensors[index].quantization = None
    softmax.inputs = np.asarray([real], np.int32)
    graph.operators.insert(
        place, tfl.add_operator(model, "DEQUANTIZE", [source], [real], version=2)
    )
