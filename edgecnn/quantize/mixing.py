"""Tensors that one int8 scale serves badly, told from what calibration saw of their numbers.

Two kinds. Parts of very different extent in one tensor (boxes in pixels beside scores of 0 to 1):
the small ones get a step or two. And a spread that is small beside an offset (a regression around
2000 that varies by 37): the steps are as coarse as the spread. Both count at the model's ends and
on the way there, where nothing averages errors out: behind the last convolution or product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.quantize import composites, kernels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from edgecnn.calibration.statistics import TensorStatistics
    from edgecnn.formats.tflite_graph import Graph, Operator, Tensor

LARGEST_RATIO = 50.0  # of the extents of two parts, at 8 bits
# An ADD of a mask (0 or -1e9) beside activations; an ordinary shift stays far below.
_LARGEST_SHIFT_RATIO = 1000.0
LEAST_DB = 25.0  # of 8-bit rounding alone; all else that is lost comes on top
_LEAST_CHANNEL_DB = 18.0
_LEVELS = {8: 255.0, 16: 65535.0}
_JOINING = frozenset({"CONCATENATION", "PACK", "SELECT", "SELECT_V2", "PADV2"})
_MASKING = frozenset({"ADD", "SUB", "SELECT", "SELECT_V2"})
_BY_CONSTANT = frozenset({"ADD", "SUB", "MUL", "DIV"})
_WEIGHTY = frozenset({*kernels.WEIGHTED, "BATCH_MATMUL", "CONV_3D", "CONV_3D_TRANSPOSE"})
_IMAGE_RANK = 4
_ROWS_RANK = 2

MIXED = "its parts differ in extent by more than 50 times"
OFFSET = "8-bit steps are too coarse for its spread"


@dataclass(frozen=True)
class Judge:
    """What the numbers say of a graph's tensors.

    Attributes:
        graph: a float graph.
        statistics: by tensor name.
        bits: of an activation.
    """

    graph: Graph
    statistics: Mapping[str, TensorStatistics]
    bits: int

    def unfit(self) -> dict[Operator, str]:
        """Operators that must stay float for a tensor's sake, and why."""
        result: dict[Operator, str] = {}
        behind = self._behind_last(_is_weighty)
        for operator in self.graph.operators:
            reason = self._reason(operator, in_tail=operator in behind)
            if reason:
                result.setdefault(operator, reason)
                self._follow(operator, reason, result)
        for operator in self._last_products(behind):
            if operator not in result and self._drowns(operator):
                result |= dict.fromkeys(self._with_light_makers(operator), OFFSET)
                self._follow(operator, OFFSET, result)
        for tensor in self.graph.inputs:
            reason = self._input_reason(tensor)
            if reason:
                for reader in self.graph.consumers(tensor):
                    result.setdefault(reader, reason)
                    if reader.name not in _WEIGHTY:
                        self._follow(reader, reason, result)
        return result

    def rounding_db(self, tensor: Tensor) -> float:
        """Power of an inner tensor's values over that of the rounding its kernel's scale makes."""
        stats, maker = self.statistics.get(tensor.name), self.graph.producer(tensor)
        kernel = None if maker is None else kernels.KERNELS.get(maker.name)
        fixed = None if kernel is None else kernel.fixed_scale(self.bits)
        if stats is None or fixed is None:
            return float("inf")
        return _db(float(stats.power.mean()), fixed[0])

    def coarse_probabilities(self) -> tuple[str, ...]:
        """Outputs of a SOFTMAX whose spread its kernel's scale leaves too little of, by name."""
        makers = [(tensor, self.graph.producer(tensor)) for tensor in self.graph.outputs]
        return tuple(
            tensor.name
            for tensor, maker in makers
            if maker is not None
            and maker.name == "SOFTMAX"
            and not self.graph.consumers(tensor)
            and self._tensor_reason(tensor) == OFFSET
        )

    def _behind_last(self, is_last: Callable[[Operator], bool]) -> set[Operator]:
        """What makes the outputs, up to the last operators of a kind, these included."""
        seen: set[Operator] = set()
        todo = [m for t in self.graph.outputs if (m := self.graph.producer(t)) is not None]
        while todo:
            operator = todo.pop()
            if operator in seen:
                continue
            seen.add(operator)
            if not is_last(operator):
                makers = (self.graph.producer(tensor) for tensor in operator.read)
                todo += [maker for maker in makers if maker is not None]
        return seen

    def _last_products(self, behind: set[Operator]) -> list[Operator]:
        """The last convolutions, products and dense layers, with all dense layers of one row."""
        head = self._behind_last(lambda op: _is_weighty(op) and not _reads_vector(op))
        return [
            op for op in self.graph.operators
            if (op in behind and _is_weighty(op)) or (op in head and _reads_vector(op))
        ]  # fmt: skip

    def _drowns(self, operator: Operator) -> bool:
        """Whether rounding what a last layer reads hides what tells its answers apart.

        Averages over a whole map vary little from sample to sample, and so do the features of many
        a head; the layer adds up the differences of many. Their rounding, through its weights, is
        held against the spread of its outputs.
        """
        parts = kernels.WEIGHTED.get(operator.name)
        weights = None if parts is None else operator.constant(parts.weights)
        output = self.statistics.get(operator.output.name)
        data = kernels.data_inputs(operator)
        source = self.statistics.get(data[0].name) if data else None
        if parts is None or weights is None or output is None or source is None:
            return False
        gain = np.square(np.moveaxis(weights, parts.axis, 0), dtype=np.float64)
        gain = gain.reshape(len(gain), -1).sum(axis=1)
        spread = output.sample.var(axis=0, dtype=np.float64)
        if len(gain) != len(spread) or not spread.any():
            return False
        step = self._step(data[0], source)
        return _db(float(spread.mean()), step * float(np.sqrt(gain.mean()))) < LEAST_DB

    def _with_light_makers(self, operator: Operator) -> set[Operator]:
        """A layer and what prepares its input: averages, activations, reshapes."""
        operators, todo = {operator}, kernels.data_inputs(operator)
        while todo:
            maker = self.graph.producer(todo.pop())
            if maker is not None and maker not in operators and composites.is_light(maker):
                operators.add(maker)
                todo += [tensor for tensor in maker.read if tensor.is_float]
        return operators

    def _follow(self, operator: Operator, reason: str, result: dict[Operator, str]) -> None:
        """What follows stays float too, up to the next convolution or product and with it."""
        todo = [operator]
        while todo:
            for tensor in todo.pop().outputs:
                for reader in self.graph.consumers(tensor) if tensor.is_float else []:
                    if reader not in result:
                        result[reader] = reason
                        if reader.name not in _WEIGHTY:
                            todo.append(reader)

    def _reason(self, operator: Operator, *, in_tail: bool) -> str:
        if self._is_masked(operator) or self._mixes(operator, in_tail=in_tail):
            return MIXED
        if not in_tail:
            return ""
        # A last SOFTMAX may have to leave as an integer: `exporting.ends` decides.
        outputs = [t for t in operator.outputs if t.is_float and operator.name != "SOFTMAX"]
        return next((reason for t in outputs if (reason := self._tensor_reason(t))), "")

    def _mixes(self, operator: Operator, *, in_tail: bool) -> bool:
        data = kernels.data_inputs(operator)
        if operator.name in _JOINING:
            # Elsewhere equalization and a trained convolution's own weights see to it.
            if not in_tail and len(operator.output.shape) > _ROWS_RANK:
                return False
            return self._ratio([self._extent(tensor) for tensor in data]) > self._largest()
        constants = [t for t in data if t.is_constant]
        if operator.name not in _BY_CONSTANT or len(constants) != 1 or len(data) != 2:  # noqa: PLR2004 - two summands
            return False
        factors = np.abs(np.asarray(constants[0].data)).reshape(-1).tolist()
        if in_tail and self._ratio(factors) > self._largest():
            return True
        if operator.name not in {"ADD", "SUB"}:
            return False
        others = [self._extent(tensor) for tensor in data if not tensor.is_constant]
        shift = self._extent(constants[0])
        return shift > _LARGEST_SHIFT_RATIO * max(others) > 0

    def _is_masked(self, operator: Operator) -> bool:
        """Whether a mask, 0 or -1e9, would drown what it is put on."""
        if operator.name not in _MASKING:
            return False
        data = kernels.data_inputs(operator)
        masks = [t for t in data if self._is_mask(t, one=operator.name not in _BY_CONSTANT)]
        others = [self._extent(tensor) for tensor in data if tensor not in masks]
        highest = max((self._extent(tensor) for tensor in masks), default=0.0)
        return highest > self._largest() * max(others, default=0.0) > 0

    def _is_mask(self, tensor: Tensor, *, one: bool) -> bool:
        """Whether a tensor holds zeros and numbers of nearly one size, or, if that may be, one."""
        known = self.statistics.get(tensor.name)
        values = tensor.data if tensor.data is not None else None if known is None else known.sample
        if values is None or not values.size:
            return False
        sizes = np.abs(values)
        if ((sizes > 0) & (sizes < sizes.max() / 2)).any():
            return False
        return not sizes.all() or (one and values.size == 1)

    def _tensor_reason(self, tensor: Tensor) -> str:
        stats = self.statistics.get(tensor.name)
        if stats is None:
            return ""
        step, spread = self._step(tensor, stats), stats.sample.var(axis=0, dtype=np.float64)
        if not spread.any():
            return ""
        if self._has_lost_channel(stats, spread, step):
            return MIXED
        return OFFSET if _db(float(spread.mean()), step) < LEAST_DB else ""

    def _has_lost_channel(
        self, stats: TensorStatistics, spread: NDArray[np.float64], step: float
    ) -> bool:
        """Whether one channel's extent is far below another's, and its numbers all but lost."""
        extents = np.maximum(np.abs(stats.low), np.abs(stats.high))
        small = (spread > 0) & (extents * self._largest() < extents.max())
        return any(_db(power, step) < _LEAST_CHANNEL_DB for power in spread[small])

    def _input_reason(self, tensor: Tensor) -> str:
        """Numbers of several kinds at an input, a column each; pictures are of one kind."""
        if not tensor.is_float or len(tensor.shape) >= _IMAGE_RANK:
            return ""
        return self._tensor_reason(tensor)

    def _step(self, tensor: Tensor, stats: TensorStatistics) -> float:
        maker = self.graph.producer(tensor)
        kernel = None if maker is None else kernels.KERNELS.get(maker.name)
        fixed = None if kernel is None else kernel.fixed_scale(self.bits)
        if fixed is not None:
            return fixed[0]
        return (max(stats.maximum, 0.0) - min(stats.minimum, 0.0)) / _LEVELS[self.bits]

    def _extent(self, tensor: Tensor) -> float:
        values = tensor.data
        if values is not None:
            return float(np.abs(values).max(initial=0))
        stats = self.statistics.get(tensor.name)
        return 0.0 if stats is None else max(abs(stats.minimum), abs(stats.maximum))

    def _largest(self) -> float:
        return LARGEST_RATIO * _LEVELS[self.bits] / _LEVELS[8]

    @staticmethod
    def _ratio(extents: list[float]) -> float:
        """Of the largest to the smallest; what is zero throughout has nothing to lose."""
        known = [extent for extent in extents if extent > 0]
        return max(known) / min(known) if known else 1.0


def _is_weighty(operator: Operator) -> bool:
    return operator.name in _WEIGHTY


def _reads_vector(operator: Operator) -> bool:
    """Whether it is a dense layer that reads one row of features."""
    return operator.name == "FULLY_CONNECTED" and operator.source.elements == (
        operator.source.channels
    )


def _db(power: float, step: float) -> float:
    """Of a signal over the rounding to a step."""
    noise = max(step * step / 12, float(np.finfo(np.float64).tiny))
    return float(10 * np.log10(power / noise)) if power > 0 else float("-inf")
