"""inspect: a path in, the truth or a clear error out; native code in a child."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tiny_tflite import FLOAT_NET_MACS, TinyModel, float_net, int8_net

from edgecnn.errors import InputError
from edgecnn.inspection import inspect


def written(folder: Path, net: TinyModel, name: str = "net.tflite") -> Path:
    path = folder / name
    path.write_bytes(net.to_bytes())
    return path


def test_partitions_and_what_breaks_them(tmp_path: Path) -> None:
    graph = inspect(written(tmp_path, int8_net())).graph
    assert graph.delegate_partitions == 2
    assert graph.undelegated_ops == {"RELU": 1}


def test_a_net_the_delegate_takes_whole(tmp_path: Path) -> None:
    found = inspect(written(tmp_path, float_net()))
    assert (found.graph.delegate_partitions, found.graph.undelegated_ops) == (1, {})
    assert found.graph.macs_by_dtype == {"float32": FLOAT_NET_MACS}
    assert found.notes == ()


def test_the_delegate_is_not_asked_when_not_wanted(tmp_path: Path) -> None:
    graph = inspect(written(tmp_path, int8_net()), delegate=False).graph
    assert graph.delegate_partitions is None


def test_flex_operators_leave_partitions_unknown_with_a_note(tmp_path: Path) -> None:
    net = float_net()
    net.operator("FlexErf", [0], [0], custom=True)
    found = inspect(written(tmp_path, net))
    assert found.graph.flex_ops == ("FlexErf",)
    assert found.graph.delegate_partitions is None
    assert any("Delegate partitions are not known" in note for note in found.notes)


def test_what_only_the_runtime_finds_damaged_is_an_error(tmp_path: Path) -> None:
    """LiteRT verifies the whole FlatBuffer, also the parts inspection has no use for."""
    path = tmp_path / "net.tflite"
    data = float_net().to_bytes(buffers_behind=True)
    path.write_bytes(data.replace(b"tiny\0", b"tinyX"))
    with pytest.raises(InputError, match=r"refuses .*net\.tflite"):
        inspect(path)


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    path = written(tmp_path, float_net(), "model.bin")
    assert inspect(path, delegate=False).format == "tflite"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.tflite", b"", "not a TFLite model"),
        ("page.tflite", b"<!doctype html><html>", "not a TFLite model"),
        ("notes.txt", b"some text here", "neither a .tflite nor a .onnx"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        inspect(path)
    assert name in caught.value.message
    assert caught.value.hint


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        inspect(tmp_path / "nothing.tflite")
    with pytest.raises(InputError, match="Is a directory"):
        inspect(tmp_path)


def test_importing_inspection_loads_nothing_heavy() -> None:
    heavy = ["numpy", "flatbuffers", "onnx", "onnxruntime", "ai_edge_litert", "tensorflow"]
    code = f"import sys, edgecnn.inspection; print([m for m in {heavy} if m in sys.modules])"
    environment = {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "[]"
