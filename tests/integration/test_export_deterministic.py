"""The same command gives the same bytes, with nothing shared but the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import command_line
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize("name", ["vgg", "xception-mini"])
def test_two_processes_write_the_same_bytes(tmp_path: Path, name: str) -> None:
    runs = []
    for number in ("1", "2"):
        done = command_line.run(
            "export", name, "--int8", "--calibration-samples", "8", "--out", tmp_path / number,
            EDGECNN_CACHE=tmp_path / f"cache{number}", PYTHONHASHSEED=number,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        runs.append(command_line.contents(tmp_path / number))
    names = ("manifest.json", "model.onnx", "model.tflite", "reference.npz")
    assert list(runs[0]) == [f"int8/{each}" for each in names]
    assert [each for each in runs[0] if runs[0][each] != runs[1][each]] == []


def test_a_warm_cache_gives_what_a_cold_one_gives(tmp_path: Path) -> None:
    """Also when other recipes and formats came before, which fill the cache in another order."""
    args = ("export", "vgg", "--calibration-samples", "8", "--out")
    cold, warm = tmp_path / "cold", tmp_path / "warm"
    assert command_line.run(*args, cold, "--int8", EDGECNN_CACHE=tmp_path / "1").returncode == 0
    other = {"EDGECNN_CACHE": tmp_path / "2"}
    first = command_line.run(*args, tmp_path / "x", "--float32", "--format", "onnx", **other)
    assert first.returncode == 0
    assert command_line.run(*args, warm, "--int8", **other).returncode == 0
    assert command_line.contents(cold) == command_line.contents(warm)
