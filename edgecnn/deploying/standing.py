"""Says which releases stand on a device; it is read from stdin there, and leaves nothing.

It runs on Python 3.9 and newer, with the standard library alone:

    python3 - [FOLDER] < standing.py

One JSON object on stdout: each folder that a deploy made, under ~/edgecnn or the one that is named,
with what `current` leads to.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

_MOST_FOLDERS = 100


def main() -> None:
    """Look, and print."""
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home raises where there is none
    if sys.argv[1:]:
        folders = [Path(home, os.path.expanduser(sys.argv[1]))]  # noqa: PTH111 - likewise
    else:
        folders = sorted(Path(home, "edgecnn").glob("*"))[:_MOST_FOLDERS]
    networks = [_network(folder) for folder in folders if (folder / "current").is_symlink()]
    sys.stdout.write(json.dumps({"networks": networks}) + "\n")


def _network(folder: Path) -> dict[str, Any]:
    current = folder / "current"
    about, manifest = _read(current / "release.json"), _read(current / "manifest.json")
    return {
        "folder": str(folder),
        "release": Path(os.readlink(current)).name,  # noqa: PTH115 - Path.readlink is no clearer
        "model": _text(_inner(manifest, "model").get("name")),
        "recipe": _text(manifest.get("recipe")),
        "runtime": _text(about.get("runtime")),
    }


def _read(path: Path) -> dict[str, Any]:
    """A JSON object; an empty one where there is none that can be read."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _inner(table: dict[str, Any], name: str) -> dict[str, Any]:
    inner = table.get(name)
    return inner if isinstance(inner, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


if __name__ == "__main__":
    main()
