"""README and guides against the program: commands, options, outputs, files and links."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import click
import pytest
from samples import documents
from samples.documents import DOCUMENTS, GUIDES, ROOT

import edgecnn
from edgecnn import guides
from edgecnn.cli.app import cli, run
from edgecnn.recipes import RECIPES

if TYPE_CHECKING:
    from pathlib import Path

_MOST_README_BYTES = 9_000
# Those that need no model file, no device and no TensorFlow: a second or two.
_CHEAP = {"devices", "fit", "guide", "models", "operators", "predict", "verdict"}
_PROGRAMS = {"edgecnn", "make", "pip", "python", "ray"}

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)


def parse(words: tuple[str, ...]) -> None:
    """Parse a command line as the program does, and run nothing."""
    context = cli.make_context("edgecnn", list(words[1:]))
    name, command, rest = cli.resolve_command(context, list(words[1:]))
    assert command is not None
    command.make_context(name, rest, parent=context)


def is_cheap(words: tuple[str, ...]) -> bool:
    """Whether a command can be run anywhere."""
    named = any("." in word or "://" in word for word in words)
    return words[0] == "edgecnn" and words[1] in _CHEAP and not named


def extras() -> set[str]:
    """The optional parts that pyproject.toml has."""
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    section = project.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    return set(re.findall(r"^(\w+) = \[", section, re.MULTILINE))


def column_titles() -> set[str]:
    """Every literal title of a table that the program prints."""
    calls = [
        node
        for file in (GUIDES.parent / "reporting").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Column" and node.args
    ]
    titles = (call.args[0] for call in calls)
    return {str(title.value) for title in titles if isinstance(title, ast.Constant)}


@each_document
def test_every_command_is_one_that_the_program_takes(document: Path) -> None:
    for words in documents.commands(document):
        assert words[0] in _PROGRAMS, words
        if words[0] == "edgecnn":
            parse(words)


@each_document
def test_commands_within_sentences_exist_and_have_their_options(document: Path) -> None:
    for words in documents.inline(document):
        command = cli.get_command(click.Context(cli), words[1])
        assert command is not None, words
        known = {name for each in command.params for name in each.opts}
        asked = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert asked <= known or "calibrate" in words, words


@each_document
def test_make_targets_extras_and_files_exist(document: Path) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for words in documents.commands(document):
        if words[0] == "make":
            assert words[1] in targets
        if words[0] == "pip":
            assert set(re.findall(r"edgecnn\[(\w+)\]", " ".join(words))) <= extras()
        if words[0] == "python":
            assert (ROOT / words[1]).is_file()
    for name in documents.named_files(document):
        assert (ROOT / name).exists(), name


@each_document
def test_links_lead_somewhere(document: Path) -> None:
    for link in documents.links(document):
        place, _, anchor = link.partition("#")
        target = document.parent / place if place else document
        assert target.exists(), link
        assert not anchor or anchor in documents.anchors(target), link


@each_document
def test_cheap_commands_print_what_the_document_says(
    document: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "100")
    said = {sample.command: sample.printed for sample in documents.samples(document)}
    for words in filter(is_cheap, documents.commands(document)):
        assert run(words[1:]) == 0, capsys.readouterr().err
        assert documents.differs(said.get(words, ""), capsys.readouterr().out) == ""


@each_document
def test_tables_have_the_titles_that_the_program_prints(document: Path) -> None:
    computed = re.compile(r"\d+(%| W)")
    known = column_titles() | set(RECIPES)
    unknown = [each for each in documents.headers(document) if each not in known]
    assert [each for each in unknown if not computed.fullmatch(each)] == []


@each_document
def test_python_blocks_name_what_the_package_has(document: Path) -> None:
    for language, body in documents.blocks(document):
        if language == "python":
            compile(body, str(document), "exec")
            for name in re.findall(r"\bedgecnn\.(\w+)", body):
                assert hasattr(edgecnn, name)


def test_a_sample_that_is_not_printed_is_found() -> None:
    printed = "model  ms\n-----\nvgg  12.5\nNext: nothing"
    assert documents.differs("model  ms\nvgg  3\n...\nnothing", printed) == ""
    assert documents.differs("model  seconds", printed) == "model seconds"


def test_the_readme_is_short_and_names_every_guide() -> None:
    readme = (ROOT / "README.md").read_bytes()
    assert len(readme) < _MOST_README_BYTES
    for name in guides.NAMES:
        assert f"edgecnn/guides/{name}.md".encode() in readme


def test_the_readme_quotes_the_verdict() -> None:
    found = edgecnn.verdict("low-power", records=ROOT / "artifacts" / "experiments", results=None)
    answer, _, sentence = found.verdicts[0].headline.partition(": ")
    quoted = re.sub(r"\s+", " ", (ROOT / "README.md").read_text("utf-8").replace("\n>", "\n"))
    assert f"**{answer}.** {sentence.removesuffix('.')}" in quoted
    still_open = sum(1 for each in found.verdicts[0].devices if each.decided_by)
    count = len(found.verdicts[0].devices)
    assert f"on {still_open} of the {count} the interval leaves open" in quoted


def test_every_guide_is_listed_and_has_a_title() -> None:
    assert sorted(guides.NAMES) == [file.stem for file in sorted(GUIDES.glob("*.md"))]
    for name in guides.NAMES:
        assert guides.read(name).title
        assert guides.read(name).text.startswith(f"# {guides.read(name).title}\n")
