"""What holds for the repository: its files, its pins, its size, and its suite's rules."""

from __future__ import annotations

import ast
import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_MAX_FILE_BYTES = 5_000_000
# Most are short; none is cut in pieces to meet a number.
_USUAL_MODULE_LINES = 300
_MAX_MODULE_LINES = 460
_USUAL_FUNCTION_LINES = 50
_MAX_FUNCTION_LINES = 90
_MAX_MEDIAN_LINES = 12
_USUALLY = 0.95
_REGISTRY_HOST = re.compile(rb"(pypi|pythonhosted|npmjs|debian)\.(org|com)")
_MACHINE_PATH = re.compile(rb"(?<!\w)/(work|farm|root)/|/tmp/[a-z]")
_PIN = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+")


def _tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 - whichever git made this clone
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    files = [ROOT / name for name in listing.split("\0") if name]
    return [file for file in files if file.is_file()]  # a file being deleted is still listed


def _modules() -> list[Path]:
    return [*sorted((ROOT / "edgecnn").rglob("*.py")), *sorted((ROOT / "tools").rglob("*.py"))]


def _function_lines() -> dict[str, int]:
    return {
        f"{module.relative_to(ROOT)}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for module in _modules()
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    }


def _lines_that_match(pattern: re.Pattern[bytes]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}:{number}"
        for file in _tracked()
        for number, line in enumerate(file.read_bytes().splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_file_names_a_package_registrys_host() -> None:
    assert _lines_that_match(_REGISTRY_HOST) == []


def test_no_file_holds_a_path_of_one_machine() -> None:
    assert _lines_that_match(_MACHINE_PATH) == []


def test_no_file_is_large() -> None:
    sizes = {str(file.relative_to(ROOT)): file.stat().st_size for file in _tracked()}
    assert {name: size for name, size in sizes.items() if size > _MAX_FILE_BYTES} == {}


@pytest.mark.parametrize("command", ["make export", "make test"])
def test_readme_names_the_make_commands(command: str) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert re.search(rf"^{command}\b", readme, re.MULTILINE)


@pytest.mark.parametrize(
    "target", ["export", "report", "test", "lint", "unit", "clean", "constraints"]
)
def test_make_help_lists_every_target(target: str) -> None:
    make = shutil.which("make")
    assert make, "make is not installed"
    listing = subprocess.run([make, "help"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert re.search(rf"^  make {target}\b +\S", listing.stdout, re.MULTILINE)


def test_constraints_are_exact_pins_alone() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [line for line in pins if not _PIN.fullmatch(line)] == []
    assert {"tensorflow", "numpy", "hatchling", "pip"} <= {pin.split("==")[0] for pin in pins}


# Copied to a device as it is, one file of the standard library and numpy: it cannot import others.
_RUNNER = "edgecnn/runtime/runner.py"


def test_modules_are_short() -> None:
    lines = {
        str(module.relative_to(ROOT)): len(module.read_text("utf-8").splitlines())
        for module in _modules()
    }
    too_long = {name for name, count in lines.items() if count > _MAX_MODULE_LINES}
    assert too_long == {_RUNNER}
    usual = sum(count <= _USUAL_MODULE_LINES for count in lines.values())
    assert usual / len(lines) > _USUALLY


def test_functions_are_short() -> None:
    lines = _function_lines()
    assert {name: count for name, count in lines.items() if count > _MAX_FUNCTION_LINES} == {}
    usual = sum(count <= _USUAL_FUNCTION_LINES for count in lines.values())
    assert usual / len(lines) > _USUALLY
    assert statistics.median(lines.values()) < _MAX_MEDIAN_LINES


_SUITE = {
    "test_skips.py": """
        import pytest

        def test_skips():
            pytest.skip("no camera here")

        @pytest.mark.xfail(reason="known")
        def test_fails_as_expected():
            assert False

        def test_passes():
            pass
        """,
    "test_skips_itself.py": """
        import pytest

        pytest.importorskip("a_package_nobody_has")
        """,
}


def _run_suite(folder: Path, *, require_all: str, name: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / name).write_text("\n".join(line[8:] for line in _SUITE[name].splitlines()))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", str(folder)],
        cwd=folder,
        env={**os.environ, "EDGECNN_REQUIRE_ALL": require_all},
        check=False,
        capture_output=True,
        text=True,
    )


def test_a_skipped_test_fails_the_run_where_all_must_run(tmp_path: Path) -> None:
    run = _run_suite(tmp_path, require_all="1", name="test_skips.py")
    assert "1 failed, 1 passed, 1 xfailed" in run.stdout
    assert "no camera here" in run.stdout
    assert run.returncode == 1


def test_a_module_that_skips_itself_fails_the_run_where_all_must_run(tmp_path: Path) -> None:
    run = _run_suite(tmp_path, require_all="1", name="test_skips_itself.py")
    assert "1 error" in run.stdout
    assert "a_package_nobody_has" in run.stdout
    assert run.returncode not in {0, 5}  # 5: no tests were found


def test_a_skip_stays_a_skip_elsewhere(tmp_path: Path) -> None:
    run = _run_suite(tmp_path, require_all="", name="test_skips.py")
    assert "1 passed, 1 skipped, 1 xfailed" in run.stdout
    assert run.returncode == 0


def test_the_suite_has_a_cache_of_its_own() -> None:
    cache = Path(os.environ["EDGECNN_CACHE"])
    assert cache.is_dir()
    assert cache.name.startswith("edgecnn-tests-")
