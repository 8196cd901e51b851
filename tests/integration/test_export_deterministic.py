"""The same command gives the same bytes, with nothing shared but the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import command_line
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.tensorflow


def export(name: str, folder: Path, seed: int, *options: str) -> dict[str, bytes]:
    """What is written by a process with this hash seed, whose cache is the folder's own."""
    done = command_line.run(
        "export", name, "--calibration-samples", "8", *options, "--out", folder / "out",
        EDGECNN_CACHE=folder / "cache", PYTHONHASHSEED=str(seed),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return command_line.contents(folder / "out")


@pytest.fixture(scope="module")
def cold_vgg(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Made with an empty cache."""
    return export("vgg", tmp_path_factory.mktemp("cold"), 1, "--int8")


def differing(one: dict[str, bytes], two: dict[str, bytes]) -> list[str]:
    assert list(one) == list(two)
    return [name for name in one if one[name] != two[name]]


def test_two_processes_write_the_same_bytes(tmp_path: Path, cold_vgg: dict[str, bytes]) -> None:
    names = ("manifest.json", "model.onnx", "model.tflite", "reference.npz")
    assert list(cold_vgg) == [f"int8/{each}" for each in names]
    assert differing(cold_vgg, export("vgg", tmp_path, 2, "--int8")) == []


def test_so_do_they_of_a_network_with_normalizations(tmp_path: Path) -> None:
    runs = [export("xception-mini", tmp_path / str(k), k, "--int8") for k in (1, 2)]
    assert differing(*runs) == []


def test_a_warm_cache_gives_what_a_cold_one_gives(
    tmp_path: Path, cold_vgg: dict[str, bytes]
) -> None:
    """Also when other recipes and formats came before, which fill the cache in another order."""
    export("vgg", tmp_path, 3, "--float32", "--format", "onnx")
    both = export("vgg", tmp_path, 4, "--int8")
    assert differing(cold_vgg, {k: v for k, v in both.items() if k.startswith("int8/")}) == []
