"""The same .onnx gives the same bytes in every process: nothing depends on the order of a set."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

WRITE = """
import sys
from pathlib import Path
from onnx_nets import classifier
from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import from_proto
from edgecnn.quantize.onnx_dynamic import to_dynamic
from edgecnn.quantize.onnx_float16 import to_float16
folder = Path(sys.argv[1])
source = folder / "float.onnx"
onnx_file.save(from_proto(classifier()), source)
to_dynamic(source, folder / "dynamic.onnx")
for compute in ("float32", "float16"):
    to_float16(source, folder / f"half_{compute}.onnx", compute=compute)
"""


def written(folder: Path, hash_seed: str) -> dict[str, bytes]:
    """What a process with this hash seed writes."""
    folder.mkdir()
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", WRITE, str(folder)], env=environment, check=True)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("runs")
    return [written(folder / seed, seed) for seed in ("1", "2")]


@pytest.mark.parametrize("name", ["dynamic", "half_float32", "half_float16"])
def test_two_processes_write_the_same_bytes(runs: list[dict[str, bytes]], name: str) -> None:
    one, two = (run[f"{name}.onnx"] for run in runs)
    assert one == two != runs[0]["float.onnx"]
