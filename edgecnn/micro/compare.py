"""TFLM's outputs held against LiteRT's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError
from edgecnn.micro.record import Comparison

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def compare(
    name: str, expected: Sequence[NDArray[Any]], actual: Sequence[NDArray[Any]]
) -> Comparison:
    """Compare one output over all runs.

    Args:
        name: of the output.
        expected: LiteRT's, run by run.
        actual: TFLM's, likewise.

    Raises:
        InputError: they have not the same shape and dtype.
    """
    import numpy as np

    litert, tflm = np.stack(list(expected)), np.stack(list(actual))
    if litert.dtype != tflm.dtype or litert.size != tflm.size:
        raise InputError(
            f"Output {name!r}: LiteRT gives {litert.dtype} {litert.shape[1:]}, TensorFlow Lite"
            f" Micro {tflm.dtype} {tflm.shape[1:]}."
        )
    tflm = tflm.reshape(litert.shape)
    differs = ~((litert == tflm) | ((litert != litert) & (tflm != tflm)))  # noqa: PLR0124 - NaN is NaN
    away = float(np.abs(litert.astype(np.float64) - tflm.astype(np.float64)).max(initial=0))
    steps = None if litert.dtype.kind == "f" else round(away)
    return Comparison(name, len(expected), float(differs.mean()), steps, away)
