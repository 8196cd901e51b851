"""What a request means, and what is refused before any work starts."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.building import BuildRequest, ModelIdentity, identify
from edgecnn.errors import InputError
from edgecnn.zoo import MODELS

if TYPE_CHECKING:
    from pathlib import Path


def _refusal(model: str, **options: Any) -> InputError:  # noqa: ANN401 - fields of BuildRequest
    with pytest.raises(InputError) as caught:
        identify(BuildRequest(model, **options))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301 - ours
    return caught.value


def _keras_file(path: Path, *layers: dict[str, Any]) -> Path:
    config = {
        "module": "keras",
        "class_name": "Sequential",
        "registered_name": None,
        "config": {"name": "net", "layers": list(layers)},
        "compile_config": {"loss": {"module": "builtins", "class_name": "function"}},
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    return path


def _layer(class_name: str, **fields: object) -> dict[str, Any]:
    plain = {"module": "keras.layers", "registered_name": None, "config": {"name": "layer_7"}}
    return {**plain, "class_name": class_name, **fields}


def test_a_zoo_name_with_its_defaults() -> None:
    identity = identify(BuildRequest("Xception"))
    assert identity.kind == "zoo"
    assert (identity.name, identity.input_size, identity.classes) == ("xception", 299, 1000)
    assert identity.preprocessing == MODELS["xception"].preprocessing
    assert identity.has_random_weights


def test_options_take_the_place_of_defaults() -> None:
    identity = identify(BuildRequest("vgg", classes=3, input_size=64))
    assert (identity.input_size, identity.classes) == (64, 3)


def test_a_keras_name_with_its_defaults() -> None:
    identity = identify(BuildRequest("keras:mobilenetv3small", weights="imagenet"))
    assert identity.kind == "keras"
    assert (identity.name, identity.input_size, identity.classes) == (
        "keras:MobileNetV3Small",
        224,
        1000,
    )
    assert identity.weights == "imagenet"
    assert not identity.has_random_weights


def test_none_and_random_are_the_same_weights() -> None:
    same = {identify(BuildRequest("vgg", weights=each)) for each in (None, "none", "Random")}
    assert len(same) == 1


@pytest.mark.parametrize(
    ("model", "hint"),
    [("xcepton", "xception"), ("keras:resnet5", "keras:ResNet50"), ("", "Known:")],
)
def test_an_unknown_name_is_answered_with_the_nearest(model: str, hint: str) -> None:
    assert hint in _refusal(model).hint


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("vgg", {"width": 0.5}, "no width multiplier"),
        ("keras:VGG16", {"width": 0.5}, "no width multiplier"),
        ("xception", {"width": -1.0}, "--width"),
        ("vgg", {"input_size": 7}, "too small for vgg"),
        ("vgg", {"input_size": (32, 64)}, "square images"),
        ("keras:VGG16", {"input_size": (32, 0)}, "--input-size 0"),
        ("vgg", {"input_shapes": (("", (1, 8, 8, 3)),)}, "one square image"),
        ("vgg", {"input_shapes": (("", (1, 0)),)}, "--input-shape =1x0"),
        ("xception", {"input_size": 31}, "too small for xception"),
        ("keras:Xception", {"input_size": 70}, "too small"),
        ("vgg", {"input_size": 0}, "--input-size 0"),
        ("vgg", {"input_size": 10**9}, "--input-size"),
        ("vgg", {"classes": 1}, "--classes 1"),
        ("vgg", {"classes": -5}, "--classes"),
        ("vgg", {"seed": -1}, "--seed"),
        ("vgg", {"seed": 2**32}, "--seed"),
        ("vgg", {"weights": "imagenet"}, "no ImageNet weights"),
        ("keras:VGG16", {"weights": "imagenet", "classes": 10}, "--classes 10"),
        ("keras:VGG16", {"weights": "imagenet", "input_size": 64}, "--input-size 64"),
        ("vgg", {"weights": "imagnet"}, "neither a known word nor a file"),
        ("vgg", {"weights": "no/such.weights.h5"}, "no such file"),
        ("no/such.keras", {}, "no such file"),
        ("nosuch.tflite", {}, "no such file"),
    ],
)
def test_what_cannot_be_is_refused(model: str, options: dict[str, Any], said: str) -> None:
    assert said in str(_refusal(model, **options))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.keras", b"", "does not begin as one"),
        ("a.keras", b"PK\x03\x04 and then nothing", "corrupt"),
        ("a.h5", b"version https://git-lfs.github.com/spec/v1", "does not begin as one"),
        ("a.tflite", b"\x1c\x00\x00\x00TFL2", "does not begin as one"),
        ("a.pth", b"PK\x03\x04", "cannot build"),
        ("a", b"what", "cannot build"),
        ("a.weights.h5", b"\x89HDF\r\n\x1a\n", "weights without a network"),
    ],
)
def test_a_file_that_is_no_model_is_refused(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    refusal = _refusal(str(tmp_path / name))
    assert said in str(refusal)
    assert refusal.hint


@pytest.mark.parametrize("name", ["w.npz", "w.h5", "w.keras"])
def test_a_weights_file_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not at all")
    assert "does not begin as one" in str(_refusal("vgg", weights=str(tmp_path / name)))


def test_a_folder_for_weights_is_refused(tmp_path: Path) -> None:
    assert "not a weights file" in str(_refusal("vgg", weights=str(tmp_path)))


def test_a_folder_that_is_no_saved_model_is_refused(tmp_path: Path) -> None:
    refusal = _refusal(str(tmp_path))
    assert "no saved_model.pb" in str(refusal)
    assert "model.export" in refusal.hint


def test_an_unreadable_archive_member_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", '{"class_name": ')
    assert "corrupt" in str(_refusal(str(path)))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "[" * 100_000)
    assert "corrupt" in str(_refusal(str(path)))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
    assert "config.json" in str(_refusal(str(path)))


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (_layer("Lambda"), "its layer 'layer_7' is a Lambda"),
        (_layer("TFSMLayer"), "its layer 'layer_7' is a TFSMLayer"),
        (_layer("Swish", module=None, registered_name="Custom>Swish"), "Custom>Swish"),
        (_layer("Popen", module="subprocess", registered_name="Popen"), "Popen"),
        (
            _layer(
                "Dense",
                config={
                    "name": "dense",
                    "activation": {
                        "module": "builtins",
                        "class_name": "function",
                        "config": "my_gelu",
                        "registered_name": "function",
                    },
                },
            ),
            "my_gelu",
        ),
    ],
)
def test_code_in_a_keras_file_is_refused_with_a_way_out(
    tmp_path: Path, layer: dict[str, Any], said: str
) -> None:
    path = _keras_file(tmp_path / "a.keras", _layer("Conv2D"), layer)
    refusal = _refusal(str(path))
    assert said in str(refusal)
    assert "SavedModel" in refusal.hint


def test_a_custom_loss_does_not_matter(tmp_path: Path) -> None:
    path = _keras_file(tmp_path / "net.keras", _layer("Conv2D"))
    identity = identify(BuildRequest(str(path)))
    assert (identity.kind, identity.name, identity.weights) == ("keras-file", "net", "net.keras")
    assert identity.preprocessing is None


@pytest.mark.parametrize(
    "options", [{"classes": 5}, {"width": 0.5}, {"weights": "random"}, {"input_size": 96}]
)
def test_a_finished_file_takes_no_options(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(b"\x1c\x00\x00\x00TFL3")
    assert identify(BuildRequest(str(path))).kind == "tflite"
    assert "Drop" in _refusal(str(path), **options).hint


def _saved_model(folder: Path, content: bytes = b"\x08\x01") -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(content)
    (folder / "variables" / "variables.index").write_bytes(b"index")
    return folder


def test_a_saved_model_is_known_by_its_content_not_its_place(tmp_path: Path) -> None:
    one = identify(BuildRequest(str(_saved_model(tmp_path / "one" / "net"))))
    two = identify(BuildRequest(str(_saved_model(tmp_path / "two" / "net"))))
    other = identify(BuildRequest(str(_saved_model(tmp_path / "three" / "net", b"\x08\x02"))))
    assert one == two
    assert (one.kind, one.name) == ("savedmodel", "net")
    assert other.cache_key != one.cache_key


def _key(**options: Any) -> str:  # noqa: ANN401 - fields of BuildRequest
    return identify(BuildRequest(**{"model": "xception", **options})).cache_key


def test_the_cache_key_changes_with_all_that_changes_the_model(tmp_path: Path) -> None:
    weights = tmp_path / "w.npz"
    with zipfile.ZipFile(weights, "w") as archive:
        archive.writestr("arr_0.npy", "")
    keys = [
        _key(),
        _key(model="vgg"),
        _key(model="keras:Xception"),
        _key(classes=10),
        _key(input_size=96),
        _key(width=0.5),
        _key(seed=1),
        _key(weights=str(weights)),
        _key(model="keras:Xception", weights="imagenet"),
    ]
    assert len(set(keys)) == len(keys)


def test_the_cache_key_ignores_what_does_not_change_the_model(tmp_path: Path) -> None:
    assert _key() == _key(classes=1000, input_size=299, width=1.0, weights="none", seed=0)
    weights = tmp_path / "w.npz"
    with zipfile.ZipFile(weights, "w") as archive:
        archive.writestr("arr_0.npy", "")
    assert _key(weights=str(weights), seed=1) == _key(weights=str(weights), seed=2)


def test_another_process_finds_the_same_and_needs_no_tensorflow() -> None:
    code = (
        "import sys\n"
        "from edgecnn.building import BuildRequest, identify\n"
        "print(identify(BuildRequest('xception')).cache_key)\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'h5py'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == _key()


def _identified(model: str) -> ModelIdentity | None:
    try:
        return identify(BuildRequest(model))
    except InputError:
        return None


@given(st.text())
def test_any_text_is_identified_or_refused(model: str) -> None:
    identity = _identified(model)
    assert identity is None or identity.name.lower() == model.lower()


def test_a_square_size_and_its_pair_mean_the_same() -> None:
    one, two = (identify(BuildRequest("vgg", input_size=size)) for size in (48, (48, 48)))
    assert one == two


def test_an_onnx_file_is_known_by_its_suffix(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"\x08\x07")
    whole = identify(BuildRequest(str(path)))
    assert (whole.kind, whole.name) == ("onnx", "net")
    shaped = identify(BuildRequest(str(path), input_shapes=(("x", (1, 3, 8, 8)),)))
    assert shaped.cache_key != whole.cache_key


def test_a_signature_behind_a_saved_model_is_part_of_the_request(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    plain, chosen = (identify(BuildRequest(f"{tmp_path}{part}")) for part in ("", ":other"))
    assert (chosen.kind, chosen.name) == ("savedmodel", plain.name)
    assert chosen.cache_key != plain.cache_key
