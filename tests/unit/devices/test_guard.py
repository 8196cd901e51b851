"""The guard as it is sent: an old Python's program, and one that knows when it is alone."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgecnn.devices import guard

_FOLDER = Path(guard.__file__).parent
_MODULES = sorted(each for each in _FOLDER.glob("*.py") if each.name != "__init__.py")
# The longest argument that Linux takes is 128 KiB (MAX_ARG_STRLEN).
_MAX_ARGUMENT_BYTES = 128 << 10


@pytest.mark.parametrize("module", _MODULES, ids=lambda each: each.stem)
def test_it_is_python_3_9_and_imports_only_what_is_there(module: Path) -> None:
    tree = ast.parse(module.read_text("utf-8"), feature_version=(3, 9))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert all(each.name in sys.stdlib_module_names for each in node.names)
        if isinstance(node, ast.ImportFrom):
            name = node.module or ""
            ours = name.startswith("edgecnn.devices.guard")
            assert ours or name.partition(".")[0] in sys.stdlib_module_names


def test_all_modules_are_sent_and_fit_into_one_argument() -> None:
    source = guard.source()
    for module in _MODULES:
        assert f'["{module.stem}", ' in source
    assert len(source.encode()) < _MAX_ARGUMENT_BYTES // 2


def _start(tmp_path: Path, patience_s: float) -> subprocess.Popen[bytes]:
    options = json.dumps({"marker": "here", "who": "a test", "patience_s": patience_s})
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-X", "utf8", "-c", guard.source(), options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"XDG_CACHE_HOME": str(tmp_path / "cache"), "EDGECNN_LOCK": str(tmp_path / "lock")},
    )


def test_a_guard_that_hears_nothing_clears_up_though_the_line_stands(tmp_path: Path) -> None:
    process = _start(tmp_path, 0.5)
    assert process.stdout is not None
    said = process.stdout.read().decode()  # to its end, while stdin stays open
    assert [json.loads(line)["op"] for line in said.splitlines()[2:]] == ["hello", "bye"]
    assert list(tmp_path.iterdir()) == []
    assert process.wait() == 0
    assert process.stdin is not None
    process.stdin.close()
    process.stdout.close()


def test_signs_of_life_keep_it(tmp_path: Path) -> None:
    process = _start(tmp_path, 1.0)
    assert process.stdin is not None
    assert process.stdout is not None
    for _ in range(8):  # longer in all than its patience
        process.stdin.write(b'{"op": "alive"}\n')
        process.stdin.flush()
        subprocess.run(["sleep", "0.25"], check=True)  # noqa: S607 - whichever is on PATH
    process.stdin.write(b'{"op": "space"}\n')
    said = process.communicate()[0].decode()
    assert [json.loads(line)["op"] for line in said.splitlines()[2:]] == ["hello", "ok", "bye"]
    assert list(tmp_path.iterdir()) == []


def test_a_broken_frame_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    process = _start(tmp_path, 60.0)
    process.communicate(b"rubbish\n")
    assert process.returncode == 1
    assert list(tmp_path.iterdir()) == []
