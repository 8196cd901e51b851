"""Reading, changing and writing a .tflite leaves all else as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from random_nets import Drawn, RandomNet, networks, operators, run
from tiny_tflite import TinyModel, float_net, int8_net

from edgecnn.formats import tflite_file as tfl
from edgecnn.runtime.litert import LiteRTSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@settings(max_examples=40)
@given(networks())
def test_what_is_read_and_written_computes_the_same(net: Drawn) -> None:
    again = tfl.write(tfl.read(net.data))
    assert tuple(operators(again)) == net.operators
    for wanted, found in zip(run(net.data, net.feeds), run(again, net.feeds), strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert tfl.write(tfl.read(again)) == again


@pytest.mark.parametrize("net", [float_net, int8_net])
def test_buffers_behind_the_flatbuffer_are_brought_inside(net: Callable[[], TinyModel]) -> None:
    inside, behind = net().to_bytes(), net().to_bytes(buffers_behind=True)
    models = tfl.read(inside), tfl.read(tfl.write(tfl.read(behind)))
    graphs = [tfl.main_graph(model) for model in models]
    count = 0
    for index in range(len(graphs[0].tensors)):
        wanted, found = (tfl.constant(m, g, index) for m, g in zip(models, graphs, strict=True))
        assert (wanted is None) == (found is None)
        if wanted is not None and found is not None:
            assert wanted.dtype == found.dtype
            np.testing.assert_array_equal(found, wanted)
            count += 1
    assert count >= 4
    assert all(buffer.offset == buffer.size == 0 for buffer in models[1].buffers)
    LiteRTSession(tfl.write(models[1]))


def test_operators_beyond_the_127_old_readers_know_have_their_name() -> None:
    net = TinyModel()
    image = net.tensor("float32", (1, 4), name="image")
    output = net.tensor("float32", (1, 4))
    net.operator("GELU", [image], [output])
    net.border([image], [output])
    assert operators(net.to_bytes()) == ["GELU"]
    model = tfl.read(net.to_bytes())
    assert tfl.opcode_index(model, "GELU") == 0
    added = tfl.opcode_index(model, "SIGN")
    assert model.operatorCodes[added].deprecatedBuiltinCode == 127


def test_an_opcode_is_shared_unless_a_newer_version_is_asked_for() -> None:
    model = tfl.read(float_net().to_bytes())
    count = len(model.operatorCodes)
    assert tfl.opcode_index(model, "RELU") < count
    newer = tfl.opcode_index(model, "RELU", version=3)
    assert newer == count
    assert tfl.opcode_index(model, "RELU", version=2) == newer


def test_constants_come_in_their_shape_and_dtype() -> None:
    net = RandomNet(0)
    values: list[NDArray[Any]] = [
        net.normal(2, 3), np.arange(4, dtype=np.int8), np.asarray(2.5, np.float32),
        np.array([[1], [2]], np.int64), np.array([True, False]), net.normal(3).astype(np.float16),
    ]  # fmt: skip
    indices = [net.fixed(value) for value in values]
    model = tfl.read(net.finish(net.relu(net.image)))
    graph = tfl.main_graph(model)
    for index, value in zip(indices, values, strict=True):
        found = tfl.constant(model, graph, index)
        assert found is not None
        assert (found.dtype, found.shape) == (value.dtype, value.shape)
        np.testing.assert_array_equal(found, value)
    assert tfl.constant(model, graph, net.image) is None
    assert tfl.constant(model, graph, tfl.NO_TENSOR) is None


@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
def test_a_new_constant_leaves_the_other_reader_of_a_shared_buffer_alone(
    shape: tuple[int, ...],
) -> None:
    net = RandomNet(0)
    one, other = net.fixed(net.normal(4)), net.fixed(net.normal(4))
    net.tensors[other].buffer = net.tensors[one].buffer
    model = tfl.read(net.finish(net.relu(net.image)))
    graph = tfl.main_graph(model)
    old = tfl.constant(model, graph, other)
    assert old is not None
    old = old.copy()
    tfl.set_constant(model, graph, one, np.ones(shape, np.float32))
    again = tfl.read(tfl.write(model))
    found = tfl.constant(again, tfl.main_graph(again), one)
    assert found is not None
    assert found.shape == shape
    assert (found == 1).all()
    kept = tfl.constant(again, tfl.main_graph(again), other)
    np.testing.assert_array_equal(np.asarray(kept), old)


def test_a_constant_made_like_a_tensor_of_open_batch_has_no_open_shape() -> None:
    net = RandomNet(0)
    net.tensors[net.image].shapeSignature = [-1, 8, 8, 3]
    model = tfl.read(net.finish(net.relu(net.image)))
    graph = tfl.main_graph(model)
    made = tfl.add_tensor(graph, graph.tensors[net.image], "made")
    tfl.set_constant(model, graph, made, np.zeros(3, np.float32))
    assert graph.tensors[made].shapeSignature is None
    assert list(graph.tensors[net.image].shapeSignature) == [-1, 8, 8, 3]


def test_unused_tensors_and_buffers_go_and_the_rest_is_renumbered() -> None:
    net = RandomNet(0)
    net.fixed(net.normal(1000))
    x = net.conv(net.image, 4)
    net.tiny.metadata("note", b"kept")
    data = net.finish(net.dense(net.image, 2, bias=False), x)
    model = tfl.read(data)
    tfl.drop_unused(model)
    after = tfl.write(model)
    assert len(after) < len(data) - 3900
    feeds = net.feeds()
    for wanted, found in zip(run(data, feeds), run(after, feeds), strict=True):
        np.testing.assert_array_equal(found, wanted)
    note = model.metadata[0]
    assert bytes(model.buffers[note.buffer].data) == b"kept"
    graph = tfl.main_graph(model)
    signature = model.signatureDefs[0]
    assert [e.tensorIndex for e in signature.inputs] == list(graph.inputs)
    assert [e.tensorIndex for e in signature.outputs] == list(graph.outputs)
    assert graph.operators[-1].inputs[2] == tfl.NO_TENSOR


def test_other_subgraphs_keep_their_buffers() -> None:
    net = float_net()
    net.subgraph()
    fixed = net.tensor("float32", (3,), values=np.arange(3, dtype=np.float32))
    output = net.tensor("float32", (3,))
    net.operator("RELU", [fixed], [output])
    net.border([], [output])
    model = tfl.read(net.to_bytes())
    tfl.drop_unused(model)
    again = tfl.read(tfl.write(model))
    values = tfl.constant(again, again.subgraphs[1], 0)
    np.testing.assert_array_equal(np.asarray(values), np.arange(3))


def test_the_signature_names_the_ends() -> None:
    model = tfl.read(float_net().to_bytes())
    tfl.set_signature(model)
    again = tfl.read(tfl.write(model))
    (signature,) = again.signatureDefs
    assert signature.signatureKey == b"serving_default"
    assert [entry.name for entry in signature.inputs] == [b"image"]
    assert [entry.name for entry in signature.outputs] == [b"logits"]


def test_makers_and_readers_of_a_tensor() -> None:
    graph = tfl.main_graph(tfl.read(float_net().to_bytes()))
    made_by, read_by = tfl.producers(graph), tfl.consumers(graph)
    image, logits = int(graph.inputs[0]), int(graph.outputs[0])
    assert image not in made_by
    assert read_by[image] == [0]
    assert made_by[logits] == len(graph.operators) - 1
    assert logits not in read_by


def test_scales_of_a_quantized_tensor_and_of_one_that_is_not() -> None:
    graph = tfl.main_graph(tfl.read(int8_net().to_bytes()))
    found = tfl.quantization_of(graph.tensors[int(graph.inputs[0])])
    assert found is not None
    assert found[0].tolist() == [np.float32(1 / 255)]
    assert found[1].tolist() == [-128]
    graph = tfl.main_graph(tfl.read(float_net().to_bytes()))
    assert tfl.quantization_of(graph.tensors[0]) is None
