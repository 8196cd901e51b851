"""The frozen records of `bench --operators`: where a network's time goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edgecnn.records import SCHEMA

Method = Literal["profiler", "alone"]
Bound = Literal["compute", "memory"]


@dataclass(frozen=True)
class Ceilings:
    """What this CPU was measured to do at best, with so many threads.

    Attributes:
        threads: that worked.
        macs_per_s: multiply-accumulates a second by compute dtype, of a large matrix product
            (a 1x1 convolution) run by LiteRT itself.
        bandwidth: (working set in bytes, bytes a second) of copying memory, reads and writes both
            counted, the smallest working set first: caches are faster than memory.
    """

    threads: int
    macs_per_s: dict[str, float]
    bandwidth: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class LayerTime:
    """One operator of the graph, in the graph's order.

    Attributes:
        index: its place among the file's operators; for ONNX, among those onnxruntime runs.
        name: of the tensor it makes (TFLite) or of the node (ONNX).
        kind: TFLite's builtin name, or ONNX's op_type.
        compute_dtype: as `edgecnn.inspection.Operator` says it.
        kernel: what the runtime ran for it, in the runtime's words.
        time_ms: of one inference, milliseconds.
        macs: multiply-accumulates.
        bytes_moved: of all tensors it reads and writes, weights included, each once.
        ceiling_ms: the least time this CPU's measured ceilings allow; None where no ceiling was
            measured for the dtype it computes in.
        bound: which ceiling that is.
    """

    index: int
    name: str
    kind: str
    compute_dtype: str
    kernel: str
    time_ms: float
    macs: int
    bytes_moved: int
    ceiling_ms: float | None
    bound: Bound | None


@dataclass(frozen=True)
class KindTime:
    """All operators of one kind and dtype together; fields as in `LayerTime`.

    Attributes:
        count: how many they are.
        time_share: of the time of all operators, 0..1.
        macs_share: of all MACs, 0..1.
        ceiling_share: `ceiling_ms / time_ms`: 1 is as fast as this CPU was seen to be.
        bound: which ceiling lies lower for most of the time the ceilings allow.
    """

    kind: str
    compute_dtype: str
    count: int
    time_ms: float
    time_share: float
    macs: int
    macs_share: float
    bytes_moved: int
    ceiling_share: float | None
    bound: Bound | None


@dataclass(frozen=True)
class OperatorProfile:
    """Where the time of one file goes on this machine.

    Attributes:
        file: as the user named it.
        file_sha256: of its bytes.
        runtime: that ran it.
        threads: of one inference.
        method: "profiler" (the runtime's own) or "alone" (each operator in a file of its own,
            scaled so that the sum is the latency).
        how: how the figures were obtained, in a sentence or two.
        latency_ms: median of the whole file, run as `bench` runs it, without a profiler.
        profiled_ms: of the runs that the profile is taken from; `latency_ms` for "alone".
        outside_ms: of those, what no operator accounts for.
        runs: profiled runs.
        layers: every operator that took time.
        kinds: the same by kind, the costliest first.
        ceilings: this CPU's.
        notes: what could not be found out, one sentence each.
    """

    file: str
    file_sha256: str
    runtime: str
    threads: int
    method: Method
    how: str
    latency_ms: float
    profiled_ms: float
    outside_ms: float
    runs: int
    layers: tuple[LayerTime, ...]
    kinds: tuple[KindTime, ...]
    ceilings: Ceilings
    notes: tuple[str, ...] = ()
    schema: int = field(default=SCHEMA)
