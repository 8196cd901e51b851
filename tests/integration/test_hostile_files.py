"""Every hostile file that was found to hang, to take gigabytes or to end in a traceback."""

from __future__ import annotations

import io
import json
import os
import resource
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from hostile_files import (
    endless_loop,
    endless_while,
    impossible_macs,
    large_activations,
    nested_functions,
    put_into,
    shared_buffers,
    vast_dense,
)
from tiny_artifact import write_artifact
from tiny_tflite import TinyModel, float_net

import edgecnn
from edgecnn.cli.app import run
from edgecnn.errors import EdgeCnnError, InputError
from edgecnn.formats.tflite_graph import Graph
from edgecnn.isolation import LimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

_GIGABYTE_KB = 1_000_000


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """A function that writes a file."""

    def write(name: str, data: bytes) -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return write_artifact(tmp_path / "artifact")


@pytest.fixture(autouse=True)
def _small_children() -> Generator[None, None, None]:
    """No child of a test may have had a gigabyte, where it was not forked from more."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    yield
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after <= max(before, own, _GIGABYTE_KB)


def test_activations_of_gigabytes_are_refused(written: Callable[[str, bytes], Path]) -> None:
    path = written("tile.tflite", large_activations())
    with pytest.raises(InputError, match=r"refuses .*tile\.tflite: it says nothing"):
        edgecnn.inspect(path)


def test_functions_that_multiply_are_not_inlined(written: Callable[[str, bytes], Path]) -> None:
    path = written("deep.onnx", nested_functions())
    with pytest.raises(InputError, match="make 1,099,511,627,776 operators"):
        edgecnn.inspect(path)
    with pytest.raises(InputError, match="make 1,099,511,627,776 operators"):
        edgecnn.inspect(path, input_shapes={"": (1, 3)})


def test_buffers_that_share_their_bytes_are_refused(written: Callable[[str, bytes], Path]) -> None:
    path = written("shared.tflite", shared_buffers())
    assert path.stat().st_size < 1_200_000
    for verb in (edgecnn.inspect, lambda it: edgecnn.predict(it, device="raspberry-pi-4b")):
        with pytest.raises(InputError, match=r"they share bytes, 1,992,294,400 in all"):
            verb(path)


def test_multiplications_that_no_network_has_are_not_believed(
    written: Callable[[str, bytes], Path],
) -> None:
    path = written("macs.tflite", impossible_macs())
    with pytest.raises(InputError, match=r"it says 288 P multiply-accumulates, BATCH_MATMUL"):
        edgecnn.inspect(path)


def test_an_archive_of_gigabytes_behind_a_tflite_is_not_unpacked() -> None:
    packed = io.BytesIO(float_net().to_bytes())
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.txt", bytes(100_000_000))
    with pytest.raises(InputError, match="promises 100,000,000 bytes"):
        Graph.read(packed.getvalue())


def test_a_reference_that_promises_gigabytes_is_not_unpacked(artifact: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10**8, 8, 8, 3)}
    )
    with zipfile.ZipFile(artifact / "reference.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x0.npy", header.getvalue() + bytes(100_000_000))
    assert (artifact / "reference.npz").stat().st_size < 1_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=r"promise 100,000,128 of arrays"):
        edgecnn.verify(artifact)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_header_that_contradicts_its_array_is_a_sentence(artifact: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 10**9)}
    )
    with zipfile.ZipFile(artifact / "reference.npz", "w") as archive:
        archive.writestr("x0.npy", header.getvalue() + b"1234")
    with pytest.raises(InputError, match=r"reference\.npz cannot be read"):
        edgecnn.verify(artifact)


# What each verb does with the file, or with the folder around it.
_ENDLESS: dict[str, Callable[[Path], object]] = {
    "bench": edgecnn.bench,
    "check": lambda path: edgecnn.check(path, p90_ms=10.0),
    "export": lambda path: edgecnn.export(
        str(path),
        recipes=["float32"],
        formats=["tflite"],
        out=path.parent / "out",
        preprocessing=edgecnn.parse_preprocessing(input_range="0,1"),
    ),
}


@pytest.mark.parametrize("verb", ["bench", "check", "export"])
def test_a_loop_without_end_is_stopped(
    verb: str, written: Callable[[str, bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECNN_SECONDS", "2")
    path = written("while.tflite", endless_while())
    with pytest.raises(LimitError, match=r"took more than 2 s without an answer") as caught:
        _ENDLESS[verb](path)
    assert "EDGECNN_SECONDS" in caught.value.hint


def test_a_loop_without_end_in_onnx_is_stopped(
    written: Callable[[str, bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECNN_SECONDS", "2")
    path = written("loop.onnx", endless_loop())
    with pytest.raises(LimitError, match=r"took more than 2 s"):
        edgecnn.compare(path, path)


def test_verify_and_diagnose_stop_a_loop_without_end(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECNN_SECONDS", "2")
    put_into(artifact, "model.tflite", endless_while())
    (file,) = edgecnn.verify(artifact / "model.tflite").files
    assert "took more than 2 s" in file.problems[0]
    with pytest.raises(EdgeCnnError):
        edgecnn.diagnose(artifact, float_file=artifact / "model.tflite")


def test_inspect_and_predict_do_not_run_a_loop(written: Callable[[str, bytes], Path]) -> None:
    path = written("while.tflite", endless_while())
    assert edgecnn.inspect(path).graph.ops["WHILE"] == 1
    with pytest.raises(InputError, match="1 WHILE repeats"):
        edgecnn.predict(path, device="raspberry-pi-4b")


@pytest.mark.parametrize("name", ["inspect", "bench", "verify", "export", "predict", "evaluate"])
def test_a_pipe_is_a_sentence_under_every_verb(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / ("manifest.json" if name == "verify" else "model.tflite")
    os.mkfifo(path)
    more = {
        "predict": ["--device", "raspberry-pi-4b"],
        "export": ["--int8", "--out", str(tmp_path / "out")],
        "evaluate": ["--data", str(tmp_path)],
    }
    assert run([name, str(path), *more.get(name, [])]) == 2
    assert "it is a pipe, no regular file" in capsys.readouterr().err.replace("\n", " ")


def test_a_manifest_that_is_a_device_is_not_read(artifact: Path) -> None:
    (artifact / "manifest.json").unlink()
    (artifact / "manifest.json").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="it is a device, no regular file"):
        edgecnn.verify(artifact)


def test_a_name_that_is_no_text_is_told_before_any_work(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"mod\xe9l.tflite")
    path.write_bytes(float_net().to_bytes())
    with pytest.raises(InputError, match="its name is no text in UTF-8"):
        edgecnn.export(str(path), recipes=["float32"], formats=["tflite"], out=tmp_path / "out")


@pytest.mark.parametrize("text", ["x\u2028y", "\ud800", "\x1b[2J", "\0", "x" * 100_000])
def test_odd_names_in_a_manifest_are_sentences(
    text: str, artifact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = artifact / "manifest.json"
    content = json.loads(manifest.read_text("utf-8"))
    for place in (content, content["model"], content["files"][0]):
        place["recipe" if place is content else "name" if "name" in place else "path"] = text
    manifest.write_text(json.dumps(content), "utf-8")
    assert run(["verify", str(artifact)]) in {1, 2}
    assert run(["verify", str(artifact), "--json"]) in {1, 2}
    assert "Traceback" not in capsys.readouterr().err


def test_constants_that_are_not_what_their_shapes_say(artifact: Path) -> None:
    model = onnx.load_model(artifact / "model.onnx")
    model.graph.initializer[0].dims[0] = 2**31
    put_into(artifact, "model.onnx", model.SerializeToString())
    with pytest.raises(InputError, match=r"the constant .* holds \d+ bytes"):
        edgecnn.inspect(artifact / "model.onnx")
    (file,) = edgecnn.verify(artifact / "model.onnx").files
    assert not file.ok


@pytest.mark.parametrize("data", [b"hello\n" * 20, bytes(500), os.urandom(500)])
def test_junk_in_place_of_an_onnx_is_a_sentence(
    data: bytes, written: Callable[[str, bytes], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = written("junk.onnx", data)
    assert run(["inspect", str(path)]) == 2
    assert run(["export", str(path), "--int8", "--out", str(path.parent / "out")]) == 2
    assert "unexpected" not in capsys.readouterr().err


def test_a_tensor_that_no_machine_holds(written: Callable[[str, bytes], Path]) -> None:
    net = TinyModel()
    ends = [net.tensor("float32", (1 << 21, 1 << 20), name=name) for name in "ab"]
    net.operator("ABS", ends[:1], ends[1:])
    net.border(ends[:1], ends[1:])
    with pytest.raises(InputError, match="has 2,199,023,255,552 elements"):
        edgecnn.inspect(written("vast.tflite", net.to_bytes()))


@pytest.mark.tensorflow
def test_weights_that_nobody_wrote_are_not_made(tmp_path: Path) -> None:
    path = vast_dense(tmp_path / "vast.keras")
    assert path.stat().st_size < 200_000
    with pytest.raises(LimitError, match=r"it asked for more than the [\d,]+ MB of memory"):
        edgecnn.export(str(path), recipes=["float32"], formats=["tflite"], out=tmp_path / "out")
