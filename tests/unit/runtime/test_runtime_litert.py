"""LiteRT: what a session tells and computes, what it refuses, and the delegate's partitions."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tiny_tflite import TinyModel, conv_options, float_net, int8_net

from edgecnn.errors import InputError, MissingPartError
from edgecnn.records import TensorInfo
from edgecnn.runtime.litert import LiteRTSession, partitions
from edgecnn.runtime.session import UnsupportedOpsError, open_session

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FLOAT = float_net().to_bytes()


def image() -> NDArray[np.float32]:
    return np.random.default_rng(1).random((1, 8, 8, 3), np.float32)


def test_a_session_tells_what_it_takes_and_gives() -> None:
    session = LiteRTSession(FLOAT)
    assert session.inputs == (TensorInfo("image", "float32", (1, 8, 8, 3)),)
    assert session.outputs == (TensorInfo("logits", "float32", (1, 5)),)
    assert session.runtime == f"ai-edge-litert {version('ai-edge-litert')}"


def test_scales_are_told() -> None:
    session = LiteRTSession(int8_net().to_bytes())
    (result,) = session.outputs
    assert (result.dtype, result.zero_point) == ("int8", -128)
    assert result.scale == pytest.approx(0.1)


def test_a_convolution_by_hand() -> None:
    net = TinyModel()
    source = net.tensor("float32", (1, 2, 2, 1))
    kernel = net.tensor("float32", (2, 1, 1, 1), values=np.array([2, -3], np.float32))
    bias = net.tensor("float32", (2,), values=np.array([1, 10], np.float32))
    target = net.tensor("float32", (1, 2, 2, 2))
    net.operator("CONV_2D", [source, kernel, bias], [target], conv_options())
    net.border([source], [target])
    (got,) = LiteRTSession(net.to_bytes()).run([np.array([[[[0], [1]], [[2], [3]]]], np.float32)])
    assert got.tolist() == [[[[1, 10], [3, 7]], [[5, 4], [7, 1]]]]


def test_a_path_and_its_bytes_are_one_model(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(FLOAT)
    opened = open_session(path, threads=2).run([image()])
    assert np.allclose(opened[0], LiteRTSession(FLOAT).run([image()])[0], atol=1e-5)


def test_outputs_are_copies() -> None:
    session = LiteRTSession(FLOAT)
    first = session.run([image()])[0]
    kept = first.copy()
    session.run([image() + 1])
    assert np.array_equal(first, kept)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([], "takes 1 inputs, 0 were given"),
        ([image().astype(np.float64)], "not float64"),
        ([image()[0]], r"not float32 of shape \(8, 8, 3\)"),
        ([np.repeat(image(), 2, axis=0)], r"of shape \(2, 8, 8, 3\)"),
    ],
)
def test_inputs_that_do_not_fit(inputs: list[NDArray[Any]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        LiteRTSession(FLOAT).run(inputs)


def test_damage_is_refused() -> None:
    with pytest.raises(InputError, match="refuses the model") as caught:
        LiteRTSession(FLOAT[:1000])
    assert caught.value.hint
    assert not isinstance(caught.value, UnsupportedOpsError)


def test_names_that_are_no_text_are_damage() -> None:
    data = FLOAT.replace(b"image", b"im\xff\xfee")
    for load in (LiteRTSession, partitions):
        with pytest.raises(InputError, match="no text"):
            load(data)


@pytest.mark.parametrize("name", ["FlexErf", "MyOwn"])
def test_operators_without_a_kernel_are_told_apart(name: str) -> None:
    net = float_net()
    net.operator(name, [0], [0], custom=True)
    with pytest.raises(UnsupportedOpsError, match=name):
        LiteRTSession(net.to_bytes())


def test_partitions() -> None:
    assert partitions(FLOAT) == (1, {})
    assert partitions(int8_net().to_bytes()) == (2, {"RELU": 1})


def test_partitions_of_a_net_the_delegate_leaves_alone() -> None:
    net = TinyModel()
    source = net.tensor("int8", (1, 4), quantization=(0.1, 0))
    target = net.tensor("int8", (1, 4), quantization=(0.1, 0))
    net.operator("RELU", [source], [target])
    net.border([source], [target])
    assert partitions(net.to_bytes()) == (0, {"RELU": 1})


def test_nothing_is_said_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    LiteRTSession(FLOAT).run([image()])
    partitions(FLOAT)
    assert capfd.readouterr() == ("", "")


def test_a_missing_runtime_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("ai_edge_litert", "tflite_runtime"):
        monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(MissingPartError, match="tflite-runtime") as caught:
        LiteRTSession(FLOAT)
    assert caught.value.hint == "pip install edgecnn"
    assert caught.value.exit_code == 4
