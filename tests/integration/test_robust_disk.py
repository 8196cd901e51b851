"""Disks that are full, places that are none, and files that are hostile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import command_line
import pytest
from small_disk import small_disk

import edgecnn

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.tensorflow

ARGS = ("export", "vgg", "--int8", "--format", "tflite", "--calibration-samples", "8")


def test_a_full_disk_under_the_artifacts(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=2m") as disk:
        out = disk / "vgg"
        assert command_line.forked(*ARGS, "--io", "uint8", "--out", out).returncode == 0
        before = command_line.contents(out)
        error = command_line.forked_json(*ARGS, "--out", out, code=2)["error"]
        assert "The disk is full" in error["message"]
        assert str(out / "int8") in error["message"]
        assert error["hint"]
        assert command_line.contents(out) == before
        assert [path.name for path in out.iterdir()] == ["int8"]
        assert edgecnn.verify(out / "int8").ok


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact that a run which fails must leave alone."""
    out = tmp_path_factory.mktemp("earlier")
    assert command_line.forked(*ARGS, "--io", "uint8", "--out", out).returncode == 0
    return out


@pytest.mark.parametrize("size", ["64k", "1m", "5m"])
def test_a_full_disk_under_the_cache(tmp_path: Path, earlier: Path, size: str) -> None:
    """64 kB hold nothing, 1 MB not the float file, 5 MB not what comes after it."""
    out = earlier
    before = command_line.contents(out)
    with small_disk(tmp_path / "disk", f"size={size}") as disk:
        done = command_line.forked(*ARGS, "--seed", "7", "--out", out, EDGECNN_CACHE=disk)
        assert done.returncode == 2, done.stderr
        assert "The disk is full" in done.stderr
        assert "EDGECNN_CACHE" in done.stderr
        assert "Traceback" not in done.stderr
        assert list(disk.glob("*/.*")) == []
    assert command_line.contents(out) == before


def test_a_full_disk_under_temporary_files(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=16k") as disk:
        (disk / "filler").write_bytes(bytes(12 << 10))
        done = command_line.run(
            *ARGS, "--out", tmp_path / "out", TMPDIR=disk, EDGECNN_CACHE=tmp_path / "cache"
        )
        assert done.returncode in {0, 2}  # whatever is written there, nothing breaks on it
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("place", ["out", "cache"])
def test_a_file_where_a_folder_is_needed(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    places = {"out": tmp_path / "out", "cache": tmp_path / "cache", place: tmp_path / "file" / "x"}
    done = command_line.forked(*ARGS, "--out", places["out"], EDGECNN_CACHE=places["cache"])
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert str(tmp_path / "file") in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_a_read_only_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1m,ro") as disk:
        error = command_line.forked_json(*ARGS, "--out", disk / "out", code=2)["error"]
        assert "Read-only file system" in error["message"]
        assert "--out" in error["hint"]
