"""manifest.json: the same bytes for the same artifact, and every field checked when read."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgecnn import files, store
from edgecnn.errors import InputError
from edgecnn.records import SCHEMA, Manifest
from edgecnn.strict import strict_converter

if TYPE_CHECKING:
    from pathlib import Path

NAME = "manifest.json"


def folder_name(name: str) -> str:
    """A model's name as a folder: `keras:MobileNetV2` lies in `keras-MobileNetV2`."""
    return name.replace(":", "-").replace("/", "-")


def to_json_object(manifest: Manifest) -> dict[str, Any]:
    """The manifest as plain JSON types, `schema` first."""
    return {"schema": manifest.schema, **asdict(manifest)}


def write(manifest: Manifest, folder: Path) -> None:
    """Write `manifest.json` into a folder that nobody reads yet."""
    text = json.dumps(to_json_object(manifest), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / NAME).write_text(text + "\n", encoding="utf-8")


def require_replaceable(folder: Path) -> None:
    """Hold that an artifact may take the place of what stands at `folder`.

    Raises:
        InputError: it is no artifact, or has the user's own files in it.
    """
    store.require_own(folder, NAME, _files)


def _files(content: dict[str, Any]) -> list[str]:
    """The files of an artifact, whichever edgecnn wrote it."""
    if not isinstance(content["edgecnn"], str):
        raise TypeError("no version of edgecnn's")
    return ["reference.npz", *(file["path"] for file in content["files"])]


def load(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        InputError: there is none, it is damaged, or a later edgecnn wrote it.
    """
    import cattrs

    try:
        content = json.loads(files.read_text(path))
        schema = content["schema"]
    except FileNotFoundError as error:
        raise InputError(
            f"{path} does not exist.", hint="Name a folder that `edgecnn export` wrote."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is not a manifest: {error}.", hint="Export again.") from error
    if schema != SCHEMA:
        raise InputError(
            f"{path} has schema {schema}; this edgecnn reads {SCHEMA}.", hint="Update edgecnn."
        )
    try:
        manifest: Manifest = strict_converter().structure(content, Manifest)
    except cattrs.BaseValidationError as error:
        problems = "; ".join(cattrs.transform_error(error))
        raise InputError(f"{path} is damaged: {problems}.", hint="Export again.") from error
    return manifest
