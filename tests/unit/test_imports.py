"""Imports point one way, TensorFlow stays in its rooms, and `--help` stays light."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import edgecnn

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(edgecnn.__file__).parent

# From the bottom up. A room imports rooms of lower layers only: rooms of one layer do not know each
# other. "" is edgecnn/__init__.py, the public API.
LAYERS = (
    {"files"},
    {"digests", "errors", "held", "progress", "recipes", "records", "tasks"},
    {"guides", "isolation", "layouts", "measurements", "store", "strict", "text", "tflm", "zoo"},
    {"caching", "engines", "gate"},
    {"manifest", "formats", "runtime", "devices", "building"},
    {"evidence", "inspection", "calibration", "parity"},
    {"datasets", "reference", "quantize", "profiling"},
    {"verifying", "convert"},
    {"latency", "micro"},
    {"exporting", "training", "evaluating", "diagnosing", "deploying", "claims"},
    {"accuracy_budget", "benchmark"},
    {"sweeping"},
    {"reporting"},
    {""},
    {"cli"},
    {"__main__"},
)
RANKS = {room: rank for rank, layer in enumerate(LAYERS) for room in layer}
TENSORFLOW = {"tensorflow", "keras", "tf2onnx"}
TENSORFLOW_ROOMS = {"building", "convert", "training"}


class Import(NamedTuple):
    """One import statement's target, and where it stands."""

    file: Path
    line: int
    target: str

    @property
    def where(self) -> str:
        """File and line, as an editor takes them."""
        return f"{self.file.relative_to(PACKAGE)}:{self.line}"

    @property
    def room(self) -> str:
        """The room the statement stands in."""
        first = self.file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        return "" if first == "__init__" else first


SOURCES = sorted(PACKAGE.rglob("*.py"))


def targets(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    assert node.level == 0, f"a relative import in line {node.lineno}"
    module = node.module or ""
    if module != "edgecnn":
        return [module]
    # `from edgecnn import X`: X is a room, or a name of the public API.
    return [f"edgecnn.{a.name}" if a.name in RANKS else "edgecnn" for a in node.names]


@functools.cache
def nodes(file: Path) -> tuple[ast.AST, ...]:
    """Every node of a source, which is parsed once for all tests."""
    return tuple(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))


@functools.cache
def imports() -> tuple[Import, ...]:
    return tuple(_imports())


def _imports() -> Iterator[Import]:
    for file in SOURCES:
        for node in nodes(file):
            for target in targets(node):
                yield Import(file, getattr(node, "lineno", 0), target)
            if module := named_module(node):
                yield Import(file, getattr(node, "lineno", 0), module)


def named_module(node: ast.AST) -> str:
    """The module in a text "edgecnn.module:function", which `isolation.run` imports; else ""."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return ""
    named = re.fullmatch(r"(edgecnn(?:\.\w+)+):\w+", node.value)
    return named[1] if named else ""


def rooms() -> set[str]:
    entries = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in SOURCES}
    return {"" if each == "__init__" else each for each in entries}


def target_room(target: str) -> str | None:
    package, _, rest = target.partition(".")
    return rest.partition(".")[0] if package == "edgecnn" else None


def test_every_room_has_one_layer() -> None:
    assert sorted(rooms()) == sorted(room for layer in LAYERS for room in layer)


def test_imports_point_downwards() -> None:
    wrong = []
    for each in imports():
        room = target_room(each.target)
        if room not in {None, each.room} and RANKS[room or ""] >= RANKS[each.room]:
            wrong.append(f"{each.where} imports {each.target}")
    assert wrong == []


@pytest.mark.parametrize(
    ("room", "other"),
    [
        ("exporting", "profiling"),
        ("latency", "benchmark"),
        ("claims", "reporting"),
        ("claims", "benchmark"),
        ("profiling", "benchmark"),
        ("diagnosing", "exporting"),
        ("evaluating", "exporting"),
        ("convert", "exporting"),
    ],
)
def test_rooms_that_once_reached_up_or_across(room: str, other: str) -> None:
    reached = {target_room(each.target) for each in imports() if each.room == room}
    assert other not in reached


def type_checking_lines(file: Path) -> set[int]:
    lines: set[int] = set()
    for node in nodes(file):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            lines.update(range(node.lineno, (node.body[-1].end_lineno or node.lineno) + 1))
    return lines


def test_tensorflow_stays_in_its_rooms_and_inside_functions() -> None:
    wrong = []
    for each in imports():
        if each.target.partition(".")[0] not in TENSORFLOW:
            continue
        in_type_checking = each.line in type_checking_lines(each.file)
        family = each.room == "zoo" and each.file.name != "__init__.py"
        if not in_type_checking and not family and each.room not in TENSORFLOW_ROOMS:
            wrong.append(f"{each.where} imports {each.target}")
    assert wrong == []


def test_nothing_heavy_is_imported_at_the_top_of_the_command_line() -> None:
    heavy = {"numpy", "onnx", "onnxruntime", "PIL", "skimage", "rich", "cattrs", *TENSORFLOW}
    # Imported, in turn, only when something is printed.
    printing = {"bar.py", "terminal.py"}
    for file in sorted((PACKAGE / "cli").glob("*.py")):
        top = ast.parse(file.read_text(encoding="utf-8")).body
        found = {target.partition(".")[0] for node in top for target in targets(node)}
        assert not found & heavy or (file.name in printing and found & heavy == {"rich"}), file


def named_by_text() -> Iterator[tuple[str, str]]:
    """Every "edgecnn.module:attribute" in the sources, for isolation.run and lazy tables."""
    for file in SOURCES:
        for node in nodes(file):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.fullmatch(r"edgecnn(\.\w+)+:\w+", node.value)
            ):
                module, _, attribute = node.value.partition(":")
                yield module, attribute


def test_what_is_named_by_text_exists() -> None:
    """One test, not one a name: to find the names takes seconds, which every worker would spend."""
    named = sorted(set(named_by_text()))
    assert named
    wrong = [f"{module}:{name}" for module, name in named if name not in defined_in(module)]
    assert wrong == []


@functools.cache
def defined_in(module: str) -> set[str]:
    """The functions and classes at the top of a module; none where there is no such module."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return set()
    body = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


@pytest.mark.parametrize("args", [["--help"], ["export", "--help"], ["--version"]])
def test_help_is_light(args: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "edgecnn", *args],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in loaded
    heavy = {"numpy", "rich", "onnx", "onnxruntime", "PIL", "cattrs", "subprocess", *TENSORFLOW}
    assert not loaded & heavy
