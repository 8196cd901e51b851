"""A user's .onnx is brought to one form, and computes what it computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_foreign import Foreign, answers
from onnx_nets import operators, snr_db

from edgecnn.convert import onnx_parsing, onnx_source
from edgecnn.errors import InputError
from edgecnn.progress import Silent

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[Any]

pytestmark = pytest.mark.usefixtures("warm_children")


def _prepared(model: onnx.ModelProto, **options: Any) -> onnx_source.OnnxSource:  # noqa: ANN401 - prepare's
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    return onnx_source.prepare_model(onnx_parsing.accept(copy, "it"), **options)


def _feed(source: onnx_source.OnnxSource, seed: int = 5) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    return {
        end.name: random.normal(size=end.shape).astype(end.dtype) for end in source.network.inputs
    }


def _same(model: onnx.ModelProto, **options: Any) -> onnx_source.OnnxSource:  # noqa: ANN401 - prepare's
    """Prepare, and hold every output against the original under onnxruntime."""
    source = _prepared(model, **options)
    feed = _feed(source)
    for expected, computed in zip(answers(model, feed), answers(source.model, feed), strict=True):
        assert expected.shape == computed.shape
        assert snr_db(expected, computed) > 100
    assert [o.name for o in source.model.graph.output] == [o.name for o in model.graph.output]
    assert {o.domain: o.version for o in source.model.opset_import} == {"": 17}
    return source


def _torch_like() -> onnx.ModelProto:
    net = Foreign()
    image = net.input("images", ["batch", 3, 16, 16])
    x = net.conv(image, 3, 8, pads=[1, 1, 1, 1], strides=[2, 2])
    x = net.node("Mul", x, net.node("Sigmoid", x))
    pooled = net.node("GlobalAveragePool", x)
    count = net.node("Gather", net.node("Shape", pooled), net.constant(np.int64(0)), axis=0)
    size = net.node("Unsqueeze", count, net.constant([0]))
    to = net.node("Concat", size, net.constant([-1]), axis=0)
    flat = net.node("Reshape", pooled, to)
    scores = net.node("MatMul", net.node("Identity", flat), net.normal(8, 5))
    return net.model({scores: ["batch", 5]})


def test_torch_open_batch_and_shape_arithmetic() -> None:
    source = _same(_torch_like())
    network = source.network
    assert network.inputs[0].shape == (1, 3, 16, 16)
    assert network.inputs[0].layout == "NCHW"
    assert network.outputs[0].shape == (1, 5)
    assert network.outputs[0].layout == ""
    assert network.parameters == 3 * 8 * 9 + 8 + 8 * 5
    assert not {"Shape", "Gather", "Unsqueeze", "Concat", "Identity"} & set(operators(source.model))


def test_an_operand_of_fewer_axes_tells_no_layout() -> None:
    """As a detector adds the centres of its grid: behind a transposed matrix lies no image."""
    net = Foreign()
    x = net.conv(net.input("images", [1, 3, 8, 8]), 3, 4)
    matrix = net.node("Reshape", x, net.constant([4, 36]))
    boxes = net.node("Reshape", x, net.constant([1, 36, 4]))
    moved = net.node("Add", net.node("Transpose", matrix, perm=[1, 0]), boxes)
    network = _same(net.model({moved: [1, 36, 4]})).network
    assert (network.inputs[0].layout, network.outputs[0].layout) == ("NCHW", "")


def test_a_batch_that_is_given_stays() -> None:
    source = _same(_torch_like(), input_shapes={"": (4, 3, 16, 16)})
    assert source.network.outputs[0].shape == (4, 5)


def _paddle_like() -> onnx.ModelProto:
    net = Foreign(opset=11, ir_version=7)
    x = net.input("x", [-1, 3, "?", "?"])
    x = net.normalization(net.conv(x, 3, 8, strides=[2, 2]), 8)
    shifted = net.node("Add", x, net.constant(np.array([3], np.float32)))
    low, high = net.constant(np.float32(0)), net.constant(np.float32(6))
    x = net.node("Mul", x, net.node("Clip", shifted, low, high))
    x = net.node("Div", x, net.constant(np.array([6], np.float32)))
    bias = net.node("Reshape", net.normal(8), net.constant([1, 8, 1, 1]))
    x = net.node("Relu", net.node("Add", net.conv(x, 8, 8, group=8), bias))
    shape = net.node("Cast", net.node("Shape", x), to=TensorProto.INT32)
    first = net.node("Slice", shape, *(net.constant(np.array([v], np.int32)) for v in (0, 1, 0)))
    to = net.node("Concat", first, net.constant(np.array([-1], np.int32)), axis=0)
    flat = net.node("Reshape", x, net.node("Cast", to, to=TensorProto.INT64))
    return net.model({net.node("Softmax", net.node("MatMul", flat, net.normal(8 * 25, 4))): None})


def test_paddle_normalization_hard_swish_and_old_softmax() -> None:
    source = _same(_paddle_like(), input_size=(16, 16))
    assert operators(source.model) == [
        "Conv", "HardSwish", "Conv", "Relu", "Reshape", "MatMul", "Softmax",
    ]  # fmt: skip
    assert source.network.inputs[0].shape == (1, 3, 16, 16)
    assert source.network.parameters - source.network.trainable_parameters == 16


def test_an_open_size_names_the_input_its_shape_and_the_option() -> None:
    with pytest.raises(InputError, match=r"'x' has the open shape \(1, 3, \?, \?\)") as caught:
        _prepared(_paddle_like())
    assert "--input-shape x=1x3x320x320" in caught.value.hint


def test_sizes_that_contradict_the_weights_are_refused() -> None:
    with pytest.raises(InputError, match="shapes do not fit"):
        _prepared(_paddle_like(), input_shapes={"x": (1, 3, 20, 20)})


def _old() -> onnx.ModelProto:
    net = Foreign(opset=7, ir_version=3)
    image = net.input("input.1", [10, 3, 8, 8])
    x = net.normalization(net.conv(image, 3, 6, pads=[1, 1, 1, 1]), 6)
    x = net.node("Clip", x, min=0.0, max=6.0)
    x = net.node("Dropout", x, ratio=0.4)
    x = net.node("Upsample", x, scales=[1.0, 1.0, 2.0, 2.0], mode="nearest")
    x = net.node("Pad", x, pads=[0, 0, 1, 1, 0, 0, 1, 1], mode="constant", value=0.0)
    x = net.node("Slice", x, starts=[0, 1], ends=[17, 17], axes=[2, 3])
    x = net.node("Squeeze", net.node("Unsqueeze", x, axes=[0]), axes=[0])
    parts = net.node("Split", x, outputs=2, axis=1, split=[2, 4])
    wide = net.node("ReduceSum", f"{parts}_1", axes=[1], keepdims=1)
    narrow = net.node("Softmax", parts, axis=1)
    return net.model({wide: None, narrow: None})


def test_opset_7_with_weights_among_the_inputs() -> None:
    source = _same(_old())
    assert [end.name for end in source.network.inputs] == ["input.1"]
    assert source.network.inputs[0].shape == (10, 3, 8, 8)
    assert "Dropout" not in operators(source.model)


def test_a_fixed_size_of_an_example_can_be_another() -> None:
    model = _old()
    source = _prepared(model, input_shapes={"": (1, 3, 8, 8)})
    feed = _feed(source)
    ten = {"input.1": np.repeat(feed["input.1"], 10, axis=0)}
    first = answers(model, ten)[0][:1]
    assert snr_db(first, answers(source.model, feed)[0]) > 100


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_upsample_9_and_resize_10(mode: str) -> None:
    old = Foreign(opset=9)
    image = old.input("image", [1, 3, 5, 6])
    scales = old.constant(np.array([1, 1, 2, 3], np.float32))
    grown = old.node("Upsample", old.conv(image, 3, 4, size=1), scales, mode=mode)
    _same(old.model({grown: None}))
    net = Foreign(opset=10)
    image = net.input("image", [1, 3, 6, 6])
    for scale in (2.0, 0.5):
        scales = net.constant(np.array([1, 1, scale, scale], np.float32))
        image = net.node("Resize", net.node("Relu", image), scales, mode=mode)
    _same(net.model({image: None}))


def test_newer_opsets() -> None:
    net = Foreign(opset=21, ir_version=10)
    image = net.input("image", ["n", 4, 8, 8])
    x = net.conv(image, 4, 8, pads=[1, 1, 1, 1])
    x = net.node("GroupNormalization", x, net.normal(8), net.normal(8), num_groups=2)
    x = net.node("Mish", net.node("Gelu", x))
    x = net.node("Pad", x, net.constant([1, 2]), "", net.constant([-1]))
    half = net.node("Split", x, outputs=2, axis=1, num_outputs=2)
    x = net.node(
        "Resize", half, "", net.constant(np.array([2, 2], np.float32)), axes=[2, 3], mode="nearest"
    )
    mean = net.node("ReduceMean", x, net.constant([1]), keepdims=0)
    peak = net.node("ReduceMax", f"{half}_1", net.constant([2, 3]))
    source = _same(net.model({mean: None, peak: None}))
    assert source.network.outputs[1].shape == (1, 4, 1, 1)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_an_antialiased_resize_is_a_product_with_what_it_makes_of_the_unit_matrix(
    mode: str,
) -> None:
    net = Foreign(opset=18)
    image = net.input("image", ["n", 3, 20, 21])
    small = net.node("Resize", image, "", "", net.constant([7, 9]), mode=mode, axes=[-2, 3],
                     antialias=1)  # fmt: skip
    scales = net.constant(np.array([1, 1, 0.6, 1.7], np.float32))
    odd = net.node("Resize", small, "", scales, mode=mode, antialias=1, exclude_outside=1)
    source = _same(net.model({small: None, odd: None}))
    assert {node.op_type for node in source.model.graph.node} == {"MatMul"}


def test_an_antialiased_resize_that_cuts_out_a_region_is_refused() -> None:
    net = Foreign(opset=18)
    image = net.input("image", [1, 3, 20, 21])
    region = net.constant(np.array([0, 0, 0, 0, 1, 1, 0.5, 0.5], np.float32))
    small = net.node("Resize", image, region, "", net.constant([1, 3, 7, 9]), mode="linear",
                     antialias=1, coordinate_transformation_mode="tf_crop_and_resize")  # fmt: skip
    with pytest.raises(InputError, match="Resize with antialias"):
        _prepared(net.model({small: None}))


def test_a_triangle_of_constants_is_folded() -> None:
    net = Foreign()
    scores = net.input("scores", [1, 6, 6])
    size = net.node("Gather", net.node("Shape", scores), net.constant([1]))
    square = net.node("Concat", size, size, axis=0)
    full = net.node("ConstantOfShape", square)
    mask = net.node("Trilu", net.node("Sub", full, net.constant(np.float32(9))), upper=1)
    source = _same(net.model({net.node("Softmax", net.node("Add", scores, mask)): None}))
    assert [node.op_type for node in source.model.graph.node] == ["Add", "Softmax"]


def _branch(name: str, kind: str) -> onnx.GraphProto:
    node = helper.make_node(kind, ["t0"], ["inner"])
    return helper.make_graph([node], name, [], [helper.make_empty_tensor_value_info("inner")])


def test_an_if_that_shapes_decide_gives_way_to_its_branch() -> None:
    net = Foreign()
    x = net.conv(net.input("image", ["n", 3, 8, 8]), 3, 4)
    count = net.node("Gather", net.node("Shape", x), net.constant(np.int64(0)))
    is_one = net.node("Equal", count, net.constant(np.int64(1)))
    chosen = net.node(
        "If", is_one, then_branch=_branch("a", "Relu"), else_branch=_branch("b", "Neg")
    )
    source = _same(net.model({net.node("Sigmoid", chosen): None}))
    assert operators(source.model) == ["Conv", "Relu", "Sigmoid"]


def _chosen_by_data(net: Foreign, *branches: onnx.GraphProto) -> str:
    x = net.conv(net.input("image", [1, 3, 8, 8]), 3, 4)
    total = net.node("ReduceSum", x)
    flat = net.node("Reshape", total, net.constant([1]))
    positive = net.node("Greater", flat, net.constant(np.float32(0)))
    return net.node("If", positive, then_branch=branches[0], else_branch=branches[1])


def test_both_branches_run_where_data_decide() -> None:
    net = Foreign()
    watcher = Silent()
    chosen = _chosen_by_data(net, _branch("a", "Relu"), _branch("b", "Neg"))
    model = net.model({chosen: None})
    source = _same(model)
    assert {"Relu", "Neg", "Where"} < set(operators(source.model))
    assert "If" not in operators(source.model)
    onnx_source.prepare_model(model, progress=watcher)
    assert "takes the time of both" in watcher.warnings[0]


def test_branches_in_branches_run_too() -> None:
    net = Foreign()
    inner = helper.make_graph(
        [
            helper.make_node("ReduceMax", ["t0"], ["top"], keepdims=0),
            helper.make_node("Greater", ["top", "half"], ["high"]),
            helper.make_node(
                "If", ["high"], ["inner"],
                then_branch=_branch("c", "Abs"), else_branch=_branch("d", "Sigmoid"),
            ),
        ],
        "a", [], [helper.make_empty_tensor_value_info("inner")],
        [numpy_helper.from_array(np.asarray(0.5, np.float32), "half")],
    )  # fmt: skip
    source = _same(net.model({_chosen_by_data(net, inner, _branch("b", "Neg")): None}))
    assert operators(source.model).count("Where") == 2


def test_branches_of_different_shapes_are_refused() -> None:
    net = Foreign()
    mean = helper.make_node("ReduceMean", ["t0"], ["inner"], axes=[2, 3])
    small = helper.make_graph([mean], "b", [], [helper.make_empty_tensor_value_info("inner")])
    chosen = _chosen_by_data(net, _branch("a", "Relu"), small)
    with pytest.raises(InputError, match="give the shapes") as error:
        _prepared(net.model({chosen: None}))
    assert "branch that you need" in error.value.hint


def test_foreign_operators_are_named() -> None:
    net = Foreign()
    net.node(
        "FusedConv",
        net.input("image", [1, 3, 8, 8]),
        net.normal(4, 3, 3, 3),
        domain="com.microsoft",
    )
    with pytest.raises(InputError, match=r"com\.microsoft\.FusedConv \(1x\)"):
        _prepared(net.model({"t0": None}))


def test_a_quantized_model_is_refused() -> None:
    net = Foreign()
    image = net.input("image", [1, 3, 8, 8])
    scale, zero = net.constant(np.float32(0.1)), net.constant(np.uint8(0))
    quantized = net.node("QuantizeLinear", image, scale, zero)
    with pytest.raises(InputError, match="quantized already"):
        _prepared(net.model({net.node("DequantizeLinear", quantized, scale, zero): None}))


def test_functions_are_inlined_and_exploding_ones_are_refused() -> None:
    net = Foreign()
    net.nodes.append(helper.make_node("f0", [net.input("x", [1, 4])], ["y"], domain="local"))
    model = net.model({"y": None})
    model.opset_import.append(helper.make_opsetid("local", 1))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    for depth in range(30):
        inner, domain = (f"f{depth + 1}", "local") if depth < 29 else ("Relu", "")
        nodes = [helper.make_node(inner, ["x"], ["m"], domain=domain),
                 helper.make_node(inner, ["m"], ["y"], domain=domain)]  # fmt: skip
        model.functions.append(
            helper.make_function("local", f"f{depth}", ["x"], ["y"], nodes, opsets)
        )
    with pytest.raises(InputError, match="functions within functions"):
        _prepared(model)
    model.graph.node[0].op_type = "f27"
    assert operators(_same(model).model) == ["Relu"] * 8


def test_a_size_that_depends_on_the_values_is_refused() -> None:
    net = Foreign()
    net.node("NonZero", net.input("x", [1, 8]))
    with pytest.raises(InputError, match=r"output 't0' depends on .* \(NonZero\)"):
        _prepared(net.model({"t0": None}, TensorProto.INT64))


def test_a_constant_is_not_blown_up() -> None:
    net = Foreign()
    big = net.node(
        "Expand", net.constant(np.array([1], np.float32)), net.constant([1, 3, 4096, 4096])
    )
    mean = net.node("ReduceMean", big, axes=[2, 3])
    source = _prepared(net.model({net.node("Add", net.input("x", [1, 3, 1, 1]), mean): None}))
    assert source.model.ByteSize() < 1 << 20


def test_half_precision_becomes_float32() -> None:
    net = Foreign()
    image = net.input("image", [1, 3, 8, 8], TensorProto.FLOAT16)
    weight = net.constant(net.random.normal(size=(4, 3, 3, 3)).astype(np.float16))
    x = net.node("Conv", image, weight)
    x = net.node("Cast", net.node("Cast", x, to=TensorProto.FLOAT), to=TensorProto.FLOAT16)
    source = _prepared(net.model({x: None}, TensorProto.FLOAT16))
    assert [end.dtype for end in (*source.network.inputs, *source.network.outputs)] == [
        "float32"
    ] * 2
    assert operators(source.model) == ["Conv"]


def test_integer_inputs_keep_their_type_and_inputs_their_order() -> None:
    net = Foreign()
    ids = net.input("ids", ["n", "length"], TensorProto.INT64)
    image = net.input("image", ["n", "h", "w", 3])
    rows = net.node("Gather", net.normal(10, 4), ids)
    words = net.node("ReduceMean", rows, axes=[1], keepdims=0)
    channels = net.node("Transpose", image, perm=[0, 3, 1, 2])
    maps = net.node("GlobalAveragePool", net.conv(channels, 3, 4))
    total = net.node("Add", net.node("Flatten", maps), words)
    model = net.model({total: None, maps: None})
    source = _prepared(model, input_shapes={"ids": (2, 6)}, input_size=(8, 8))
    ends = [(end.name, end.dtype, end.shape, end.layout) for end in source.network.inputs]
    assert ends == [("ids", "int64", (2, 6), ""), ("image", "float32", (2, 8, 8, 3), "NHWC")]
    assert [end.layout for end in source.network.outputs] == ["", "NCHW"]


def test_transposed_convolution_and_layer_normalization_are_folded() -> None:
    net = Foreign(opset=13)
    image = net.input("image", [1, 4, 6, 6])
    x = net.node("ConvTranspose", image, net.normal(4, 3, 2, 2), strides=[2, 2], group=2)
    x = net.normalization(x, 6)
    x = net.node("Transpose", x, perm=[0, 2, 3, 1])
    mean = net.node("ReduceMean", x, axes=[-1])
    centered = net.node("Sub", x, mean)
    square = net.node("Pow", centered, net.constant(np.float32(2)))
    variance = net.node(
        "Add", net.node("ReduceMean", square, axes=[-1]), net.constant(np.float32(1e-5))
    )
    x = net.node("Div", centered, net.node("Sqrt", variance))
    x = net.node("Add", net.node("Mul", x, net.normal(6)), net.normal(6))
    source = _same(net.model({x: None}))
    assert operators(source.model) == ["ConvTranspose", "Transpose", "LayerNormalization"]
    assert source.network.outputs[0].layout == "NHWC"


def test_a_normalization_of_a_sequence_and_of_a_matrix() -> None:
    net = Foreign()
    x = net.input("x", [1, 3, 12])
    x = net.normalization(net.node("Conv", x, net.normal(4, 3, 3), net.normal(4)), 4)
    x = net.normalization(net.node("Relu", x), 4)
    flat = net.node("Gemm", net.node("Flatten", x), net.normal(5, 40), transB=1)
    source = _same(net.model({net.normalization(flat, 5): None}))
    assert operators(source.model) == ["Conv", "Relu", "Mul", "Add", "Flatten", "Gemm"]
    assert source.network.inputs[0].layout == "NCW"


def test_weights_beside_the_file_are_read_and_others_refused(tmp_path: Path) -> None:
    model, path = _torch_like(), tmp_path / "net.onnx"
    onnx.save(model, str(path), save_as_external_data=True, location="net.data", size_threshold=0)
    source = onnx_source.prepare(path)
    feed = _feed(source)
    assert snr_db(answers(_torch_like(), feed)[0], answers(source.model, feed)[0]) > 100
    (tmp_path / "net.data").rename(tmp_path.parent / "net.data")
    with pytest.raises(InputError, match=r"'net\.data', which is not beside it"):
        onnx_source.prepare(path)
    outside = onnx.load(str(path), load_external_data=False)
    for tensor in outside.graph.initializer:
        tensor.external_data[0].value = "../net.data"
    path.write_bytes(outside.SerializeToString())
    with pytest.raises(InputError, match="not beside it"):
        onnx_source.prepare(path)


def test_what_is_no_model_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    for data in (b"", b"version https://git-lfs.github.com/spec/v1", b"\x0a\x02hi"):
        path.write_bytes(data)
        with pytest.raises(InputError, match="not an ONNX model"):
            onnx_source.prepare(path)
    with pytest.raises(InputError, match="cannot be read"):
        onnx_source.prepare(tmp_path / "none.onnx")


def test_a_shape_for_a_name_the_model_has_not() -> None:
    with pytest.raises(InputError, match="no input 'y'") as caught:
        _prepared(_paddle_like(), input_shapes={"y": (1, 3, 8, 8)})
    assert "x" in caught.value.hint
    with pytest.raises(InputError, match="4 axes"):
        _prepared(_paddle_like(), input_shapes={"": (3, 16, 16)})


def test_constants_in_attributes_of_every_kind() -> None:
    net = Foreign()
    x = net.input("x", [2, 3])
    scale = net.node("Constant", value_float=0.5)
    to = net.node("Constant", value_ints=[3, 2])
    row = net.node("Constant", value=numpy_helper.from_array(np.array([1, 2], np.float32)))
    y = net.node("Add", net.node("Reshape", net.node("Mul", x, scale), to), row)
    source = _same(net.model({y: None}))
    assert "Constant" not in operators(source.model)


def test_double_precision_becomes_float32() -> None:
    net = Foreign()
    wide = net.node("Cast", net.input("rows", [2, 5]), to=TensorProto.DOUBLE)
    weight = net.constant(np.float32(0))
    net.constants[-1].CopyFrom(numpy_helper.from_array(net.random.normal(size=(5, 3)), weight))
    x = net.node("Cast", net.node("MatMul", wide, weight), to=TensorProto.FLOAT)
    source = _same(net.model({x: None}))
    assert operators(source.model) == ["MatMul"]
    kinds = {tensor.data_type for tensor in source.model.graph.initializer}
    assert kinds == {TensorProto.FLOAT}


def _loop(net: Foreign, x: str, *, condition: str, rounds: str) -> tuple[str, str]:
    """Rounds of x = tanh(w x), each kept: what the last gives, and all of them."""
    weight = net.normal(4, 4, 1, 1)
    nodes = [
        helper.make_node("Conv", ["state", weight], ["product"]),
        helper.make_node("Tanh", ["product"], ["next"]),
        helper.make_node("ReduceMean", ["next"], ["kept"], axes=[2, 3], keepdims=0),
        helper.make_node("Identity", ["condition"], ["goes_on"]),
    ]
    inputs = [
        helper.make_tensor_value_info("number", TensorProto.INT64, []),
        helper.make_tensor_value_info("condition", TensorProto.BOOL, []),
        helper.make_tensor_value_info("state", TensorProto.FLOAT, [1, 4, 6, 6]),
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in ("goes_on", "next", "kept")]
    body = helper.make_graph(nodes, "body", inputs, outputs)
    last = net.node("Loop", rounds, condition, x, outputs=2, body=body)
    return last, f"{last}_1"


@pytest.mark.parametrize("opset", [11, 17])
def test_a_loop_of_a_known_number_of_rounds_is_written_out(opset: int) -> None:
    net = Foreign(opset=opset)
    x = net.conv(net.input("image", [1, 3, 8, 8]), 3, 4)
    rounds, condition = net.constant(np.int64(3)), net.constant(np.bool_(1))
    last, kept = _loop(net, x, condition=condition, rounds=rounds)
    source = _same(net.model({last: None, kept: None}))
    assert operators(source.model).count("Tanh") == 3
    assert source.network.outputs[1].shape == (3, 1, 4)


def test_a_loop_whose_rounds_the_data_count_is_refused() -> None:
    net = Foreign()
    x = net.conv(net.input("image", [1, 3, 8, 8]), 3, 4)
    top = net.node("ReduceMax", x, keepdims=0)
    rounds = net.node("Cast", top, to=TensorProto.INT64)
    last, _ = _loop(net, x, condition=net.constant(np.bool_(1)), rounds=rounds)
    with pytest.raises(InputError, match="Control flow"):
        _prepared(net.model({last: None}))


@pytest.mark.parametrize("opset", [11, 17])
def test_lists_of_tensors_are_taken_apart(opset: int) -> None:
    net = Foreign(opset=opset)
    x = net.conv(net.input("image", [1, 3, 8, 8]), 3, 7)
    one, first = net.constant(np.int64(1)), net.constant(np.int64(0))
    chunks = net.node("SplitToSequence", x, net.constant(np.int64(3)), axis=1)  # 3, 3 and 1
    sizes = net.node("SplitToSequence", x, net.constant([2, 5]), axis=1)
    rows = net.node("SplitToSequence", x, axis=2, keepdims=0)
    built = net.node(
        "SequenceConstruct",
        net.node("SequenceAt", chunks, one),
        net.node("SequenceAt", chunks, first),
    )
    last = net.node("SequenceAt", chunks, net.constant(np.int64(-1)))
    if opset >= 14:  # Identity takes lists since then
        built = net.node("Identity", built)
    longer = net.node("SequenceInsert", built, last, first)
    joined = net.node("ConcatFromSequence", longer, axis=1)
    stacked = net.node("ConcatFromSequence", rows, axis=1, new_axis=1)
    count = net.node("Cast", net.node("SequenceLength", chunks), to=TensorProto.FLOAT)
    rest = net.node("SequenceAt", sizes, one)
    ends = [joined, net.node("Mul", stacked, count), rest]
    source = _same(net.model(dict.fromkeys(ends)))
    assert [end.shape for end in source.network.outputs] == [
        (1, 7, 6, 6), (1, 6, 7, 6), (1, 5, 6, 6),
    ]  # fmt: skip


def test_all_operators_that_came_later_are_named() -> None:
    net = Foreign(opset=19)
    image = net.node("Relu", net.input("image", [1, 16, 16]))
    folded = net.node("Col2Im", image, net.constant([5, 5]), net.constant([2, 2]))
    moved = net.node("DeformConv", folded, net.normal(4, 4, 1, 1), net.input("at", [1, 2, 5, 5]))
    model = net.model({moved: None})
    with pytest.raises(InputError, match=r"Col2Im \(1x, from opset 18 on\), DeformConv \(1x"):
        onnx_source.prepare_model(model)
