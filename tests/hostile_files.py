"""Small files that ask for gigabytes, for ever, or for what cannot be."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper
from tiny_tflite import TinyModel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from onnx import ValueInfoProto

_SHARED_BYTES, _SHARING = 1 << 20, 1900
_DEEP = 40


def endless_while() -> bytes:
    """A .tflite (1, 8, 8, 3) to (1, 8, 8, 3) whose WHILE goes on as long as 0 is 0."""
    net = TinyModel()
    ends = [net.tensor("float32", (1, 8, 8, 3), name=name) for name in ("image", "logits")]
    options = schema.WhileOptionsT()
    options.condSubgraphIndex, options.bodySubgraphIndex = 1, 2
    net.operator("WHILE", ends[:1], ends[1:], options)
    net.border(ends[:1], ends[1:])
    net.subgraph()
    entered = net.tensor("float32", (1, 8, 8, 3), name="entered")
    zero = net.tensor("float32", (1,), values=np.zeros(1, np.float32))
    other = net.tensor("float32", (1,), values=np.zeros(1, np.float32))
    goes_on = net.tensor("bool", (1,), name="goes_on")
    net.operator("EQUAL", [zero, other], [goes_on], schema.EqualOptionsT())
    net.border([entered], [goes_on])
    net.subgraph()
    before, after = (net.tensor("float32", (1, 8, 8, 3), name=name) for name in ("v", "w"))
    net.operator("ABS", [before], [after], schema.AbsOptionsT())
    net.border([before], [after])
    return net.to_bytes()


def large_activations() -> bytes:
    """A .tflite of some hundred bytes that tiles a number to 20 GB."""
    net = TinyModel()
    one = net.tensor("float32", (1, 1, 1, 1), name="one")
    times = net.tensor("int32", (4,), values=np.array([1, 70_000, 70_000, 1], np.int32))
    many = net.tensor("float32", (1, 70_000, 70_000, 1), name="many")
    net.operator("TILE", [one, times], [many], schema.TileOptionsT())
    net.border([one], [many])
    return net.to_bytes()


def impossible_macs() -> bytes:
    """A .tflite whose product has 2**58 multiply-accumulates."""
    net = TinyModel()
    left = net.tensor("float32", (1 << 20, 1 << 19), name="left")
    right = net.tensor("float32", (1 << 19, 1 << 19), name="right")
    result = net.tensor("float32", (1 << 20, 1 << 19), name="result")
    net.operator("BATCH_MATMUL", [left, right], [result], schema.BatchMatMulOptionsT())
    net.border([left, right], [result])
    return net.to_bytes()


def shared_buffers() -> bytes:
    """A .tflite of 1.1 MB whose 1,900 buffers are one vector: 2 GB for who unpacks it."""
    builder = flatbuffers.Builder(2 * _SHARED_BYTES)
    vector = builder.CreateByteVector(bytes(_SHARED_BYTES))
    buffers = []
    for shares in (False, *[True] * _SHARING):
        schema.BufferStart(builder)
        if shares:
            schema.BufferAddData(builder, vector)
        buffers.append(schema.BufferEnd(builder))
    listed = _offsets(builder, buffers, schema.ModelStartBuffersVector)
    graph = _empty_graph(builder)
    graphs = _offsets(builder, [graph], schema.ModelStartSubgraphsVector)
    schema.ModelStart(builder)
    schema.ModelAddVersion(builder, 3)
    schema.ModelAddSubgraphs(builder, graphs)
    schema.ModelAddBuffers(builder, listed)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def _offsets(builder: flatbuffers.Builder, items: Sequence[int], start: object) -> int:
    start(builder, len(items))  # type: ignore[operator] # a generated function
    for item in reversed(items):
        builder.PrependUOffsetTRelative(item)
    return int(builder.EndVector())


def _empty_graph(builder: flatbuffers.Builder) -> int:
    name = builder.CreateString("x")
    schema.TensorStart(builder)
    schema.TensorAddName(builder, name)
    tensors = _offsets(builder, [schema.TensorEnd(builder)], schema.SubGraphStartTensorsVector)
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, tensors)
    return int(schema.SubGraphEnd(builder))


def nested_functions() -> bytes:
    """An .onnx of 2.5 kB whose functions call the next one twice, 40 deep."""
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("d", 1)]
    functions = []
    for depth in range(_DEEP):
        kind, domain = (f"f{depth + 1}", "d") if depth + 1 < _DEEP else ("Relu", "")
        twice = [helper.make_node(kind, [a], [b], domain=domain) for a, b in ("ab", "bc")]
        functions.append(helper.make_function("d", f"f{depth}", ["a"], ["c"], twice, imports))
    call = helper.make_node("f0", ["x"], ["y"], domain="d")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in "xy"]
    graph = helper.make_graph([call], "g", ends[:1], ends[1:])
    model = helper.make_model(graph, functions=functions, opset_imports=imports, ir_version=8)
    return bytes(model.SerializeToString())


def endless_loop() -> bytes:
    """An .onnx whose Loop goes on as long as true is true."""

    def info(name: str, kind: int, shape: Sequence[int] = ()) -> ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    nodes = [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Abs", ["v"], ["w"])]
    floats, flags = TensorProto.FLOAT, TensorProto.BOOL
    entered = [info("i", TensorProto.INT64), info("c", flags), info("v", floats, [1, 4])]
    body = helper.make_graph(nodes, "b", entered, [info("d", flags), info("w", floats, [1, 4])])
    graph = helper.make_graph(
        [helper.make_node("Loop", ["", "true", "x"], ["y"], body=body)],
        "g",
        [info("x", floats, [1, 4])],
        [info("y", floats, [1, 4])],
        [helper.make_tensor("true", flags, [], [True])],
    )
    imports = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    return bytes(model.SerializeToString())


def put_into(artifact: Path, name: str, data: bytes) -> None:
    """Replace a model file of an artifact, and let its manifest tell of the new one."""
    (artifact / name).write_bytes(data)
    manifest = artifact / "manifest.json"
    content = json.loads(manifest.read_text("utf-8"))
    for info in content["files"]:
        if info["path"] == name:
            info["sha256"], info["bytes"] = hashlib.sha256(data).hexdigest(), len(data)
    manifest.write_text(json.dumps(content), "utf-8")
