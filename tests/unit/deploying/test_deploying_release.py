"""What a release holds and is called, what it is proved by, and its archive."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_artifact import write_artifact
from tiny_release import PYTHON, make_release, own_libraries, pack

from edgecnn import manifest as manifests
from edgecnn.deploying import artifact, proof, release
from edgecnn.deploying.device.proving import difference
from edgecnn.deploying.tasking import Task
from edgecnn.errors import InputError
from edgecnn.formats.tflite_graph import Graph
from edgecnn.progress import Silent

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.deploying.artifact import Deployable
    from edgecnn.records import Manifest

pytestmark = pytest.mark.usefixtures("warm_children")

NAMES = st.text(st.characters(codec="utf-8") | st.sampled_from("/.~-$`'\" \\\n\0")).filter(len)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_artifact(tmp_path_factory.mktemp("made") / "float32", ("tflite",))


@pytest.fixture(scope="module")
def deployable(folder: Path) -> Deployable:
    return artifact.read(folder, Silent())


def changed(folder: Path, to: Path, **changes: Any) -> Path:  # noqa: ANN401 - any field
    """The artifact with another manifest, in a folder of its own."""
    to.mkdir()
    for each in folder.iterdir():
        (to / each.name).write_bytes(each.read_bytes())
    manifests.write(replace(manifests.load(folder / "manifest.json"), **changes), to)
    return to


def loaded(folder: Path) -> Manifest:
    return manifests.load(folder / "manifest.json")


def test_a_release_is_named_by_its_content(folder: Path, tmp_path: Path) -> None:
    made = make_release(folder)
    assert make_release(folder).name == made.name
    assert hashlib.sha256(bytes(made.files["release.json"])).hexdigest().startswith(made.name)
    (tmp_path / "labels").write_text("a\nb\nc\nd\ne")
    others = {make_release(folder, tmp_path / "labels").name, make_release(folder, x=b"").name}
    assert len({made.name, *others}) == 3


def test_release_json_knows_every_file(folder: Path) -> None:
    made = make_release(folder, lib=b"library")
    about = json.loads(bytes(made.files["release.json"]))
    assert about["files"].keys() == made.files.keys() - {"release.json"}
    assert about["files"]["runtime/lib"] == hashlib.sha256(b"library").hexdigest()
    assert about["python"] == PYTHON
    assert about["task"] == {"name": "classify", "head": "", "output": "logits"}
    assert [each["name"] for each in about["proof"]] == ["logits"]
    assert "edgecnn/tasks/detect.py" in about["files"]


def test_the_readme_warns_of_random_weights(deployable: Deployable, folder: Path) -> None:
    assert b"weights are random" in bytes(make_release(folder).files["README.md"])
    model = replace(deployable.manifest.model, weights="trained.keras")
    trained = replace(deployable, manifest=replace(deployable.manifest, model=model))
    page = release.make(trained, own_libraries(), Task("classify")).files["README.md"]
    assert b"random" not in bytes(page)
    assert b"trained.keras" in bytes(page)


def test_a_model_of_any_name_has_a_readme(deployable: Deployable) -> None:
    model = replace(deployable.manifest.model, name="{evil} \x1b[2J % \n # title")
    odd = replace(deployable, manifest=replace(deployable.manifest, model=model))
    page = bytes(release.make(odd, own_libraries(), Task("classify")).files["README.md"]).decode()
    assert page.startswith("# {evil} _[2J % _ # title, float32\n")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a\nb\nc\nd\n", "4 lines"),
        (b"a\nb\n\nd\ne\n", "1 of them empty"),
        (b"", "1 lines"),
        (b"\xff\xfe\n", "cannot be read"),
        (b"\0" * 10_000_001, "10,000,001 bytes"),
    ],
)
def test_labels_that_do_not_fit(folder: Path, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "labels").write_bytes(content)
    with pytest.raises(InputError, match=words):
        make_release(folder, tmp_path / "labels")


def test_labels_as_editors_write_them(folder: Path, tmp_path: Path) -> None:
    text = "\ufeffcat\r\ndog, big\r\n h\u00e4rte \r\nd\r\ne\r\n\r\n"
    (tmp_path / "labels").write_bytes(text.encode())
    made = make_release(folder, tmp_path / "labels")
    assert bytes(made.files["labels.txt"]).decode() == "cat\ndog, big\nh\u00e4rte\nd\ne\n"


def test_without_labels_classes_are_numbered(folder: Path) -> None:
    assert "labels.txt" not in make_release(folder).files


@given(name=NAMES)
def test_every_name_makes_one_folder_below_ours(deployable: Deployable, name: str) -> None:
    model = replace(deployable.manifest.model, name=name)
    made = release.folder_name(
        replace(deployable, manifest=replace(deployable.manifest, model=model))
    )
    assert made[0] not in ".~-"
    assert not {"/", "\0", "\n"} & set(made)
    assert len(os.fsencode(made)) <= 200


def test_an_ordinary_odd_name_is_kept(deployable: Deployable) -> None:
    model = replace(deployable.manifest.model, name="my 'net' $(reboot) \"x\"")
    odd = replace(deployable, manifest=replace(deployable.manifest, model=model))
    assert release.folder_name(odd) == "my 'net' $(reboot) \"x\"-float32"


def test_an_archive_has_the_same_bytes_whenever_it_is_packed(folder: Path, tmp_path: Path) -> None:
    first = pack(make_release(folder), tmp_path / "first.tar.gz")
    os.utime(folder / "model.tflite", (0, 0))
    (folder / "model.tflite").chmod(0o600)
    second = pack(make_release(folder), tmp_path / "other name.tar.gz")
    assert first.read_bytes() == second.read_bytes()


def test_an_archive_is_what_a_device_has(folder: Path, tmp_path: Path) -> None:
    made = make_release(folder)
    with tarfile.open(pack(made, tmp_path / "made.tar.gz")) as tar:
        members = {member.name: member for member in tar}
    link = members.pop("tiny-float32/current")
    assert link.linkname == f"releases/{made.name}"
    prefix = f"tiny-float32/releases/{made.name}/"
    assert members.keys() == {f"{prefix}{name}" for name in made.files}
    assert [n for n, m in members.items() if m.mode & 0o100] == [
        f"{prefix}classify",
        f"{prefix}live",
        f"{prefix}run",
    ]
    assert {(m.uid, m.gid, m.uname, m.gname) for m in members.values()} == {(0, 0, "", "")}


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        artifact.read(tmp_path / "nothing", Silent())


def test_an_artifact_without_a_tflite(tmp_path: Path) -> None:
    write_artifact(tmp_path / "onnx", ("onnx",))
    with pytest.raises(InputError, match=r"holds no \.tflite"):
        artifact.read(tmp_path / "onnx", Silent())


def test_a_changed_model_is_not_deployed(folder: Path, tmp_path: Path) -> None:
    there = changed(folder, tmp_path / "there")
    data = bytearray((there / "model.tflite").read_bytes())
    data[-10] ^= 1
    (there / "model.tflite").write_bytes(data)
    with pytest.raises(InputError, match="was changed"):
        artifact.read(there, Silent())


def test_a_network_that_the_runtime_refuses(folder: Path, tmp_path: Path) -> None:
    graph = Graph.read((folder / "model.tflite").read_bytes())
    graph.operators[0].inputs = graph.operators[0].inputs[:1]  # a convolution without a kernel
    data = graph.write()
    (file,) = loaded(folder).files
    signed = replace(file, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    there = changed(folder, tmp_path / "there", files=(signed,))
    (there / "model.tflite").write_bytes(data)
    with pytest.raises(InputError, match="the runtime refuses the network") as caught:
        artifact.read(there, Silent())
    assert "edgecnn verify" in caught.value.hint


def test_an_artifact_of_an_earlier_edgecnn(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not name the network's inputs") as caught:
        artifact.read(changed(folder, tmp_path / "a", inputs=(), outputs=()), Silent())
    assert "Export again" in caught.value.hint
    there = changed(folder, tmp_path / "b")
    with np.load(folder / "reference.npz") as arrays:
        np.savez(there / "reference.npz", inputs=arrays["x0"], logits=arrays["y0"])
    with pytest.raises(InputError, match="cannot be read"):
        artifact.read(there, Silent())


def test_a_network_of_other_outputs_than_it_says(folder: Path, tmp_path: Path) -> None:
    output = replace(loaded(folder).outputs[0], shape=(1, 1000))
    with pytest.raises(InputError, match="cannot be read"):
        artifact.read(changed(folder, tmp_path / "x", outputs=(output,)), Silent())
    two = (loaded(folder).outputs[0],) * 2
    with pytest.raises(InputError, match="1 inputs and 1 outputs, its manifest names 1 and 2"):
        artifact.read(changed(folder, tmp_path / "y", outputs=two), Silent())


def test_a_preprocessing_that_does_not_fit(folder: Path, tmp_path: Path) -> None:
    wrong = replace(loaded(folder).preprocessing, mean=(1.0, 2.0))
    with pytest.raises(InputError, match="2 values for 3 channels"):
        artifact.read(changed(folder, tmp_path / "x", preprocessing=wrong), Silent())


def of_kind(deployable: Deployable, computes: str) -> Deployable:
    """As if the file computed in this dtype."""
    graph = replace(deployable.file.graph, macs_by_dtype={computes: 1})
    return replace(deployable, file=replace(deployable.file, graph=graph))


def test_int8_has_to_be_the_same_bits_under_the_same_runtime(deployable: Deployable) -> None:
    int8 = of_kind(deployable, "int8")
    assert proof.rules_for(int8, proof.own_runtime())[0].exact
    assert not proof.rules_for(int8, "tflite-runtime 2.14.0")[0].exact


def test_a_float_operator_among_integers_is_not_held_to_the_bits(deployable: Deployable) -> None:
    int8 = of_kind(deployable, "int8")
    sigmoid = replace(int8.file, integer="mixed", float_ops={"LOGISTIC": 1})
    (rule,) = proof.rules_for(replace(int8, file=sigmoid), proof.own_runtime())
    assert 0 < rule.limit <= 0.05


@pytest.mark.parametrize("computes", ["float32", "int16", "dynamic"])
@pytest.mark.parametrize("runtime", [proof.own_runtime(), "tflite-runtime 2.14.0"])
def test_all_else_has_a_limit(deployable: Deployable, computes: str, runtime: str) -> None:
    assert 0 < proof.rules_for(of_kind(deployable, computes), runtime)[0].limit <= 0.05


def test_another_runtime_may_add_as_much_noise_as_quantization_did(
    deployable: Deployable,
) -> None:
    for noise, limit in ((0.001, 0.02), (0.1, 0.2), (3.0, 0.5)):
        off = deployable.outputs[0].astype(np.float64) * (1 + noise)
        noisy = replace(of_kind(deployable, "int8"), float_outputs=(off,))
        (rule,) = proof.rules_for(noisy, "tflite-runtime 2.14.0")
        assert rule.rule == "rms"
        assert rule.limit == pytest.approx(limit)


@given(shift=st.integers(-128, 0), gain=st.floats(0.25, 4))
def test_differences_do_not_depend_on_the_zero_point(shift: int, gain: float) -> None:
    wanted = np.array([[10.0, 20.0, 30.0]])
    found = wanted + gain
    moved = [(each + shift).astype(np.float64) for each in (found, wanted)]
    for rule in ("absolute", "relative", "rms"):
        here = difference(found, wanted, rule)
        assert difference(moved[0], moved[1], rule, shift) == pytest.approx(here)
    assert difference(found, wanted, "relative") == pytest.approx(gain / 30)
    assert difference(wanted, wanted, "rms") == 0
