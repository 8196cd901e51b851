"""A user's own float .tflite, brought to the form that all that follows starts from.

Weights kept as float16 are folded to float32 and an open batch is fixed at 1. Runs in a child
process: the file is anybody's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn import files, layouts
from edgecnn.convert import input_scaling
from edgecnn.errors import InputError
from edgecnn.formats.tflite_graph import Graph
from edgecnn.inspection import inspect
from edgecnn.quantize import fixed_batch
from edgecnn.quantize.passes import transpose_conv_bias, unpack_constants
from edgecnn.records import Endpoint, Network

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.formats.tflite_graph import Tensor
    from edgecnn.inspection import Inspection

_IMAGE_RANK = 4
_INTEGER_WEIGHTS = {"int8", "uint8", "int16", "int4", "int2"}


def prepare(path: Path) -> tuple[Network, str, bytes]:
    """Read a float .tflite and fix what it leaves open.

    Returns:
        What it takes and gives, how it scales its input itself ("" for not at all), and the file
        to start from.

    Raises:
        InputError: it is quantized already, needs operators that LiteRT has not, or leaves a size
            open that nobody fixed.
    """
    _refuse_quantized(path, inspect(path, delegate=False))  # LiteRT may not even load it
    inspection = inspect(path)
    graph = Graph.read(files.read_bytes(path))
    unpack_constants.apply(graph)
    transpose_conv_bias.apply(graph)
    _refuse(path, inspection, graph)
    _refuse_open_sizes(path, graph)
    if fixed_batch.is_open(graph):
        graph = Graph.read(fixed_batch.fix(graph.write()))
    network = _network(path, graph, inspection)
    return network, input_scaling.of_tflite(graph), graph.write()


def _refuse(path: Path, inspection: Inspection, graph: Graph) -> None:
    custom = sorted({operator.name for operator in graph.operators if operator.custom})
    foreign = dict.fromkeys((*inspection.graph.variable_ops, *inspection.graph.flex_ops, *custom))
    if foreign:
        raise InputError(
            f"{path}: edgecnn cannot quantize {', '.join(foreign)}.",
            hint="Convert it again with TFLiteConverter.from_keras_model or from_saved_model, and"
            " without SELECT_TF_OPS.",
        )


def _refuse_quantized(path: Path, inspection: Inspection) -> None:
    integers = _INTEGER_WEIGHTS & set(inspection.graph.macs_by_dtype)
    if integers or "dynamic" in inspection.graph.macs_by_dtype:
        raise InputError(
            f"{path} is quantized already, not a float model: its MACs are"
            f" {', '.join(inspection.graph.macs_by_dtype)}.",
            hint="Quantize the float .tflite it was made from.",
        )


def _refuse_open_sizes(path: Path, graph: Graph) -> None:
    """A batch that is open becomes 1; nobody says what another open size is to be."""
    for tensor in graph.inputs:
        shape = tensor.shape_signature or tensor.shape
        if any(size < 1 for size in shape[1:]):
            raise InputError(
                f"{path}: its input {tensor.name} is {shape}; every size but the batch must be"
                " known.",
                hint="Convert it again with a fixed input shape.",
            )


def _end_names(graph: Graph) -> tuple[list[str], list[str]]:
    """The names that tools know: the signature's where there is one, else the tensors' own."""
    signature = next(iter(graph.signatures), None)
    if signature is None:
        return [t.name for t in graph.inputs], [t.name for t in graph.outputs]
    inputs = {tensor: name for name, tensor in signature.inputs}
    outputs = {tensor: name for name, tensor in signature.outputs}
    return (
        [inputs.get(tensor, tensor.name) for tensor in graph.inputs],
        [outputs.get(tensor, tensor.name) for tensor in graph.outputs],
    )


def ends(graph: Graph) -> tuple[tuple[Endpoint, ...], tuple[Endpoint, ...]]:
    """The inputs and outputs of a float file, under the names that tools know."""
    names = _end_names(graph)
    return (
        tuple(_endpoint(t, name) for t, name in zip(graph.inputs, names[0], strict=True)),
        tuple(_endpoint(t, name) for t, name in zip(graph.outputs, names[1], strict=True)),
    )


def _network(path: Path, graph: Graph, inspection: Inspection) -> Network:
    inputs, outputs = ends(graph)
    for end in (*inputs, *outputs):
        if any(size < 1 for size in end.shape):
            raise InputError(
                f"{path}: its {end.name} is {end.shape}; every size must be known.",
                hint="Convert it again with a fixed input shape, and a batch that is 1 or open.",
            )
    count = sum(inspection.graph.parameters_by_dtype.values())
    return Network(inputs, outputs, count, count)


def _endpoint(tensor: Tensor, name: str) -> Endpoint:
    layout = layouts.CHANNELS_LAST[_IMAGE_RANK] if len(tensor.shape) == _IMAGE_RANK else ""
    return Endpoint(name, tensor.numpy_dtype.name, tensor.shape, layout)
