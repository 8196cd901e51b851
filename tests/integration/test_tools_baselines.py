"""The baselines on a real network: files of the kind that the comparisons take them for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from measure.measuring import child_environment

from edgecnn import parity
from edgecnn.formats.tflite_graph import Graph
from edgecnn.records import Endpoint

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.tensorflow

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def run_tool(script: str, *arguments: str | Path) -> None:
    command = [sys.executable, str(TOOLS / script), *map(str, arguments)]
    done = subprocess.run(
        command, env=child_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def logits(data: bytes, images: NDArray[np.float32]) -> NDArray[np.float32]:
    inputs, outputs = Endpoint("x", "float32", (1, 32, 32, 3)), Endpoint("y", "float32", (1, 10))
    feeds = [[image[None]] for image in images]
    (found,) = parity.answers(data, feeds, inputs=[inputs], outputs=[outputs]).logits
    assert found is not None
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("baselines")
    images = np.random.default_rng(0).random((16, 32, 32, 3), np.float32)
    np.savez(folder / "images.npz", images)
    made = {name: folder / f"{name}.tflite" for name in ("float", "converter", "quantizer")}
    weights = folder / "vgg.keras"
    converter = "baseline_tflite_converter.py"
    run_tool(converter, "--model", "vgg", "--save", weights, "--out", made["float"])
    calibration = ("--calibration", folder / "images.npz")
    run_tool(converter, "--model", weights, "--out", made["converter"], *calibration)
    run_tool(
        *("baseline_litert_quantizer.py", "--float", made["float"], *calibration),
        *("--out", made["quantizer"]),
    )
    return made


@pytest.mark.parametrize("name", ["converter", "quantizer"])
def test_a_baseline_computes_in_int8_throughout(files: dict[str, Path], name: str) -> None:
    graph = Graph.read(files[name].read_bytes())
    convolutions = [operator for operator in graph.operators if operator.name == "CONV_2D"]
    assert len(convolutions) == 6
    for operator in convolutions:
        assert [tensor.dtype for tensor in operator.read] == ["INT8", "INT8", "INT32"]
    for tensor in (*graph.inputs, *graph.outputs):
        assert tensor.dtype == "INT8"


@pytest.mark.parametrize("name", ["converter", "quantizer"])
def test_a_baseline_has_the_float_files_weights(files: dict[str, Path], name: str) -> None:
    images = np.random.default_rng(1).random((8, 32, 32, 3), np.float32)
    reference, found = (logits(files[each].read_bytes(), images) for each in ("float", name))
    assert reference.shape == (8, 10)
    ratio = parity.snr_db(reference, found)
    assert ratio is not None
    assert ratio > 10
