"""Python without some packages: another process where they are not, or this one that lacks them."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import edgecnn

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence


@contextlib.contextmanager
def lacking(*packages: str) -> Generator[None, None, None]:
    """Within, these cannot be imported in this process, nor are they seen to be installed."""
    with pytest.MonkeyPatch.context() as patch:
        for package in packages:
            patch.setitem(sys.modules, package, None)
        yield


def run_without(
    packages: Sequence[str], folder: Path, args: Sequence[str]
) -> subprocess.CompletedProcess[str]:
    """Run `python ARGS` where only the standard library, edgecnn and other packages exist.

    Args:
        packages: import names that must not exist, such as "onnxruntime".
        folder: an empty folder for the links.
        args: Python's arguments, such as ["-m", "edgecnn", "verify", "x"].
    """
    for site in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(site).iterdir():
            # "onnx", "onnx-1.23.2.dist-info", "six.py" and "_x.cpython-311.so" by their name
            name = re.split(r"[-.]", entry.name)[0].lower()
            if name not in packages and not entry.name.endswith(".pth"):
                (folder / entry.name).symlink_to(entry)
    (folder / "edgecnn").unlink(missing_ok=True)
    (folder / "edgecnn").symlink_to(Path(edgecnn.__file__).parent)
    return subprocess.run(
        [sys.executable, "-S", *args],  # -S: site-packages are not on the path by themselves
        env={**os.environ, "PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
