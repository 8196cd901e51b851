"""tools/: what stands there is run, and its README lists it."""

from __future__ import annotations

import re
from pathlib import Path

TOOLS = Path(__file__).parents[3] / "tools"


def test_the_readme_lists_every_script_and_folder() -> None:
    listed = set(re.findall(r"`([a-z0-9_]+(?:\.py|/))`", (TOOLS / "README.md").read_text("utf-8")))
    scripts = {path.name for path in TOOLS.glob("*.py")}
    folders = {f"{path.parent.name}/" for path in TOOLS.glob("*/*.*")}
    assert listed == scripts | folders


def test_what_stands_beside_the_folders_is_run() -> None:
    modules = [
        path.name
        for path in TOOLS.glob("*.py")
        if 'if __name__ == "__main__":' not in path.read_text("utf-8")
    ]
    assert modules == []


def test_what_runs_in_a_child_is_where_it_is_said_to_be() -> None:
    named = [
        found
        for path in TOOLS.rglob("*.py")
        for found in re.findall(r'isolation\.run\(\s*"([\w.]+):(\w+)"', path.read_text("utf-8"))
    ]
    assert named
    for module, function in named:
        base = TOOLS.parent if module.startswith("edgecnn.") else TOOLS
        text = (base / module.replace(".", "/")).with_suffix(".py").read_text("utf-8")
        assert f"def {function}(" in text, f"{module}:{function}"
