"""What lies in one release folder on a device, file by file, and the name it has from them."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.deploying import proof, readme
from edgecnn.errors import InputError
from edgecnn.records import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgecnn.deploying.artifact import Deployable
    from edgecnn.deploying.libraries import Libraries

_HERE = Path(__file__).parent
_DIGITS = 16
_CHUNK_BYTES = 1 << 20
_LONGEST_NAME = 200  # bytes; 255 on every usual file system, and tar wants some for itself
_MOST_LABELS_BYTES = 10_000_000
_LAUNCHER = """\
#!/bin/sh
exec python3 "$(dirname "$(readlink -f "$0")")/classify.py" "$@"
"""


@dataclass(frozen=True)
class Release:
    """A release, ready to be packed.

    Attributes:
        folder: name of the folder that holds this network's releases: "xception-int8".
        name: of the release, 16 hexadecimal digits of a SHA-256 over all its files.
        files: relative name to content.
        executable: those of them that can be started.
        rule: what its proof holds its outputs to.
    """

    folder: str
    name: str
    files: Mapping[str, bytes | Path]
    executable: frozenset[str]
    rule: proof.Rule


def make(deployable: Deployable, libraries: Libraries, labels: Path | None) -> Release:
    """Put together everything a device needs to classify.

    Raises:
        InputError: the labels do not fit the network.
    """
    rule = proof.rule_for(deployable, libraries.runtime)
    files: dict[str, bytes | Path] = {
        "model.tflite": deployable.path,
        "manifest.json": deployable.folder / "manifest.json",
        "reference.npz": deployable.reference(),
        "labels.txt": _labels(labels, deployable.manifest.model.classes),
        "classify": _LAUNCHER.encode(),
        "classify.py": _HERE / "classify.py",
        "network.py": _HERE / "network.py",
        # The very code that calibration decoded its images with.
        "images.py": _HERE.parent / "calibration" / "images.py",
        "README.md": readme.text(deployable, libraries).encode(),
        **{f"runtime/{name}": content for name, content in libraries.files.items()},
    }
    about = json.dumps(_about(deployable, libraries, rule, files), indent=1, sort_keys=True)
    name = hashlib.sha256(about.encode()).hexdigest()[:_DIGITS]
    files["release.json"] = about.encode()
    return Release(folder_name(deployable), name, files, frozenset({"classify"}), rule)


def _about(
    deployable: Deployable,
    libraries: Libraries,
    rule: proof.Rule,
    files: Mapping[str, bytes | Path],
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "edgecnn": deployable.manifest.versions.get("edgecnn", deployable.manifest.edgecnn),
        "python": libraries.python,
        "runtime": libraries.runtime,
        "output": deployable.output,
        "proof": asdict(rule),
        "files": {name: sha256(content) for name, content in files.items()},
    }


def sha256(content: bytes | Path) -> str:
    """Of bytes, or of a file."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    digest = hashlib.sha256()
    with content.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def folder_name(deployable: Deployable) -> str:
    """A name for the folder, from names that may hold anything a file's name may.

    Spaces, quotes and the like stay; only what no path component can hold, or no terminal should
    show, becomes "_".
    """
    text = f"{deployable.manifest.model.name}-{deployable.manifest.recipe}"
    safe = re.sub(r"[/\x00-\x1f\x7f-\x9f\ud800-\udfff]", "_", text)
    short = safe.encode()[:_LONGEST_NAME].decode(errors="ignore")
    return re.sub(r"^[.~-]", "_", short)


def _labels(path: Path | None, classes: int) -> bytes:
    """One label a line, in the order of the classes; their numbers when there is no file."""
    if path is None:
        return "".join(f"class {number}\n" for number in range(classes)).encode()
    try:
        if path.stat().st_size > _MOST_LABELS_BYTES:
            raise InputError(f"{path} is too large for labels.", hint="One label a line.")
        lines = path.read_text("utf-8-sig").rstrip().split("\n")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as labels: {error}.", hint="Name a text file in UTF-8."
        ) from error
    labels = [line.strip() for line in lines]
    if len(labels) != classes or not all(labels):
        empty = labels.count("")
        raise InputError(
            f"{path} has {len(labels)} lines ({empty} of them empty), and the network has"
            f" {classes} classes.",
            hint="One label a line, in the order of the classes, none empty.",
        )
    return "".join(f"{label}\n" for label in labels).encode()
