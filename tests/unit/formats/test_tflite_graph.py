"""The typed graph of a .tflite file: round trips, edits, names, signatures, what else is inside."""

from __future__ import annotations

import io
import random
import zipfile
from typing import TYPE_CHECKING, Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from fuzzing import mutate
from hypothesis import given, settings
from random_nets import Drawn, RandomNet, networks, run, same_function
from tiny_tflite import TinyModel, float_net, int8_net

from edgecnn.errors import InputError
from edgecnn.formats.tflite_graph import Graph, Operator, Quantization, Tensor
from edgecnn.formats.tflite_schema import operator_name
from edgecnn.runtime.litert import LiteRTSession

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TRIES = 300


def _unpacked(data: bytes) -> Any:  # noqa: ANN401 - a generated class
    return schema.ModelT.InitFromPackedBuf(data, 0)


def _names(graph: Graph) -> list[str]:
    return [operator.name for operator in graph.operators]


@settings(max_examples=25, deadline=None)
@given(networks())
def test_a_round_trip_keeps_every_byte_and_a_copy_does_not_share_edits(net: Drawn) -> None:
    graph = Graph.read(net.data)
    once = graph.write()
    assert Graph.read(once).write() == once
    assert graph.copy().write() == once
    twin = graph.copy()
    twin.operators.clear()
    twin.inputs[0].name = "another"
    assert graph.write() == once
    same_function(net.data, once, net.feeds, db=200)


def test_a_graph_tells_what_the_file_holds() -> None:
    graph = Graph.read(int8_net().to_bytes())
    assert _names(graph) == ["CONV_2D", "RELU", "CONV_2D"]
    first, relu, _ = graph.operators
    assert [tensor.name for tensor in graph.inputs] == ["image"]
    assert graph.inputs[0].shape == (1, 8, 8, 3)
    assert graph.inputs[0].quantization == Quantization.of(1 / 255, -128)
    assert first.constant(1) is not None
    assert first.input(1).numpy_dtype == np.int8  # type: ignore[union-attr]
    assert graph.producer(relu.source) is first
    assert graph.consumers(first.output) == [relu]
    assert graph.producer(graph.inputs[0]) is None
    assert graph["image"] is graph.inputs[0]
    with pytest.raises(KeyError):
        graph["nothing"]


def test_buffers_behind_the_flatbuffer_come_inside() -> None:
    net = float_net()
    inside, behind = net.to_bytes(), net.to_bytes(buffers_behind=True)
    assert Graph.read(behind).write() == Graph.read(inside).write()


def test_a_damaged_file_is_told_and_nothing_else_comes_of_it() -> None:
    whole = float_net().to_bytes()
    said, sound = [], 0
    for number in range(_TRIES):
        damaged = mutate.of_bytes(whole, random.Random(number))  # noqa: S311 - no secret is made
        try:
            Graph.read(damaged).write()
            sound += 1
        except InputError as error:
            said.append(error.message)
    assert min(len(said), sound) > _TRIES // 10
    assert {message.partition(":")[0] for message in said} == {"The .tflite is damaged"}


@pytest.mark.parametrize("field", ["options", "signature", "code", "no subgraphs"])
def test_numbers_that_lead_nowhere_are_told(field: str) -> None:
    model = float_net().model
    if field == "options":
        model.subgraphs[0].operators[0].builtinOptionsType = 200
        model.subgraphs[0].operators[0].opcodeIndex = 77
    elif field == "signature":
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = b"x", 99
        model.signatureDefs = [schema.SignatureDefT()]
        model.signatureDefs[0].inputs, model.signatureDefs[0].signatureKey = [entry], b"main"
    elif field == "code":
        model.operatorCodes[0].builtinCode = model.operatorCodes[0].deprecatedBuiltinCode = 127
        model.operatorCodes[0].builtinCode = 100_000
    else:
        model.subgraphs = None
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    with pytest.raises(InputError, match="is damaged"):
        Graph.read(bytes(builder.Output()))


def test_look_ups_follow_every_kind_of_edit() -> None:
    graph = Graph.read(float_net().to_bytes())
    conv, relu, reshape, _ = graph.operators
    assert graph.consumers(conv.output) == [relu]
    reshape.inputs[0] = conv.output
    assert graph.consumers(conv.output) == [relu, reshape]
    reshape.inputs = [relu.output, *reshape.inputs[1:]]
    assert graph.consumers(conv.output) == [relu]
    graph.operators.remove(relu)
    assert graph.producer(relu.output) is None
    graph.operators = [conv, relu, *graph.operators[1:]]
    assert graph.position(relu) == 1
    relu.outputs[0] = graph.add_like(relu.output, "other")
    assert graph.producer(relu.outputs[0]) is relu


def test_operators_go_before_behind_and_in_the_place_of_others() -> None:
    data = float_net().to_bytes()
    graph = Graph.read(data)
    conv, relu, *_ = graph.operators
    ahead = graph.add_like(relu.source, "ahead")
    graph.insert_before(relu, Operator("RELU6", [conv.output], [ahead]))
    relu.inputs[0] = ahead
    behind = graph.add_like(relu.output, "behind")
    graph.redirect(relu.output, behind)
    graph.insert_after(relu, Operator("ABS", [relu.output], [behind]))
    assert _names(graph)[:4] == ["CONV_2D", "RELU6", "RELU", "ABS"]
    feed = np.full((1, 8, 8, 3), 0.01, np.float32)
    session = LiteRTSession(graph.write())
    np.testing.assert_allclose(session.run([feed])[0], run(data, [feed])[0][0], rtol=1e-5)
    graph.replace(relu, Operator("RELU", [ahead], [behind]))
    graph.remove(op for op in list(graph.operators) if op.name == "ABS")
    assert _names(graph)[:3] == ["CONV_2D", "RELU6", "RELU"]


def test_what_nothing_names_is_not_written_and_dead_operators_can_go() -> None:
    graph = Graph.read(float_net().to_bytes())
    before = graph.write()
    graph.add_constant("loose", np.zeros(1000, np.float32))
    assert graph.write() == before
    conv = graph.operators[0]
    graph.outputs = [conv.output]
    graph.remove_dead()
    assert _names(graph) == ["CONV_2D"]
    assert len(graph.tensors) == 4
    assert len(_unpacked(graph.write()).buffers) == 3  # the empty one, weights and bias


def test_constants_of_their_own_leave_shared_buffers_alone() -> None:
    net = TinyModel()
    x, y, z = (net.tensor("float32", (2,), name=name) for name in "xyz")
    shared = net.buffer(np.ones(2, np.float32).tobytes())
    one, other = (net.tensor("float32", (2,), buffer=shared, name=n) for n in ("one", "other"))
    net.operator("ADD", [x, one], [y], schema.AddOptionsT())
    net.operator("ADD", [y, other], [z], schema.AddOptionsT())
    net.border([x], [z])
    graph = Graph.read(net.to_bytes())
    assert graph["one"].buffer is graph["other"].buffer
    graph["one"].data = np.full(2, 5, np.float32)
    assert run(graph.write(), [np.zeros(2, np.float32)])[0].tolist() == [[6.0, 6.0]]


def test_names_become_unique_and_ends_keep_theirs() -> None:
    net = TinyModel()
    made = [net.tensor("float32", (2,), name="same") for _ in range(3)]
    net.operator("RELU", [made[1]], [made[0]])
    net.operator("ABS", [made[0]], [made[2]])
    net.border([made[1]], [made[2]])
    data = net.to_bytes()
    graph = Graph.read(data)
    assert graph.inputs[0].name == "same"
    assert len(graph.by_name()) == 3
    as_they_were = [tensor.name for tensor in _unpacked(graph.write()).subgraphs[0].tensors]
    assert as_they_were == [b"same"] * 3
    written = _unpacked(graph.write(unique_names=True)).subgraphs[0].tensors
    assert len({tensor.name for tensor in written}) == 3
    assert graph.add_tensor("same").name == "same_3"


def test_ends_are_renamed_together_and_the_signature_keeps_their_order() -> None:
    net = TinyModel()
    a, b, s, d = (net.tensor("float32", (2,), name=name) for name in ("a", "b", "x", "diff"))
    net.operator("ADD", [a, b], [s], schema.AddOptionsT())
    net.operator("SUB", [a, b], [d], schema.SubOptionsT())
    net.border([b, a], [d, s])
    graph = Graph.read(net.to_bytes())
    graph.rename_ends(["a", "b"], ["y", "x"])  # swaps the inputs' names
    graph.set_signature()
    signature = _unpacked(graph.write()).signatureDefs[0]
    assert [(e.name, e.tensorIndex) for e in signature.inputs] == [(b"a", 1), (b"b", 0)]
    assert [(e.name, e.tensorIndex) for e in signature.outputs] == [(b"y", 3), (b"x", 2)]
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=graph.write()).get_signature_runner("serving_default")
    found = runner(a=np.array([1, 1], np.float32), b=np.array([5, 5], np.float32))
    assert found["y"].tolist() == [4, 4]  # the file's "b" is called "a" now
    assert found["x"].tolist() == [6, 6]


def test_a_name_that_an_end_takes_is_given_up_by_another_tensor() -> None:
    graph = Graph.read(float_net().to_bytes())
    graph.operators[0].output.name = "output"
    graph.rename_ends(["input"], ["output"])
    assert graph.outputs[0].name == "output"
    assert graph.operators[0].output.name == "output_inner"


def _counting() -> TinyModel:
    """WHILE: doubles a number as long as it is below 100."""
    net = TinyModel()
    x, y = (net.tensor("float32", (1,), name=name) for name in "xy")
    options = schema.WhileOptionsT()
    options.condSubgraphIndex, options.bodySubgraphIndex = 1, 2
    net.operator("WHILE", [x], [y], options)
    net.border([x], [y])
    for name, kind in (("LESS", "bool"), ("ADD", "float32")):
        net.subgraph()
        source = net.tensor("float32", (1,), name="x")
        limit = net.tensor("float32", (1,), values=np.array([100], np.float32), name="limit")
        made = net.tensor(kind, (1,), name="y")
        other = limit if name == "LESS" else source
        net.operator(name, [source, other], [made], getattr(schema, f"{name.title()}OptionsT")())
        net.border([source], [made])
    return net


def test_further_subgraphs_survive_and_can_be_edited() -> None:
    graph = Graph.read(_counting().to_bytes())
    feed = np.array([3], np.float32)
    assert run(graph.write(), [feed])[0].tolist() == [[192.0]]
    assert run(graph.copy().write(), [feed])[0].tolist() == [[192.0]]
    condition, _ = graph.others
    assert [operator.name for operator in condition.operators] == ["LESS"]
    condition["limit"].data = np.array([20], np.float32)
    assert run(graph.write(), [feed])[0].tolist() == [[24.0]]


def test_metadata_and_the_files_packed_with_it_survive() -> None:
    net = float_net()
    net.metadata("TFLITE_METADATA", b"about the model")
    packed = io.BytesIO(net.to_bytes())
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("labels.txt", "cat\ndog\n")
    graph = Graph.read(packed.getvalue())
    graph.operators[0].become("ABS")  # a smaller file: the archive moves
    graph.operators[0].inputs = [graph.inputs[0]]
    graph.operators[0].outputs = [graph.add_like(graph.inputs[0], "abs")]
    graph.outputs = list(graph.operators[0].outputs)
    graph.remove_dead()
    data = graph.write()
    assert [(entry.name, entry.data) for entry in Graph.read(data).metadata] == [
        ("TFLITE_METADATA", b"about the model")
    ]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.read("labels.txt") == b"cat\ndog\n"
        assert archive.testzip() is None
    assert graph.write() == data
    assert LiteRTSession(data).outputs[0].shape == (1, 8, 8, 3)


def test_tapping_leaves_the_graph_as_it_is() -> None:
    graph = Graph.read(float_net().to_bytes())
    graph.set_signature()
    before = graph.write()
    conv, relu, *_ = graph.operators
    session = LiteRTSession(graph.tapped([conv.output, relu.output]))
    assert [output.shape for output in session.outputs] == [(1, 8, 8, 4)] * 2
    assert graph.write() == before


def test_operator_codes_are_shared_and_the_newest_that_does_is_used() -> None:
    graph = Graph.read(float_net().to_bytes())
    relu = graph.operators[1]
    inner = graph.add_like(relu.output, "inner")
    graph.insert_before(relu, Operator("QUANTIZE", relu.inputs, [inner], version=2))
    graph.insert_before(relu, Operator("QUANTIZE", relu.inputs, [inner], version=1))
    codes = _unpacked(graph.write()).operatorCodes
    quantize = [code for code in codes if code.builtinCode == schema.BuiltinOperator.QUANTIZE]
    assert [code.version for code in quantize] == [2]


def test_an_operator_code_goes_with_its_last_operator() -> None:
    graph = Graph.read(float_net().to_bytes())
    kinds = [operator.name for operator in graph.operators]
    relu = next(operator for operator in graph.operators if operator.name == "RELU")
    source = relu.inputs[0]
    assert source is not None
    graph.redirect(relu.output, source)
    graph.remove([relu])
    written = graph.write()
    codes = [operator_name(code)[0] for code in _unpacked(written).operatorCodes]
    assert "RELU" in kinds
    assert sorted(codes) == sorted({operator.name for operator in graph.operators})
    kept = [kind for kind in kinds if kind != "RELU"]
    assert [operator.name for operator in Graph.read(written).operators] == kept
    LiteRTSession(written)


def test_custom_operators_and_absent_inputs_survive() -> None:
    net = RandomNet()
    made = net.dense(net.flatten(net.image), 3, bias=False)
    custom = net.tiny.tensor("float32", (1, 3), name="custom")
    net.tiny.operator("MyOp", [made], [custom], custom=True)
    graph = Graph.read(net.finish(custom))
    dense, mine = graph.operators[-2:]
    assert dense.inputs[2] is None
    assert (mine.name, mine.custom) == ("MyOp", True)
    again = Graph.read(graph.write())
    assert again.operators[-1].custom
    assert again.operators[-2].inputs[2] is None


def test_a_graph_from_nothing_runs() -> None:
    x, y = Tensor("x", "FLOAT32", (1, 4)), Tensor("y", "FLOAT32", (1, 4))
    one = Tensor("one", "FLOAT32", data=np.ones((1, 4), np.float32))
    graph = Graph([x], [y], [Operator("ADD", [x, one], [y], schema.AddOptionsT())])
    graph.set_signature()
    assert run(graph.write(), [np.zeros((1, 4), np.float32)])[0].tolist() == [[[1, 1, 1, 1]]]
    assert Graph.read(graph.write()).write() == graph.write()


def test_setting_data_sets_type_and_shape_and_none_takes_them_away() -> None:
    tensor = Tensor("t", "FLOAT32", (2,))
    tensor.shape_signature = (-1,)
    tensor.data = np.ones((3, 2), np.int8)
    assert (tensor.dtype, tensor.shape) == ("INT8", (3, 2))
    assert getattr(tensor, "shape_signature", ()) is None
    assert tensor.is_constant
    tensor.data = None
    assert tensor.data is None
    assert not tensor.is_constant


def test_operators_beyond_the_127_old_readers_know_have_their_name() -> None:
    net = TinyModel()
    image, output = (net.tensor("float32", (1, 4), name=name) for name in ("image", "output"))
    net.operator("GELU", [image], [output])
    net.border([image], [output])
    graph = Graph.read(net.to_bytes())
    assert _names(graph) == ["GELU"]
    graph.operators[0].become("SIGN")
    code = _unpacked(graph.write()).operatorCodes[-1]
    assert (code.builtinCode, code.deprecatedBuiltinCode) == (schema.BuiltinOperator.SIGN, 127)


def test_constants_come_in_their_shape_and_dtype() -> None:
    net = RandomNet(0)
    values: list[NDArray[Any]] = [
        net.normal(2, 3), np.arange(4, dtype=np.int8), np.asarray(2.5, np.float32),
        np.array([[1], [2]], np.int64), np.array([True, False]), net.normal(3).astype(np.float16),
    ]  # fmt: skip
    names = [net.name(net.fixed(value)) for value in values]
    graph = Graph.read(net.finish(net.relu(net.image)))
    for name, value in zip(names, values, strict=True):
        found = graph[name].data
        assert found is not None
        assert (found.dtype, found.shape) == (value.dtype, value.shape)
        np.testing.assert_array_equal(found, value)
    assert graph["image"].data is None
