"""One byte string for one network."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx_nets import Net, classifier, images, operators, run

from edgecnn.errors import InputError, MissingPartError
from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import from_proto, to_proto


def _bytes(model: onnx.ModelProto) -> bytes:
    return onnx_file.to_bytes(from_proto(model))


def _canonical(model: onnx.ModelProto) -> onnx.ModelProto:
    return to_proto(onnx_file.canonicalize(from_proto(model)))


def _scrambled(model: onnx.ModelProto, seed: int) -> onnx.ModelProto:
    """The same network with other names, another order of nodes and constants, and notes."""
    random = np.random.default_rng(seed)
    twin = onnx.ModelProto()
    twin.CopyFrom(model)
    names: dict[str, str] = {"input": "input", "output": "output", "": ""}

    def renamed(name: str) -> str:
        return names.setdefault(name, f"n{random.integers(1 << 40)}")

    for node in twin.graph.node:
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
        node.name, node.doc_string = f"node{random.integers(1 << 40)}", "a note"
    for constant in twin.graph.initializer:
        constant.name = renamed(constant.name)
    for field in (twin.graph.node, twin.graph.initializer):
        items = [field[int(i)] for i in random.permutation(len(field))]
        copies = [type(item).FromString(item.SerializeToString()) for item in items]
        del field[:]
        field.extend(copies)
    twin.producer_name, twin.doc_string, twin.graph.name = "another", "a note", "g"
    return twin


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 30))
def test_names_order_and_notes_do_not_reach_the_bytes(seed: int) -> None:
    model = classifier()
    assert _bytes(_scrambled(model, seed)) == _bytes(model)


def test_other_weights_give_other_bytes() -> None:
    assert _bytes(classifier(seed=1)) != _bytes(classifier(seed=0))


def test_canonical_form_computes_the_same_and_is_a_fixed_point() -> None:
    model = classifier()
    canonical = _canonical(model)
    feeds = images(3)
    np.testing.assert_array_equal(run(canonical, feeds), run(model, feeds))
    assert _bytes(canonical) == _bytes(model)


def test_names_say_what_a_tensor_is() -> None:
    canonical = _canonical(classifier())
    assert [o.name for o in canonical.graph.output] == ["output"]
    assert {"conv_1.weight", "conv_1.bias", "gemm_1.weight"} <= {
        item.name for item in canonical.graph.initializer
    }
    shapes = {
        i.name: [d.dim_value for d in i.type.tensor_type.shape.dim]
        for i in canonical.graph.value_info
    }
    assert shapes["conv_1"] == [1, 8, 8, 8]


def test_a_node_nobody_reads_is_dropped() -> None:
    net = Net()
    net.node("Exp", "input")
    canonical = _canonical(net.model(net.node("Relu", "input"), net.shape))
    assert operators(canonical) == ["Relu"]


def test_constant_nodes_become_initializers() -> None:
    net = Net()
    value = helper.make_tensor("two", TensorProto.FLOAT, [], [2.0])
    two = net.node("Constant", value=value)
    model = net.model(net.node("Mul", "input", two), net.shape)
    canonical = _canonical(model)
    assert operators(canonical) == ["Mul"]
    np.testing.assert_array_equal(run(canonical, images(1)), 2 * images(1)[0])


def test_an_input_named_like_a_node_keeps_its_name() -> None:
    net = Net()
    first = net.node("Relu", "input")
    model = net.model(net.node("Relu", first), net.shape)
    for holder in (model.graph.input[0], model.graph.node[0]):
        if isinstance(holder, onnx.NodeProto):
            holder.input[0] = "relu_1"
        else:
            holder.name = "relu_1"
    canonical = _canonical(model)
    onnx.checker.check_model(canonical, full_check=True)
    assert canonical.graph.input[0].name == "relu_1"


def test_control_flow_is_refused() -> None:
    net = Net()
    body = helper.make_graph([helper.make_node("Relu", ["input"], ["y"])], "b", [], [
        helper.make_tensor_value_info("y", TensorProto.FLOAT, net.shape)
    ])  # fmt: skip
    flag = net.constant(np.array(1, dtype=bool))
    model = net.model(net.node("If", flag, then_branch=body, else_branch=body), net.shape)
    with pytest.raises(InputError, match="control flow"):
        _canonical(model)


def test_a_cycle_is_refused() -> None:
    net = Net()
    first = net.node("Add", "input", "t1")
    model = net.model(net.node("Relu", net.node("Relu", first)), net.shape)
    with pytest.raises(InputError, match="cycle"):
        _canonical(model)


def test_an_unknown_operator_is_refused() -> None:
    net = Net()
    model = net.model(net.node("NoSuchOperator", "input"), net.shape)
    with pytest.raises(InputError):
        _bytes(model)


def test_contradicting_shapes_are_refused() -> None:
    net = Net()
    model = net.model(net.node("Relu", "input"), (1, 7, 7, 3))
    with pytest.raises(InputError, match="shapes"):
        _bytes(model)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_load_raise_anything_else(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(data)
        with pytest.raises(InputError, match="not an ONNX model"):
            onnx_file.load(path)


def test_saved_file_loads(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx_file.save(from_proto(classifier()), path)
    assert onnx_file.to_bytes(onnx_file.load(path)) == path.read_bytes()


def test_a_missing_onnx_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)  # as the import system sees an absent package
    with pytest.raises(MissingPartError, match="onnx") as caught:
        onnx_file.load(tmp_path / "model.onnx")
    assert "pip install" in caught.value.hint
