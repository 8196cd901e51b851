"""manifest.json: the contract's keys, the round trip, and every kind of damage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_artifact import manifest_of

from edgecnn import manifest as manifests
from edgecnn.errors import InputError
from edgecnn.records import (
    CalibrationInfo,
    FileInfo,
    GraphInfo,
    Manifest,
    ModelInfo,
    ParityInfo,
    Preprocessing,
    TensorInfo,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANIFEST = Manifest(
    edgecnn="0.1.0",
    model=ModelInfo("modèle", 10, 8, 1 << 40, (1, 8, 8, 3), 5, "random"),
    recipe="int8",
    seed=2**32 - 1,
    preprocessing=Preprocessing(mean=(1.5, 2.0, 3.0), std=(255.0,), channel_order="BGR"),
    calibration=CalibrationInfo("photographs", 100, "ab" * 32, "auto"),
    versions={"numpy": "2.4"},
    files=(
        FileInfo(
            path="model.tflite",
            format="tflite",
            sha256="cd" * 32,
            bytes=123,
            inputs=(TensorInfo("input", "int8", (1, 8, 8, 3), 1 / 255, -128),),
            outputs=(TensorInfo("output", "float32", (1, 5)),),
            graph=GraphInfo({"CONV_2D": 1}, {"int8": 5}, {"int8": 4}, 1, {"SOFTMAX": 1}),
            parity=ParityInfo(None, 1.0, 0.0, 0.9687, 32),
        ),
    ),
    notes=("ranges by mse",),
)

# ARCHITECTURE.md, "The contract that scripts rely on".
CONTRACT: dict[str, set[str]] = {
    "": {"schema", "edgecnn", "model", "recipe", "seed", "calibration", "versions", "files"},
    "model": {
        "name", "parameters", "trainable_parameters", "macs", "input_shape", "classes", "weights",
    },
    "calibration": {"source", "samples", "sha256", "method"},
    "file": {"path", "format", "sha256", "bytes", "inputs", "outputs", "graph", "parity"},
    "tensor": {"name", "dtype", "shape", "scale", "zero_point"},
    "graph": {"ops", "macs_by_dtype", "delegate_partitions", "flex_ops"},
    "parity": {"snr_db", "cosine", "max_abs_error", "top1_agreement", "samples"},
}  # fmt: skip
# What we say beyond it: added to, never taken from.
MORE = {
    "": {"preprocessing", "notes", "inputs", "outputs"},
    "file": {"parities", "integer", "float_ops"},
    "tensor": {"layout"},
    "parity": {
        "output",
        "measured_on",
        "worst_group_db",
        "worst_group",
        "pixel_agreement",
        "spread_db",
        "values_db",
        "values_spread_db",
    },
    "graph": {"parameters_by_dtype", "undelegated_ops", "variable_ops", "custom_ops"},
}


def written(folder: Path, manifest: Manifest = MANIFEST) -> Path:
    manifests.write(manifest, folder)
    return folder / manifests.NAME


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert manifests.load(written(tmp_path)) == MANIFEST


def test_an_artifact_without_calibration_is_read(tmp_path: Path) -> None:
    plain = manifest_of(())
    assert plain.calibration is None
    assert manifests.load(written(tmp_path, plain)) == plain


def test_the_same_manifest_is_the_same_bytes(tmp_path: Path) -> None:
    first = written(tmp_path).read_bytes()
    again = manifests.load(tmp_path / manifests.NAME)
    assert written(tmp_path, again).read_bytes() == first


def test_its_keys_are_the_contracts(tmp_path: Path) -> None:
    content = json.loads(written(tmp_path).read_text("utf-8"))
    assert next(iter(content)) == "schema"
    assert content["schema"] == 1
    file = content["files"][0]
    found = {
        "": content, "model": content["model"], "calibration": content["calibration"],
        "file": file, "tensor": file["inputs"][0], "graph": file["graph"],
        "parity": file["parity"],
    }  # fmt: skip
    for part, keys in CONTRACT.items():
        assert set(found[part]) == keys | MORE.get(part, set()), part


def test_names_stay_readable_and_numbers_exact(tmp_path: Path) -> None:
    text = written(tmp_path).read_text("utf-8")
    assert "modèle" in text
    assert str(1 << 40) in text
    assert text.endswith("}\n")


def test_there_is_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist") as caught:
        manifests.load(tmp_path / manifests.NAME)
    assert "edgecnn export" in caught.value.hint


@pytest.mark.parametrize("schema", [0, 2, 99, "1", None, [1]])
def test_another_schema_is_refused_and_named(tmp_path: Path, schema: object) -> None:
    path = written(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "schema": schema}))
    with pytest.raises(InputError, match="schema") as caught:
        manifests.load(path)
    assert caught.value.hint == "Update edgecnn."


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'"schema"',
        b"\xff\xfe\x00",
        b"\0" * 100,
        b"[" * 100_000,
        b'{"schema": 1}',
        b'{"schema": 1, "schema": 1e999}',
        b'{"schema": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / manifests.NAME
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        manifests.load(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / manifests.NAME).mkdir()
    with pytest.raises(InputError, match="is not a manifest"):
        manifests.load(tmp_path / manifests.NAME)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", '"20"', "true", "[]"])
def test_a_measure_that_is_no_number_is_damage(tmp_path: Path, number: str) -> None:
    path = written(tmp_path)
    text = path.read_text("utf-8")
    assert '"cosine": 1.0' in text
    path.write_text(text.replace('"cosine": 1.0', f'"cosine": {number}'), "utf-8")
    with pytest.raises(InputError, match=r"damaged.*cosine"):
        manifests.load(path)


def test_an_integer_where_a_fraction_is_written_is_fine(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text("utf-8").replace('"cosine": 1.0', '"cosine": 1'), "utf-8")
    assert manifests.load(path) == MANIFEST


def test_an_unknown_key_of_a_later_edgecnn_is_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = json.loads(path.read_text("utf-8"))
    content["model"]["colour"] = "blue"
    path.write_text(json.dumps(content), "utf-8")
    assert manifests.load(path) == MANIFEST


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    """Where something stands in a JSON value, every level."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in items:
        yield (*path, key)
        if isinstance(each, (dict, list)):
            yield from places(each, (*path, key))


PLAIN = json.loads(json.dumps(manifests.to_json_object(MANIFEST)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.sampled_from(list(places(PLAIN))), JSON)
@settings(max_examples=300)
def test_whatever_stands_anywhere_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[Any, ...], value: object
) -> None:
    content = json.loads(json.dumps(PLAIN))
    target = content
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    _read_or_refused(tmp_path_factory, json.dumps(content).encode())


@given(st.sampled_from([place for place in places(PLAIN) if isinstance(place[-1], str)]))
def test_a_key_that_is_missing_is_damage_or_has_a_default(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[Any, ...]
) -> None:
    content = json.loads(json.dumps(PLAIN))
    target = content
    for key in place[:-1]:
        target = target[key]
    del target[place[-1]]
    _read_or_refused(tmp_path_factory, json.dumps(content).encode())


@given(st.data())
def test_any_bytes_anywhere_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    text = bytearray(json.dumps(PLAIN).encode())
    start = data.draw(st.integers(0, len(text)))
    text[start : start + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=20))
    _read_or_refused(tmp_path_factory, bytes(text))


def _read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    path.write_bytes(content)
    try:
        found = manifests.load(path)
    except InputError as error:
        assert str(path) in error.message  # noqa: PT017 - most, but not all, must be refused
    else:
        assert isinstance(found, Manifest)
        assert all(isinstance(file.bytes, int) for file in found.files)
