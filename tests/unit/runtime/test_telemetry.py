"""onnxruntime sends nothing and keeps nothing: not here, not in a child, not alone on a device."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import onnx_nets
import pytest
import runner_process

import edgecnn

_ALONE = """
import sys
import onnxruntime
onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
"""
_HERE = """
import sys
from pathlib import Path
from edgecnn.runtime.session import open_session
open_session(Path(sys.argv[1]))
"""
_IN_A_CHILD = """
import sys
from pathlib import Path
import numpy as np
from edgecnn import isolation
batches = [(np.zeros((1, 8, 8, 3), np.float32),)]
isolation.run("edgecnn.runtime.session:infer", Path(sys.argv[1]), batches, what="a test")
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_nets.classifier().SerializeToString())
    return path


def left_by(home: Path, command: list[str], folder: Path) -> list[str]:
    """What a command leaves in its user's home and temporary folder; nothing of ours is set."""
    (home / "tmp").mkdir(parents=True)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(edgecnn.__file__).parent.parent),
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
    }
    subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True)
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if not path.is_dir())


def test_it_would_keep_a_device_number(net: Path, tmp_path: Path) -> None:
    """Else the tests below see nothing because there is nothing to see."""
    left = left_by(tmp_path / "home", [sys.executable, "-c", _ALONE, str(net)], tmp_path)
    assert any(name.endswith("deviceid") for name in left)


@pytest.mark.parametrize("script", [_HERE, _IN_A_CHILD], ids=["here", "in a child"])
def test_it_keeps_nothing_here(net: Path, tmp_path: Path, script: str) -> None:
    left = left_by(tmp_path / "home", [sys.executable, "-c", script, str(net)], tmp_path)
    assert left == []


def test_it_keeps_nothing_on_a_device(net: Path, tmp_path: Path) -> None:
    folder = tmp_path / "alone"
    folder.mkdir()
    (folder / net.name).write_bytes(net.read_bytes())
    plan = runner_process.SHORT_PLAN
    command = runner_process.write_request(folder, [net.name], plan)
    assert left_by(tmp_path / "home", command, folder) == []
