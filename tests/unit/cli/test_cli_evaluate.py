"""`edgecnn evaluate` through `run`: what it prints where, and its exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from task_nets import one_logit, save
from tiny_artifact import write_artifact
from tiny_tflite import float_net

from edgecnn.cli.app import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("warm_children")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact in float32/, images of five classes in images/, and a lonely file."""
    folder = tmp_path_factory.mktemp("evaluate")
    write_artifact(folder / "float32", ("tflite",))
    (folder / "lonely.tflite").write_bytes(float_net().to_bytes())
    random = np.random.default_rng(0)
    for place in range(15):
        into = folder / "images" / "test" / f"class-{place % 5}"
        into.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).save(into / f"{place}.png")
    return folder


def test_tables_on_stdout_and_the_rest_on_stderr(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["evaluate", str(here), "--data", str(here / "images"), "--classes", "--threads", "1"]
    assert run(args) == 0
    printed = capsys.readouterr()
    assert "images, test split: 15 images" in printed.out
    assert "float32  model.tflite" in printed.out
    assert "class-4" in printed.out
    assert "warning: The weights are random: the accuracy means nothing." in printed.err
    assert "evaluating float32/model.tflite (15)" in printed.err


def test_json_is_one_object(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["evaluate", str(here / "lonely.tflite"), "--data", str(here / "images")]
    assert run([*args, "--mean", "0", "--std", "1", "--limit", "9", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    (found,) = printed["evaluations"]
    assert printed["schema"] == 1
    assert found["file"] == str(here / "lonely.tflite")
    assert (found["recipe"], found["format"], found["images"]) == ("float32", "tflite", 9)
    assert found["low"] <= found["top1"] <= found["high"]
    assert printed["notes"] == ["9 of the 15 images of the test split, drawn by seed 0."]


def test_plot_draws_accuracy_by_file(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["evaluate", str(here), "--data", str(here / "images"), "-q"]
    assert run([*args, "--plot", str(tmp_path / "plot.svg")]) == 0
    assert capsys.readouterr().out == ""
    assert "Top-1 accuracy on images, test split: 15 images" in (tmp_path / "plot.svg").read_text()


def test_quiet_keeps_the_warnings(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", str(here), "--data", str(here / "images"), "-q"]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("warning: The weights are random")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "Missing option '--data'"),
        (["--data", "fashion-minst"], "Did you mean fashion-mnist?"),
        (["--data", "{images}", "--split", "all"], "'all' is not one of"),
        (["--data", "{images}", "--split", "train"], "has no train/ folder"),
        (["--data", "{images}", "--limit", "0"], "--limit"),
        (["--data", "{images}", "--channel-order", "BGR"], "does not say how pixels are scaled"),
        (["--data", "{images}", "--std", "2"], "--std is given without --mean"),
        (["--data", "{images}", "--task", "count"], "'count' is not one of"),
        (["--data", "{images}", "--head", "yolov8"], "Add --task detect"),
        (["--data", "{images}", "--masks", "m", "--annotations", "a"], "of two tasks"),
        (["--data", "{images}", "--output", "nobody"], "has no output 'nobody'"),
        (["--data", "fashion-mnist", "--masks", "m"], "goes with a folder of pictures"),
    ],
)
def test_wrong_usage(
    here: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [each.format(images=here / "images") for each in more]
    assert run(["evaluate", str(here), *given]) == 2
    assert said in capsys.readouterr().err


def test_without_labels_the_table_says_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, border in (("float", 127.5), ("other", 60)):
        (tmp_path / f"{name}.tflite").write_bytes(one_logit(border))
    save(tmp_path / "photos" / "a.png", np.full((8, 8, 3), 90))
    save(tmp_path / "photos" / "b.png", np.full((8, 8, 3), 200))
    args = ["evaluate", str(tmp_path / "other.tflite"), "--data", str(tmp_path / "photos")]
    args += ["--against", str(tmp_path / "float.tflite"), "--output", "logits"]
    assert run([*args, "--mean", "0", "--std", "1"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "photos: 2 images;" in printed
    assert "same top-1 as float" in printed
    assert "50.00%" in printed
    assert "This tells what quantizing changed, not how often either is right." in printed
