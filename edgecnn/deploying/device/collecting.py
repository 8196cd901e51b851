"""Keeps the outputs of many runs, and writes them as one .npz."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.deploying.device.trouble import TroubleError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgecnn.tasks.outputs import Output


class Collector:
    """Outputs by name, the runs one after another along the first axis.

    Args:
        path: the .npz that `write` makes, whole or not at all.

    Raises:
        TroubleError: it is no name for one.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix != ".npz" or not path.parent.is_dir():
            raise TroubleError(f"--out takes FILE.npz in a folder that is there, not {path}")
        self._path = path
        self._kept: dict[str, list[np.ndarray]] = {}

    def add(self, outputs: Sequence[Output]) -> None:
        """Keep one run's."""
        for output in outputs:
            self._kept.setdefault(output.name, []).append(np.atleast_1d(output.values))

    def write(self) -> None:
        """Write the file.

        Raises:
            TroubleError: it cannot be written.
        """
        part = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        try:
            # numpy.savez takes names as arguments, of which one is its own.
            with zipfile.ZipFile(part, "w") as archive:
                for name, values in self._kept.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                        array = np.concatenate(values)
                        np.lib.format.write_array(stream, array, allow_pickle=False)
            part.replace(self._path)
        except OSError as error:
            raise TroubleError(f"{self._path} cannot be written: {error.strerror}") from error
        finally:
            if part.exists():
                part.unlink()
