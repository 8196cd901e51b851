"""Exports the networks as anybody would who has no pictures of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import edgecnn
from blind_nets import writing
from edgecnn.errors import EdgeCnnError
from edgecnn.records import Preprocessing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def samples_of(path: Path) -> dict[str, Any]:
    """What `export` and `fit_micro` are told of a network's inputs."""
    arrays = path.with_suffix(".npz")
    if arrays.is_file():
        return {"calibration": str(arrays)}
    return {"preprocessing": Preprocessing.from_range(0.0, 1.0)}


def export(folder: Path, names: set[str]) -> Iterator[tuple[Path, Path | None, str]]:
    """Write and export the networks of these names that are not there yet.

    Yields:
        Of every network its source, its artifact's folder, and "" or why there is none.
    """
    for path in writing.write(folder / "nets", names):
        artifact = folder / "artifacts" / path.stem / "int8"
        problem = ""
        if not (artifact / "manifest.json").is_file():
            try:
                edgecnn.export(
                    str(path), recipes=("int8",), formats=("tflite",), out=artifact.parent,
                    **samples_of(path),
                )  # fmt: skip
            except EdgeCnnError as error:
                problem = error.message
        yield path, None if problem else artifact, problem
