"""SPEC.toml is read strictly: what it says is what is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edgecnn.errors import InputError
from edgecnn.sweeping import spec
from edgecnn.sweeping.records import Budget

if TYPE_CHECKING:
    from pathlib import Path


def read(**tables: Any) -> spec.Spec:  # noqa: ANN401 - as TOML has them
    return spec.from_tables({"axes": {"model": "vgg"}, **tables})


def from_text(text: str, folder: Path) -> spec.Spec:
    path = folder / "spec.toml"
    path.write_text(text)
    return spec.read(path)


def test_the_example_says_what_it_shows(tmp_path: Path) -> None:
    asked = from_text(spec.EXAMPLE, tmp_path)
    assert asked.axes.model == ("xception-mini",)
    assert asked.axes.width == (0.5, 1.0)
    assert asked.training == {"data": "fashion-mnist", "epochs": 2}
    assert asked.predicting == spec.Predicting(("raspberry-pi-4b", "raspberry-pi-5"), (4,))
    assert asked.budget == Budget(100.0, 6_000_000, None)


def test_every_comment_of_the_example_is_right_too(tmp_path: Path) -> None:
    uncommented = spec.EXAMPLE.replace("# [", "[").replace("# on", "on")
    uncommented = uncommented.replace("# threads", "threads").replace(
        "# input_range", "input_range"
    )
    asked = from_text(uncommented, tmp_path)
    assert asked.benching == spec.Benching(("ssh://pi@raspberrypi.local",), (4,))
    assert asked.preprocessing is not None


def test_axes_take_one_value_or_several_and_plurals() -> None:
    axes = read(axes={"models": ["vgg", "vgg", "resnet"], "min_snr": ["25dB", 30, "none"]}).axes
    assert axes.model == ("vgg", "resnet")
    assert axes.min_snr_db == (25.0, 30.0, None)


def test_none_is_an_axiss_own_default() -> None:
    assert read(axes={"model": "vgg", "width": ["none", 0.5]}).axes.width == (None, 0.5)
    assert read(axes={"model": "vgg", "weights": "none"}).axes.weights == ("none",)


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ({"axis": {}}, r"there is no 'axis'"),
        ({"axes": {"modl": "vgg"}}, r"\[axes\]: there is no 'modl'"),
        ({"axes": {"width": 1.0}}, r"names no model"),
        ({"axes": {"model": "vgg", "input_size": "32"}}, r"input_size takes a int, not '32'"),
        ({"axes": {"model": "vgg", "input_size": True}}, r"not True"),
        ({"axes": {"model": []}}, r"model has no value"),
        ({"axes": {"model": "vgg", "models": "vgg"}}, r"names an axis twice"),
        ({"axes": {"model": "vgg", "min_snr": "much"}}, r"a number of dB, not 'much'"),
        ({"train": {}}, r"\[train\] names no data"),
        ({"train": {"data": "x", "weights": "y"}}, r"\[train\]: there is no 'weights'"),
        ({"train": {"data": "x", "epochs": "many"}}, r"\[train\]: epochs .* a whole number, not"),
        ({"train": {"data": "x", "epochs": True}}, r"epochs has the wrong type"),
        ({"train": {"data": "x", "learning_rate": float("nan")}}, r"takes a number, not nan"),
        ({"evaluate": {"data": [1] * 5000}}, r"data .* takes a text, not \[1, 1, .*\.\.\.\.$"),
        ({"evaluate": {"data": "x", "split": []}}, r"split .* takes train or test, not \[\]"),
        ({"evaluate": {"data": "x", "annotations": 1}}, r"annotations .* takes a text"),
        ({"bench": {"on": "local", "profile": []}}, r"no profile \[\]"),
        ({"input": {"channel_order": []}}, r"RGB or BGR, not \[\]"),
        ({"train": {"data": "x", "epochs": 0}}, r"--epochs 0"),
        ({"evaluate": {"limit": 10}}, r"\[evaluate\] names no data"),
        (
            {"evaluate": {"data": "x", "task": "guess"}},
            r"takes classify or detect or segment, not 'guess'",
        ),
        ({"predict": {"device": "raspberry-pi-9"}}, r"no device named 'raspberry-pi-9'"),
        ({"predict": {"device": "raspberry-pi-5", "threads": 64}}, r"has 4 cores"),
        ({"predict": {"threads": 1}}, r"device takes a name"),
        ({"bench": {"on": "local", "threads": 0}}, r"numbers from 1 on"),
        ({"bench": {"on": "local", "profile": "slow"}}, r"no profile 'slow'"),
        ({"budget": {"latency": "fast"}}, r"latency takes a time"),
        ({"budget": {"max_drop": "1%"}}, r"max_drop takes a number"),
        ({"input": {"channel_order": "GBR"}}, r"RGB or BGR, not 'GBR'"),
        ({"predict": 3}, r"predict is no table"),
    ],
)
def test_what_cannot_be_meant_is_refused(tables: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read(**tables)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff", "no text in UTF-8"),
        (b"[axes", "is not TOML"),
        (b"x = " + b"9" * 5000, "is not TOML"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "spec.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        spec.read(path)
    with pytest.raises(InputError, match="cannot be read"):
        spec.read(tmp_path / "missing.toml")
