"""onnxruntime: what a session tells and computes, and what it refuses."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgecnn.errors import InputError, MissingPartError
from edgecnn.records import TensorInfo
from edgecnn.runtime.onnxrt import OnnxSession
from edgecnn.runtime.session import open_session

if TYPE_CHECKING:
    from pathlib import Path


def product(rows: int | str = 1) -> bytes:
    """Y = x @ [[1, 2], [3, 4]]."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (rows, 2))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (rows, 2))],
        [numpy_helper.from_array(np.array([[1, 2], [3, 4]], np.float32), "w")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())


def test_a_session_tells_and_computes() -> None:
    session = OnnxSession(product())
    assert session.inputs == (TensorInfo("x", "float32", (1, 2)),)
    assert session.outputs == (TensorInfo("y", "float32", (1, 2)),)
    assert session.runtime == f"onnxruntime {onnxruntime.__version__}"
    assert session.run([np.array([[10, 1]], np.float32)])[0].tolist() == [[13, 24]]


def test_an_open_size_is_minus_one_and_takes_any() -> None:
    session = OnnxSession(product("n"), threads=2)
    assert session.inputs[0].shape == (-1, 2)
    assert session.run([np.ones((3, 2), np.float32)])[0].shape == (3, 2)


def test_a_path_opens(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(product())
    assert open_session(path).run([np.array([[1, 0]], np.float32)])[0].tolist() == [[1, 2]]


def test_inputs_that_do_not_fit() -> None:
    session = OnnxSession(product())
    with pytest.raises(InputError, match="'x' takes float32"):
        session.run([np.ones((1, 2))])
    with pytest.raises(InputError, match=r"of shape \(2, 2\)"):
        session.run([np.ones((2, 2), np.float32)])


@pytest.mark.parametrize("content", [b"", b"no model", product()[:40]])
def test_damage_is_refused(content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="refuses the model") as caught:
        OnnxSession(content)
    assert caught.value.hint
    assert capfd.readouterr() == ("", "")


def test_an_operator_that_fails_while_running_is_told() -> None:
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "s"], ["y"])],
        "tiny",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 2)),
            helper.make_tensor_value_info("s", TensorProto.INT64, (1,)),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = OnnxSession(made.SerializeToString())
    with pytest.raises(InputError, match="onnxruntime failed while running"):
        session.run([np.ones((1, 2), np.float32), np.array([7], np.int64)])


def test_a_missing_runtime_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    with pytest.raises(MissingPartError, match="onnxruntime is not installed") as caught:
        OnnxSession(product())
    assert caught.value.hint == "pip install 'edgecnn[onnx]'"
