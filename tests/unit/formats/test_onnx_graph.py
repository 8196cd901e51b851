"""What passes over ONNX graphs share: constants, names of the ends, shapes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper
from onnx_nets import Net, classifier, images, operators, run

from edgecnn.errors import InputError
from edgecnn.formats import onnx_graph, onnx_inference, onnx_rewrites


def _node(graph: ir.Graph, kind: str) -> ir.Node:
    return next(node for node in graph if node.op_type == kind)


def test_reading_and_writing_keep_the_function() -> None:
    model = classifier()
    back = onnx_graph.to_proto(onnx_graph.from_proto(model))
    assert operators(back) == operators(model)
    np.testing.assert_array_equal(run(back, images(2)), run(model, images(2)))


def test_constants_are_decoded_once() -> None:
    graph = onnx_graph.from_proto(classifier()).graph
    weight = _node(graph, "Conv").inputs[1]
    first, second = onnx_graph.array_of(weight), onnx_graph.array_of(weight)
    assert first is not None
    assert second is not None
    assert np.shares_memory(first, second)


def test_a_constant_that_is_an_output_stays_one() -> None:
    net = Net((2,))
    value = helper.make_tensor("two", TensorProto.FLOAT, [2], [2.0, 3.0])
    proto = net.model(net.node("Constant", value=value), (2,))
    model = onnx_graph.from_proto(proto)
    assert not list(model.graph)
    assert list(model.graph.initializers) == ["output"]
    found = run(onnx_graph.to_proto(model), [np.zeros(2, np.float32)])
    np.testing.assert_array_equal(found, [2.0, 3.0])


def test_a_constant_among_the_inputs_is_none() -> None:
    model = classifier()
    for item in model.graph.initializer:
        model.graph.input.append(
            helper.make_tensor_value_info(item.name, item.data_type, item.dims)
        )
    assert [value.name for value in onnx_graph.from_proto(model).graph.inputs] == ["input"]


def test_constants_nobody_reads_are_not_written() -> None:
    model = onnx_graph.from_proto(classifier())
    count = len(model.graph.initializers)
    onnx_rewrites.constant(model.graph, "unread", np.ones(3, np.float32))
    assert len(model.graph.initializers) == count + 1
    assert len(onnx_graph.to_proto(model).graph.initializer) == count


@pytest.mark.parametrize("damage", ["two makers", "short"])
def test_a_graph_that_contradicts_itself_is_refused(damage: str) -> None:
    net = Net()
    model = net.model(net.node("Add", net.node("Relu", "input"), net.normal(3)), net.shape)
    if damage == "two makers":
        model.graph.node[0].output[0] = "output"
    else:
        model.graph.initializer[0].raw_data = b"123"
    with pytest.raises(InputError, match="not valid"):
        onnx_graph.from_proto(model)


def test_bypassing_the_last_node_keeps_the_outputs_name() -> None:
    net = Net()
    proto = net.model(net.node("Identity", net.node("Relu", "input")), net.shape)
    model = onnx_graph.from_proto(proto)
    assert onnx_rewrites.bypass(model.graph, _node(model.graph, "Identity"))
    back = onnx_graph.to_proto(model)
    assert operators(back) == ["Relu"]
    np.testing.assert_array_equal(run(back, images(1)), run(proto, images(1)))


def test_what_joins_two_ends_is_not_bypassed() -> None:
    net = Net()
    model = onnx_graph.from_proto(net.model(net.node("Identity", "input"), net.shape))
    assert not onnx_rewrites.bypass(model.graph, model.graph[0])


def test_a_replacement_takes_name_and_place() -> None:
    net = Net()
    proto = net.model(net.node("Neg", net.node("Neg", net.node("Exp", "input"))), net.shape)
    model = onnx_graph.from_proto(proto)
    exp, first, second = model.graph
    onnx_rewrites.replace(model.graph, [first, second], [ir.node("Identity", exp.outputs)])
    assert [node.op_type for node in model.graph] == ["Exp", "Identity"]
    back = onnx_graph.to_proto(model)
    np.testing.assert_allclose(run(back, images(1)), run(proto, images(1)))


def test_sizes_that_an_output_leaves_open_are_learned() -> None:
    net = Net()
    proto = net.model(net.node("Relu", "input"), net.shape)
    proto.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "unk__7"
    model = onnx_graph.from_proto(proto)
    onnx_inference.infer_shapes(model)
    assert onnx_graph.shape_of(model.graph.outputs[0]) == tuple(net.shape)


def test_shapes_that_follow_from_large_weights_are_known() -> None:
    model = onnx_graph.from_proto(classifier())
    onnx_inference.infer_shapes(model)
    assert onnx_graph.shape_of(_node(model.graph, "Conv").outputs[0]) == (1, 8, 8, 8)
    assert onnx_graph.is_float(_node(model.graph, "Gemm").outputs[0])
    assert onnx_graph.shape_of(_node(model.graph, "Conv").inputs[1]) == ()  # a constant
