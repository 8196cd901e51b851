"""What a file's tensors give on some inputs, and how far that is from the float model's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import parity
from edgecnn.calibration.statistics import joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from edgecnn.formats.tflite_graph import Graph
    from edgecnn.records import TensorInfo

    Array = NDArray[Any]


def answers(
    graph: Graph, feeds: Iterable[Sequence[Array]], names: Sequence[str], *, threads: int
) -> dict[str, NDArray[np.float32]]:
    """What tensors give as real numbers, the runs one behind the other along the first axis.

    Args:
        graph: float or quantized; left as it is.
        feeds: for every run an array for every input, real numbers where the input is quantized.
        names: of the tensors.
        threads: of one inference.
    """
    from edgecnn.runtime.litert import LiteRTSession
    from edgecnn.runtime.session import dequantize_output

    names = list(dict.fromkeys(names))  # two outputs may be judged by one tensor
    session = LiteRTSession(graph.tapped([graph[name] for name in names]), threads)
    rows: list[list[NDArray[np.float32]]] = [[] for _ in names]
    for feed in feeds:
        arrays = fed(feed, session.inputs)
        for row, values, info in zip(rows, session.run(arrays), session.outputs, strict=True):
            row.append(dequantize_output(values, info))
    return {name: joined(row) for name, row in zip(names, rows, strict=True)}


def fed(feed: Sequence[Array], inputs: Sequence[TensorInfo]) -> list[Array]:
    """What a file takes for the float model's inputs: steps where it is quantized."""
    from edgecnn.runtime.session import quantize_input

    return [
        values if values.dtype.kind != "f" else quantize_input(values, info)
        for values, info in zip(feed, inputs, strict=True)
    ]


def lowest_snr_db(
    reference: Mapping[str, Array],
    measured: Mapping[str, NDArray[np.float32]],
    *,
    by_groups: bool = False,
) -> float:
    """SNR of the tensor that is furthest off; infinite where there is no error.

    Args:
        reference: by name, what the float model gives in as many runs or more.
        measured: by name.
        by_groups: judge each tensor by its worst group of numbers, as parity reports it.
    """
    ratios = []
    for name, values in measured.items():
        expected = reference[name][: len(values)].astype(np.float32)
        ratios.append(parity.snr_db(expected, values))
        if by_groups:
            ratios.append(parity.worst_group(expected, values)[0])
    return min((math.inf if ratio is None else ratio for ratio in ratios), default=math.inf)
