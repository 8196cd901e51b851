"""As `rescue`, of an .onnx: activations, and where they are not it the last layers, stay float.

What int8 loses in a small network is lost in its activations as a rule. They are given back one
after the other, those first that mend most, on calibration samples that the file tried is not made
of (where there are enough).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edgecnn.exporting import rescue

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path

    from edgecnn.exporting.ingredients import Ingredients
    from edgecnn.quantize.onnx_draft import Draft


@dataclass(frozen=True)
class Mended:
    """What stays float in an int8 .onnx.

    Attributes:
        last: so many of the last weighted operators.
        activations: names of tensors.
        note: for the manifest.
    """

    last: int
    activations: frozenset[str]
    note: str


class Drafting(Protocol):
    """Makes the int8 file's draft."""

    def __call__(self, last_float: int = 0, left_out: Sequence[int] = ()) -> Draft:
        """Keep so many of the last weighted operators float; leave these calibration runs out."""


def attempt(draft: Drafting, path: Path, basis: Ingredients) -> Mended | None:
    """The fewest parts in float that mend a file; None where it needs none, or none do.

    Args:
        draft: of the file.
        path: for files to try.
        basis: the samples to choose on.
    """
    from edgecnn.quantize.onnx_qdq import weighted_operators

    left_out = rescue.left_out(basis.samples.split.calibration.samples, basis.options.seed)
    runs = left_out or None
    float_file = basis.floats.onnx
    assert float_file is not None  # noqa: S101 - the int8 file is made from it
    expected = basis.calibration_answers(float_file, "onnx", runs)

    def snr_db(some: Draft, kept: Collection[str] = ()) -> float:
        some.write(path, kept)
        measured = basis.calibration_answers(path, "onnx", runs)
        return rescue.worst_db(rescue.all_parities(expected, measured, basis))

    def best_db(last: int) -> float:
        some = draft(last, left_out)
        return snr_db(some, _together(some.activation_groups))

    first = draft(left_out=left_out)
    before_db = snr_db(first)
    if before_db >= rescue.LEAST_DB:
        return None
    basis.progress.stage("int8 alone is too inaccurate: choosing what to keep in float32")
    last: int | None = 0
    if snr_db(first, _together(first.activation_groups)) < rescue.WANTED_DB:  # the weights too
        last = rescue.fewest_last(weighted_operators(float_file) - 1, best_db)
    if last is None:
        return None
    mended = draft(last, left_out) if last else first
    kept = fewest(mended.activation_groups, lambda names: snr_db(mended, names))
    return Mended(last, kept, _note(before_db, last, kept))


def _note(before_db: float, last: int, kept: Collection[str]) -> str:
    layers = f"the last {last} weighted operators" if last else ""
    activations = f"the activations {', '.join(sorted(kept))}" if kept else ""
    return (
        f"int8 alone has {before_db:.1f} dB SNR in the worst group of the outputs on calibration"
        f" samples: {' and '.join(filter(None, (layers, activations)))} stay in float32"
    )


def fewest(
    groups: list[frozenset[str]], snr_db: Callable[[Collection[str]], float]
) -> frozenset[str]:
    """The fewest of the groups, those first that alone mend most, that do together.

    Args:
        groups: of names; all of them together do.
        snr_db: with these names in float.
    """
    ordered = sorted(groups, key=snr_db, reverse=True)
    if snr_db(()) >= rescue.WANTED_DB:
        return frozenset()
    count = rescue.fewest_last(len(ordered), lambda most: snr_db(_together(ordered[:most])))
    kept = ordered[:count]
    for group in kept[::-1]:  # one that mends much alone may do nothing beside the others
        others = [other for other in kept if other is not group]
        if snr_db(_together(others)) >= rescue.WANTED_DB:
            kept = others
    return _together(kept)


def _together(groups: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*groups)
