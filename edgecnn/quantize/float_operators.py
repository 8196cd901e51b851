"""Which operators of an integer file compute on real numbers, and why.

Those without an integer kernel have to. Others would give wrong or worthless numbers as integers;
that is judged from the graph's shape (`composites`) and from what calibration saw (`mixing`), and
may be overruled.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.calibration.arrays import LARGEST
from edgecnn.errors import InputError
from edgecnn.quantize import composites, kernels, mixing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from edgecnn.calibration.statistics import TensorStatistics
    from edgecnn.formats.tflite_graph import Graph, Operator, Tensor

NO_KERNEL = "LiteRT has no integer kernel for it"
COMPOSITE = "part of a normalization or another function of many magnitudes"
ATTENTION = "part of attention, whose probabilities are far below 1"
PLACES = "it computes places to read at, which 256 steps are too few for"
TOO_FINE = "its values are far below the steps its integer kernel has"
UNBOUNDED = "values beyond all bounds, such as a mask's infinity"
BETWEEN = "between operators that stay float"
_FEWEST_DIVISOR_STEPS = 8.0
_LEVELS = {8: 255.0, 16: 65535.0}
_UNARY = {"EXP": np.exp, "LOG": np.log, "SQRT": np.sqrt, "RSQRT": lambda x: 1 / np.sqrt(x)}


def choose(
    graph: Graph,
    statistics: Mapping[str, TensorStatistics],
    bits: int,
    *,
    judge: bool = True,
) -> dict[Operator, str]:
    """The operators to leave float, each with its reason.

    Args:
        graph: a float graph.
        statistics: of its float tensors, by name.
        bits: of an activation.
        judge: False for those alone that have no integer kernel.

    Raises:
        InputError: the graph has loops, branches or a state, which no integers pass through.
    """
    _refuse_control_flow(graph)
    lacking = {
        operator: NO_KERNEL
        for operator in graph.operators
        if kernels.has_floats(operator) and operator.name not in kernels.CONVERSIONS
        and kernels.kernel_of(operator, bits) is None
    }  # fmt: skip
    lacking |= dict.fromkeys(_unbounded(graph, statistics, lacking), UNBOUNDED)
    result: dict[Operator, str] = {}
    if judge:
        numbers = mixing.Judge(graph, statistics, bits)
        result |= dict.fromkeys(composites.composites(graph), COMPOSITE)
        result |= dict.fromkeys(_sums_for(graph, result), COMPOSITE)
        result |= {op: PLACES for op in composites.places(graph) if op not in result}
        result |= {op: ATTENTION for op in composites.attention(graph) if op not in result}
        result |= {op: why for op, why in numbers.unfit().items() if op not in result}
        result |= {
            op: TOO_FINE for op in graph.operators
            if op not in result and _is_too_fine(graph, op, numbers, bits)
        }  # fmt: skip
    result |= {op: why for op, why in lacking.items() if op not in result}
    result |= dict.fromkeys(_dividing_by_zero(graph, statistics, bits, result), NO_KERNEL)
    _fill(graph, result)
    return {op: result[op] for op in graph.operators if op in result and kernels.has_floats(op)
            and op.name not in kernels.CONVERSIONS}  # fmt: skip


def _unbounded(
    graph: Graph, statistics: Mapping[str, TensorStatistics], chosen: Collection[Operator]
) -> list[Operator]:
    """Operators with values that no integer holds: among what they read, or make."""

    def is_unbounded(tensor: Tensor) -> bool:
        if tensor.data is not None:
            return tensor.is_float and bool((np.abs(tensor.data) >= LARGEST).any())
        return tensor.name in statistics and statistics[tensor.name].is_unbounded

    return [
        operator
        for operator in graph.operators
        if operator not in chosen and operator.name not in kernels.CONVERSIONS
        and any(is_unbounded(tensor) for tensor in (*operator.read, *operator.outputs))
    ]  # fmt: skip


def _sums_for(graph: Graph, chosen: Collection[Operator]) -> list[Operator]:
    """Sums that a normalization reads: a residual stream is not rounded between two of them."""
    return [
        operator
        for operator in graph.operators
        if operator.name == "ADD" and operator not in chosen
        and any(reader in chosen for reader in graph.consumers(operator.output))
    ]  # fmt: skip


def counts(operators: Collection[Operator]) -> dict[str, int]:
    """Operator name to count."""
    return dict(sorted(Counter(operator.name for operator in operators).items()))


def in_graph(graph: Graph) -> dict[str, int]:
    """The operators of a laid out graph that compute on real numbers, name to count."""
    return counts(
        [
            operator
            for operator in graph.operators
            if operator.name not in {"QUANTIZE", "DEQUANTIZE"} and kernels.has_floats(operator)
        ]
    )


def notes(chosen: Mapping[Operator, str]) -> tuple[str, ...]:
    """One sentence a reason, for the manifest."""
    sentences = []
    for reason in dict.fromkeys(chosen.values()):
        listed = counts([operator for operator, why in chosen.items() if why == reason])
        names = ", ".join(f"{count} {name}" for name, count in listed.items())
        sentences.append(f"{names} in float32: {reason}")
    return tuple(sentences)


def _refuse_control_flow(graph: Graph) -> None:
    names = composites.has_control_flow(graph)
    if names:
        raise InputError(
            f"A model with {', '.join(names)} cannot be quantized to integers: what a loop or a"
            " layer with a state carries from step to step has no range that calibration could"
            " see.",
            hint="Use the recipe dynamic (int8 weights) or float16.",
        )


def _is_too_fine(graph: Graph, operator: Operator, numbers: mixing.Judge, bits: int) -> bool:
    """Whether an inner tensor would be lost in its kernel's steps, or in its function's slope."""
    if operator.output not in graph.outputs and (
        numbers.rounding_db(operator.output) < mixing.LEAST_DB
    ):
        return True
    function = _UNARY.get(operator.name)
    stats = numbers.statistics.get(operator.source.name)
    if function is None or stats is None:
        return False
    return _unary_db(function, stats, bits) < mixing.LEAST_DB - 1


def _unary_db(function: object, stats: TensorStatistics, bits: int) -> float:
    """SNR of a function of integers, on the calibration's values."""
    assert callable(function)  # noqa: S101 - of the table above
    values = stats.sample.astype(np.float64).reshape(-1)
    with np.errstate(all="ignore"):
        reference = function(values)
        answer = function(_rounded(values, stats.minimum, stats.maximum, bits))
        # The kernels saturate where a function has no value.
        low, high = np.nanmin(reference), np.nanmax(reference)
        answer = np.clip(np.nan_to_num(answer, nan=low, posinf=high, neginf=low), low, high)
        noise = np.mean(np.square(reference - _rounded(answer, low, high, bits)))
        return float(10 * np.log10(np.var(reference) / noise)) if noise > 0 else float("inf")


def _rounded(
    values: NDArray[np.float64], low: float, high: float, bits: int
) -> NDArray[np.float64]:
    step = max((max(high, 0.0) - min(low, 0.0)) / _LEVELS[bits], 1e-30)
    rounded: NDArray[np.float64] = np.rint(values / step) * step
    return rounded


def _dividing_by_zero(
    graph: Graph,
    statistics: Mapping[str, TensorStatistics],
    bits: int,
    chosen: Mapping[Operator, str],
) -> list[Operator]:
    """Divisions whose divisor comes so close to zero that an integer of it may be zero."""
    divisions = [op for op in graph.operators if op.name == "DIV" and op not in chosen]
    return [op for op in divisions if _nearest_steps(op.inputs[1], statistics, bits)
            < _FEWEST_DIVISOR_STEPS]  # fmt: skip


def _nearest_steps(
    tensor: Tensor | None, statistics: Mapping[str, TensorStatistics], bits: int
) -> float:
    """How many steps the value nearest to zero is away from it."""
    if tensor is None or not tensor.is_float:
        return float("inf")
    if tensor.data is not None:
        low, high = float(tensor.data.min()), float(tensor.data.max())
        nearest = float(np.abs(tensor.data).min())
    elif tensor.name in statistics:
        stats = statistics[tensor.name]
        low, high = stats.minimum, stats.maximum
        nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    else:
        return 0.0
    width = max(high, 0.0) - min(low, 0.0)
    return nearest / width * _LEVELS[bits] if width > 0 else 0.0


def _fill(graph: Graph, chosen: dict[Operator, str]) -> None:
    """Leave float what would go from float to integers and back for nothing."""
    changed = True
    while changed:
        changed = False
        for operator in graph.operators:
            if operator not in chosen and _is_between(graph, operator, chosen):
                chosen[operator] = BETWEEN
                changed = True


def _is_between(graph: Graph, operator: Operator, chosen: Mapping[Operator, str]) -> bool:
    if operator.name in {*kernels.WEIGHTED, "BATCH_MATMUL", *kernels.CONVERSIONS}:
        return False
    sources = [t for t in kernels.data_inputs(operator) if not t.is_constant]
    makers = [graph.producer(tensor) for tensor in sources]
    if not makers or any(maker not in chosen for maker in makers):
        return False
    readers = [r for t in operator.outputs if t.is_float for r in graph.consumers(t)]
    return all(reader in chosen for reader in readers)
