"""The program on the device: what it answers, and what it does with what cannot be read."""

from __future__ import annotations

import ast
import json
import shutil
import struct
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from tiny_release import PYTHON, make_release, run, write_out
from tiny_tflite import TinyModel

import edgecnn
from edgecnn.calibration.images import decode
from edgecnn.calibration.preprocessing import preprocess
from edgecnn.deploying.device import emulator
from edgecnn.deploying.device.ends import from_pixels
from edgecnn.deploying.device.network import Network
from edgecnn.deploying.device.proving import difference
from edgecnn.records import Preprocessing, TensorInfo
from edgecnn.runtime.session import dequantize_output, open_session, quantize_input

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Change: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]

pytestmark = pytest.mark.usefixtures("warm_children")

PACKAGE = Path(edgecnn.__file__).parent
SENT = [
    PACKAGE / "deploying" / "install.py",
    PACKAGE / "calibration" / "images.py",
    *sorted((PACKAGE / "deploying" / "device").glob("*.py")),
    *sorted((PACKAGE / "tasks").glob("*.py")),
]
OURS = (
    "edgecnn.tasks", "edgecnn.deploying.device", "edgecnn.calibration.images", "edgecnn.files",
)  # fmt: skip
ODD_NAME = "a 'b' \"c\" $(touch hacked).png"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    labels = folder / "labels"
    labels.write_text("ant\nbee\ncat\n\u0434\u043e\u043c\nelk\n", "utf-8")
    return write_out(make_release(folder / "artifact", labels), folder / "release")


@pytest.fixture
def release(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "release")


def photograph(path: Path, seed: int = 0, mode: str = "RGB") -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def classify(release: Path, *args: str | Path, code: int = 0) -> dict[str, Any]:
    done = run(release / "classify", "--json", *args, code=code)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("path", SENT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_is_sent_needs_python_3_9_and_nothing_else_of_edgecnn(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"), feature_version=(3, 9))
    checked = {
        each
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for each in ast.walk(node)
    }
    found = set()
    for node in set(ast.walk(tree)) - checked:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    if path.name != "install.py":
        found = {name for name in found if not name.startswith(OURS)}
    tops = {name.partition(".")[0] for name in found} - sys.stdlib_module_names
    assert tops <= (set() if path.name == "install.py" else {"numpy", "PIL"})


def test_answers_are_those_of_edgecnns_own_rooms(release: Path, tmp_path: Path) -> None:
    photo = photograph(tmp_path / "photo.png")
    pixels = decode(photo, (8, 8), 3).pixels[np.newaxis]
    session = open_session(release / "model.tflite")
    logits = session.run([preprocess(pixels, Preprocessing((0.0,), (1.0,)))])[0].reshape(-1)
    powers = np.exp(logits.astype(np.float64) - logits.max())
    told = classify(release, photo)["results"][0]
    assert told["file"] == str(photo)
    assert [each["class"] for each in told["top"]] == list(np.argsort(-logits))
    wanted = np.sort(powers / powers.sum())[::-1]
    assert [each["probability"] for each in told["top"]] == pytest.approx(wanted)
    assert told["latency_ms"] > 0
    assert told["emulated"] is emulator.emulated()


@settings(max_examples=30)
@given(
    pixels=arrays.arrays(np.uint8, (8, 8, 3)),
    mean=st.floats(-300, 300, width=32),
    std=st.floats(0.125, 300, width=32),
    order=st.sampled_from(["RGB", "BGR"]),
    scale=st.floats(2**-10, 10, width=32),
    zero_point=st.integers(-128, 127),
)
def test_inputs_and_outputs_are_scaled_as_by_edgecnns_own_rooms(
    tmp_path_factory: pytest.TempPathFactory,
    pixels: NDArray[np.uint8],
    mean: float,
    std: float,
    order: Literal["RGB", "BGR"],
    scale: float,
    zero_point: int,
) -> None:
    preprocessing = Preprocessing((mean,), (std,), order)
    path = tmp_path_factory.mktemp("net") / "identity.tflite"
    path.write_bytes(reshaping_net((scale, zero_point)).to_bytes())
    network = Network(str(path), reshaping_manifest())
    scaling = {"mean": (mean,), "std": (std,), "channel_order": order}
    raw = network.run([from_pixels(pixels[np.newaxis], network.inputs[0], scaling)])
    info = TensorInfo("", "int8", (1, 192), float(np.float32(scale)), zero_point)
    wanted = quantize_input(preprocess(pixels, preprocessing), info).reshape(1, -1)
    np.testing.assert_array_equal(raw[0], wanted)
    real = network.real(raw)[0]
    np.testing.assert_allclose(real, dequantize_output(wanted, info), rtol=1e-6)


def reshaping_manifest() -> dict[str, Any]:
    """What the manifest of `reshaping_net` says of its ends."""
    image = {"name": "x", "dtype": "float32", "shape": (1, 8, 8, 3), "layout": "NHWC"}
    flat = {"name": "y", "dtype": "float32", "shape": (1, 192), "layout": ""}
    file = {"format": "tflite", "inputs": [image], "outputs": [flat]}
    return {"inputs": [image], "outputs": [flat], "files": [file]}


def reshaping_net(quantization: tuple[float, int]) -> TinyModel:
    """A network whose output is its input."""
    net = TinyModel()
    image = net.tensor("int8", (1, 8, 8, 3), quantization=quantization)
    shape = net.tensor("int32", (2,), values=np.array([1, 192], np.int32))
    flat = net.tensor("int8", (1, 192), quantization=quantization)
    net.operator("RESHAPE", [image, shape], [flat])
    net.border([image], [flat])
    return net


def test_text_has_a_line_a_picture_and_a_line_a_class(release: Path, tmp_path: Path) -> None:
    done = run(release / "classify", "--top", "2", photograph(tmp_path / ODD_NAME), cwd=tmp_path)
    first, *classes = done.stdout.splitlines()
    assert first.startswith(f"{tmp_path / ODD_NAME}  (")
    assert first.endswith(" ms)")
    assert len(classes) == 2
    assert set(done.stdout.split()) & {"ant", "bee", "cat", "\u0434\u043e\u043c", "elk"}
    assert "weights are random" in done.stderr
    assert not (tmp_path / "hacked").exists()


def test_the_release_is_found_through_links_from_anywhere(release: Path, tmp_path: Path) -> None:
    photograph(tmp_path / "p.png")
    (tmp_path / "current").symlink_to("release")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "classify").symlink_to(release / "classify")
    for way in ("current/classify", "bin/classify"):
        assert "p.png" in run(tmp_path / way, "p.png", cwd=tmp_path).stdout


def test_patterns_that_the_shell_left_alone(release: Path, tmp_path: Path) -> None:
    for name in ("b1.png", "b2.png", "c.png", "[x].png"):
        photograph(tmp_path / name)
    told = classify(release, f"{tmp_path}/b*.png", tmp_path / "[x].png")
    assert [Path(each["file"]).name for each in told["results"]] == ["b1.png", "b2.png", "[x].png"]


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1"])
def test_pictures_of_every_mode(release: Path, tmp_path: Path, mode: str) -> None:
    source = photograph(tmp_path / "photo.png")
    Image.open(source).convert(mode).save(tmp_path / "other.png")
    told = classify(release, tmp_path / "other.png")["results"][0]
    assert len(told["top"]) == 5


def test_exif_orientation_is_obeyed(release: Path, tmp_path: Path) -> None:
    upright = Image.open(photograph(tmp_path / "upright.png"))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    turned.save(tmp_path / "turned.png", exif=exif)
    one, other = classify(release, tmp_path / "upright.png", tmp_path / "turned.png")["results"]
    assert one["top"] == other["top"]


def huge_png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))


def test_hostile_files_are_told_one_by_one_and_the_others_classified(
    release: Path, tmp_path: Path
) -> None:
    good = photograph(tmp_path / "good.png")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:200])
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "huge.png").write_bytes(huge_png())
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "esc\x1b[2Jape.png").write_text("no picture")
    bad = ["cut.png", "empty.png", "text.png", "huge.png", "folder.png", "esc\x1b[2Jape.png",
           "absent.png"]  # fmt: skip
    told = classify(release, *(tmp_path / each for each in bad), good, code=2)
    *errors, last = told["results"]
    assert [Path(each["file"]).name for each in errors] == bad
    words = ["damaged", "empty file", "not an image", "too large", "not a file", "not an image",
             "does not exist"]  # fmt: skip
    for error, word in zip(errors, words, strict=True):
        assert word in error["error"]
    assert len(last["top"]) == 5
    text = run(release / "classify", tmp_path / bad[5], good, code=2)
    assert "\x1b" not in text.stdout + text.stderr
    assert "good.png" in text.stdout


@pytest.mark.parametrize("args", [[], ["--top", "0", "x"], ["--threads", "-1", "x"], ["--no", "x"]])
def test_wrong_usage(release: Path, args: list[str]) -> None:
    assert "usage: classify" in run(release / "classify", *args, code=2).stderr


def test_a_reader_that_has_gone_ends_it_quietly(release: Path, tmp_path: Path) -> None:
    photo = photograph(tmp_path / "p.png")
    script = f"'{release}/classify' {' '.join([str(photo)] * 20)} 2>{tmp_path}/errors | head -1"
    run("sh", "-c", script)
    assert "Traceback" not in (tmp_path / "errors").read_text()


def prove(release: Path, code: int = 0) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run(release / "classify", "--prove", code=code).stdout)
    assert told["ok"] == (code == 0)
    return told


def test_a_release_proves_itself(release: Path) -> None:
    told = prove(release)
    assert told["images"] == 4
    assert told["outputs"][0]["max_difference"] == 0


def test_a_changed_file_is_no_proof(release: Path) -> None:
    data = bytearray((release / "model.tflite").read_bytes())
    data[-40] ^= 1
    (release / "model.tflite").write_bytes(data)
    told = prove(release, code=1)
    assert "model.tflite was changed" in told["error"]["message"]


def expect(release: Path, change: Change) -> None:
    """Have the release expect other outputs, in whole: sums and all."""
    with np.load(release / "reference.npz") as reference:
        inputs, outputs = reference["x0"], reference["y0"]
    np.savez(release / "reference.npz", x0=inputs, y0=change(outputs))
    about = json.loads((release / "release.json").read_text())
    del about["files"]["reference.npz"]
    (release / "release.json").write_text(json.dumps(about))


def test_outputs_within_the_limit_are_a_proof(release: Path) -> None:
    expect(release, lambda outputs: outputs * np.float32(1.0001))
    assert 0 < prove(release)["outputs"][0]["max_difference"] < 1e-3


@pytest.mark.parametrize(
    "change",
    [lambda o: o * np.float32(1.01), lambda o: o[::-1], lambda o: o[..., :3], lambda o: o * np.nan],
)
def test_other_outputs_are_no_proof(release: Path, change: Change) -> None:
    expect(release, change)
    assert "outputs differ" in prove(release, code=1)["error"]["message"]


@given(step=st.integers(1, 127))
def test_one_step_in_one_output_is_a_difference(step: int) -> None:
    expected = np.zeros((4, 10), np.int8)
    found = expected.copy()
    found[2, 3] = step
    assert difference(found, expected, "absolute") == step
    assert difference(expected, expected, "absolute") == 0


def test_another_python_is_told(release: Path) -> None:
    about = json.loads((release / "release.json").read_text())
    (release / "release.json").write_text(json.dumps({**about, "python": "3.5"}))
    told = prove(release, code=4)
    assert told["error"]["message"] == f"this folder was made for Python 3.5, and here is {PYTHON}"


def test_the_right_python_is_found_where_python3_is_another(release: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "python9.9").write_text('#!/bin/sh\necho "again: $*"\n')
    (tools / "python9.9").chmod(0o755)
    about = json.loads((release / "release.json").read_text())
    (release / "release.json").write_text(json.dumps({**about, "python": "9.9"}))
    done = run("sh", "-c", f'PATH="{tools}:$PATH" exec "{release}/classify" "a b.png"')
    assert done.stdout == f"again: {release}/classify.py a b.png\n"


def test_a_missing_pillow_is_told_with_what_to_install(release: Path) -> None:
    (release / "runtime" / "PIL").mkdir(parents=True)  # hides the suite's own
    (release / "runtime" / "PIL" / "__init__.py").write_text("raise ImportError('not for us')")
    told = prove(release, code=4)
    assert told["error"]["hint"] == "sudo apt install python3-pil"


def test_an_old_pillow_is_told(release: Path) -> None:
    (release / "runtime" / "PIL").mkdir(parents=True)
    (release / "runtime" / "PIL" / "__init__.py").touch()
    (release / "runtime" / "PIL" / "Image.py").write_text("__version__ = '8.1.2'")
    assert "here is 8.1.2" in prove(release, code=4)["error"]["message"]


def test_a_machine_that_calls_itself_emulated_is_taken_at_its_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QEMU_CPU", raising=False)
    (tmp_path / "cpuinfo").write_text("Model : Raspberry Pi 4 Model B\n")
    assert not emulator.emulated(tmp_path)
    (tmp_path / "cpuinfo").write_text("Model : Raspberry Pi 4 Model B (EMULATED)\n")
    assert emulator.emulated(tmp_path)
    assert not emulator.emulated(tmp_path / "nothing here")
    monkeypatch.setenv("QEMU_CPU", "cortex-a72")
    assert emulator.emulated(tmp_path / "nothing here")
