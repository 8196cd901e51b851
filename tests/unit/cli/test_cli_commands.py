"""Each command through `run`: what it prints where, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sample_results import export_result, manifest, verify_result
from tiny_tflite import float_net

import edgecnn
from edgecnn.cli.app import COMMANDS, run
from edgecnn.errors import CheckFailedError, DeviceError, InputError, MissingPartError
from edgecnn.manifest import write
from edgecnn.zoo import MODELS


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Put results or exceptions here: `export` and `verify` answer with them."""
    prepared: dict[str, Any] = {}

    def stand_in(verb: str) -> Any:  # noqa: ANN401 - a function of any arguments
        def function(*args: object, progress: Any, **options: object) -> Any:  # noqa: ANN401
            prepared["called"] = (*args, options)
            progress.stage("measuring", 2)
            progress.advance()
            progress.warn("these are not your images")
            if isinstance(prepared[verb], BaseException):
                raise prepared[verb]
            return prepared[verb]

        return function

    for verb in ("export", "verify"):
        monkeypatch.setitem(vars(edgecnn), verb, stand_in(verb))
    return prepared


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    write(manifest(), tmp_path)
    return tmp_path


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    listed = [line.split()[0] for line in shown.partition("Commands:")[2].splitlines() if line]
    assert [name for name in listed if name in COMMANDS] == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_json(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--json" in shown
    assert "..." not in shown.partition("Commands:")[2]


def test_nothing_asked_shows_help_as_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Usage: edgecnn")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"edgecnn {edgecnn.__version__}\n"


def test_models_as_json_are_the_zoo(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["schema"] == 1
    assert {each["name"]: each["parameters"] for each in shown["models"]} == {
        name: spec.parameters for name, spec in MODELS.items()
    }


def test_models_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models"]) == 0
    captured = capsys.readouterr()
    assert "xception-mini" in captured.out
    assert "keras:NAME" in captured.out
    assert captured.err == ""


def test_inspect_reads_a_real_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tiny [bold].tflite"
    path.write_bytes(float_net().to_bytes())
    assert run(["inspect", str(path)]) == 0
    shown = capsys.readouterr().out
    assert str(path) in shown
    assert "CONV_2D" in shown
    assert run(["inspect", "--json", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == "tflite"


def test_export_closes_with_table_caution_and_commands(
    answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers["export"] = export_result(Path("artifacts/xception"), "int8")
    assert run(["export", "xception", "--int8", "--out", "artifacts/xception"]) == 0
    captured = capsys.readouterr()
    assert answers["called"][0] == "xception"
    assert answers["called"][1]["out"] == Path("artifacts/xception")
    assert "23.4 MB" in captured.out
    assert "weights are random" in captured.out
    assert "\n  edgecnn bench artifacts/xception/int8\n" in captured.out
    assert captured.err.splitlines() == ["measuring (2)", "warning: these are not your images"]


def test_export_says_which_recipe_it_takes(
    answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers["export"] = export_result(Path("out"), "int8")
    assert run(["export", "xception"]) == 0
    assert capsys.readouterr().err.startswith("No recipe given; using --int8")


def test_export_as_json_is_one_object(
    answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers["export"] = export_result(Path("out"), "int8")
    assert run(["export", "xception", "--json"]) == 0
    captured = capsys.readouterr()
    shown = json.loads(captured.out)
    assert shown["artifacts"][0]["manifest"]["recipe"] == "int8"
    assert shown["warnings"] == ["the photographs are not yours"]
    assert "measuring" in captured.err


def test_quiet_export_prints_warnings_only(
    answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers["export"] = export_result(Path("out"), "int8")
    assert run(["export", "xception", "-q"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "warning: these are not your images\n"


def test_verify_that_holds(
    answers: dict[str, Any], artifact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers["verify"] = verify_result(artifact)
    assert run(["verify", str(artifact), "--threads", "2"]) == 0
    assert answers["called"] == (artifact, {"threads": 2})
    assert capsys.readouterr().out.endswith("OK: every file matches the manifest.\n")


def test_verify_that_does_not_hold(
    answers: dict[str, Any], artifact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers["verify"] = verify_result(artifact, "its sha256 differs")
    assert run(["verify", str(artifact), "--quiet"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("FAILED: model.tflite: its sha256 differs\n")
    assert run(["verify", str(artifact), "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert not shown["ok"]
    assert shown["files"][0]["problems"] == ["its sha256 differs"]
    assert shown["files"][1]["ok"]


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [(CheckFailedError("too big"), 1), (InputError("too big"), 2), (DeviceError("too big"), 3),
     (MissingPartError("too big"), 4)],
)  # fmt: skip
def test_errors_have_the_exit_codes_of_the_contract(
    answers: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    error: edgecnn.EdgeCnnError,
    exit_code: int,
) -> None:
    error.hint = "Make it smaller."
    answers["export"] = error
    assert run(["export", "vgg", "--int8", "--quiet"]) == exit_code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[1:] == ["error: too big", "Make it smaller."]
    assert run(["export", "vgg", "--int8", "--json"]) == exit_code
    shown = json.loads(capsys.readouterr().out)
    told = {"message": "too big", "hint": "Make it smaller.", "exit_code": exit_code}
    assert shown == {"schema": 1, "error": told}


def test_an_unexpected_exception_is_called_a_bug(
    answers: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers["export"] = ZeroDivisionError("division by zero")
    assert run(["export", "vgg"]) == 70
    told = capsys.readouterr().err
    assert "unexpected error: ZeroDivisionError: division by zero" in told
    assert "bug" in told
    assert "Traceback" not in told
    assert run(["export", "vgg", "--traceback"]) == 70
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("EDGECNN_TRACEBACK", "1")
    assert run(["export", "vgg"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_130(answers: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    answers["export"] = KeyboardInterrupt()
    assert run(["export", "vgg"]) == 130
    assert capsys.readouterr().err.endswith("\nInterrupted.\n")


def test_a_full_disk_is_no_bug(answers: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    answers["export"] = OSError(28, "No space left on device", "out/model.tflite")
    assert run(["export", "vgg"]) == 2
    assert "error: out/model.tflite: No space left on device." in capsys.readouterr().err


def test_escape_sequences_in_an_error_do_not_reach_the_terminal(
    answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers["export"] = InputError("bad layer \x1b]0;owned\x07")
    assert run(["export", "vgg"]) == 2
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["expart", "vgg"], "Did you mean export or report?"),
        (["xception", "--int8"], "Did you mean `edgecnn export xception`?"),
        (["keras:VGG16"], "Did you mean `edgecnn export keras:VGG16`?"),
        (["export", "vgg", "--int9"], "Did you mean --int8?"),
        (["export", "vgg", "--mena", "1"], "Did you mean --mean?"),
        (["export", "vgg", "--zzz"], "See `edgecnn export --help`."),
        (["export", "vgg", "int8"], "Did you mean --int8?"),
        (["export", "vgg", "--threads", "0"], "See `edgecnn export --help`."),
        (["export"], "See `edgecnn export --help`."),
    ],
)
def test_wrong_usage_says_what_was_meant(
    args: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(args) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1] == hint
    assert run([*args, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["hint"] == hint


def test_json_behind_two_dashes_is_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", "--", "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "--json cannot be read" in captured.err
