"""As `rescue`, of an .onnx: activations, and where they are not it the last layers, stay float.

What int8 loses in a small network is lost in its activations as a rule. They are given back one
after the other, those first that mend most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn import parity
from edgecnn.exporting import rescue

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path

    from edgecnn.exporting.ingredients import Ingredients
    from edgecnn.quantize.onnx_draft import Draft, Int8Result


def attempt(
    draft: Draft, redraft: Callable[[int], Draft], layers: int, path: Path, made: Ingredients
) -> tuple[Int8Result, str] | None:
    """Write the file with the fewest parts in float that mend it, or as it was and give None.

    Args:
        draft: of the file that is too far off.
        redraft: the same with so many of the last weighted operators in float.
        layers: how many weighted operators there are.
        path: of the file, written anew.
        made: the samples to choose on.
    """
    made.progress.stage("integers alone are too far off: choosing what stays float")
    float_file = made.floats.onnx
    assert float_file is not None  # noqa: S101 - the int8 file was made from it
    expected = made.calibration_answers(float_file, "onnx")

    def snr_db(some: Draft, kept: Collection[str] = ()) -> float:
        some.write(path, kept)
        measured = made.calibration_answers(path, "onnx")
        return rescue.worst_db(parity.compare(expected, measured, made.floats.outputs))

    def best_db(some: Draft) -> float:
        return snr_db(some, _together(some.activation_groups))

    before_db, last = snr_db(draft), 0
    if best_db(draft) < rescue.WANTED_DB:  # it is the weights too
        last = rescue.fewest_last(layers - 1, lambda count: best_db(redraft(count))) or 0
        mended = redraft(last) if last else None
    else:
        mended = draft
    if mended is None:
        draft.write(path)
        return None
    kept = fewest(mended.activation_groups, lambda names: snr_db(mended, names))
    return mended.write(path, kept), _note(before_db, last, kept)


def _note(before_db: float, last: int, kept: Collection[str]) -> str:
    layers = f"the last {last} weighted operators" if last else ""
    activations = f"the activations {', '.join(sorted(kept))}" if kept else ""
    return (
        f"integers alone keep {before_db:.1f} dB in the worst group of the outputs on calibration"
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
