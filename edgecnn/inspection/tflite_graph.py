"""A .tflite file as plain records: what `flatbuffer` reads and `tflite` counts."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Tensor:
    """One tensor of a subgraph.

    Attributes:
        name: as stored.
        dtype: TensorType's name in lower case.
        shape: sizes; an open size is stored as 1.
        signature: the shape with -1 for open sizes; equal to `shape` where nothing is open.
        ranked: False where even the number of axes is unknown.
        scale: of a per-tensor quantization; None for none or per-channel.
        zero_point: likewise.
        buffer: index of the constant's buffer; None for activations.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    ranked: bool
    scale: float | None
    zero_point: int | None
    buffer: int | None

    @property
    def elements(self) -> int:
        """Number of elements, open sizes taken as 1."""
        return math.prod(abs(size) for size in self.shape)

    @property
    def open_shape(self) -> tuple[int, ...]:
        """The shape with -1 where nothing says the size: a stored size above 1 is a default."""
        return tuple(
            -1 if open_size < 0 and size <= 1 else size
            for size, open_size in zip(self.shape, self.signature, strict=True)
        )


@dataclass(frozen=True)
class Node:
    """One operator: tensors by index, -1 for an optional input left out; a pooling's window."""

    name: str
    is_custom: bool
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    adjoint_lhs: bool = False
    window: tuple[int, ...] = ()


@dataclass(frozen=True)
class Graph:
    """One subgraph."""

    tensors: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Model:
    """A whole file; the first graph is the one an interpreter runs.

    `buffers_behind` says whether constants lie behind the FlatBuffer, by offset and size.
    """

    version: int
    description: str
    graphs: tuple[Graph, ...]
    metadata: dict[str, str]
    buffers_behind: bool = False
