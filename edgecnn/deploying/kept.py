"""Lists, gives and removes kept frames on a device; read from stdin there, and leaves nothing.

It runs on Python 3.9 and newer, with the standard library alone:

    python3 - FOLDER list|give|clear [NAME ...] < kept.py

`list` prints one JSON object, `give` the frames' bytes one after another, `clear` how many it has
removed.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

_NAME = re.compile(r"[0-9a-f]{16}\.(jpg|png|webp|gif|bmp|tif)")
_MOST_FRAMES = 20_000


def main() -> None:
    """Do what is asked."""
    folder, request, names = Path(sys.argv[1], "kept"), sys.argv[2], sys.argv[3:]
    if request == "list":
        sys.stdout.write(json.dumps({"frames": _listed(folder)}) + "\n")
        return
    names = [name for name in names if _NAME.fullmatch(name)]
    if request == "give":
        for name in names:
            sys.stdout.buffer.write(_read(folder / name))
    elif request == "clear":
        for name in names:
            (folder / name).unlink()
        sys.stdout.write(json.dumps({"removed": len(names)}) + "\n")


def _listed(folder: Path) -> list[dict[str, object]]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as listing:
        names = sorted(file.name for file in listing if _NAME.fullmatch(file.name))
    sizes = [(name, (folder / name).stat().st_size) for name in names[:_MOST_FRAMES]]
    return [{"name": name, "bytes": size} for name, size in sizes]


def _read(path: Path) -> bytes:
    """A frame, and no link that somebody has put in its place."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read()


if __name__ == "__main__":
    main()
