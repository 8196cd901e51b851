"""`edgecnn report` as a user starts it: what it writes and prints, and its exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import sample_experiments

from edgecnn.cli.app import run
from edgecnn.evidence.files import write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with one record, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    write(sample_experiments.layers(), tmp_path / "records")
    return tmp_path / "records"


def test_it_prints_what_it_wrote_and_what_is_missing(
    records: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", "--records", str(records), "--out", "page.html"]) == 0
    printed = capfd.readouterr()
    assert printed.out.startswith("page.html: ")
    assert "2 charts, " in printed.out
    assert "no data: Latency by device: `python tools/experiment_devices.py`" in printed.err


def test_json_names_every_file(records: Path, capfd: pytest.CaptureFixture[str]) -> None:
    args = ["--records", str(records), "--markdown", "r.md", "--csv", "tables", "--json"]
    assert run(["report", *args]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["page"] == "report.html"
    assert told["markdown"] == "r.md"
    assert told["tables"] == ["tables/operators.csv", "tables/fidelity.csv", "tables/verdicts.csv"]
    assert [each["id"] for each in told["figures"]] == ["operators", "fidelity"]
    assert told["outcomes"]["low-power"] == "not testable here"


def test_a_folder_without_records_is_an_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", "--records", str(tmp_path), "--out", str(tmp_path / "r.html")]) == 2
    assert "holds no record" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []
