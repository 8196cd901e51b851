"""What lies in one release folder on a device, file by file, and the name it has from them."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import digests
from edgecnn.deploying import proof, readme
from edgecnn.records import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgecnn.deploying.artifact import Deployable
    from edgecnn.deploying.libraries import Libraries
    from edgecnn.deploying.tasking import Task

_HERE = Path(__file__).parent
_DIGITS = 16
_LONGEST_NAME = 200  # bytes; 255 on every usual file system, and tar wants some for itself
_LAUNCHER = """\
#!/bin/sh
exec python3 "$(dirname "$(readlink -f "$0")")/{name}.py" "$@"
"""
# What a device runs, at the places it has in edgecnn. Its own __init__.py stand in for those that
# would import the rest.
_SENT = (
    "files.py",
    "tasks/*.py",
    "deploying/device/*.py",
    "deploying/device/streaming/*.py",
    "deploying/device/streaming/page/*",
    "calibration/images.py",
    "runtime/runner.py",
)
_STAND_INS = ("", "calibration/", "deploying/", "runtime/")
_STAND_IN = b'"""The part of edgecnn that runs on this device."""\n'
PROGRAMS = ("run", "live", "classify")


@dataclass(frozen=True)
class Release:
    """A release, ready to be packed.

    Attributes:
        folder: name of the folder that holds this network's releases: "xception-int8".
        name: of the release, 16 hexadecimal digits of a SHA-256 over all its files.
        files: relative name to content.
        executable: those of them that can be started.
        rules: what its proof holds each output to.
    """

    folder: str
    name: str
    files: Mapping[str, bytes | Path]
    executable: frozenset[str]
    rules: tuple[proof.Rule, ...]


def make(deployable: Deployable, libraries: Libraries, task: Task) -> Release:
    """Put together everything a device needs to run a network."""
    rules = proof.rules_for(deployable, libraries.runtime)
    files: dict[str, bytes | Path] = {
        "model.tflite": deployable.path,
        "manifest.json": deployable.folder / "manifest.json",
        "reference.npz": deployable.reference(),
        "README.md": readme.text(deployable, libraries, task).encode(),
        **_data(task),
        **_programs(),
        **{f"runtime/{name}": content for name, content in libraries.files.items()},
    }
    about = json.dumps(_about(deployable, libraries, task, rules, files), indent=1, sort_keys=True)
    name = hashlib.sha256(about.encode()).hexdigest()[:_DIGITS]
    files["release.json"] = about.encode()
    return Release(folder_name(deployable), name, files, frozenset(PROGRAMS), rules)


def _programs() -> dict[str, bytes | Path]:
    package = _HERE.parent
    files: dict[str, bytes | Path] = {
        f"edgecnn/{path.relative_to(package).as_posix()}": path
        for pattern in _SENT
        for path in sorted(package.glob(pattern))
    }
    files.update({f"edgecnn/{place}__init__.py": _STAND_IN for place in _STAND_INS})
    for name in PROGRAMS:
        files[name] = _LAUNCHER.format(name=name).encode()
        files[f"{name}.py"] = _HERE / "device" / "start.py"
    return files


def _data(task: Task) -> dict[str, bytes | Path]:
    """Labels and anchors, where there are any."""
    import numpy as np

    files: dict[str, bytes | Path] = {}
    if task.labels is not None:
        files["labels.txt"] = "".join(f"{label}\n" for label in task.labels).encode()
    if task.anchors is not None:
        stream = io.BytesIO()
        np.save(stream, task.anchors, allow_pickle=False)
        files["anchors.npy"] = stream.getvalue()
    return files


def _about(
    deployable: Deployable,
    libraries: Libraries,
    task: Task,
    rules: tuple[proof.Rule, ...],
    files: Mapping[str, bytes | Path],
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "edgecnn": deployable.manifest.versions.get("edgecnn", deployable.manifest.edgecnn),
        "python": libraries.python,
        "runtime": libraries.runtime,
        "task": {"name": task.name, "head": task.head, "output": task.output},
        "proof": [asdict(rule) for rule in rules],
        "files": {name: sha256(content) for name, content in files.items()},
    }


def sha256(content: bytes | Path) -> str:
    """Of bytes, or of a file."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return digests.of_file(content)


def folder_name(deployable: Deployable) -> str:
    """A name for the folder, from names that may hold anything a file's name may.

    Spaces, quotes and the like stay; only what no path component can hold, or no terminal should
    show, becomes "_".
    """
    text = f"{deployable.manifest.model.name}-{deployable.manifest.recipe}"
    safe = re.sub(r"[/\x00-\x1f\x7f-\x9f\ud800-\udfff]", "_", text)
    short = safe.encode()[:_LONGEST_NAME].decode(errors="ignore")
    return re.sub(r"^[.~-]", "_", short)
