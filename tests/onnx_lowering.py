"""Small ONNX models, a table of them, and what onnxruntime and the lowered .tflite make of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper, shape_inference

from edgecnn.convert import onnx_import, tflite_float
from edgecnn.formats.tflite_graph import Graph
from edgecnn.records import Endpoint, Network

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Arrays = list[NDArray[Any]]


@dataclass(frozen=True)
class Case:
    """A model of one or a few nodes.

    Attributes:
        name: of the test.
        nodes: (operator, operands, results, attributes), separated by single blanks.
        inputs: shapes of inputs by name.
        constants: arrays by name.
        transposes: how many are due in the .tflite; None where nothing is promised.
        opset: of the model.
        outputs: by default the last node's.
        values: what inputs hold: "normal", "positive", or arrays by name.
        images: whether inputs of rank 3 and more have their channels first.
    """

    name: str
    nodes: Sequence[tuple[str, str, str, dict[str, Any]]]
    inputs: Mapping[str, tuple[int, ...]]
    constants: Mapping[str, Any] = field(default_factory=dict)
    transposes: int | None = 0
    opset: int = 17
    outputs: tuple[str, ...] = ()
    values: Any = "normal"
    images: bool = True


def random(*shape: int, seed: int = 0, scale: float = 1.0) -> NDArray[np.float32]:
    """Normal numbers, the same every time."""
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


def model_of(case: Case) -> onnx.ModelProto:
    """The case as a model, every shape known."""
    nodes = [
        helper.make_node(
            kind, names.split(" ") if names else [], results.split(" "), name=f"n{i}", **attributes
        )
        for i, (kind, names, results, attributes) in enumerate(case.nodes)
    ]
    feeds = feeds_of(case)
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in feeds.items()
    ]
    constants = [
        numpy_helper.from_array(np.asarray(array), name) for name, array in case.constants.items()
    ]
    names = case.outputs or tuple(name for name in case.nodes[-1][2].split(" ") if name)
    outputs = [onnx.ValueInfoProto(name=name) for name in names]
    graph = helper.make_graph(nodes, "case", inputs, outputs, constants)
    opset = helper.make_opsetid("", case.opset)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    inferred = shape_inference.infer_shapes(model, data_prop=True)
    return with_known_outputs(inferred, feeds)


def with_known_outputs(
    model: onnx.ModelProto, feeds: Mapping[str, NDArray[Any]]
) -> onnx.ModelProto:
    """Outputs with the dtypes and shapes they turn out to have."""
    for info, array in zip(model.graph.output, reference(model, feeds), strict=True):
        info.CopyFrom(
            helper.make_tensor_value_info(
                info.name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
        )
    return model


def feeds_of(case: Case) -> dict[str, NDArray[Any]]:
    """Inputs by name."""
    generator = np.random.default_rng(7)
    feeds = {}
    for name, shape in case.inputs.items():
        if isinstance(case.values, dict) and name in case.values:
            feeds[name] = np.asarray(case.values[name])
            continue
        array = generator.normal(size=shape).astype(np.float32)
        feeds[name] = np.abs(array) + 0.1 if case.values == "positive" else array
    return {name: array.astype(np.float32) if array.dtype == np.float64 else array
            for name, array in feeds.items()}  # fmt: skip


def reference(model: onnx.ModelProto, feeds: Mapping[str, NDArray[Any]]) -> Arrays:
    """What onnxruntime answers."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return [np.asarray(array) for array in session.run(None, dict(feeds))]


def network_of(model: onnx.ModelProto, *, images: bool = True) -> Network:
    """The model's ends; images are channels first where their rank allows it."""
    layouts = {3: "NCW", 4: "NCHW", 5: "NCDHW"} if images else {}
    ends = []
    for info in (*model.graph.input, *model.graph.output):
        tensor = info.type.tensor_type
        shape = tuple(dim.dim_value for dim in tensor.shape.dim)
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
        ends.append(Endpoint(info.name, dtype, shape, layouts.get(len(shape), "")))
    count = len(model.graph.input)
    outputs = tuple(replace(end, layout="") for end in ends[count:])
    return Network(tuple(ends[:count]), outputs, 0, 0)


def lowered(model: onnx.ModelProto, network: Network) -> tuple[onnx_import.Lowered, bytes]:
    """The model as a float .tflite."""
    result = onnx_import.lower(model, network, "case")
    return result, tflite_float.to_tflite(tflite_float.define(result.traced), "case")


def answer(
    result: onnx_import.Lowered, data: bytes, feeds: Mapping[str, NDArray[Any]]
) -> tuple[Arrays, int]:
    """LiteRT's answer in the model's own layouts, and how many nodes it has."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    details = {detail["name"]: detail for detail in interpreter.get_input_details()}
    for end in result.inputs:
        array = feeds[end.endpoint.name]
        if end.name in details:  # an input that nothing reads is not in the file
            interpreter.set_tensor(details[end.name]["index"], _to_file(array, end))
    interpreter.invoke()
    arrays = [
        _to_source(interpreter.get_tensor(detail["index"]), end)
        for detail, end in zip(interpreter.get_output_details(), result.outputs, strict=True)
    ]
    return arrays, len(interpreter._get_ops_details())  # noqa: SLF001 - as the inspection does


def _to_file(array: NDArray[Any], end: onnx_import.End) -> NDArray[Any]:
    if not end.layout:
        return array
    return array.transpose([end.endpoint.layout.index(axis) for axis in end.layout])


def _to_source(array: NDArray[Any], end: onnx_import.End) -> NDArray[Any]:
    if not end.layout:
        return array
    return array.transpose([end.layout.index(axis) for axis in end.endpoint.layout])


def operators(data: bytes) -> Counter[str]:
    """Operators of a .tflite, by name."""
    return Counter(operator.name for operator in Graph.read(data).operators)


def snr_db(wanted: NDArray[Any], seen: NDArray[Any]) -> float:
    """Power of what is wanted over that of the error; infinite where they are the same."""
    assert wanted.shape == seen.shape, (wanted.shape, seen.shape)
    signal, error = wanted.astype(np.float64), seen.astype(np.float64) - wanted
    power = float(np.sum(np.square(error)))
    return float("inf") if power == 0 else 10 * np.log10(float(np.sum(np.square(signal))) / power)
