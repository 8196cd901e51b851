"""Which files a bench measures, and what it feeds them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tiny_artifact import write_artifact
from tiny_tflite import float_net

from edgecnn import manifest as manifests
from edgecnn.benchmark.files import collect
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("warm_children")


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return write_artifact(tmp_path / "tiny" / "float32")


def test_a_folder_gives_its_tflite_with_what_the_manifest_knows(artifact: Path) -> None:
    (file,) = collect([artifact])
    assert (file.path, file.format) == (artifact / "model.tflite", "tflite")
    assert (file.model, file.recipe) == ("tiny", "float32")
    assert file.size_bytes == file.path.stat().st_size
    assert file.parity is not None


def test_what_the_manifest_calls_mixed_is_known_to_be(artifact: Path) -> None:
    manifest = manifests.load(artifact / manifests.NAME)
    mixed = tuple(replace(info, integer="mixed") for info in manifest.files)
    manifests.write(replace(manifest, files=mixed), artifact)
    (file,) = collect([artifact])
    assert file.mixed


def test_the_reference_images_are_fed_as_the_network_takes_them(artifact: Path) -> None:
    (file,) = collect([artifact])
    assert file.inputs is not None
    (images,) = file.inputs
    assert images.dtype == np.float32
    with np.load(artifact / "reference.npz") as reference:
        assert np.array_equal(images, reference["x0"][:4])


def test_both_formats_where_asked(artifact: Path) -> None:
    assert [file.format for file in collect([artifact], ("tflite", "onnx"))] == ["tflite", "onnx"]


def test_a_file_named_twice_is_measured_once(artifact: Path) -> None:
    named = [artifact, artifact / "manifest.json", artifact / "model.tflite"]
    assert len(collect(named)) == 1


def test_a_file_without_a_manifest_gets_seeded_inputs(tmp_path: Path) -> None:
    path = tmp_path / "$(touch x) 'a\".tflite"
    path.write_bytes(float_net().to_bytes())
    (file,) = collect([path])
    assert (file.name, file.model, file.inputs, file.parity) == (str(path), "", None, None)


def test_a_file_that_is_no_longer_the_manifests_is_a_file_without_one(artifact: Path) -> None:
    path = artifact / "model.tflite"
    path.write_bytes(path.read_bytes() + b"\0")
    (file,) = collect([path])
    assert (file.model, file.inputs) == ("", None)


def test_a_folder_that_is_not_its_manifests_is_refused(artifact: Path) -> None:
    path = artifact / "model.tflite"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(InputError, match="bytes, not") as caught:
        collect([artifact])
    assert "edgecnn verify" in caught.value.hint


def test_a_folder_of_artifacts_names_them(artifact: Path) -> None:
    with pytest.raises(InputError, match="holds no manifest") as caught:
        collect([artifact.parent])
    assert "float32" in caught.value.hint


def test_a_format_the_folder_lacks_is_told(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path / "a", ("tflite",))
    with pytest.raises(InputError, match="has no onnx file, but tflite"):
        collect([folder], ("onnx",))


@pytest.mark.parametrize(
    ("name", "said"),
    [("nothing.tflite", "cannot be read"), ("nothing", "neither"), ("photo.png", "neither")],
)
def test_what_is_no_model_is_told(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        collect([tmp_path / name])


def test_no_file_at_all_is_told() -> None:
    with pytest.raises(InputError, match="No file is named"):
        collect([])
