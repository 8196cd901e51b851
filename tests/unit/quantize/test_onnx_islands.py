"""Which parts of a graph stay float under int8, and that every input and output is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from onnx_foreign import Foreign
from onnx_nets import operators, snr_db

from edgecnn.convert import onnx_parsing, onnx_source
from edgecnn.errors import InputError
from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import from_proto
from edgecnn.quantize.onnx_draft import QUANTIZED
from edgecnn.quantize.onnx_dynamic import to_dynamic
from edgecnn.quantize.onnx_float16 import to_float16
from edgecnn.quantize.onnx_islands import Spread, float_operators
from edgecnn.quantize.onnx_qdq import to_int8

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecnn.quantize.onnx_draft import Int8Result

    Array = NDArray[Any]


def _feeds(source: onnx_source.OnnxSource, count: int, seed: int) -> list[list[Array]]:
    random = np.random.default_rng(seed)
    return [
        [
            random.integers(0, 5, end.shape)
            if end.dtype == "int64"
            else random.random(end.shape, dtype=np.float32)
            for end in source.network.inputs
        ]
        for _ in range(count)
    ]


def _run(path: Path, feeds: list[list[Array]]) -> list[Array]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]
    rows = [session.run(None, dict(zip(names, feed, strict=True))) for feed in feeds]
    return [np.concatenate(column) for column in zip(*rows, strict=True)]


def _quantized(
    model: onnx.ModelProto, folder: Path
) -> tuple[Int8Result, onnx.ModelProto, list[float]]:
    """Result, file, and the SNR of each output about its mean, in dB."""
    source = onnx_source.prepare_model(onnx_parsing.accept(model, "it"))
    onnx_file.save(from_proto(source.model), folder / "float.onnx")
    result = to_int8(folder / "float.onnx", folder / "int8.onnx", _feeds(source, 24, 1))
    file, feeds = onnx.load(str(folder / "int8.onnx")), _feeds(source, 12, 2)
    for ends in (
        (file.graph.input, source.model.graph.input),
        (
            file.graph.output,
            source.model.graph.output,
        ),
    ):
        assert [(e.name, e.type) for e in ends[0]] == [(e.name, e.type) for e in ends[1]]
    expected, computed = _run(folder / "float.onnx", feeds), _run(folder / "int8.onnx", feeds)
    return (
        result,
        file,
        [snr_db(a - a.mean(0), b - a.mean(0)) for a, b in zip(expected, computed, strict=True)],
    )


def _several() -> onnx.ModelProto:
    """A picture, numbers and words in; an inner map, scores, a count and a regression out."""
    net = Foreign()
    image = net.input("image", [1, 3, 16, 16])
    numbers = net.input("numbers", [1, 4])
    words = net.input("words", [1, 6], TensorProto.INT64)
    x = net.node("Relu", net.conv(image, 3, 8, strides=[2, 2]))
    inner = net.node("Relu", net.conv(x, 8, 8, group=4))
    pooled = net.node("Flatten", net.node("GlobalAveragePool", inner))
    meaning = net.node(
        "ReduceMean", net.node("Gather", net.normal(5, 4), words), axes=[1], keepdims=0
    )
    joined = net.node("Concat", pooled, numbers, meaning, axis=1)
    scores = net.node("Gemm", joined, net.normal(16, 5), net.normal(5))
    age = net.node("Gemm", joined, net.normal(16, 1), net.constant(np.array([2000], np.float32)))
    return net.model({age: None, inner: None, net.node("Softmax", scores): None, scores: None})


def test_several_inputs_and_outputs_keep_name_order_and_type(tmp_path: Path) -> None:
    result, file, snr = _quantized(_several(), tmp_path)
    assert min(snr) > 18
    assert result.float_ops.keys() <= {"Gather", "ReduceMean", "GlobalAveragePool", "Gemm"}
    assert operators(file).count("Conv") == 2
    kinds = operators(file)
    assert kinds.count("QuantizeLinear") >= 4


def test_a_sample_of_another_number_of_arrays_is_refused(tmp_path: Path) -> None:
    source = onnx_source.prepare_model(onnx_parsing.accept(_several(), "it"))
    onnx_file.save(from_proto(source.model), tmp_path / "float.onnx")
    with pytest.raises(InputError, match="1 arrays; the model has 3 inputs: image, numbers, words"):
        to_int8(
            tmp_path / "float.onnx", tmp_path / "x.onnx", [np.zeros((1, 3, 16, 16), np.float32)]
        )


def test_boxes_beside_scores_stay_float_from_where_they_meet(tmp_path: Path) -> None:
    net = Foreign()
    x = net.node("Relu", net.conv(net.input("image", [1, 3, 16, 16]), 3, 8))
    box = net.node(
        "Reshape", net.node("Sigmoid", net.conv(x, 8, 4, size=1)), net.constant([1, 4, -1])
    )
    box = net.node("Mul", box, net.constant(np.float32(640)))
    score = net.node("Sigmoid", net.conv(x, 8, 3, size=1))
    both = net.node("Concat", box, net.node("Reshape", score, net.constant([1, 3, -1])), axis=1)
    result, file, _ = _quantized(
        net.model({net.node("Transpose", both, perm=[0, 2, 1]): None}), tmp_path
    )
    assert result.float_ops["Concat"] == 1
    assert "Conv" not in result.float_ops
    assert "Output 't10' is float32" in result.notes[0]
    assert [n.op_type for n in file.graph.node if "t10" in n.output] == ["Transpose"]


def test_scores_of_one_range_are_quantized(tmp_path: Path) -> None:
    net = Foreign()
    x = net.conv(net.input("image", [1, 3, 16, 16]), 3, 8)
    parts = [net.node("Sigmoid", net.conv(x, 8, 3, size=1)) for _ in range(2)]
    result, _, snr = _quantized(net.model({net.node("Concat", *parts, axis=1): None}), tmp_path)
    assert not result.float_ops
    assert not any("float32" in note for note in result.notes)
    assert snr[0] > 18


def test_a_map_whose_spread_is_small_beside_its_offset_leaves_as_float(tmp_path: Path) -> None:
    net = Foreign()
    x = net.node("Relu", net.conv(net.input("image", [1, 3, 12, 12]), 3, 8))
    weight, bias = net.normal(1, 8, 1, 1), net.constant(np.array([500], np.float32))
    result, _, snr = _quantized(net.model({net.node("Conv", x, weight, bias): None}), tmp_path)
    assert snr[0] > 20
    assert result.float_ops == {"Conv": 1}


def _gelu(net: Foreign, x: str) -> str:
    erf = net.node("Erf", net.node("Mul", x, net.constant(np.float32(0.7071))))
    gate = net.node("Add", erf, net.constant(np.float32(1)))
    return net.node("Mul", net.node("Mul", x, gate), net.constant(np.float32(0.5)))


def _transposed(net: Foreign, x: str) -> str:
    return net.node("ConvTranspose", x, net.normal(8, 8, 2, 2), strides=[2, 2])


def _resized(net: Foreign, x: str) -> str:
    scales = net.constant(np.array([1, 1, 2, 2], np.float32))
    return net.node("Resize", x, "", scales, mode="linear")


def _split(net: Foreign, x: str) -> str:
    first = net.node("Split", x, net.constant([3, 5]), outputs=2, axis=1)
    return net.node("Concat", first, f"{first}_1", axis=1)


def _sliced(net: Foreign, x: str) -> str:
    part = net.node("Slice", x, net.constant([1]), net.constant([9]), net.constant([2]))
    return net.node("Pad", part, net.constant([0, 0, 1, 0, 0, 0, 1, 0]))


def _attention(net: Foreign, x: str) -> str:
    rows = net.node("Transpose", net.node("Reshape", x, net.constant([1, 8, -1])), perm=[0, 2, 1])
    query, key, value = (net.node("MatMul", rows, net.normal(8, 8)) for _ in range(3))
    scores = net.node("MatMul", query, net.node("Transpose", key, perm=[0, 2, 1]))
    mixed = net.node("MatMul", net.node("Softmax", scores), value)
    return net.node(
        "Reshape", net.node("Transpose", mixed, perm=[0, 2, 1]), net.constant([1, 8, 14, 14])
    )


_MIDDLES: dict[str, tuple[Callable[[Foreign, str], str], set[str]]] = {
    "transposed": (_transposed, {"ConvTranspose"}),
    "gelu": (_gelu, {"Erf", "Mul", "Add"}),
    "silu": (lambda net, x: net.node("Mul", x, net.node("Sigmoid", x)), set()),
    "leaky": (lambda net, x: net.node("LeakyRelu", x, alpha=0.1), set()),
    "prelu": (lambda net, x: net.node("PRelu", x, net.normal(8, 1, 1)), {"PRelu"}),
    "hard swish": (lambda net, x: net.node("HardSwish", x), {"HardSwish"}),
    "resize": (_resized, set()),
    "split": (_split, set()),
    "slice": (_sliced, set()),
    "attention": (_attention, {"Softmax"}),
    "instance": (
        lambda net, x: net.node("InstanceNormalization", x, net.normal(8), net.normal(8)),
        {"InstanceNormalization"},
    ),
}


@pytest.mark.parametrize("kind", _MIDDLES)
def test_operators_between_convolutions(kind: str, tmp_path: Path) -> None:
    """What has a kernel is integer, what has none is float and is named; the rest is kept."""
    build, floats = _MIDDLES[kind]
    net = Foreign()
    x = net.conv(net.input("image", [1, 3, 16, 16]), 3, 8)
    x = net.node("Relu", net.conv(build(net, x), 8, 6))
    result, _, snr = _quantized(net.model({net.node("Sigmoid", net.conv(x, 6, 2)): None}), tmp_path)
    assert floats <= set(result.float_ops) <= floats | {"Sigmoid"}  # the answers, if nearly equal
    assert snr[0] > (12 if kind == "attention" else 18)  # random scores are all nearly equal


@pytest.mark.parametrize("kind", ["transposed", "attention", "resize"])
def test_other_recipes_on_any_graph(kind: str, tmp_path: Path) -> None:
    net = Foreign()
    x = _MIDDLES[kind][0](net, net.conv(net.input("image", [1, 3, 16, 16]), 3, 8))
    source = onnx_source.prepare_model(
        onnx_parsing.accept(net.model({net.conv(x, 8, 2): None, x: None}), "it")
    )
    onnx_file.save(from_proto(source.model), tmp_path / "float.onnx")
    feeds = _feeds(source, 4, 2)
    expected = _run(tmp_path / "float.onnx", feeds)
    for recipe, least in ((to_dynamic, 30), (to_float16, 55)):
        recipe(tmp_path / "float.onnx", tmp_path / "out.onnx")
        for a, b in zip(expected, _run(tmp_path / "out.onnx", feeds), strict=True):
            assert snr_db(a, b) > least


def test_spread_sees_the_group_that_is_worst() -> None:
    random = np.random.default_rng(0)
    even, both = Spread(), Spread()
    for _ in range(50):
        boxes, scores = random.uniform(0, 640, (1, 4, 99)), random.random((1, 2, 99))
        even.add(boxes)
        both.add(np.concatenate([boxes, scores], axis=1))
    assert even.least_db(0, 640) > 45
    assert both.least_db(0, 640) < 5
    offset = Spread()
    for value in random.normal(2000, 30, 50):
        offset.add(np.array([[value]]))
    assert offset.least_db(0, 2100) < 25


def test_a_head_of_small_differences_stays_float_and_says_so(tmp_path: Path) -> None:
    """Its features hardly change from sample to sample, and its weights are large."""
    net = Foreign()
    x = net.node("Relu", net.conv(net.input("image", [1, 3, 24, 24]), 3, 8))
    pooled = net.node("Flatten", net.node("GlobalAveragePool", x))
    wide = net.model({net.node("Gemm", pooled, net.normal(8, 4, scale=30)): None})
    result, _, _ = _quantized(wide, tmp_path)
    assert result.float_ops == {"Gemm": 1, "GlobalAveragePool": 1}
    assert "stays float32" in result.notes[0]


def test_a_convolution_of_an_input_that_stays_float_is_float() -> None:
    net = Foreign()
    weight, scale = net.constant(np.ones((4, 3, 1), np.int8)), net.constant(np.float32(0.1))
    kernel = net.node("DequantizeLinear", weight, scale)
    x = net.node("Relu", net.node("Conv", net.input("points", [1, 3, 8]), kernel))
    model = from_proto(net.model({x: [1, 4, 8]}))
    assert float_operators(model.graph, QUANTIZED) == {"Conv": 1, "Relu": 1}
