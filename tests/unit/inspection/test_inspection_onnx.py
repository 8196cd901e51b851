"""Counting an .onnx file: float, QDQ, QLinear, dynamic, half precision, and what is damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgecnn.errors import CheckFailedError, EdgeCnnError, InputError
from edgecnn.inspection import Inspection, check_recipe, inspect
from edgecnn.inspection.onnx import read
from edgecnn.records import TensorInfo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("warm_children")

CONV_MACS = 4 * 8 * 8 * 27
FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def ones(name: str, shape: Sequence[int], dtype: str = "float32") -> onnx.TensorProto:
    return numpy_helper.from_array(np.ones(shape, dtype), name)


def model(
    nodes: Sequence[onnx.NodeProto],
    constants: Sequence[onnx.TensorProto],
    source: tuple[int, Sequence[int | str]] = (FLOAT, (1, 3, 8, 8)),
    target: tuple[int, Sequence[int | str] | None] = (FLOAT, None),
) -> onnx.ModelProto:
    """A model from "x" to "y"."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", *source)],
        [helper.make_tensor_value_info("y", *target)],
        constants,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="by hand")


def found_in(folder: Path, made: onnx.ModelProto) -> Inspection:
    path = folder / "net.onnx"
    onnx.save(made, path)
    return read(str(path))


def node_of(op: str, **attributes: Any) -> onnx.NodeProto:  # noqa: ANN401 - as ONNX has them
    return helper.make_node(op, ["x", "w"], ["y"], **attributes)


def conv(source: str, weights: str = "w", bias: str = "b") -> onnx.NodeProto:
    return helper.make_node("Conv", [source, weights, bias], ["c"], pads=[1, 1, 1, 1])


def float_model(batch: int | str = 1) -> onnx.ModelProto:
    nodes = [conv("x"), helper.make_node("Relu", ["c"], ["y"])]
    constants = [ones("w", (4, 3, 3, 3)), ones("b", (4,))]
    return model(nodes, constants, (FLOAT, (batch, 3, 8, 8)), (FLOAT, (batch, 4, 8, 8)))


def qdq_model(dtype: str) -> onnx.ModelProto:
    zero = numpy_helper.from_array(np.zeros((), dtype), "zx")
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "sx", "zx"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "sx", "zx"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "sw"], ["wd"], axis=0),
        helper.make_node("DequantizeLinear", ["b", "sw"], ["bd"], axis=0),
        conv("xd", "wd", "bd"),
        helper.make_node("QuantizeLinear", ["c", "sx", "zx"], ["cq"]),
        helper.make_node("DequantizeLinear", ["cq", "sx", "zx"], ["y"]),
    ]
    constants = [
        zero,
        ones("sx", ()),
        ones("sw", (4,)),
        ones("w", (4, 3, 3, 3), "int8"),
        ones("b", (4,), "int32"),
    ]
    return model(nodes, constants)


def test_a_float_model_is_counted_in_a_child(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(float_model(), path)
    found = inspect(path)
    assert found.format == "onnx"
    assert found.graph.ops == {"Conv": 1, "Relu": 1}
    assert found.graph.macs_by_dtype == {"float32": CONV_MACS}
    assert found.graph.parameters_by_dtype == {"float32": 4 * 27 + 4}
    assert found.graph.delegate_partitions is None
    assert found.graph.undelegated_ops == {}
    assert found.inputs == (TensorInfo("x", "float32", (1, 3, 8, 8)),)
    assert found.opsets == {"ai.onnx": 17, "com.microsoft": 1}
    assert (found.producer, found.schema_version) == ("by hand", 8)
    assert found.size_bytes == path.stat().st_size
    assert found.notes == ()
    check_recipe(found, "float32", "float32")


def test_an_open_batch_is_told_and_counted_as_one(tmp_path: Path) -> None:
    found = found_in(tmp_path, float_model("batch"))
    assert found.inputs[0].shape == (-1, 3, 8, 8)
    assert found.graph.macs_by_dtype == {"float32": CONV_MACS}


def test_open_sizes_are_noted(tmp_path: Path) -> None:
    made = model(
        [conv("x")], [ones("w", (4, 3, 3, 3)), ones("b", (4,))], (FLOAT, (1, 3, "h", "w_"))
    )
    made.graph.node[0].output[0] = "y"
    found = found_in(tmp_path, made)
    assert found.graph.macs_by_dtype == {}
    assert any("1 operator (Conv) are not counted" in note for note in found.notes)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_a_qdq_model_computes_in_integers(tmp_path: Path, dtype: str) -> None:
    found = found_in(tmp_path, qdq_model(dtype))
    assert found.graph.macs_by_dtype == {dtype: CONV_MACS}
    assert found.graph.parameters_by_dtype == {"int8": 4 * 27, "int32": 4}
    check_recipe(found, "int8", "float32")
    with pytest.raises(CheckFailedError):
        check_recipe(found, "dynamic", "float32")


def test_weights_alone_dequantized_compute_in_float(tmp_path: Path) -> None:
    nodes = [helper.make_node("DequantizeLinear", ["w", "sw"], ["wd"], axis=0), conv("x", "wd")]
    nodes[1].output[0] = "y"
    constants = [ones("w", (4, 3, 3, 3), "int8"), ones("sw", (4,)), ones("b", (4,))]
    found = found_in(tmp_path, model(nodes, constants))
    assert found.graph.macs_by_dtype == {"float32": CONV_MACS}
    assert found.operators[1].weights_dtype == "int8"


def test_a_qlinear_convolution_is_integer(tmp_path: Path) -> None:
    names = ["x", "s", "z", "w", "s", "zw", "s", "z", "b"]
    node = helper.make_node("QLinearConv", names, ["y"], pads=[1, 1, 1, 1])
    constants = [
        ones("s", ()),
        ones("z", (), "uint8"),
        ones("zw", (), "int8"),
        ones("w", (4, 3, 3, 3), "int8"),
        ones("b", (4,), "int32"),
    ]
    uint8 = TensorProto.UINT8
    made = model([node], constants, (uint8, (1, 3, 8, 8)), (uint8, None))
    found = found_in(tmp_path, made)
    assert found.graph.macs_by_dtype == {"uint8": CONV_MACS}
    assert found.graph.parameters_by_dtype == {"int8": 4 * 27, "int32": 4}
    check_recipe(found, "int8", "uint8")


def test_a_dynamic_model_is_dynamic(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["xq", "s", "z"]),
        helper.make_node("MatMulInteger", ["xq", "w", "z", "zw"], ["p"]),
        helper.make_node("Cast", ["p"], ["pf"], to=FLOAT),
        helper.make_node("Mul", ["pf", "s"], ["y"]),
    ]
    constants = [ones("w", (40, 50), "int8"), ones("zw", (), "int8")]
    found = found_in(tmp_path, model(nodes, constants, (FLOAT, (1, 40))))
    assert found.graph.macs_by_dtype == {"dynamic": 2000}
    assert found.graph.parameters_by_dtype == {"int8": 2000}
    check_recipe(found, "dynamic", "float32")


def test_a_half_precision_model(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["xh"], to=HALF),
        conv("xh"),
        helper.make_node("Cast", ["c"], ["y"], to=FLOAT),
    ]
    constants = [ones("w", (4, 3, 3, 3), "float16"), ones("b", (4,), "float16")]
    found = found_in(tmp_path, model(nodes, constants))
    assert found.graph.macs_by_dtype == {"float16": CONV_MACS}
    assert found.graph.parameters_by_dtype == {"float16": 4 * 27 + 4}
    check_recipe(found, "float16", "float32")
    with pytest.raises(CheckFailedError):
        check_recipe(found, "float32", "float32")


def test_half_precision_weights_cast_to_float_compute_in_float(tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["w"], ["wf"], to=FLOAT), conv("x", "wf")]
    nodes[1].output[0] = "y"
    found = found_in(tmp_path, model(nodes, [ones("w", (4, 3, 3, 3), "float16"), ones("b", (4,))]))
    assert found.graph.macs_by_dtype == {"float32": CONV_MACS}
    assert found.operators[1].weights_dtype == "float16"
    check_recipe(found, "float16", "float32")


@pytest.mark.parametrize(
    ("node", "source", "weights", "macs"),
    [
        (node_of("Conv", group=2, pads=[1] * 4), (1, 8, 5, 5), (6, 4, 3, 3), 25 * 6 * 36),
        (node_of("Conv", group=8, pads=[1] * 4), (1, 8, 5, 5), (8, 1, 3, 3), 25 * 8 * 9),
        (node_of("Conv"), (1, 3, 9), (4, 3, 3), 7 * 4 * 9),
        (node_of("ConvTranspose", strides=[2, 2]), (1, 3, 4, 4), (3, 5, 3, 3), 16 * 3 * 45),
        (node_of("Gemm"), (1, 40), (40, 10), 400),
        (node_of("Gemm", transA=1, transB=1), (40, 2), (10, 40), 800),
        (node_of("MatMul"), (2, 3, 4), (4, 5), 120),
    ],
)
def test_macs_of_each_operator(
    tmp_path: Path,
    node: onnx.NodeProto,
    source: tuple[int, ...],
    weights: tuple[int, ...],
    macs: int,
) -> None:
    found = found_in(tmp_path, model([node], [ones("w", weights)], (FLOAT, source)))
    assert found.graph.macs_by_dtype == {"float32": macs}


def test_weights_in_a_constant_node_and_on_the_left_are_weights(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Constant", [], ["w"], value=ones("v", (5, 4))),
        helper.make_node("MatMul", ["w", "x"], ["y"]),
    ]
    found = found_in(tmp_path, model(nodes, [], (FLOAT, (4, 3))))
    assert found.graph.parameters_by_dtype == {"float32": 20}
    assert found.graph.macs_by_dtype == {"float32": 60}
    assert found.operators[1].weights_dtype == "float32"


def test_nested_graphs_and_functions_are_counted(tmp_path: Path) -> None:
    def branch(name: str) -> onnx.GraphProto:
        result = helper.make_tensor_value_info(f"{name}y", FLOAT, (1, 10))
        node = helper.make_node("MatMul", ["x", "w"], [f"{name}y"])
        return helper.make_graph([node], name, [], [result])

    condition = numpy_helper.from_array(np.ones((), bool), "condition")
    node = helper.make_node(
        "If", ["condition"], ["y"], then_branch=branch("then"), else_branch=branch("else")
    )
    made = model([node], [ones("w", (40, 10)), condition], (FLOAT, (1, 40)))
    found = found_in(tmp_path, made)
    assert found.graph.ops == {"If": 1, "MatMul": 2}
    assert found.graph.macs_by_dtype == {"float32": 800}


def test_operators_of_unknown_domains_are_custom(tmp_path: Path) -> None:
    made = model([helper.make_node("Odd", ["x"], ["y"], domain="my.own")], [])
    made.opset_import.append(helper.make_opsetid("my.own", 1))
    found = found_in(tmp_path, made)
    assert found.graph.custom_ops == ("my.own.Odd",)
    with pytest.raises(CheckFailedError, match=r"custom operators \(my\.own\.Odd\)"):
        check_recipe(found, "float32", "float32")


def test_what_the_checker_objects_to_is_noted(tmp_path: Path) -> None:
    made = float_model()
    nodes = list(made.graph.node)
    del made.graph.node[:]
    made.graph.node.extend(reversed(nodes))
    assert any("topologically sorted" in note for note in found_in(tmp_path, made).notes)


def test_names_that_are_no_text_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(float_model().SerializeToString().replace(b"Relu", b"R\xff\xfeu"))
    with pytest.raises(InputError, match=r"net\.onnx is damaged: .* no text"):
        read(str(path))


def test_shapes_that_cannot_be_inferred_are_noted(tmp_path: Path) -> None:
    made = float_model()
    del made.graph.node[0].output[:]
    assert any("Shapes could not be inferred" in note for note in found_in(tmp_path, made).notes)


def test_weights_outside_the_file_are_noted_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(float_model(), path, save_as_external_data=True, size_threshold=0, location="w.bin")
    (tmp_path / "w.bin").unlink()
    found = read(str(path))
    assert found.graph.parameters_by_dtype == {"float32": 4 * 27 + 4}
    assert any("outside the file" in note for note in found.notes)


@pytest.mark.parametrize(
    "content", [b"", b"version https://git-lfs.github.com/spec/v1\n", b"\x08\x08", bytes(100)]
)
def test_what_is_no_onnx_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"net\.onnx is not an ONNX model") as caught:
        inspect(path)
    assert caught.value.hint


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_flipped_and_cut_bytes_are_answered(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    valid = bytearray(qdq_model("int8").SerializeToString())
    for _ in range(data.draw(st.integers(1, 10))):
        valid[data.draw(st.integers(0, len(valid) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "fuzz.onnx"
    path.write_bytes(valid[: data.draw(st.integers(1, len(valid)))])
    try:
        found = read(str(path))
    except EdgeCnnError as error:
        assert str(path) in error.message  # noqa: PT017 - either outcome is right
    else:
        assert found.graph.ops
