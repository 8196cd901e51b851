"""The fewest layers in float32 with which an integer model is as faithful as asked for.

Layers are taken in the order of `float_layers`; how many of them are needed is found by bisection,
each time building the file and measuring it. Then each of them is tried without.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgecnn import parity
from edgecnn.formats import tflite_file as tfl
from edgecnn.progress import Progress, Silent
from edgecnn.quantize import float_layers
from edgecnn.quantize.passes import keep_float

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edgecnn.quantize.integer import IntegerModel

    Names = frozenset[str]

_MOST_TRIES = 24


class Mixture:
    """An integer model of which some layers may compute in float.

    Args:
        made: the integer model, with its source.
        feeds: (1, H, W, C) float32 to choose on.
        reference: float logits they give, (images, classes).
        logits: index of the float tensor whose error counts.
        float_ends: whether the file's ends will be float32.
        threads: of one inference.
        finish: gives a file the ends it will have, before it is measured.
        progress: told of each file that is tried.
    """

    def __init__(
        self,
        made: IntegerModel,
        feeds: Sequence[NDArray[np.float32]],
        reference: NDArray[np.float32],
        *,
        logits: int,
        float_ends: bool,
        threads: int,
        finish: Callable[[bytes], bytes] = bytes,
        progress: Progress | None = None,
    ) -> None:
        assert made.source is not None  # noqa: S101 - asked for with `with_source`
        self._data, self._real = made.data, tfl.read(made.source.data)
        self._feeds, self._reference, self._threads = feeds, reference, threads
        self._finish, self._progress = finish, progress or Silent()
        self._known: dict[Names, float] = {}
        self._trade = float_layers.trade(
            made.data, made.source, feeds,
            logits=logits, float_ends=float_ends, threads=threads,
        )  # fmt: skip
        self._given = self._softmax() if float_ends else frozenset[str]()
        self._groups = self._trade.order(self._given)

    @property
    def layers(self) -> int:
        """How many layers there are to choose from."""
        return len(self._trade.nodes) - len(self._given)

    def _softmax(self) -> Names:
        """A final SOFTMAX: with float ends it computes in float anyway (`io_dtype`)."""
        graph = tfl.main_graph(self._real)
        outputs = {int(tensor) for tensor in graph.outputs}
        return frozenset(
            tfl.tensor_name(graph.tensors[int(operator.outputs[0])])
            for operator in graph.operators
            if int(operator.outputs[0]) in outputs
            and tfl.operator_name(self._real, operator) == "SOFTMAX"
        )

    def build(self, kept: Names) -> bytes:
        """The file with these layers in float; its ends stay integers."""
        model = tfl.read(self._data)
        if kept:
            keep_float.apply(model, self._real, kept | self._given)
            tfl.drop_unused(model)
        return tfl.write(model)

    def snr_db(self, kept: Names) -> float:
        """Of the logits on the images to choose on."""
        if kept not in self._known:
            found = parity.logits(
                self._finish(self.build(kept)), self._feeds, threads=self._threads
            )
            ratio = parity.snr_db(self._reference, found)
            self._known[kept] = math.inf if ratio is None else ratio
            self._progress.advance()
        return self._known[kept]

    def everything(self) -> Names:
        """Every layer."""
        return frozenset(self._trade.nodes) - self._given

    def fewest(self, wanted_db: float) -> Names | None:
        """The fewest layers that were found to reach an SNR; None where all of them do not."""
        if self.snr_db(frozenset()) >= wanted_db:
            return frozenset()
        if self.snr_db(self.everything()) < wanted_db:
            return None
        low, high = 0, len(self._groups)
        while high - low > 1:
            middle = (low + high) // 2
            if self.snr_db(self._first(middle)) >= wanted_db:
                high = middle
            else:
                low = middle
        return self._given_back(self._first(high), wanted_db)

    def _first(self, groups: int) -> Names:
        return frozenset[str]().union(*self._groups[:groups])

    def _given_back(self, kept: Names, wanted_db: float) -> Names:
        """Try without each, the one that is predicted to matter least first, until none can go."""
        tries = _MOST_TRIES
        spare: str | None = ""
        while spare is not None:
            spare = None
            for name in sorted(kept, key=lambda n: (self._trade.left(kept - {n}), n)):
                tries -= kept - {name} not in self._known
                if tries < 0:
                    break
                if self.snr_db(kept - {name}) >= wanted_db:
                    spare, kept = name, kept - {name}
                    break
        return kept
