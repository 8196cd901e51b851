"""export --min-snr: as few layers in float32 as it takes, told in full, proved like any file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from random_nets import RandomNet

import edgecnn
from edgecnn.cli.app import run
from edgecnn.errors import CheckFailedError, InputError
from edgecnn.inspection import check_recipe, inspect
from edgecnn.reporting.export import mixed_paragraphs

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("warm_children")


@pytest.fixture(autouse=True)
def short_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the layers cost is measured all the same, and nothing is asked of the numbers."""
    monkeypatch.setattr("edgecnn.exporting.min_snr._LATENCY_SECONDS", 0.2)


@pytest.fixture(scope="module")
def floats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose int8 file loses most in the middle, and inputs for it."""
    folder = tmp_path_factory.mktemp("floats")
    net = RandomNet(5)
    x = net.conv(net.conv(net.image, 8, activation="RELU"), 8, activation="RELU6")
    x = net.relu6(net.mul(x, np.array([60.0, *[1.0] * 7], np.float32)))
    x = net.mul(x, np.array([0.01, *[1.0] * 7], np.float32))
    x = net.conv(x, 8, activation="RELU6")
    x = net.softmax(net.dense(net.flatten(x), 5))
    (folder / "net.tflite").write_bytes(net.finish(x))
    inputs = np.random.default_rng(0).normal(size=(60, 8, 8, 3)).astype(np.float32)
    np.savez(folder / "inputs.npz", inputs)
    return folder


def export(floats: Path, out: Path, **options: Any) -> edgecnn.ExportResult:  # noqa: ANN401 - ExportOptions' fields
    return edgecnn.export(
        str(floats / "net.tflite"), out=out, calibration=str(floats / "inputs.npz"),
        calibration_samples=40, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def plain_db(floats: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """What the int8 file has without any of this."""
    (artifact,) = export(floats, tmp_path_factory.mktemp("plain"), strict=True).artifacts
    found = artifact.manifest.files[0].parity.snr_db
    assert found is not None
    assert artifact.manifest.notes == tuple(n for n in artifact.manifest.notes if "--min" not in n)
    return found


def test_layers_are_kept_told_and_verified(floats: Path, plain_db: float, tmp_path: Path) -> None:
    wanted_db = plain_db + 4
    result = export(floats, tmp_path, min_snr_db=wanted_db)
    (artifact,) = result.artifacts
    (file,) = artifact.manifest.files
    mixed = result.mixed
    assert mixed is not None
    assert file.parity.snr_db is not None
    assert file.parity.snr_db >= wanted_db
    assert mixed.snr_before_db == pytest.approx(plain_db)
    assert mixed.snr_after_db == pytest.approx(file.parity.snr_db)
    assert 0 < len(mixed.layers) < mixed.of_layers
    assert file.bytes == mixed.size_after_bytes > mixed.size_before_bytes
    assert mixed.latency_before_ms is not None
    assert mixed.latency_after_ms is not None
    assert min(mixed.latency_before_ms, mixed.latency_after_ms) > 0
    assert file.graph.delegate_partitions == 1
    note = artifact.manifest.notes[-1]
    assert all(name in note for name in mixed.layers)
    assert " ms" not in note  # what depends on the machine stays out of the manifest
    assert edgecnn.verify(artifact.folder).ok
    text = " ".join(mixed_paragraphs(result))
    assert f"{len(mixed.layers)} of {mixed.of_layers} layers" in text
    assert "measured on this machine" in text


def test_the_check_takes_this_file_and_no_plain_int8_with_float_layers(
    floats: Path, plain_db: float, tmp_path: Path
) -> None:
    (artifact,) = export(floats, tmp_path, min_snr_db=plain_db + 4).artifacts
    found = inspect(artifact.folder / "model.tflite")
    with pytest.raises(CheckFailedError, match="not what recipe int8 says"):
        check_recipe(found, "int8", "int8")
    floating = [i for i, op in enumerate(found.operators) if "float32" in op.output_dtypes]
    with pytest.raises(CheckFailedError, match="more than were kept"):
        check_recipe(found, "int8", "int8", float_places=range(len(found.operators)), kept=1)
    with pytest.raises(CheckFailedError):
        check_recipe(found, "int8", "int8", float_places=floating[:1], kept=1)


def test_nothing_is_kept_where_int8_is_faithful_enough(
    floats: Path, plain_db: float, tmp_path: Path
) -> None:
    plain = (
        export(floats, tmp_path / "plain", strict=True).artifacts[0].folder / "model.tflite"
    ).read_bytes()
    result = export(floats, tmp_path / "asked", min_snr_db=plain_db - 1)
    assert result.mixed is not None
    assert result.mixed.layers == ()
    assert (result.artifacts[0].folder / "model.tflite").read_bytes() == plain
    assert "no layer has to stay in float32" in result.artifacts[0].manifest.notes[-1]
    assert "no layer has to stay in float32" in mixed_paragraphs(result)[0]


def test_more_than_the_ends_allow_is_an_error_with_the_best_there_is(
    floats: Path, tmp_path: Path
) -> None:
    with pytest.raises(CheckFailedError, match="with all layers in float32 the file has") as told:
        export(floats, tmp_path, min_snr_db=150)
    assert "dB or less" in told.value.hint
    assert "--io float32" in told.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("io", ["float32", "uint8"])
def test_with_other_ends(floats: Path, plain_db: float, tmp_path: Path, io: str) -> None:
    (artifact,) = export(floats, tmp_path, min_snr_db=plain_db + 4, io=io).artifacts
    (file,) = artifact.manifest.files
    assert (file.inputs[0].dtype, file.outputs[0].dtype) == (io, io)
    assert file.parity.snr_db is not None
    assert file.parity.snr_db >= plain_db + 4


def test_the_same_request_gives_the_same_bytes(
    floats: Path, plain_db: float, tmp_path: Path
) -> None:
    files = []
    for run_of in ("1", "2"):
        (artifact,) = export(floats, tmp_path / run_of, min_snr_db=plain_db + 3).artifacts
        files.append({p.name: p.read_bytes() for p in sorted(artifact.folder.iterdir())})
    assert files[0] == files[1]


@pytest.mark.parametrize(
    "options", [{"min_snr_db": 0.0}, {"min_snr_db": float("nan")},
                {"min_snr_db": 25.0, "recipes": ("dynamic",)},
                {"min_snr_db": 25.0, "formats": ("onnx",)}]
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(
    floats: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    with pytest.raises(InputError):
        export(floats, tmp_path, **options)


def test_the_command_line(
    floats: Path, plain_db: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, data = str(floats / "net.tflite"), str(floats / "inputs.npz")
    asked = ["export", model, "--calibration", data, "--out", str(tmp_path)]
    assert run([*asked, "--min-snr", "much"]) == 2
    assert run([*asked, "--dynamic", "--min-snr", "25dB"]) == 2
    assert run([*asked, "--min-snr", "150 dB"]) == 1
    capsys.readouterr()
    assert run([*asked, "--min-snr", f"{plain_db + 3:.2f}dB", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["mixed"]["layers"]
    assert found["mixed"]["snr_after_db"] >= found["mixed"]["min_snr_db"]


def test_where_fewer_layers_miss_the_number_all_are_kept(tmp_path: Path) -> None:
    net = RandomNet(4, (1, 12, 12, 3))
    x = net.conv(net.image, 8, activation="RELU")
    x = net.sum_of(net.depthwise(net.conv(net.relu(x), 8)), x)
    x = net.pool(net.relu(x), "MAX_POOL_2D")
    (tmp_path / "net.tflite").write_bytes(net.finish(net.softmax(net.dense(net.flatten(x), 5))))
    inputs = np.random.default_rng(0).uniform(0, 1, (60, 12, 12, 3)).astype(np.float32)
    np.savez(tmp_path / "inputs.npz", inputs)
    mixed = export(tmp_path, tmp_path, min_snr_db=36.0).mixed
    assert mixed is not None
    assert mixed.snr_after_db >= 36
    assert len(mixed.layers) == mixed.of_layers


def test_probabilities_that_leave_as_float32_behind_float_layers_are_counted_once(
    tmp_path: Path,
) -> None:
    net = RandomNet(7, (1, 12, 12, 3))
    x = net.pool(net.relu(net.conv(net.image, 8, activation="RELU")), "MAX_POOL_2D")
    (tmp_path / "net.tflite").write_bytes(net.finish(net.softmax(net.dense(net.flatten(x), 5))))
    inputs = np.random.default_rng(0).uniform(0, 1, (60, 12, 12, 3)).astype(np.float32)
    np.savez(tmp_path / "inputs.npz", inputs)
    result = export(tmp_path, tmp_path, min_snr_db=38.0)
    assert result.mixed is not None
    assert result.mixed.layers
    (artifact,) = result.artifacts
    assert artifact.manifest.files[0].float_ops == {"SOFTMAX": 1}
    assert artifact.manifest.files[0].outputs[0].dtype == "float32"
