"""Whether a release is what was sent: the first thing that is asked, with nothing else imported."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from edgecnn.deploying.device.trouble import PROOF_FAILED, TroubleError

if TYPE_CHECKING:
    from pathlib import Path

_AT_ONCE = 1 << 20


def check_files(here: Path) -> None:
    """Hold every file to its sum in release.json.

    Raises:
        TroubleError: one was changed.
    """
    files: dict[str, Any] = json.loads((here / "release.json").read_text("utf-8"))["files"]
    for name, digest in files.items():
        if sha256(here / name) != digest:
            raise TroubleError(f"{name} was changed or damaged", "Deploy again.", PROOF_FAILED)


def sha256(path: Path) -> str:
    """Of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_AT_ONCE):
            digest.update(chunk)
    return digest.hexdigest()
