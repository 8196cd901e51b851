"""Two ways to convolve one tensor, compared: what the judges of kernels and layers share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgecnn.claims.sources import number, span
from edgecnn.text import threads_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edgecnn.claims.record import Number
    from edgecnn.evidence.records import Header, KernelPair, Kernels

Standing = Literal["faster", "slower", "undecided"]


@dataclass(frozen=True)
class PairRow:
    """One pair of a record, and its place in it."""

    index: int
    pair: KernelPair

    @property
    def macs_ratio(self) -> float:
        """Multiplications of the cheap way over the costly one's."""
        return self.pair.cheap.macs / self.pair.costly.macs

    @property
    def weights_ratio(self) -> float:
        """Weights of the cheap way over the costly one's."""
        return self.pair.cheap.weights / self.pair.costly.weights

    @property
    def standing(self) -> Standing:
        """Whether the whole interval of the ratio of times lies on one side of 1."""
        pair = self.pair
        if (pair.latency_ratio if pair.high_ratio is None else pair.high_ratio) < 1:
            return "faster"
        low = pair.latency_ratio if pair.low_ratio is None else pair.low_ratio
        return "slower" if low > 1 else "undecided"

    @property
    def tensor(self) -> str:
        """What is convolved: "block4_sepconv1, 19x19, 256 to 728 channels"."""
        pair = self.pair
        layer = f"{pair.layer}, " if pair.layer else ""
        return f"{layer}{pair.size}x{pair.size}, {pair.channels} to {pair.filters} channels"

    @property
    def where(self) -> str:
        """The tensor, the precision and the place: "56x56, 64 to 128 channels, int8, local"."""
        pair = self.pair
        threads = threads_text(pair.threads)
        return f"{self.tensor}, {pair.dtype}, {pair.target}, {threads}"


def of_group(record: Kernels, group: str) -> tuple[PairRow, ...]:
    """The pairs of one claim; an emulator's milliseconds decide nothing, and are left out."""
    return tuple(
        PairRow(index, pair)
        for index, pair in enumerate(record.pairs)
        if pair.group == group and pair.provenance != "emulated"
    )


def measured(pairs: Iterable[PairRow]) -> tuple[PairRow, ...]:
    """Those whose times were measured."""
    return tuple(row for row in pairs if row.pair.provenance == "measured")


def predicted(pairs: Iterable[PairRow]) -> tuple[PairRow, ...]:
    """Those whose times are a prediction; they inform and do not decide."""
    return tuple(row for row in pairs if row.pair.provenance == "predicted")


def numbers(pairs: Iterable[PairRow], header: Header) -> Iterator[Number]:
    """Counted ratios of each tensor, once, and the timed ratio and both times of each pair."""
    counted: set[str] = set()
    for row in pairs:
        pair, entry = row.pair, f"pairs[{row.index}]"
        name = f"{pair.cheap.what} / {pair.costly.what}"
        tensor = f"{name}, {row.tensor}"
        if tensor not in counted:
            counted.add(tensor)
            yield number(f"MACs, {tensor}", row.macs_ratio, "1", "counted", header, entry)
            yield number(f"weights, {tensor}", row.weights_ratio, "1", "counted", header, entry)
        timed = (
            ("time", pair.latency_ratio),
            ("time, low end of 95%", pair.low_ratio),
            ("time, high end of 95%", pair.high_ratio),
        )
        for what, value in timed:
            if value is not None:
                full = f"{what}, {name}, {row.where}"
                yield number(full, value, "1", pair.provenance, header, entry)
        for side in (pair.cheap, pair.costly):
            full = f"latency, {side.what}, {row.where}"
            yield number(full, side.latency_ms, "ms", pair.provenance, header, entry)


def ratios(pairs: Sequence[PairRow]) -> str:
    """The span of the ratios of times."""
    return span([row.pair.latency_ratio for row in pairs])


def machine_caveat(pairs: Sequence[PairRow], header: Header) -> str:
    """What measurements on this machine do not say."""
    targets = sorted({row.pair.target for row in pairs})
    if targets != ["local"]:
        return f"Times were measured on {', '.join(targets)}."
    return (
        f"Times were measured on {header.machine.cpu}, with XNNPACK; other processors weigh"
        " arithmetic and memory differently."
    )
