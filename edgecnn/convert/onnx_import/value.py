"""What an ONNX tensor is during lowering: a tensor of TensorFlow, and how its axes are stored.

Nothing is transposed until an operator insists: an ONNX Transpose only renames axes, and a
convolution's output, stored channels last, stays so under elementwise operators, concatenation,
reductions and most reshapes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert.onnx_import.lazy import tf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

Axes = tuple[int, ...]
# Kernels of TFLite that move or broadcast axes take five of them.
_MAX_RANK = 5


@dataclass(frozen=True)
class Value:
    """An ONNX tensor: reshape(transpose(tensor, order), view).

    Attributes:
        tensor: the stored tf.Tensor; or a numpy array where the values are known: order is then the
            identity.
        order: ONNX's axis i is the stored axis order[i].
        view: a reshape that cannot be done as the axes are stored and has not been asked for yet.
        nonnegative: no element is below zero, for certain.
    """

    tensor: Any
    order: Axes
    view: Axes | None = None
    nonnegative: bool = False

    @property
    def array(self) -> NDArray[Any] | None:
        """The values, where they are known."""
        return self.tensor if isinstance(self.tensor, np.ndarray) else None

    @property
    def stored_shape(self) -> Axes:
        """Sizes of the axes as they are stored."""
        return tuple(int(size) for size in self.tensor.shape)

    @property
    def unviewed_shape(self) -> Axes:
        """Sizes of the axes in ONNX's order, before `view`."""
        return tuple(self.stored_shape[axis] for axis in self.order)

    @property
    def shape(self) -> Axes:
        """ONNX's shape."""
        return self.unviewed_shape if self.view is None else self.view

    @property
    def rank(self) -> int:
        """Number of ONNX's axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> Any:  # noqa: ANN401 - tf.DType
        """TensorFlow's dtype."""
        return tf.as_dtype(self.tensor.dtype)

    def stored(self, order: Sequence[int]) -> Any:  # noqa: ANN401 - tf.Tensor
        """The tensor with its axes stored so that ONNX's tensor is transpose(tensor, order)."""
        axes = inverse(order)
        if self.array is not None:
            return tf.constant(np.transpose(self.array, axes))
        return moved(self.tensor, [self.order[axis] for axis in axes])

    def plain(self) -> Any:  # noqa: ANN401 - tf.Tensor
        """The tensor as ONNX has it."""
        return self.stored(range(self.rank))

    def moves(self, order: Sequence[int]) -> bool:
        """Whether `stored(order)` would cost a transpose."""
        if self.array is not None:
            return False
        return not is_reshape(self.stored_shape, [self.order[axis] for axis in inverse(order)])

    def map(self, function: Callable[[Any], Any], *, nonnegative: bool = False) -> Value:
        """An elementwise function of it, stored as it is."""
        tensor = function(tf.constant(self.tensor) if self.array is not None else self.tensor)
        return replace(self, tensor=tensor, nonnegative=nonnegative)


def constant(values: Any) -> Value:  # noqa: ANN401 - anything numpy takes
    """A value that is known."""
    array = np.asarray(values)
    return Value(array, tuple(range(array.ndim)))


def plain(tensor: Any) -> Value:  # noqa: ANN401 - tf.Tensor
    """A tensor that is stored as ONNX has it."""
    return Value(tensor, tuple(range(len(tensor.shape))))


def inverse(order: Iterable[int]) -> Axes:
    """The permutation that undoes another."""
    return tuple(int(axis) for axis in np.argsort(list(order)))


def channels_last(rank: int) -> Axes:
    """Order of (N, C, spatial...) stored as (N, spatial..., C)."""
    return (0, rank - 1, *range(1, rank - 1)) if rank > 1 else tuple(range(rank))


def is_reshape(shape: Sequence[int], axes: Sequence[int]) -> bool:
    """Whether transposing to `axes` moves no element: only axes of size 1 change places."""
    moving = [axis for axis in axes if shape[axis] != 1]
    return moving == sorted(moving)


def moved(tensor: Any, axes: Sequence[int]) -> Any:  # noqa: ANN401 - tf.Tensor
    """The tensor transposed to `axes`, as a reshape where that is enough."""
    shape = [int(size) for size in tensor.shape]
    target = [shape[axis] for axis in axes]
    if list(axes) == sorted(axes):
        return tensor
    if is_reshape(shape, axes):
        return tf.reshape(tensor, target)
    if len(shape) <= _MAX_RANK:
        return tf.transpose(tensor, list(axes))
    runs = _runs([axis for axis in axes if shape[axis] != 1], shape)
    ordered = sorted(runs)
    merged = tf.reshape(tensor, [math.prod(shape[axis] for axis in run) for run in ordered])
    return tf.reshape(tf.transpose(merged, [ordered.index(run) for run in runs]), target)


def _runs(axes: Sequence[int], shape: Sequence[int]) -> list[list[int]]:
    """Axes that stay neighbours move as one; axes of size 1 between them do not part them."""
    runs: list[list[int]] = []
    for axis in axes:
        if (
            runs
            and all(shape[between] == 1 for between in range(runs[-1][-1] + 1, axis))
            and (axis > runs[-1][-1])
        ):
            runs[-1].append(axis)
        else:
            runs.append([axis])
    return runs


def without_axes(order: Sequence[int], removed: Iterable[int]) -> Axes:
    """Order after some of ONNX's axes went, and their stored ones with them."""
    gone = set(removed)
    kept = [stored for axis, stored in enumerate(order) if axis not in gone]
    return tuple(sorted(kept).index(stored) for stored in kept)
