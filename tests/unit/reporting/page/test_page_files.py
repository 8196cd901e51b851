"""The files that `report` writes: whole, the same for the same records, and safe to open."""

from __future__ import annotations

import csv
import html
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sample_experiments
from without_packages import run_without

import edgecnn
from edgecnn.errors import InputError
from edgecnn.evidence.files import write

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    sample_experiments.write_all(folder / "experiments")
    sample_experiments.write_results(folder)
    sample_experiments.write_sweep(folder)
    sample_experiments.write_benchmarks(folder / "benchmarks")
    return folder


@pytest.fixture(scope="module")
def reported(artifacts: Path) -> edgecnn.ReportResult:
    return edgecnn.report(
        artifacts / "report.html",
        records=artifacts / "experiments",
        artifacts=artifacts,
        markdown_out=artifacts / "report.md",
        csv_folder=artifacts / "csv",
    )


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A folder with one record: a page of it takes a second."""
    write(sample_experiments.layers(), tmp_path / "few")
    return tmp_path / "few"


def test_the_same_records_give_the_same_bytes_and_no_tensorflow(
    reported: edgecnn.ReportResult, artifacts: Path, tmp_path: Path
) -> None:
    script = (
        "import sys, edgecnn\n"
        f"edgecnn.report({str(tmp_path / 'r.html')!r}, records={str(artifacts / 'experiments')!r},"
        f" artifacts={str(artifacts)!r})\n"
        "assert not {'tensorflow', 'keras', 'pandas'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
    assert (tmp_path / "r.html").read_bytes() == reported.page.read_bytes()


def test_a_hostile_name_is_escaped_in_the_page(reported: edgecnn.ReportResult) -> None:
    page = reported.page.read_text("utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&#34;&#39;&amp;{{7*7}}" in page
    assert "\\u003cscript\\u003ealert" in page  # in the chart's data


def test_a_name_that_is_no_text_is_shown_escaped(few: Path, tmp_path: Path) -> None:
    (record,) = few.glob("*.json")
    text = record.read_text("ascii")
    assert '"block29/conv"' in text
    record.write_text(text.replace('"block', '"\\udc80block'), "ascii")
    made = edgecnn.report(
        tmp_path / "r.html", records=few, artifacts=tmp_path, markdown_out=tmp_path / "r.md",
        csv_folder=tmp_path / "csv",
    )  # fmt: skip
    page = made.page.read_text("utf-8")
    assert page.count("\\udc80block") > page.count("\\\\udc80block") > 0  # tables; the charts' data


def test_the_page_names_no_other_file_and_forbids_any(reported: edgecnn.ReportResult) -> None:
    page = reported.page.read_text("utf-8")
    outside_scripts = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    targets = re.findall(r"""\b(?:src|href)=["']?([^"'\s>]+)""", outside_scripts)
    assert {each for each in targets if not each.startswith("#")} == {"data:,"}
    assert re.findall(r"<script[^>]*\bsrc\b", page) == []
    found = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert found is not None
    policy = html.unescape(found[1])
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy


def test_every_figure_has_its_words_in_the_page(reported: edgecnn.ReportResult) -> None:
    page = reported.page.read_text("utf-8")
    for figure in reported.figures:
        assert page.count(f'id="{figure.id}"') == 1
        assert page.count(f'id="{figure.id}-spec"') == 1
    assert page.count("made with <code>") >= len(reported.figures)
    assert "edgecnn export xception" in page  # of the figure without data


def test_markdown_has_the_verdicts_and_no_html(reported: edgecnn.ReportResult) -> None:
    assert reported.markdown is not None
    text = reported.markdown.read_text("utf-8")
    assert text.startswith("# edgecnn report\n")
    assert len(re.findall(r"^## [✓✗◐?] ", text, re.MULTILINE)) == len(reported.outcomes)
    assert re.findall(r"(?<!\\)<(?!/)", re.sub(r"^> ", "", text, flags=re.MULTILINE)) == []
    assert "\\<script\\>alert" in text


def test_csv_has_the_records_values(reported: edgecnn.ReportResult) -> None:
    files = {each.name: each for each in reported.tables}
    assert set(files) == {f"{each.id}.csv" for each in reported.figures} | {"verdicts.csv"}
    with files["latency.csv"].open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    records = sample_experiments.devices().latencies
    assert [float(row["latency_ms"]) for row in rows] == [each.latency_ms for each in records]


def test_a_page_that_cannot_be_written_is_told_and_leaves_nothing(
    few: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match="taken cannot be written"):
        edgecnn.report(tmp_path / "taken", records=few, artifacts=tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["few", "taken"]


def test_without_any_record_the_page_says_what_would_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = edgecnn.report()
    assert result.page == Path("report.html")
    assert (result.figures, result.outcomes) == ((), {})
    assert "python tools/experiment_twins.py" in result.page.read_text("utf-8")


def test_damaged_files_of_the_user_are_named_and_left_out(few: Path, tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text("{}\n")
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "latency.json").write_text("[")
    (tmp_path / "xception" / "int8").mkdir(parents=True)
    (tmp_path / "xception" / "int8" / "manifest.json").write_text("{}")
    result = edgecnn.report(tmp_path / "report.html", records=few, artifacts=tmp_path)
    assert len(result.problems) == 3
    assert "results.jsonl, line 1" in result.page.read_text("utf-8")


def test_a_named_folder_without_records_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no record"):
        edgecnn.report(tmp_path / "report.html", records=tmp_path)


def test_without_the_charting_library_the_install_command_is_told(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    done = run_without(["altair"], packages, ["-m", "edgecnn", "report"])
    assert done.returncode == 4
    assert "altair, which is not installed" in done.stderr
    assert "pip install 'edgecnn[report]'" in done.stderr


def test_this_repositorys_records_make_a_page_of_every_experiment(tmp_path: Path) -> None:
    result = edgecnn.report(
        tmp_path / "report.html",
        records=ROOT / "artifacts" / "experiments",
        artifacts=ROOT / "artifacts",
    )
    assert result.size_bytes < 5_000_000
    assert result.problems == ()
    assert {"low-power", "accuracy"} <= result.outcomes.keys()
    assert {"accuracy-latency", "latency", "predictor"} <= {each.id for each in result.figures}
