"""Forked children of `isolation` do what those that start cold do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import command_line
import pytest

from edgecnn import isolation
from edgecnn.isolation import CrashedError, LimitError, Limits

pytestmark = pytest.mark.usefixtures("warm_children")

_CLIENT = """
import sys
from warm_children import forked_by, nursery
from edgecnn import isolation
with forked_by(nursery()):
    print(isolation.run("os:getppid", what="asking"), flush=True)
    isolation.run("time:sleep", 600, what="sleeping")
"""


def test_each_job_has_a_process_of_its_own() -> None:
    pids = {isolation.run("os:getpid", what="asking") for _ in range(3)}
    assert len(pids) == 3
    assert os.getpid() not in pids


def test_what_a_child_imported_is_there_already() -> None:
    modules = isolation.run("builtins:eval", "set(__import__('sys').modules)", what="asking")
    assert {"numpy", "onnx", "onnxruntime", "ai_edge_litert.interpreter"} <= modules
    assert "tensorflow" not in modules


def test_environment_and_folder_are_those_of_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONE", "1")
    assert isolation.run("os:getcwd", what="asking") == str(tmp_path)
    assert isolation.run("os:getenv", "ONE", what="asking") == "1"
    assert isolation.run("os:getenv", "TWO", what="asking", environment={"TWO": "2"}) == "2"
    monkeypatch.delenv("ONE")
    assert isolation.run("os:getenv", "ONE", what="asking") is None


def test_errors_and_crashes_are_told() -> None:
    with pytest.raises(ValueError, match="math domain"):
        isolation.run("math:sqrt", -1, what="rooting")
    with pytest.raises(CrashedError, match="SIGABRT"):
        isolation.run("os:abort", what="ending")
    with pytest.raises(CrashedError, match="exit code 3"):
        isolation.run("os:_exit", 3, what="ending")
    assert isolation.run("math:sqrt", 4, what="rooting") == 2


def test_limits_hold() -> None:
    with pytest.raises(LimitError, match="took more than"):
        isolation.run("time:sleep", 600, what="sleeping", limits=Limits(seconds=0.2))
    with pytest.raises(LimitError, match="memory"):
        isolation.run(
            "builtins:bytes", 1 << 31, what="filling", limits=Limits(memory_bytes=1 << 30)
        )


def test_a_command_says_and_exits_as_one_that_starts_cold(tmp_path: Path) -> None:
    (tmp_path / "broken.tflite").write_bytes(b"\x1c\x00\x00\x00TFL3 and no more")
    lines: list[tuple[str, ...]] = [("models",), ("inspect", "broken.tflite"), ("export", "--what")]
    for line in lines:
        cold, warm = (
            start(*(tmp_path / word if "." in word else word for word in line))
            for start in (command_line.run, command_line.forked)
        )
        assert (warm.returncode, warm.stdout, warm.stderr) == (
            cold.returncode, cold.stdout, cold.stderr
        )  # fmt: skip


def test_a_forked_commands_environment_and_folder_are_those_of_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = command_line.forked_json("cache", EDGECNN_CACHE=tmp_path / "mine")
    assert str(tmp_path / "mine") in str(told)


def test_nothing_outlives_the_tests_process() -> None:
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)])
    client = subprocess.Popen(
        [sys.executable, "-c", _CLIENT],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert client.stdout is not None
    nursery = Path("/proc") / client.stdout.readline().decode().strip()
    assert nursery.exists()
    client.kill()
    client.wait()
    client.stdout.close()
    end = time.monotonic() + 20.0
    while nursery.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not nursery.exists()
