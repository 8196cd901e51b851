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
