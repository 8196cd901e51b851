"""The cheapest layers in float32 with which an integer model is as faithful as asked for.

Layers are taken in the orders of `float_layers`; how many of each are needed is found by bisection,
each time building the file and measuring it. Then it is tried without each that costs latency. Of
the choices so reached the cheapest is taken: small gains at small costs may not add up to what one
dear layer mends, and the other way round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.progress import Progress, Silent
from edgecnn.quantize import float_layers, kernels, measured
from edgecnn.quantize.passes import keep_float

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from edgecnn.formats.tflite_graph import Graph, Operator
    from edgecnn.quantize.integer import IntegerModel

    Names = frozenset[str]

_MOST_TRIES = 24
LEAST_DB = 20.0
"""SNR below which an export gives layers back to float unasked, and ..."""
WANTED_DB = 23.0
"""... what it then asks of the calibration samples, so that others have the least."""
WORTH_DB = 2.0
"""What that has to gain."""
MOST_MACS = 100_000_000
"""Of a network with more, layers are given back by --min-snr alone."""


class Mixture:
    """An integer model of which some layers may compute in float.

    Args:
        model: the integer model, with its source.
        feeds: to choose on; for every run an array for each input of the float model.
        reference: what the float model gives on them, by the name of each tensor whose error
            counts; the runs one behind the other along the first axis.
        float_ends: whether the file's ends will be float32.
        by_groups: judge each output by its worst group of numbers.
        threads: of one inference.
        finish: gives a graph the ends it will have, in place, before it is measured.
        progress: told of each file that is tried.
    """

    def __init__(
        self,
        model: IntegerModel,
        feeds: Sequence[Sequence[NDArray[Any]]],
        reference: Mapping[str, NDArray[Any]],
        *,
        float_ends: bool,
        by_groups: bool = False,
        threads: int,
        finish: Callable[[Graph], None] | None = None,
        progress: Progress | None = None,
    ) -> None:
        assert model.source is not None  # noqa: S101 - asked for with `with_source`
        self._integer, self._real = model.graph, model.source.graph
        self._feeds, self._reference, self._threads = feeds, reference, threads
        self._finish, self._progress = finish, progress or Silent()
        steps = {t.name for t in self._integer.tensors if t.quantization is not None}
        self._float_already = frozenset(self._real.by_output().keys() - steps)
        self._known: dict[Names, float] = {}
        self._by_groups = by_groups
        self._trade = float_layers.trade(
            model.graph, model.source, feeds,
            judged=list(reference), float_ends=float_ends, threads=threads,
        )  # fmt: skip
        self._always = self._softmax() if float_ends else frozenset[str]()
        self._orders = [self._trade.order(self._always, by_cost=dear) for dear in (False, True)]

    @property
    def layers(self) -> int:
        """How many layers there are to choose from."""
        return len(self._trade.nodes) - len(self._always)

    def _softmax(self) -> Names:
        """A final SOFTMAX: with float ends it computes in float anyway (`io_dtype`)."""
        return frozenset(
            name
            for name, operator in self._real.by_output().items()
            if operator.name == "SOFTMAX" and operator.output in self._real.outputs
        )

    def build(self, kept: Names) -> Graph:
        """The graph with these layers in float; its ends stay integers."""
        graph = self._integer.copy()
        if kept:
            keep_float.apply(graph, self._real, self._with_moves(kept | self._always))
        return graph

    def in_float(self, kept: Names) -> Names:
        """All layers that compute in float when these are kept: more, where moves lie between."""
        return self._with_moves(kept | self._always) - (self._always - kept) if kept else kept

    def _with_moves(self, kept: Names) -> Names:
        """Those and what only moves numbers from one float operator to another.

        As integers it would cut off what the one reaches beyond its range, for nothing.
        """
        float_already = self._float_already | kept
        behind = set(float_already)
        for operator in self._real.operators:
            if _moves(operator) and _sources(operator) <= behind:
                behind.add(operator.output.name)
        between: set[str] = set()
        for operator in reversed(self._real.operators):
            name, readers = operator.output.name, _readers(self._real, operator)
            moved = _moves(operator) and name in behind and bool(readers)
            if moved and readers <= float_already | between:
                between.add(name)
        return kept | between

    def snr_db(self, kept: Names) -> float:
        """Of what counts on the inputs to choose on; of several outputs the lowest."""
        if kept not in self._known:
            graph = self.build(kept)
            if self._finish is not None:
                self._finish(graph)
            names = list(self._reference)
            answers = measured.answers(graph, self._feeds, names, threads=self._threads)
            self._known[kept] = measured.lowest_snr_db(
                self._reference, answers, by_groups=self._by_groups
            )
            self._progress.advance()
        return self._known[kept]

    def everything(self) -> Names:
        """Every layer."""
        return frozenset(self._trade.nodes) - self._always

    def cheapest(self, wanted_db: float) -> Names | None:
        """The cheapest layers that were seen to reach an SNR; None where all of them do not."""
        if self.snr_db(frozenset()) >= wanted_db:
            return frozenset()
        if self.snr_db(self.everything()) < wanted_db:
            return None
        choices = {self._first_enough(groups, wanted_db) for groups in self._orders}
        reached = [self._given_back(kept, wanted_db) for kept in sorted(choices, key=sorted)]
        return min(reached, key=lambda kept: (self._trade.cost(kept), sorted(kept)))

    def _first_enough(self, groups: Sequence[Names], wanted_db: float) -> Names:
        """As few of the first groups as reach it."""
        low, high = 0, len(groups)
        while high - low > 1:
            middle = (low + high) // 2
            if self.snr_db(frozenset[str]().union(*groups[:middle])) >= wanted_db:
                high = middle
            else:
                low = middle
        return frozenset[str]().union(*groups[:high])

    def _given_back(self, kept: Names, wanted_db: float) -> Names:
        """Try without each, the one that costs most for its predicted worth first."""
        tries = _MOST_TRIES
        spare: str | None = ""
        while spare is not None:
            spare = None
            for name in self._trade.spares(kept):
                tries -= kept - {name} not in self._known
                if tries < 0:
                    break
                if self.snr_db(kept - {name}) >= wanted_db:
                    spare, kept = name, kept - {name}
                    break
        return kept


def _moves(operator: Operator) -> bool:
    kernel = kernels.KERNELS.get(operator.name)
    return kernel is not None and kernel.moves


def _sources(operator: Operator) -> set[str]:
    """Names of the numbers it reads."""
    return {tensor.name for tensor in kernels.data_inputs(operator) if not tensor.is_constant}


def _readers(graph: Graph, operator: Operator) -> set[str]:
    return {reader.output.name for tensor in operator.outputs for reader in graph.consumers(tensor)}
