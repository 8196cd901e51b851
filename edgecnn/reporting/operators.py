"""Where a network's time goes, as `edgecnn bench --operators` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.table import Column, Table
from edgecnn.text import ABSENT, count_text, percent_text, printable, size_text, threads_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.profiling.operator_record import KindTime, LayerTime, OperatorProfile

_GIGA = 1e9
_LONGEST_NAME = 22
_NEAR_CEILING = 0.6
_WORTH_TELLING = 0.1
_OUT_OF_PROPORTION = 4
# One and many, of what most nets are made of; any other operator goes by its own name.
_WORDS = {
    "DEPTHWISE_CONV_2D": ("depthwise convolution", "depthwise convolutions"),
    "CONV_2D": ("convolution", "convolutions"),
    "FULLY_CONNECTED": ("fully connected layer", "fully connected layers"),
    "ADD": ("addition", "additions"),
    "MUL": ("multiplication", "multiplications"),
    "Conv": ("convolution", "convolutions"),
    "Conv (depthwise)": ("depthwise convolution", "depthwise convolutions"),
    "QLinearConv": ("convolution", "convolutions"),
    "QLinearConv (depthwise)": ("depthwise convolution", "depthwise convolutions"),
}


def operator_facts(profile: OperatorProfile) -> tuple[tuple[str, str], ...]:
    """What was measured and how, name and value, a line each."""
    rates = profile.ceilings.macs_per_s
    computing = ", ".join(f"{rate / _GIGA:.0f} GMAC/s {dtype}" for dtype, rate in rates.items())
    small, large = profile.ceilings.bandwidth[0], profile.ceilings.bandwidth[-1]
    moving = (
        f"{small[1] / _GIGA:.0f} GB/s up to {size_text(small[0])},"
        f" {large[1] / _GIGA:.0f} GB/s at {size_text(large[0])}"
    )
    threads = threads_text(profile.threads)
    facts = [
        ("file", printable(profile.file)),
        ("runtime", f"{profile.runtime}, {threads}"),
        ("latency", f"{profile.latency_ms:.3g} ms, median without a profiler"),
        ("obtained", profile.how),
        ("ceilings", f"{computing}; copying memory {moving}"),
    ]
    if profile.method == "profiler":
        facts.insert(3, ("profiled", _profiled_text(profile)))
    return tuple(facts)


def _profiled_text(profile: OperatorProfile) -> str:
    share = profile.outside_ms / profile.profiled_ms if profile.profiled_ms else 0.0
    return (
        f"{profile.profiled_ms:.3g} ms, mean of the faster half of {profile.runs} runs;"
        f" {percent_text(share)} of it outside operators"
    )


def bottleneck(profile: OperatorProfile) -> str:
    """What holds the network back, in a few sentences.

    First the kind of operator that loses the most time against this CPU's ceilings; then the kind
    that takes the most time, and those that take far more of it than of the MACs.
    """
    if not profile.kinds:
        return "No operator took any time."
    kinds = [max(profile.kinds, key=_lost_ms), profile.kinds[0]]
    kinds += [kind for kind in profile.kinds if _out_of_proportion(kind)]
    sentences = [_sentence(kind) for kind in dict.fromkeys(kinds)]
    outside = profile.outside_ms / profile.profiled_ms if profile.profiled_ms else 0.0
    if outside > _WORTH_TELLING:
        sentences.append(f"{percent_text(outside)} of the time is spent outside operators.")
    return " ".join(sentences)


def _out_of_proportion(kind: KindTime) -> bool:
    much = kind.time_share > _WORTH_TELLING
    return much and kind.time_share > _OUT_OF_PROPORTION * kind.macs_share


def _lost_ms(kind: KindTime) -> float:
    """Time above the ceiling; a kind without a ceiling counts whole."""
    return kind.time_ms * (1 - min(kind.ceiling_share or 0.0, 1.0))


def _sentence(kind: KindTime) -> str:
    macs = f" for {percent_text(kind.macs_share)} of the MACs" if kind.macs else " for no MACs"
    verb = "take" if kind.count > 1 else "takes"
    text = f"{_count_text(kind)} {verb} {percent_text(kind.time_share)} of the time{macs}"
    if kind.ceiling_share is None:
        return f"{text}."
    what = "computing" if kind.bound == "compute" else "moving memory"
    share = f"{percent_text(min(kind.ceiling_share, 1.0))} of this CPU's ceiling for {what}"
    if kind.ceiling_share >= _NEAR_CEILING:
        return f"{text}, at {share}: only fewer of them would make the network faster."
    return f"{text}, at {share}."


def _count_text(kind: KindTime) -> str:
    singular, many = _WORDS.get(kind.kind, (kind.kind, kind.kind))
    return f"{kind.count} {printable(many if kind.count > 1 else singular)}"


def kinds_table(profile: OperatorProfile) -> Table:
    """Time by kind of operator, the costliest first; 80 columns wide."""
    columns = (
        Column("operator"),
        Column("dtype"),
        Column("n", number=True),
        Column("ms", number=True),
        Column("time", number=True),
        *_WORK,
        Column("bound"),
    )
    rows = [
        (
            printable(kind.kind),
            kind.compute_dtype,
            str(kind.count),
            f"{kind.time_ms:.2f}",
            percent_text(kind.time_share),
            *_work(kind, kind.ceiling_share),
            kind.bound or ABSENT,
        )
        for kind in profile.kinds
    ]
    return Table(columns, tuple(rows))


def layers_table(profile: OperatorProfile, longest: int | None = None) -> Table:
    """Time by layer in the graph's order; with `longest`, so many that take longest, sorted."""
    columns = (
        Column("#", number=True),
        Column("operator"),
        Column("makes"),
        Column("ms", number=True),
        *_WORK,
    )
    layers: Iterable[LayerTime] = profile.layers
    if longest is not None:
        layers = sorted(profile.layers, key=lambda layer: -layer.time_ms)[:longest]
    rows = [
        (
            str(layer.index),
            printable(layer.kind),
            printable(layer.name, _LONGEST_NAME),
            f"{layer.time_ms:.2f}",
            *_work(layer, _ceiling_share(layer)),
        )
        for layer in layers
    ]
    return Table(columns, tuple(rows))


_WORK = (
    Column("MACs", number=True),
    Column("moved", number=True),
    Column("ceiling", number=True),
)


def _ceiling_share(layer: LayerTime) -> float | None:
    return layer.ceiling_ms / layer.time_ms if layer.ceiling_ms and layer.time_ms else None


def _work(row: KindTime | LayerTime, of_ceiling: float | None) -> tuple[str, ...]:
    return (
        count_text(row.macs) if row.macs else ABSENT,
        size_text(row.bytes_moved),
        # A time of a few microseconds may be rounded to less than the ceiling allows.
        ABSENT if of_ceiling is None else percent_text(min(of_ceiling, 1.0)),
    )
