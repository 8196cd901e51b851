"""What MediaPipe's files are made of becomes plain float."""

from __future__ import annotations

import integer_cases as cases
import numpy as np
import pytest

from edgecnn.formats import tflite_schema as schema
from edgecnn.formats.tflite_graph import Graph, Operator
from edgecnn.quantize import measured
from edgecnn.quantize.passes import (
    float16,
    to_integer_kernels,
    transpose_conv_bias,
    unpack_constants,
)


def answers(graph: Graph, net: cases.Net) -> np.ndarray:
    name = graph.outputs[0].name
    return measured.answers(graph, net.feeds(2), [name], threads=1)[name]


def test_weights_in_half_precision_are_unpacked_exactly() -> None:
    net = cases.Net()
    graph = net.finish(net.dense(net.conv(net.image)))
    float16.apply(graph)
    wanted = answers(graph, net)
    assert unpack_constants.apply(graph).changes == 3  # a bias of 4 was not halved
    assert [operator.name for operator in graph.operators] == ["CONV_2D", "FULLY_CONNECTED"]
    assert {tensor.dtype for tensor in graph.tensors} == {"FLOAT32"}
    np.testing.assert_array_equal(answers(graph, net), wanted)


def test_sparse_weights_are_made_whole() -> None:
    """Compressed along the inputs of each output, as MediaPipe has it."""
    net = cases.Net((1, 8))
    weights = net.normal(4, 8) * (net.random.random((4, 8)) < 0.4)
    stored = net.fixed(weights[weights != 0], np.float32)
    stored.shape = weights.shape
    stored.raw = schema.generated().TensorT()
    stored.raw.sparsity = _compressed(weights)
    whole = net.op("DENSIFY", [stored], weights.shape)
    graph = net.graph
    graph.outputs = [net.op("FULLY_CONNECTED", [net.image, whole, None], (1, 4),
                            cases.options("FullyConnectedOptions"))]  # fmt: skip
    assert unpack_constants.apply(graph).changes == 1
    assert [operator.name for operator in graph.operators] == ["FULLY_CONNECTED"]
    found = graph.operators[0].constant(1)
    assert found is not None
    np.testing.assert_array_equal(found, weights.astype(np.float32))


def _compressed(weights: np.ndarray) -> object:
    made = schema.generated()
    sparsity, rows, columns = made.SparsityParametersT(), made.DimensionMetadataT(), (
        made.DimensionMetadataT())  # fmt: skip
    rows.format, rows.denseSize, columns.format = 0, len(weights), 1
    columns.arraySegments, columns.arrayIndices = made.Int32VectorT(), made.Uint8VectorT()
    counts = (weights != 0).sum(axis=1)
    columns.arraySegments.values = np.concatenate([[0], np.cumsum(counts)])
    columns.arrayIndices.values = np.nonzero(weights)[1]
    sparsity.traversalOrder, sparsity.blockMap = np.asarray([0, 1]), None
    sparsity.dimMetadata = [rows, columns]
    return sparsity


@pytest.mark.parametrize(("padding", "size"), [(1, (16, 16)), (2, (17, 17))])
def test_mediapipes_transposed_convolution_is_the_builtin_bit_for_bit(
    padding: int, size: tuple[int, int]
) -> None:
    net = cases.Net()
    weights, bias = net.fixed(net.normal(3, 3, 3, 8), np.float32), net.fixed([1, 2, 3], np.float32)
    output = net.graph.add_tensor("output", shape=(1, *size, 3))
    custom = Operator("Convolution2DTransposeBias", [net.image, weights, bias], [output],
                      custom=True)  # fmt: skip
    custom.raw = schema.generated().OperatorT()
    options = np.asarray([padding, 2, 2], np.int32)
    custom.raw.customOptions = np.frombuffer(options.tobytes(), np.uint8)
    net.graph.operators.append(custom)
    net.graph.outputs = [output]
    wanted = answers(net.graph, net)
    assert transpose_conv_bias.apply(net.graph).changes == 1
    assert net.graph.operators[0].name == "TRANSPOSE_CONV"
    np.testing.assert_array_equal(answers(net.graph, net), wanted)


def test_negation_and_squares_are_the_same_numbers() -> None:
    net = cases.Net()
    graph = net.finish(net.unary("SQUARE", net.unary("NEG", net.conv(net.image))))
    wanted = answers(graph, net)
    assert to_integer_kernels.apply(graph).changes == 2
    assert [operator.name for operator in graph.operators] == ["CONV_2D", "SUB", "MUL"]
    np.testing.assert_array_equal(answers(graph, net), wanted)
