"""A real disk of one megabyte, for tests of what happens when it is full. Linux, as root."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextlib.contextmanager
def small_disk(folder: Path, options: str = "size=1m") -> Generator[Path, None, None]:
    """Mount a tmpfs with these options at `folder`; unmounted when the block ends."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "edgecnn-test", str(folder)]
    subprocess.run(command, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607 - likewise
