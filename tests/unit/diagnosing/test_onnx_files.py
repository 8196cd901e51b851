"""diagnose on .onnx: artifacts of that format alone, files of other tools, what is refused."""

from __future__ import annotations

import json
import shlex
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_nets import Net, classifier
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from without_packages import lacking

import edgecnn
from edgecnn.cli.app import run
from edgecnn.errors import InputError
from edgecnn.quantize import onnx_qdq
from edgecnn.quantize.onnx_dynamic import to_dynamic
from edgecnn.quantize.onnx_float16 import to_float16

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[Any]

pytestmark = pytest.mark.usefixtures("warm_children")

SHAPE = (1, 3, 10, 8)
RUNS = 16


def network() -> onnx.ModelProto:
    """Branches of every kind that a file tells apart: sums, a concatenation, moves, an average."""
    net = Net(SHAPE, seed=2)
    stem = net.node("Relu", net.conv("input", 3, 8, pads=[1] * 4))
    deep = net.conv(stem, 8, 8, group=8, pads=[1] * 4)
    total = net.node("Relu", net.node("Add", deep, stem))
    twice = [net.conv(total, 8, 8, size=1) for _ in range(2)]  # told apart by their weights alone
    both = net.node("Relu", net.node("Concat", *twice, axis=1))
    small = net.node("AveragePool", both, kernel_shape=[2, 2], strides=[2, 2])
    flat = net.node("Flatten", small)
    scores = net.node("Gemm", flat, net.normal(320, 5, scale=0.05), net.normal(5))
    return net.model(net.node("Softmax", scores), (1, 5))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the float file and inputs."""
    folder = tmp_path_factory.mktemp("source")
    onnx.save(network(), folder / "net.onnx")
    inputs = np.random.default_rng(0).uniform(0, 1, (RUNS, *SHAPE[1:])).astype(np.float32)
    np.savez(folder / "right.npz", inputs)
    return folder


@pytest.fixture(scope="module")
def artifact(source: Path) -> Path:
    """An int8 artifact with an .onnx alone, as `export` makes it from an .onnx."""
    with lacking("tensorflow"):  # its seconds decide nothing that is tested here
        result = edgecnn.export(
            str(source / "net.onnx"), recipes=("int8",), out=source / "out", formats=("onnx",),
            calibration=str(source / "right.npz"), calibration_samples=10,
        )  # fmt: skip
    return result.artifacts[0].folder


class Reader(CalibrationDataReader):  # type: ignore[misc] # onnxruntime has no types
    """Feeds of a folder's inputs, as onnxruntime's quantizer asks for them."""

    def __init__(self, source: Path) -> None:
        with np.load(source / "right.npz") as arrays:
            self.feeds = iter(list(arrays["arr_0"][:, None]))

    def get_next(self) -> dict[str, Array] | None:
        """The next one."""
        feed = next(self.feeds, None)
        return None if feed is None else {"input": feed}


def test_an_artifact_of_an_onnx_alone(
    source: Path, artifact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    diagnosis = edgecnn.diagnose(artifact)  # its float file is found in the cache
    recorded = json.loads((artifact / "manifest.json").read_text())["files"][0]["parity"]
    assert diagnosis.format == "onnx"
    assert diagnosis.causes == ()
    assert diagnosis.observed.skipped == 0
    assert {layer.matched_by for layer in diagnosis.layers} == {"structure"}
    assert diagnosis.observed.worst.snr_db == pytest.approx(recorded["snr_db"])
    assert [end.measured_on for end in diagnosis.observed.outputs] == ["logits"]
    program, *arguments = shlex.split(diagnosis.next_command)
    assert program == "edgecnn"
    assert run([*arguments, "--quiet"]) == 0
    assert (artifact.parent / "diagnosed" / "float16" / "model.onnx").is_file()
    capsys.readouterr()
    against = str(source / "net.onnx")
    assert run(["diagnose", str(artifact / "model.onnx"), "--against", against, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["format"] == "onnx"
    assert printed["layers"][0]["operator"] == "Conv"


def test_a_format_that_is_not_there_is_refused(artifact: Path) -> None:
    with pytest.raises(InputError, match=r"no \.tflite to diagnose"):
        edgecnn.diagnose(artifact, file_format="tflite")
    with pytest.raises(InputError, match=r"no \.tflite to diagnose"):
        edgecnn.diagnose(artifact / "model.onnx", file_format="tflite")


def test_files_of_two_formats_are_not_compared(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(b"of another format")
    with pytest.raises(InputError, match="only files of one format"):
        edgecnn.diagnose(artifact, float_file=tmp_path / "net.tflite")


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_a_file_of_onnxruntimes_quantizer(source: Path, tmp_path: Path, form: str) -> None:
    quantized = tmp_path / "quantized.onnx"
    quantize_static(
        source / "net.onnx", quantized, Reader(source), quant_format=QuantFormat[form],
        per_channel=True,
    )  # fmt: skip
    diagnosis = edgecnn.diagnose(
        quantized, float_file=source / "net.onnx", data=str(source / "right.npz")
    )
    assert diagnosis.observed.skipped == 0
    assert diagnosis.causes == ()
    assert all(layer.snr_db is not None and layer.snr_db > 15 for layer in diagnosis.layers)
    convolutions = [layer for layer in diagnosis.layers if layer.operator == "Conv"]
    assert len(convolutions) == 4
    assert all(layer.step is not None for layer in convolutions)
    low, high = diagnosis.observed.inputs[0].range_low, diagnosis.observed.inputs[0].range_high
    assert low == 0
    assert high == pytest.approx(1, abs=0.01)


def grey() -> onnx.ModelProto:
    """One channel, last: what brings it to the front only reshapes."""
    net = Net((1, 8, 8, 1))
    image = net.node("Reshape", "input", net.constant(np.array([1, 1, 8, 8])))
    maps = net.node("Relu", net.conv(image, 1, 6, pads=[1] * 4))
    flat = net.node("Flatten", net.node("GlobalAveragePool", net.conv(maps, 6, 8)))
    scores = net.node("Gemm", flat, net.normal(8, 5, scale=1.0), net.normal(5))
    return net.model(net.node("Softmax", scores), (1, 5))


@pytest.mark.parametrize("network", [classifier, grey])
def test_channels_last_and_rewritten_layers(
    tmp_path: Path, network: Callable[[], onnx.ModelProto]
) -> None:
    model = network()
    onnx.save(model, tmp_path / "net.onnx")
    shape = [size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim]
    inputs = np.random.default_rng(0).uniform(0, 1, (RUNS, *shape[1:])).astype(np.float32)
    np.savez(tmp_path / "right.npz", inputs)
    onnx_qdq.to_int8(tmp_path / "net.onnx", tmp_path / "int8.onnx", inputs[:, None], runs=RUNS)
    diagnosis = edgecnn.diagnose(
        tmp_path / "int8.onnx",
        float_file=tmp_path / "net.onnx",
        data=str(tmp_path / "right.npz"),
    )
    assert diagnosis.observed.skipped == 0
    assert all(layer.snr_db is None or layer.snr_db > 15 for layer in diagnosis.layers)
    assert all(layer.clipped_share < 0.01 for layer in diagnosis.layers)
    assert sum(layer.share for layer in diagnosis.layers) == pytest.approx(1)


@pytest.mark.parametrize(("write", "least_db"), [(to_dynamic, 25), (to_float16, 40)])
def test_other_recipes(
    source: Path, tmp_path: Path, write: Callable[[Path, Path], None], least_db: float
) -> None:
    write(source / "net.onnx", tmp_path / "other.onnx")
    diagnosis = edgecnn.diagnose(
        tmp_path / "other.onnx",
        float_file=source / "net.onnx",
        data=str(source / "right.npz"),
    )
    assert diagnosis.causes == ()
    assert diagnosis.observed.skipped == 0
    assert all(layer.step is None for layer in diagnosis.layers)
    assert diagnosis.observed.worst.snr_db is not None
    assert diagnosis.observed.worst.snr_db > least_db


def test_another_network_and_open_sizes_are_refused(
    source: Path, artifact: Path, tmp_path: Path
) -> None:
    other, data = Net(SHAPE, seed=9), str(source / "right.npz")
    onnx.save(other.model(other.node("Sigmoid", "input"), SHAPE), tmp_path / "other.onnx")
    shutil.copy(artifact / "model.onnx", tmp_path / "alone.onnx")
    with pytest.raises(InputError, match="not of one network"):
        edgecnn.diagnose(artifact, float_file=tmp_path / "other.onnx")
    with pytest.raises(InputError, match="no counterpart"):
        edgecnn.diagnose(tmp_path / "alone.onnx", float_file=tmp_path / "other.onnx", data=data)
    with pytest.raises(InputError, match="is quantized itself"):
        edgecnn.diagnose(source / "net.onnx", float_file=tmp_path / "alone.onnx", data=data)
    wide = network()
    wide.graph.input[0].CopyFrom(
        helper.make_tensor_value_info("input", TensorProto.FLOAT, (1, 3, "height", 8))
    )
    onnx.save(wide, tmp_path / "open.onnx")
    with pytest.raises(InputError, match="size of 'input' is open"):
        edgecnn.diagnose(tmp_path / "alone.onnx", float_file=tmp_path / "open.onnx", data=data)
