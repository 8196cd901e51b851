"""Pinned wheels by pip in a child process: the user's index, proxy and cache settings hold."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from edgecnn import digests
from edgecnn.errors import DeviceError, InputError, MissingPartError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgecnn.devices.wheel_pins import Wheel

_TAIL_LINES = 3


def download(wheels: Sequence[Wheel], folder: Path) -> dict[Wheel, Path]:
    """Fetch wheels of one machine and Python; each is the pinned file, bit by bit.

    Args:
        wheels: which ones.
        folder: an empty folder for them.

    Raises:
        DeviceError: pip could not get one: no network, or an index without it.
        InputError: the disk is full.
        MissingPartError: this Python has no pip.
    """
    requirements = folder / "requirements.txt"
    lines = [f"{w.package}=={w.version} --hash=sha256:{w.sha256}\n" for w in wheels]
    requirements.write_text("".join(lines), "utf-8")
    ended = subprocess.run(
        [*_command(wheels), "--requirement", requirements.name, "--dest", "."],
        cwd=folder,  # `-m` puts the working folder first on the path: not one with a user's pip/
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if ended.returncode != 0:
        raise _failure(wheels, ended.stderr)
    requirements.unlink()
    paths = {digests.of_file(path): path for path in folder.glob("*.whl")}
    return {wheel: paths[wheel.sha256] for wheel in wheels}


def _command(wheels: Sequence[Wheel]) -> list[str]:
    machine, python = wheels[0].machine, wheels[0].python
    newest = max(wheel.glibc[1] for wheel in wheels)
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(17, newest + 1)]
    platforms = [f"--platform={tag}" for tag in [*tags, f"manylinux2014_{machine}"]]
    return [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-input", "--no-deps", "--only-binary=:all:", "--require-hashes"),
        *("--implementation=cp", f"--python-version={python}", *platforms),
    ]


def _failure(wheels: Sequence[Wheel], stderr: str) -> Exception:
    if "No module named pip" in stderr:
        return MissingPartError(
            f"{sys.executable} has no pip, which fetches what the device needs.",
            hint=f"Install it: {sys.executable} -m ensurepip",
        )
    if "No space left on device" in stderr:
        return InputError(
            "The disk is full: the device's runtime was not fetched.",
            hint="Free some space (pip's cache, and edgecnn's: EDGECNN_CACHE).",
        )
    titles = ", ".join(wheel.title for wheel in wheels)
    for_what = f"{titles} (Python {wheels[0].python}, {wheels[0].machine})"
    lines = [line for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if not line.startswith("WARNING")] or lines
    tail = "\n".join(errors[-_TAIL_LINES:])
    if "Expected sha256" in stderr:
        return DeviceError(
            f"What pip fetched for {for_what} is not the files that edgecnn pins:\n{tail}",
            hint="Is it an index of your own? See: pip config list",
        )
    return DeviceError(
        f"pip could not fetch {for_what}:\n{tail}",
        hint="Is this machine online? pip's own settings hold (pip config list, PIP_INDEX_URL);"
        " what was fetched once is kept.",
    )
