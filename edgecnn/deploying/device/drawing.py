"""Writes pictures with the answers drawn onto them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.deploying.device.trouble import TroubleError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.deploying.device.answers import Answer

_JPEG = {".jpg", ".jpeg"}
_QUALITY = 92
_MOST_CLASSES = 256


class Drawer:
    """Writes into one folder, a new name for every picture.

    Args:
        folder: made when it is not there.
        labels: of the classes.

    Raises:
        TroubleError: the folder cannot be made.
    """

    def __init__(self, folder: Path, labels: Sequence[str]) -> None:
        self._folder, self._labels = folder, labels
        self._taken: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TroubleError(f"--draw {folder}: {error.strerror}", "Name a folder.") from error

    def draw(self, name: str, answer: Answer) -> list[str]:
        """Draw one answer; a mask is written beside it, a pixel's value being its class.

        Returns:
            The files written.

        Raises:
            TroubleError: they cannot be.
        """
        from PIL import Image

        from edgecnn.calibration import images
        from edgecnn.tasks import draw

        picture = images.whole(Path(name))
        if answer.detections is not None:
            drawn = draw.boxes(picture, answer.detections, self._labels)
        elif answer.mask is not None:
            drawn = draw.mask(picture, answer.mask)
        else:
            drawn = draw.top(picture, answer.best)
        path = self._free(Path(name), ".jpg" if Path(name).suffix.lower() in _JPEG else ".png")
        try:
            drawn.save(path, quality=_QUALITY)
            if answer.mask is None or answer.mask.max() >= _MOST_CLASSES:
                return [str(path)]
            beside = path.with_name(f"{path.stem}.mask.png")
            # What the network did not see is 255, as data sets mark what does not count.
            Image.fromarray((answer.mask & 0xFF).astype(np.uint8)).save(beside)
        except OSError as error:
            raise TroubleError(f"{path} cannot be written: {error.strerror}") from error
        return [str(path), str(beside)]

    def _free(self, name: Path, suffix: str) -> Path:
        """A name that no picture of this run has, and that is not the picture itself."""
        number, stem = 1, f"{name.stem}.drawn"
        while stem in self._taken or _same(self._folder / f"{stem}{suffix}", name):
            number, stem = number + 1, f"{name.stem}.{number + 1}.drawn"
        self._taken.add(stem)
        return self._folder / f"{stem}{suffix}"


def _same(path: Path, other: Path) -> bool:
    return path.exists() and other.exists() and path.samefile(other)
