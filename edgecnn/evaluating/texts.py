"""Files of a few lines that a user writes: labels of classes, anchors of boxes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import files
from edgecnn.errors import InputError
from edgecnn.gate import arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_BYTES = 10_000_000
_BOX = 4


def read_labels(path: Path | str) -> tuple[str, ...]:
    """One label a line, in the order of the classes.

    Raises:
        InputError: the file cannot be read, or a line is empty.
    """
    labels = tuple(line.strip() for line in _text(Path(path), "--labels").rstrip().split("\n"))
    if not all(labels):
        raise InputError(
            f"--labels: {path} has {len(labels)} lines, {labels.count('')} of them empty.",
            hint="One label a line, in the order of the classes.",
        )
    return labels


def read_anchors(path: Path | str) -> NDArray[np.float32]:
    """(N, 4) numbers of a .npy, or of a text file with four a line.

    Raises:
        InputError: it holds nothing of the kind.
    """
    path = Path(path)
    try:
        anchors = np.asarray(_array(path), np.float32).reshape(-1, _BOX)
    except arrays.UNREADABLE as error:
        raise InputError(
            f"--anchors: {path} cannot be read: {error}.",
            hint="Name a .npy of shape (N, 4), or a text file with four numbers a line.",
        ) from error
    if not len(anchors) or not np.isfinite(anchors).all():
        raise InputError(f"--anchors: {path} holds no anchors, or some that are no numbers.")
    return anchors


def _array(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    if path.suffix == ".npy":
        return arrays.read_npy(path)
    rows = _text(path, "--anchors").replace(",", " ").splitlines()
    return [[float(word) for word in row.split()] for row in rows if row.strip()]


def _text(path: Path, option: str) -> str:
    try:
        return files.read_text(path, _MOST_BYTES, "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{option}: {path} cannot be read: {error}.", hint="Name a text file in UTF-8."
        ) from error
