"""TFLM's outputs held against LiteRT's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError
from edgecnn.micro.record import Comparison

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def compare(
    name: str, expected: Sequence[NDArray[Any]], found: Sequence[NDArray[Any]]
) -> Comparison:
    """Compare one output over all runs.

    Args:
        name: of the output.
        expected: LiteRT's, run by run.
        found: TFLM's, likewise.

    Raises:
        InputError: they have not the same shape and dtype.
    """
    import numpy as np

    wanted, got = np.stack(list(expected)), np.stack(list(found))
    if wanted.dtype != got.dtype or wanted.size != got.size:
        raise InputError(
            f"Output {name!r}: LiteRT gives {wanted.dtype} {wanted.shape[1:]}, TensorFlow Lite"
            f" Micro {got.dtype} {got.shape[1:]}."
        )
    got = got.reshape(wanted.shape)
    differs = ~((wanted == got) | ((wanted != wanted) & (got != got)))  # noqa: PLR0124 - NaN is NaN
    away = float(np.abs(wanted.astype(np.float64) - got.astype(np.float64)).max(initial=0))
    steps = None if wanted.dtype.kind == "f" else round(away)
    return Comparison(name, len(expected), float(differs.mean()), steps, away)
