"""The same command gives the same bytes, with nothing shared but the command.

One process starts cold, with a hash seed of its own. The others are forked from one that started
apart from it, with another hash seed and other addresses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import command_line
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.tensorflow

# Normalizations, skips, depthwise and plain convolutions, pooling, dense layers: every pass has
# something to do. Narrow: which way a weight is rounded is decided for a quarter of them.
NETWORK = ("xception-mini", "--width", "0.25", "--input-size", "16")


def export(
    folder: Path, *options: str, run: Callable[..., command_line.Ended] = command_line.forked
) -> dict[str, bytes]:
    """What is written by a process whose cache is the folder's own."""
    done = run(
        "export", *NETWORK, "--calibration-samples", "8", *options, "--out", folder / "out",
        EDGECNN_CACHE=folder / "cache", PYTHONHASHSEED="1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return command_line.contents(folder / "out")


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Made with an empty cache, by a process that starts cold."""
    return export(tmp_path_factory.mktemp("cold"), "--int8", run=command_line.run)


def differing(one: dict[str, bytes], two: dict[str, bytes]) -> list[str]:
    assert list(one) == list(two)
    return [name for name in one if one[name] != two[name]]


def test_two_processes_write_the_same_bytes(tmp_path: Path, cold: dict[str, bytes]) -> None:
    names = ("manifest.json", "model.onnx", "model.tflite", "reference.npz")
    assert list(cold) == [f"int8/{each}" for each in names]
    assert differing(cold, export(tmp_path, "--int8")) == []


def test_a_warm_cache_gives_what_a_cold_one_gives(tmp_path: Path, cold: dict[str, bytes]) -> None:
    """Also when other recipes and formats came before, which fill the cache in another order.

    And also when only the .onnx is asked for: the .tflite that decides its numbers is made again.
    """
    export(tmp_path, "--float32", "--format", "onnx")
    both = export(tmp_path, "--int8")
    assert differing(cold, {k: v for k, v in both.items() if k.startswith("int8/")}) == []
    alone = export(tmp_path, "--int8", "--format", "onnx")
    assert "int8/model.tflite" not in alone
    names = ("int8/model.onnx", "int8/reference.npz")
    assert [name for name in names if alone[name] != cold[name]] == []
