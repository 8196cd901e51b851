"""Sparse constants of a .tflite file, made whole.

schema.fbs stores one dimension after the other in `traversalOrder`, each either dense (every index)
or compressed (for every index of the dimensions before it: a segment of the indices that hold
something). Dimensions beyond the tensor's own count inside blocks (`blockMap`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.formats.tflite_graph import Tensor

_DENSE = 0


def is_sparse(tensor: Tensor) -> bool:
    """Whether a constant's bytes hold only some of its values."""
    return tensor.is_constant and getattr(tensor.raw, "sparsity", None) is not None


def densified(tensor: Tensor) -> NDArray[Any]:
    """All values of a sparse constant, zeros between those it holds."""
    sparsity, rank = tensor.raw.sparsity, len(tensor.shape)
    places = np.zeros(1, np.int64)  # of what is held, level by level
    indices: list[NDArray[np.int64]] = []
    for level in sparsity.dimMetadata:
        parents, index, places = _expanded(level, places)
        indices = [parent_index[parents] for parent_index in indices] + [index]
    at = dict(zip((int(n) for n in sparsity.traversalOrder), indices, strict=True))
    sizes = {int(n): level.denseSize for n, level in zip(
        sparsity.traversalOrder, sparsity.dimMetadata, strict=True)}  # fmt: skip
    blocks = [] if sparsity.blockMap is None else [int(n) for n in sparsity.blockMap]
    for number, dimension in enumerate(blocks, start=rank):
        at[dimension] = at[dimension] * sizes[number] + at[number]
    assert tensor.buffer is not None  # noqa: S101 - the caller asked `is_sparse`
    held = np.asarray(tensor.buffer.data, np.uint8).view(tensor.numpy_dtype)
    values = np.zeros(tensor.shape, tensor.numpy_dtype)
    values[tuple(at[n] for n in range(rank))] = held[places]
    return values


def _expanded(
    level: Any,  # noqa: ANN401 - a generated class
    places: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """For one more dimension: (the place before that each belongs to, index, place)."""
    if level.format == _DENSE:
        size = int(level.denseSize)
        parents = np.repeat(np.arange(len(places)), size)
        index = np.tile(np.arange(size), len(places))
        return parents, index, places[parents] * size + index
    segments = np.asarray(level.arraySegments.values, np.int64)
    counts = segments[places + 1] - segments[places]
    parents = np.repeat(np.arange(len(places)), counts)
    offsets = np.arange(len(parents)) - np.repeat(np.cumsum(counts) - counts, counts)
    inside = segments[places[parents]] + offsets
    return parents, np.asarray(level.arrayIndices.values, np.int64)[inside], inside
