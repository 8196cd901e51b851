"""`edgecnn verdict` through `run`: paragraphs, the table, one claim in full, and JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import sample_experiments as sample

from edgecnn.claims.table import TABLE
from edgecnn.cli.app import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def records(tmp_path: Path) -> str:
    return str(sample.write_all(tmp_path / "experiments"))


def test_the_main_verdict_is_first_and_all_are_listed(
    records: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verdict", "--records", records]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Xception suits low-power devices: holds with conditions.")
    for entry in TABLE:
        assert f"\n{entry.claim.id} " in shown
    assert f"{len(TABLE)} claims: " in shown
    assert "devices" in shown.rpartition("Records: ")[2]
    assert "of 2026-11-22 by edgecnn" in shown


def test_details_are_data_and_say_the_same_in_words(
    records: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verdict", "low-power", "--json", "--records", records]) == 0
    (main,) = json.loads(capsys.readouterr().out)["verdicts"]
    memory = next(fact for fact in main["facts"] if fact["label"] == "int8, memory")
    assert (memory["topic"], memory["unit"], memory["limit"]) == ("Files", "bytes", 64_000_000)
    assert any(text.startswith("Files: ") and "at most 64.0 MB" in text for text in main["details"])
    where = main["numbers"][0]["where"]
    assert set(where) == {"file", "entry", "date", "machine"}
    assert main["numbers"][0]["source"].startswith(f"{where['file']} {where['entry']}; ")


@pytest.mark.parametrize("claim", [entry.claim.id for entry in TABLE])
def test_a_claim_in_full(claim: str, records: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verdict", claim.upper(), "--records", records]) == 0
    shown = capsys.readouterr().out
    assert "  document  00" in shown
    assert "python tools/experiment_" in shown


def test_every_number_is_shown_with_its_provenance_and_entry(
    records: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verdict", "entry-flow", "--records", records]) == 0
    shown = capsys.readouterr().out
    assert "728  counted  parameters.json" in shown
    assert "parameters.json: 2026-11-22, made-up CPU" in shown


def test_nothing_is_wider_than_80_columns(
    records: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["verdict", "low-power", "--records", records]) == 0
    shown = capsys.readouterr().out
    for title in ("\ndevice ", "\nnumber "):
        table = shown.partition(title)[2].partition("\n\n")[0].splitlines()
        rows = [line for line in table[2:] if "  " in line]  # the legend below is one paragraph
        assert rows
        assert max(map(len, rows)) <= 80


def test_json_is_one_object_with_every_number(
    records: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verdict", "--json", "--records", records]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == 1
    assert [each["claim"]["id"] for each in found["verdicts"]] == [e.claim.id for e in TABLE]
    main = found["verdicts"][0]
    assert main["outcome"] == "holds with conditions"
    assert set(main["numbers"][0]) == {"name", "value", "unit", "provenance", "source", "where"}
    assert {each["experiment"] for each in found["headers"]} >= {"devices", "kernels"}


def test_quiet_prints_nothing(records: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verdict", "--quiet", "--records", records]) == 0
    assert capsys.readouterr().out == ""


def test_a_failed_claim_is_no_failed_command(
    records: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verdict", "fewest-parameters", "--records", records]) == 0
    assert "fails" in capsys.readouterr().out


def test_elsewhere_it_says_where_the_records_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["verdict"]) == 2
    told = capsys.readouterr().err
    assert "artifacts/experiments is no folder" in told
    assert "--records DIR" in told


def test_a_misspelt_claim_is_told_before_the_records_are_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["verdict", "low-powr", "--records", "nowhere"]) == 2
    assert "Did you mean low-power?" in capsys.readouterr().err


def test_a_damaged_record_is_named(records: str, capsys: pytest.CaptureFixture[str]) -> None:
    from pathlib import Path

    path = Path(records) / "devices.json"
    path.write_text(path.read_text("ascii").replace('"threads": 4', '"threads": -4', 1), "ascii")
    assert run(["verdict", "--records", records]) == 2
    told = capsys.readouterr().err
    assert "devices.json is damaged" in told
    assert "latencies[1].threads" in told
    assert "python tools/experiment_devices.py" in told
