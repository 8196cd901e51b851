"""From a command's result to the picture in its file."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any

from edgecnn import store
from edgecnn.errors import InputError, MissingPartError
from edgecnn.reporting.page import picture
from edgecnn.reporting.plots import bench, evaluate, export, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SUFFIXES = (".svg", ".png")
PLOTS: dict[str, Callable[[Any], Iterator[picture.Panel]]] = {
    "bench": bench.panels,
    "evaluate": evaluate.panels,
    "export": export.panels,
    "sweep": sweep.panels,
}
"""What each command draws of its result."""


def check(path: Path) -> None:
    """Hold that a picture can be drawn there, before any work.

    Raises:
        InputError: its name has another ending, a folder is in the way, or nothing can be written
            there.
        MissingPartError: the charting library is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"--plot {path}: a picture's name ends in .svg or .png.", hint="For example plot.svg"
        )
    if path.is_dir():
        raise InputError(f"--plot {path}: this is a folder.", hint="Name a file.")
    folder = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"--plot {path}: nothing can be written in {folder}: {error.strerror}.",
            hint="Name another place.",
        ) from error
    _check_installed()


def _check_installed() -> None:
    try:
        import altair as alt  # noqa: F401 - is it there
        import vl_convert  # noqa: F401 - is it there
    except ImportError as error:
        raise MissingPartError(
            f"--plot needs {error.name}, which is not installed.",
            hint="Run: pip install 'edgecnn[report]'",
        ) from error


def draw(command: str, result: object, path: Path) -> bool:
    """Draw what a command came to.

    Args:
        command: a key of PLOTS.
        result: of the command.
        path: of the picture; its ending decides on its format.

    Returns:
        Whether there was anything to draw; else nothing is written.

    Raises:
        InputError: the file cannot be written.
    """
    panels = list(PLOTS[command](result))
    if not panels:
        return False
    is_png = path.suffix.lower() == ".png"
    content = picture.png(panels) if is_png else picture.svg(panels).encode()
    try:
        store.write_file(path, content)
    except OSError as error:
        raise InputError(
            f"--plot {path}: it cannot be written: {error.strerror}.", hint="Name another place."
        ) from error
    return True
