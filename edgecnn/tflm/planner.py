"""Where tensors lie in an arena: the greedy plan of TensorFlow Lite Micro, in Python.

Source of the algorithm: `tensorflow/lite/micro/memory_planner/greedy_memory_planner.cc` of
github.com/tensorflow/tflite-micro (commit 90b983c, 2026-08-20): the largest buffer first, each
at the lowest offset where it overlaps none that lives at the same time; of equals the last named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ALIGNMENT = 16
"""Bytes that every buffer's size and place are multiples of."""


@dataclass(frozen=True)
class Buffer:
    """What must be held for a while.

    Attributes:
        size_bytes: how much.
        first: the step in which it is first written.
        last: the step in which it is last read.
    """

    size_bytes: int
    first: int
    last: int

    def meets(self, other: Buffer) -> bool:
        """Whether both are needed in one step."""
        return self.first <= other.last and other.first <= self.last


def aligned(size_bytes: int) -> int:
    """The size with what fills it up to the next multiple of `ALIGNMENT`."""
    return -(-size_bytes // ALIGNMENT) * ALIGNMENT


def planned_bytes(buffers: Sequence[Buffer]) -> int:
    """Bytes of the smallest area that the greedy plan needs for all of them."""
    placed: list[tuple[int, Buffer]] = []
    last_first = buffers[::-1]  # equals stay in this order
    for buffer in sorted(last_first, key=lambda buffer: -aligned(buffer.size_bytes)):
        neighbours = ((at, other) for at, other in placed if other.meets(buffer))
        placed.append((_lowest(buffer, neighbours), buffer))
    return max((at + aligned(placed_buffer.size_bytes) for at, placed_buffer in placed), default=0)


def _lowest(buffer: Buffer, neighbours: Iterable[tuple[int, Buffer]]) -> int:
    """The first gap between neighbours in time that is wide enough."""
    offset = 0
    for at, other in sorted(neighbours, key=lambda placed: placed[0]):
        if at - offset >= aligned(buffer.size_bytes):
            break
        offset = max(offset, at + aligned(other.size_bytes))
    return offset
