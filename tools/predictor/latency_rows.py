"""The published latencies of tools/data, with the cost of each row's network."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import published_nets

_DATA = Path(__file__).parents[1] / "data"
# A row below this says more about its overheads than about the network.
_MIN_NASBENCH_MS = 1.0
_NASBENCH_SIZE = 32
# Both sets were measured with one thread: three times as many threads would need twice the cores'
# peak for the widest nets.
_NASBENCH_DEVICES = (
    ("raspberry-pi-4b", "raspi4_ms", "cortex-a72@1.5x1"),
    ("pixel-3", "pixel3_ms", "cortex-a75@2.8x1"),
)


@dataclass(frozen=True)
class Cluster:
    """Equal cores that ran an inference together."""

    core: str
    clock_ghz: float
    count: int


@dataclass(frozen=True)
class Row:
    """One published latency.

    Attributes:
        device: name of its profile.
        clusters: the cores that ran it, the fastest first.
        runtime: "xnnpack" (TFLite with it), "library" (XNNPACK's own benchmark, without TFLite),
            "ruy" or "builtin" (TFLite's own kernels).
        precision: "float32" or "int8".
        model: as `published_nets` names it.
        input_size: height and width, pixels.
        latency_ms: as published.
        source: its number in tools/data/sources.csv; -1 for NAS-Bench-201.
    """

    device: str
    clusters: tuple[Cluster, ...]
    runtime: str
    precision: str
    model: str
    input_size: int
    latency_ms: float
    source: int

    @property
    def threads(self) -> int:
        """How many cores ran it."""
        return sum(cluster.count for cluster in self.clusters)

    @property
    def family(self) -> str:
        """The family of its network."""
        return published_nets.family(self.model)


def parse_clusters(text: str) -> tuple[Cluster, ...]:
    """Read "cortex-a76@2.4x4+cortex-a55@1.8x4"."""
    clusters = []
    for part in text.split("+"):
        core, _, rest = part.partition("@")
        clock, _, count = rest.partition("x")
        clusters.append(Cluster(core, float(clock), int(count)))
    return tuple(clusters)


def published() -> list[Row]:
    """The ImageNet-size networks."""
    with (_DATA / "published_latency.csv").open(encoding="utf-8") as file:
        return [
            Row(
                device=row["device"],
                clusters=parse_clusters(row["cores"]),
                runtime=row["runtime"],
                precision=row["precision"],
                model=row["model"],
                input_size=int(row["input"]),
                latency_ms=float(row["latency_ms"]),
                source=int(row["source"]),
            )
            for row in csv.DictReader(file)
        ]


def nasbench() -> list[Row]:
    """The NAS-Bench-201 networks on both devices, those under one millisecond left out."""
    with (_DATA / "nasbench201_latency.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return [
        Row(
            device=device,
            clusters=parse_clusters(cores),
            runtime="xnnpack",
            precision="float32",
            model=line["arch"],
            input_size=_NASBENCH_SIZE,
            latency_ms=float(line[column]),
            source=-1,
        )
        for line in lines
        for device, column, cores in _NASBENCH_DEVICES
        if line[column] and float(line[column]) >= _MIN_NASBENCH_MS
    ]
