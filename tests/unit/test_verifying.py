"""verify: every way a folder can differ from its manifest, and the command's exit codes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tiny_artifact import SAMPLES, write_artifact
from tiny_tflite import float_net
from without_packages import run_without

import edgecnn
from edgecnn import manifest as manifests
from edgecnn.errors import InputError
from edgecnn.records import Manifest, ParityInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgecnn.verifying import VerifiedFile

pytestmark = pytest.mark.usefixtures("warm_children")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_artifact(tmp_path_factory.mktemp("made") / "float32")


@pytest.fixture
def artifact(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "float32")


def rewrite(folder: Path, change: Callable[[Manifest], Manifest]) -> None:
    manifests.write(change(manifests.load(folder / manifests.NAME)), folder)


def replace_file(folder: Path, **changes: Any) -> None:  # noqa: ANN401 - FileInfo's fields
    """Change what the manifest says of the first file."""

    def change(manifest: Manifest) -> Manifest:
        first, *others = manifest.files
        return dataclasses.replace(manifest, files=(dataclasses.replace(first, **changes), *others))

    rewrite(folder, change)


def put(folder: Path, content: bytes) -> None:
    """Other content for the first file, with a manifest that agrees."""
    (folder / "model.tflite").write_bytes(content)
    replace_file(folder, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def first(folder: Path) -> VerifiedFile:
    return edgecnn.verify(folder).files[0]


def command(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgecnn", "verify", *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_whole_folder_holds(artifact: Path) -> None:
    found = edgecnn.verify(artifact)
    assert found.ok
    assert found.recipe == "float32"
    assert [file.path for file in found.files] == ["model.tflite", "model.onnx"]
    for file in found.files:
        assert file.parity is not None
        assert file.parity.samples == SAMPLES
        assert (file.problems, file.note) == ((), "")
    assert found.files[0].parity.snr_db is None  # type: ignore[union-attr] # seen above


@pytest.mark.parametrize("name", ["model.onnx", "model.tflite"])
def test_one_file_of_a_folder_can_be_named(artifact: Path, name: str) -> None:
    (artifact / {"model.onnx": "model.tflite", "model.tflite": "model.onnx"}[name]).unlink()
    found = edgecnn.verify(artifact / name)
    assert [file.path for file in found.files] == [name]
    assert found.ok


def test_the_manifest_stands_for_its_folder(artifact: Path) -> None:
    assert len(edgecnn.verify(str(artifact / manifests.NAME)).files) == 2


@pytest.mark.parametrize("name", ["model.tflite", "model.onnx"])
@pytest.mark.parametrize("where", [0, 0.5, -1])
def test_one_changed_byte_is_found(artifact: Path, name: str, where: float) -> None:
    content = bytearray((artifact / name).read_bytes())
    content[int(where * len(content))] ^= 1
    (artifact / name).write_bytes(content)
    found = {file.path: file for file in edgecnn.verify(artifact).files}
    assert not found[name].ok
    assert "was changed" in found[name].problems[0]
    assert found[name].parity is None  # a changed file is not run
    assert sum(file.ok for file in found.values()) == 1


def test_a_file_cut_short_and_one_made_longer_are_found(artifact: Path) -> None:
    whole = (artifact / "model.tflite").read_bytes()
    for content in (whole[:-1], whole + b"\0", b""):
        (artifact / "model.tflite").write_bytes(content)
        assert f"has {len(content)} bytes, not {len(whole)}" in first(artifact).problems[0]


def test_a_missing_file_is_found(artifact: Path) -> None:
    (artifact / "model.tflite").unlink()
    assert first(artifact).problems == ("model.tflite is missing",)


def test_a_folder_in_a_files_place_is_found(artifact: Path) -> None:
    (artifact / "model.tflite").unlink()
    (artifact / "model.tflite").mkdir()
    assert first(artifact).problems == ("model.tflite is missing",)


@pytest.mark.parametrize("path", ["../outside.tflite", "a/../../outside.tflite", "ABSOLUTE"])
def test_a_path_out_of_the_folder_is_refused(artifact: Path, path: str) -> None:
    outside = artifact.parent / "outside.tflite"
    shutil.copy(artifact / "model.tflite", outside)
    replace_file(artifact, path=str(outside) if path == "ABSOLUTE" else path)
    assert "lies outside the folder" in first(artifact).problems[0]


def test_a_link_out_of_the_folder_is_refused(artifact: Path) -> None:
    (artifact / "model.tflite").rename(artifact.parent / "outside.tflite")
    (artifact / "model.tflite").symlink_to(artifact.parent / "outside.tflite")
    assert "lies outside the folder" in first(artifact).problems[0]


@pytest.mark.parametrize("path", ["", ".", "x\0y", "é" * 200, "x" * 300, "model.tflite/x"])
def test_an_odd_path_in_a_manifest_is_no_file(artifact: Path, path: str) -> None:
    replace_file(artifact, path=path)
    assert not first(artifact).ok


def crashing() -> bytes:
    """A .tflite whose tensor shape is far larger than its data."""
    net = float_net()
    net.graph.tensors[1].shape = [1 << 20, 1 << 10, 3, 3]
    return net.to_bytes()


def endless_indices() -> bytes:
    """A .tflite whose operator reads a tensor that is not there."""
    net = float_net()
    net.graph.operators[0].inputs = [0, 1 << 20, 2]
    return net.to_bytes()


@pytest.mark.parametrize(
    "content",
    [b"not a model", b"", b"\0\0\0\0TFL3", float_net().to_bytes()[:400], crashing(),
     endless_indices()],
    ids=["text", "empty", "magic", "cut", "huge-shape", "wild-index"],
)  # fmt: skip
def test_what_is_no_model_fails_also_with_a_matching_hash(artifact: Path, content: bytes) -> None:
    put(artifact, content)
    found = edgecnn.verify(artifact)
    assert not found.files[0].ok
    assert found.files[0].problems[0]
    assert found.files[1].ok  # and this process lives to verify the other


def test_a_model_that_computes_something_else_fails(artifact: Path) -> None:
    net = float_net()
    bias = net.model.buffers[net.graph.tensors[8].buffer]
    bias.data = (bias.data.view(np.float32) + 3).view(np.uint8)
    put(artifact, net.to_bytes())
    file = first(artifact)
    assert not file.ok
    assert "dB SNR from the reference here, inf recorded" in file.problems[0]
    assert file.parity is not None
    assert file.parity.max_abs_error == pytest.approx(3, abs=1e-4)


def test_a_model_that_computes_nan_fails(artifact: Path) -> None:
    net = float_net()
    bias = net.model.buffers[net.graph.tensors[8].buffer]
    bias.data = np.full(5, np.nan, np.float32).view(np.uint8)
    put(artifact, net.to_bytes())
    found = edgecnn.verify(artifact)
    assert "not finite" in found.files[0].problems[0]
    assert found.files[1].ok


def test_a_model_of_other_classes_fails(artifact: Path) -> None:
    shutil.copytree(artifact, artifact.parent / "other")
    net = float_net()
    net.border(list(net.graph.inputs), [6])  # the flattened features: 256 of them
    put(artifact, net.to_bytes())
    assert "256" in first(artifact).problems[0]


@pytest.mark.parametrize(
    ("recorded", "holds"), [(None, True), (200.0, True), (-5.0, True), (61.5, True)]
)
def test_more_than_was_recorded_is_fine(
    artifact: Path, recorded: float | None, *, holds: bool
) -> None:
    replace_file(artifact, parities=(ParityInfo(recorded, 1.0, 0.0, 1.0, SAMPLES),))
    assert first(artifact).ok == holds


@pytest.mark.parametrize(("recorded", "holds"), [(20.5, True), (20.9, True), (22.0, False)])
def test_another_machines_rounding_is_allowed_and_no_more(
    artifact: Path, recorded: float, *, holds: bool
) -> None:
    with np.load(artifact / "reference.npz") as arrays:
        inputs, logits = arrays["x0"], arrays["y0"]
    noise = np.random.default_rng(0).normal(size=logits.shape)
    noise *= np.linalg.norm(logits) / np.linalg.norm(noise) / 10
    changed = (logits + noise).astype(np.float32)
    varies = np.square(changed - changed.mean(axis=0), dtype=np.float64).sum()
    found_db = 10 * np.log10(varies / np.square(noise).sum())
    told = ParityInfo(recorded - 20 + found_db, 1.0, 0.0, 1.0, SAMPLES)
    replace_file(artifact, parities=(told,))
    np.savez(artifact / "reference.npz", x0=inputs, y0=changed)
    assert first(artifact).ok == holds


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def _arrays(**arrays: object) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **arrays)  # type: ignore[arg-type] # arrays, some pickled


IMAGES, LOGITS = np.zeros((2, 8, 8, 3), np.float32), np.ones((2, 5), np.float32)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04"),
        lambda path: np.save(path.open("wb"), LOGITS),
        _cut,
        _flip,
        _arrays(x0=IMAGES),
        _arrays(y0=LOGITS),
        _arrays(x0=IMAGES[:1], y0=LOGITS),
        _arrays(x0=IMAGES[:0], y0=LOGITS[:0]),
        _arrays(x0=IMAGES[0], y0=LOGITS),
        _arrays(x0=IMAGES.astype("U4"), y0=LOGITS),
        _arrays(x0=IMAGES, y0=LOGITS.astype(object)),
        _arrays(x0=IMAGES, y0=LOGITS * np.nan),
        _arrays(x0=IMAGES, y0=LOGITS[0]),
        _arrays(x0=IMAGES, y0=LOGITS.astype("U4")),
        _arrays(x0=np.array(3.0), y0=np.array(3.0)),
        _arrays(x0=IMAGES, y0=LOGITS, z0=LOGITS * np.inf),
        _arrays(x0=IMAGES.astype(np.float64), y0=LOGITS),
        _arrays(x0=IMAGES[..., :1], y0=LOGITS),
        _arrays(x0=np.zeros((2, 4, 4, 3), np.uint8), y0=LOGITS),
        _arrays(x0=np.zeros((2, 4, 4, 3), np.float32), y0=LOGITS),
        _arrays(x0=IMAGES, y1=LOGITS),
    ],
)
def test_a_damaged_reference_is_an_error_that_names_it(
    artifact: Path, damage: Callable[[Path], object]
) -> None:
    damage(artifact / "reference.npz")
    with pytest.raises(InputError, match=r"reference\.npz") as caught:
        edgecnn.verify(artifact)
    assert "Export again" in caught.value.hint


def test_a_reference_of_another_network_fails(artifact: Path) -> None:
    np.savez(artifact / "reference.npz", x0=IMAGES, y0=np.ones((2, 7), np.float32))
    assert "(2, 5), the float network's (2, 7)" in first(artifact).problems[0]


def test_a_folder_of_an_older_edgecnn_is_to_be_exported_again(artifact: Path) -> None:
    np.savez(artifact / "reference.npz", inputs=IMAGES, logits=LOGITS)
    rewrite(artifact, lambda manifest: dataclasses.replace(manifest, inputs=(), outputs=()))
    with pytest.raises(InputError, match="older edgecnn") as caught:
        edgecnn.verify(artifact)
    assert caught.value.hint == "Export again."


def test_a_reference_that_says_it_is_huge_is_an_error(artifact: Path) -> None:
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 8, 8, 3), }"
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    with zipfile.ZipFile(artifact / "reference.npz", "w") as archive:
        archive.writestr("x0.npy", array)
        archive.writestr("y0.npy", array)
    with pytest.raises(InputError, match=r"reference\.npz"):
        edgecnn.verify(artifact)


def test_a_file_that_the_manifest_does_not_list_is_an_error(artifact: Path) -> None:
    for name in ("reference.npz", "notes.txt"):
        (artifact / name).touch()
        with pytest.raises(InputError, match="not among the files") as caught:
            edgecnn.verify(artifact / name)
        assert caught.value.hint == "Those are: model.tflite, model.onnx."


def test_a_manifest_without_files_proves_nothing(artifact: Path) -> None:
    rewrite(artifact, lambda manifest: dataclasses.replace(manifest, files=()))
    with pytest.raises(InputError, match="not among the files"):
        edgecnn.verify(artifact)


def test_exit_code_0_and_one_object_on_stdout(artifact: Path) -> None:
    done = command(artifact, "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["schema"], found["ok"], found["recipe"]) == (1, True, "float32")
    assert [file["path"] for file in found["files"]] == ["model.tflite", "model.onnx"]
    assert found["files"][0]["parity"]["samples"] == SAMPLES


def test_exit_code_1_for_what_does_not_hold(artifact: Path) -> None:
    _flip(artifact / "model.tflite")
    done = command(artifact, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["ok"] is False
    shown = command(artifact)
    assert shown.returncode == 1
    assert "model.tflite was changed" in shown.stderr
    assert "OK: every file" not in shown.stdout


@pytest.mark.parametrize("damage", ["gone", "no manifest", "bad manifest", "no reference"])
def test_exit_code_2_for_what_cannot_be_verified(artifact: Path, damage: str) -> None:
    if damage == "gone":
        shutil.rmtree(artifact)
    elif damage == "bad manifest":
        (artifact / manifests.NAME).write_text("{}")
    else:
        names = {"no manifest": manifests.NAME, "no reference": "reference.npz"}
        (artifact / names[damage]).unlink()
    done = command(artifact, "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert str(artifact) in error["message"]
    assert error["hint"]
    assert error["exit_code"] == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("missing", [["onnxruntime"], ["onnx"], ["onnx", "onnxruntime"]])
def test_without_an_onnx_runtime_the_hash_is_checked_and_the_rest_told(
    artifact: Path, tmp_path: Path, missing: list[str]
) -> None:
    (tmp_path / "packages").mkdir()
    done = run_without(
        missing, tmp_path / "packages", ["-m", "edgecnn", "verify", str(artifact), "--json"]
    )
    assert (done.returncode, done.stderr) == (
        0,
        "running model.tflite (4)\nrunning model.onnx (4)\n",
    )
    tflite, onnx = json.loads(done.stdout)["files"]
    assert tflite["note"] == ""
    assert tflite["parity"]["samples"] == SAMPLES
    assert onnx["ok"]
    assert onnx["parity"] is None
    assert "hash matches; parity not run" in onnx["note"]
    assert "edgecnn[onnx]" in onnx["note"]


def test_exit_code_4_when_nothing_could_be_run(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "packages").mkdir()
    missing = ["onnx", "onnxruntime", "ai_edge_litert", "tflite_runtime"]
    args = ["-m", "edgecnn", "verify", str(artifact), "--json"]
    done = run_without(missing, tmp_path / "packages", args)
    assert done.returncode == 4
    error = json.loads(done.stdout)["error"]
    assert error["exit_code"] == 4
    assert "pip install" in error["hint"]


def test_a_changed_file_is_told_also_where_nothing_can_be_run(
    artifact: Path, tmp_path: Path
) -> None:
    (tmp_path / "packages").mkdir()
    _flip(artifact / "model.onnx")
    missing = ["onnx", "onnxruntime", "ai_edge_litert", "tflite_runtime"]
    args = ["-m", "edgecnn", "verify", str(artifact), "--json"]
    done = run_without(missing, tmp_path / "packages", args)
    assert done.returncode == 1
    assert "was changed" in json.loads(done.stdout)["files"][1]["problems"][0]


def test_the_base_install_is_enough(artifact: Path, tmp_path: Path) -> None:
    """What pyproject.toml's `dependencies` name, and what those need in turn; nothing else."""
    (tmp_path / "packages").mkdir()
    heavy = ["tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "pil", "skimage", "scipy",
             "litert_quantizer", "ai_edge_quantizer", "h5py", "threadpoolctl", "absl"]  # fmt: skip
    args = ["-m", "edgecnn", "verify", str(artifact / "model.tflite"), "--quiet"]
    done = run_without(heavy, tmp_path / "packages", args)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_threads_may_be_named(artifact: Path) -> None:
    assert edgecnn.verify(artifact, threads=2).ok
    done = command(artifact, "--threads", "0")
    assert done.returncode == 2
    assert "--threads" in done.stderr


def test_a_folder_that_is_no_text_is_verified(artifact: Path) -> None:
    odd = artifact.rename(artifact.parent / os.fsdecode(b"\xff\xfe"))
    assert command(odd, "--quiet").returncode == 0
