"""Shell completion: what is offered, and the script in a real bash."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from edgecnn.cli import completers
from edgecnn.cli.app import cli, run
from edgecnn.cli.shells import SHELLS
from edgecnn.zoo import MODELS
from edgecnn.zoo.keras_applications import APPLICATIONS

if TYPE_CHECKING:
    from pathlib import Path

CONTEXT = click.Context(cli)
MODEL = click.Argument(["model"])


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def offered(incomplete: str) -> list[str]:
    return [each.value for each in completers.complete_model(CONTEXT, MODEL, incomplete)]


def test_models_are_offered_by_name() -> None:
    assert offered("") == [*MODELS, "keras:"]
    assert offered("xc") == ["xception-mini", "xception"]
    assert offered("keras:mobilenetv3") == ["keras:MobileNetV3Large", "keras:MobileNetV3Small"]
    assert len(offered("keras:")) == len(APPLICATIONS)


def test_model_files_here_are_offered_beside_names(tmp_path: Path) -> None:
    for name in ("vgg-own.keras", "vgg.txt"):
        (tmp_path / name).touch()
    assert offered("vgg") == ["vgg", "vgg-own.keras"]


@pytest.mark.parametrize("incomplete", ["./", "models/own.k", "zzz"])
def test_anything_else_is_a_path(incomplete: str) -> None:
    items = completers.complete_model(CONTEXT, MODEL, incomplete)
    assert [(each.value, each.type) for each in items] == [(incomplete, "file")]


def test_weights_and_calibration_offer_their_words() -> None:
    weights = completers.complete_weights(CONTEXT, MODEL, "ra")
    assert [each.value for each in weights] == ["random"]
    calibration = completers.complete_calibration(CONTEXT, MODEL, "photos/")
    assert [each.type for each in calibration] == ["file"]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert f"_EDGECNN_COMPLETE={shell}_complete" in text
    assert run(["completion", shell, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["script"] + "\n" == text
    assert any(f"edgecnn completion {shell}" in line for line in shown["install"])


def test_without_a_shell_it_explains_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion"]) == 0
    shown = capsys.readouterr().out
    assert all(f"edgecnn completion {shell}" in shown for shell in SHELLS)


def in_bash(tmp_path: Path, line: str) -> list[str]:
    """Type `line` in a real bash that has the script, and return what it offers."""
    program = tmp_path / "bin" / "edgecnn"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m edgecnn "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    typed = f"""
        source <(edgecnn completion bash)
        compopt() {{ echo "compopt $1 $2"; }}
        COMP_LINE={line!r}; COMP_POINT=${{#COMP_LINE}}
        _edgecnn_completion edgecnn
        printf '%s\\n' "${{COMPREPLY[@]}}"
        complete -p edgecnn
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", typed],  # noqa: S607 - whichever bash is installed
        env={**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[-1].endswith("-F _edgecnn_completion edgecnn")
    return lines[:-1]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("edgecnn exp", ["export"]),
        ("edgecnn export xc", ["xception-mini", "xception"]),
        ("edgecnn export xception --int", ["--int8", "--int16x8"]),
        # bash splits words at ':' and wants only what stands behind it
        ("edgecnn export keras:Xc", ["Xception"]),
        ("edgecnn export ker", ["compopt -o nospace", "keras:"]),
        ("edgecnn export xception --format o", ["onnx"]),
        ("edgecnn verify arti", ["compopt -o default", ""]),
        ("edgecnn export 'my mo", ["compopt -o default", ""]),
    ],
)
def test_completion_in_bash(tmp_path: Path, line: str, shown: list[str]) -> None:
    assert in_bash(tmp_path, line) == shown
