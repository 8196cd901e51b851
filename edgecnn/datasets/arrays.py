"""An .npz of what a network is fed: an array for each input, and labels where there are some."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.calibration.folder import printable
from edgecnn.datasets.pictures import chosen
from edgecnn.errors import InputError
from edgecnn.gate import arrays as gate_arrays

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LABELS = "labels"


@dataclass(frozen=True, eq=False)
class ArraySet:
    """Samples as arrays.

    Attributes:
        source: the file's name.
        arrays: name to (samples, ...), one for each input of the network.
        labels: (samples,) or (samples, height, width) integers; None without.
        notes: sentences for the user.
    """

    source: str
    arrays: dict[str, NDArray[Any]]
    labels: NDArray[np.int64] | None
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many samples."""
        return len(next(iter(self.arrays.values())))

    @property
    def split(self) -> str:
        """Arrays have no splits."""
        return ""

    def of(self, name: str, inputs: int) -> NDArray[Any] | None:
        """The array of an input; where there is one input, the only array, whatever its name."""
        if inputs == 1 and len(self.arrays) == 1:
            return next(iter(self.arrays.values()))
        return self.arrays.get(name)

    def take(self, places: NDArray[np.int64]) -> ArraySet:
        """Only the samples at these places, in this order."""
        return replace(
            self,
            arrays={name: values[places] for name, values in self.arrays.items()},
            labels=None if self.labels is None else self.labels[places],
        )


def open_arrays(path: Path, *, limit: int | None = None, seed: int = 0) -> ArraySet:
    """Read an .npz.

    Args:
        path: the file.
        limit: at most so many samples, drawn by the seed; None for all.
        seed: of that draw.

    Raises:
        InputError: it is damaged, holds no arrays, or arrays of different numbers of samples.
    """
    name = printable(path.name)
    try:
        arrays = gate_arrays.read(path)
    except gate_arrays.UNREADABLE as error:
        raise InputError(
            f"{name} is no .npz, or damaged: {error}.", hint="Write it with numpy.savez."
        ) from error
    labels = arrays.pop(LABELS, None)
    counts = {key: len(values) if values.ndim else 0 for key, values in arrays.items()}
    if labels is not None:
        counts[LABELS] = len(labels) if labels.ndim else 0
        labels = _integers(name, labels)
    if not arrays or min(counts.values()) < 1 or len(set(counts.values())) > 1:
        sizes = ", ".join(f"{key} {count}" for key, count in counts.items()) or "nothing"
        raise InputError(
            f"{name}: an array for each input is needed, all of as many samples; it holds {sizes}.",
            hint=f"numpy.savez(FILE, **{{INPUT: array}}, {LABELS}=classes)",
        )
    samples = ArraySet(name, arrays, labels)
    places, notes = chosen(samples.count, limit, seed, "samples")
    return replace(samples.take(places), notes=notes)


def _integers(name: str, labels: NDArray[Any]) -> NDArray[np.int64]:
    if labels.dtype.kind not in "iub":
        raise InputError(
            f"{name}: its {LABELS} are {labels.dtype}, and classes are integers.",
            hint="labels.astype('int64') before saving; one class for each sample.",
        )
    return labels.astype(np.int64)
