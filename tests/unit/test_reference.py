"""reference.npz: what is written is read, and what is damaged or of another network is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_artifact import manifest_of

from edgecnn import reference
from edgecnn.calibration.preprocessing import AS_IT_IS
from edgecnn.calibration.sampleset import from_arrays
from edgecnn.errors import InputError
from edgecnn.parity import Answers
from edgecnn.records import Endpoint, OutputInfo, Preprocessing
from edgecnn.reference import Reference

if TYPE_CHECKING:
    from pathlib import Path

RUNS = 3
PICTURE = Endpoint("picture", "float32", (2, 3, 4, 5), "NCHW")
TOKENS = Endpoint("tokens", "int64", (1, 7))
STATE = Endpoint("state", "float32", ())
SCORES = OutputInfo("scores", "float32", (2, 6), kind="probabilities")
PLACES = OutputInfo("places", "int64", (1, 4))
AGE = OutputInfo("age", "float32", ())
MANIFEST = replace(manifest_of(()), inputs=(PICTURE, TOKENS, STATE), outputs=(SCORES, PLACES, AGE))


def arrays() -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {
        "x0": random.integers(0, 256, (RUNS * 2, 4, 5, 3), np.uint8),
        "x1": random.integers(0, 99, (RUNS, 7)),
        "x2": random.normal(size=RUNS).astype(np.float32),
        "y0": random.uniform(0, 1, (RUNS * 2, 6)).astype(np.float32),
        "y1": random.integers(0, 9, (RUNS, 4)),
        "y2": random.normal(size=RUNS).astype(np.float32),
        "z0": random.normal(size=(RUNS * 2, 6)).astype(np.float32),
    }


def written(folder: Path) -> Reference:
    """Write one, and return what was written."""
    kept = arrays()
    inputs = from_arrays("made up", RUNS, [kept[f"x{k}"] for k in range(3)])
    answers = Answers(tuple(kept[f"y{k}"] for k in range(3)), (kept["z0"], None, None), RUNS)
    reference.write(folder / reference.NAME, Reference(inputs, answers))
    return Reference(inputs, answers)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    stored = written(tmp_path)
    found = reference.read(tmp_path, MANIFEST)
    assert found.inputs.samples == found.answers.runs == RUNS
    assert found.inputs.sha256 == stored.inputs.sha256
    for one, other in zip(found.answers.outputs, stored.answers.outputs, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert found.answers.logits[1:] == (None, None)
    np.testing.assert_array_equal(found.answers.logits[0], arrays()["z0"])
    np.testing.assert_array_equal(found.answers.outputs[1], arrays()["y1"])


def test_the_same_arrays_give_the_same_bytes(tmp_path: Path) -> None:
    written(tmp_path)
    first = (tmp_path / reference.NAME).read_bytes()
    written(tmp_path)
    assert (tmp_path / reference.NAME).read_bytes() == first


def test_pixels_are_fed_in_the_inputs_layout(tmp_path: Path) -> None:
    written(tmp_path)
    found = reference.read(tmp_path, MANIFEST)
    feeds = list(found.inputs.feeds(MANIFEST.inputs, Preprocessing((1.0,), (2.0,))))
    pixels = arrays()["x0"]
    assert len(feeds) == RUNS
    for run, (picture, tokens, state) in enumerate(feeds):
        assert (picture.shape, tokens.shape, state.shape) == ((2, 3, 4, 5), (1, 7), ())
        wanted = (pixels[2 * run : 2 * run + 2].astype(np.float32) - 1) / 2
        np.testing.assert_array_equal(picture, wanted.transpose(0, 3, 1, 2))
        np.testing.assert_array_equal(tokens, arrays()["x1"][run : run + 1])
        assert state == arrays()["x2"][run]


def test_arrays_are_fed_as_they_are(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(RUNS * 2, 3, 4, 5)).astype(np.float32)
    np.savez(tmp_path / reference.NAME, **{**arrays(), "x0": values})
    found = reference.read(tmp_path, MANIFEST)
    for run, feed in enumerate(found.inputs.feeds(MANIFEST.inputs, AS_IT_IS)):
        np.testing.assert_array_equal(feed[0], values[2 * run : 2 * run + 2])


@pytest.mark.parametrize(
    "other",
    [{"inputs": ()}, {"outputs": ()}, {"inputs": (), "outputs": ()}],
    ids=["inputs", "outputs", "both"],
)
def test_a_folder_of_an_older_edgecnn_says_so(tmp_path: Path, other: dict[str, Any]) -> None:
    np.savez(tmp_path / reference.NAME, inputs=arrays()["x2"], logits=arrays()["y0"])
    with pytest.raises(InputError, match="older edgecnn") as caught:
        reference.read(tmp_path, replace(MANIFEST, **other))
    assert caught.value.hint == "Export again."


def test_an_older_reference_beside_a_manifest_of_today_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / reference.NAME, inputs=arrays()["x0"], logits=arrays()["y0"])
    with pytest.raises(InputError, match="x0") as caught:
        reference.read(tmp_path, MANIFEST)
    assert "Export again" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("x0", None),
        ("y2", None),
        ("x0", np.zeros((RUNS * 2, 4, 5, 1), np.uint8)),
        ("x0", np.zeros((RUNS * 2, 4, 5, 3), np.float32)),
        ("x0", np.zeros((RUNS * 2 + 1, 4, 5, 3), np.uint8)),
        ("x1", np.zeros((RUNS, 7), np.int32)),
        ("x1", np.zeros((RUNS, 7), np.uint8)),
        ("x1", np.zeros((RUNS - 1, 7), np.int64)),
        ("x2", np.full(RUNS, np.nan, np.float32)),
        ("x2", np.zeros(RUNS, np.uint8)),
        ("y0", np.zeros((RUNS, 6), np.float32)),
        ("y0", np.full((RUNS * 2, 6), np.inf, np.float32)),
        ("y1", np.full((RUNS, 4), "text")),
        ("z0", np.full((RUNS * 2, 6), np.nan, np.float32)),
    ],
)
def test_arrays_of_another_network_are_refused(
    tmp_path: Path, name: str, values: np.ndarray[Any, Any] | None
) -> None:
    kept = {**arrays(), name: values} if values is not None else arrays()
    if values is None:
        del kept[name]
    np.savez(tmp_path / reference.NAME, **kept)
    with pytest.raises(InputError, match=r"reference\.npz cannot be read") as caught:
        reference.read(tmp_path, MANIFEST)
    assert "Export again" in caught.value.hint


def test_a_manifest_with_an_empty_batch_is_refused(tmp_path: Path) -> None:
    written(tmp_path)
    hostile = replace(MANIFEST, inputs=(replace(PICTURE, shape=(0, 3, 4, 5)), TOKENS, STATE))
    with pytest.raises(InputError, match="cannot be read"):
        reference.read(tmp_path, hostile)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    written(folder)
    return folder


def read(content: bytes, folder: Path) -> bool:
    """Whether it was read; only an InputError that names it may say that it was not."""
    (folder / reference.NAME).write_bytes(content)
    try:
        found = reference.read(folder, MANIFEST)
    except InputError as error:
        assert str(folder / reference.NAME) in error.message  # noqa: PT017 - most are refused
        assert error.hint  # noqa: PT017 - likewise
        return False
    assert found.inputs.samples == found.answers.runs
    return True


@given(st.data())
@settings(max_examples=200)
def test_any_changed_bytes_are_read_or_refused(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray((whole / reference.NAME).read_bytes())
    last = len(content) - 1
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, last) | st.integers(last - 500, last))  # the zip's index
        content[at] = data.draw(st.integers(0, 255))
    read(bytes(content), tmp_path_factory.getbasetemp())


def test_every_truncation_is_refused(whole: Path, tmp_path: Path) -> None:
    content = (whole / reference.NAME).read_bytes()
    assert read(content, tmp_path)
    assert not any(read(content[:length], tmp_path) for length in range(0, len(content) - 1, 29))


@given(st.binary(max_size=400))
def test_any_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    assert not read(content, tmp_path_factory.getbasetemp())


def test_a_missing_reference_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"reference\.npz"):
        reference.read(tmp_path, MANIFEST)
