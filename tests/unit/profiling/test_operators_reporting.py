"""What a user reads of where the time goes."""

from __future__ import annotations

import dataclasses

import pytest
from rich.console import Console

from edgecnn.profiling import operator_sums
from edgecnn.profiling.operator_record import Ceilings, KindTime, LayerTime, OperatorProfile
from edgecnn.reporting import operators
from edgecnn.reporting.table import draw

CEILINGS = Ceilings(2, {"int8": 2e11}, ((131_072, 7e10), (134_217_728, 1.1e10)))


def layer(
    index: int, kind: str, time_ms: float, macs: int, least: float | None = None
) -> LayerTime:
    return LayerTime(
        index, f"block/{index}", kind, "int8", "kernel", time_ms, macs, 1000, least, "compute"
    )


def profile(*layers: LayerTime, outside_ms: float = 0.0) -> OperatorProfile:
    whole = sum(each.time_ms for each in layers) + outside_ms
    return OperatorProfile(
        file="net.tflite",
        file_sha256="0" * 64,
        runtime="ai-edge-litert 2.3.0",
        threads=2,
        method="profiler",
        how="by a profiler",
        latency_ms=whole,
        profiled_ms=whole,
        outside_ms=outside_ms,
        runs=20,
        layers=layers,
        kinds=operator_sums.kind_times(layers),
        ceilings=CEILINGS,
    )


XCEPTION = profile(
    layer(0, "CONV_2D", 30.0, 980, 27.0),
    layer(1, "DEPTHWISE_CONV_2D", 10.0, 10, 1.0),
    layer(2, "DEPTHWISE_CONV_2D", 10.0, 10, 1.0),
)


def test_what_loses_most_comes_first_and_what_takes_most_second() -> None:
    assert operators.bottleneck(XCEPTION) == (
        "2 depthwise convolutions take 40.0% of the time for 2.0% of the MACs,"
        " at 10.0% of this CPU's ceiling for computing."
        " 1 convolution takes 60.0% of the time for 98.0% of the MACs,"
        " at 90.0% of this CPU's ceiling for computing:"
        " only fewer of them would make the network faster."
    )


def test_time_out_of_proportion_to_the_macs_is_told_though_others_lose_more() -> None:
    found = profile(
        layer(0, "CONV_2D", 80.0, 980, 20.0),
        layer(1, "DEPTHWISE_CONV_2D", 18.0, 20, 1.0),
        layer(2, "ADD", 2.0, 0, 1.0),
    )
    first, second = operators.bottleneck(found).split(". ")
    assert first.startswith("1 convolution takes 80.0% of the time for 98.0% of the MACs")
    assert second.startswith("1 depthwise convolution takes 18.0% of the time for 2.0% of the MACs")


def test_operators_without_words_or_macs_go_by_their_own_name() -> None:
    text = operators.bottleneck(profile(layer(0, "SPACE_TO_DEPTH", 1.0, 0)))
    assert text == "1 SPACE_TO_DEPTH takes 100% of the time for no MACs."


def test_time_outside_operators_is_told_when_it_is_much() -> None:
    told = "50.0% of the time is spent outside operators."
    assert told in operators.bottleneck(profile(layer(0, "ADD", 1.0, 0), outside_ms=1.0))
    assert "outside" not in operators.bottleneck(profile(layer(0, "ADD", 1.0, 0), outside_ms=0.01))


def test_a_profile_of_nothing_says_so() -> None:
    assert operators.bottleneck(profile()) == "No operator took any time."


def test_kinds_stand_in_the_order_of_their_time() -> None:
    table = operators.kinds_table(XCEPTION)
    assert [row[:3] for row in table.rows] == [
        ("CONV_2D", "int8", "1"),
        ("DEPTHWISE_CONV_2D", "int8", "2"),
    ]
    titles = [column.title for column in table.columns]
    row = dict(zip(titles, table.rows[1], strict=True))
    assert (row["ms"], row["time"], row["ceiling"], row["bound"]) == (
        "20.00", "40.0%", "10.0%", "compute",
    )  # fmt: skip


def test_eighty_columns_hold_a_row_on_a_line() -> None:
    wide = profile(layer(100, "DEPTHWISE_CONV_2D", 123.45, 8_330_000_000, 12.0))
    wide = dataclasses.replace(
        wide, layers=(dataclasses.replace(wide.layers[0], name="block/a/very/long/name" * 9),)
    )
    console = Console(width=80)
    for table in (operators.kinds_table(wide), operators.layers_table(wide)):
        with console.capture() as capture:
            console.print(draw(table))
        assert len(capture.get().splitlines()) == 3


def test_all_layers_in_the_graphs_order_or_the_longest_first() -> None:
    assert [row[0] for row in operators.layers_table(XCEPTION).rows] == ["0", "1", "2"]
    assert [row[0] for row in operators.layers_table(XCEPTION, longest=1).rows] == ["0"]


def test_how_the_figures_were_obtained_is_always_told() -> None:
    facts = dict(operators.operator_facts(XCEPTION))
    assert facts["obtained"] == "by a profiler"
    assert "2 threads" in facts["runtime"]
    assert "20 runs" in facts["profiled"]
    assert "200 GMAC/s int8" in facts["ceilings"]
    alone = dataclasses.replace(XCEPTION, method="alone", how="one by one")
    assert "profiled" not in dict(operators.operator_facts(alone))


def test_names_from_a_foreign_file_are_safe_for_a_terminal() -> None:
    evil = dataclasses.replace(layer(0, "EVIL\x1b[2J", 1.0, 0), name="a\x1b[2J\n")
    found = profile(evil)
    texts = [operators.bottleneck(found)]
    for table in (operators.kinds_table(found), operators.layers_table(found)):
        texts += [cell for row in table.rows for cell in row]
    assert all(text.isprintable() for text in texts)


@pytest.mark.parametrize("share", [1.7, 1.0])
def test_no_operator_is_said_to_pass_the_ceiling(share: float) -> None:
    kind = KindTime("ADD", "int8", 1, 1.0, 1.0, 0, 0.0, 10, share, "memory")
    found = dataclasses.replace(XCEPTION, kinds=(kind,))
    assert "at 100% of this CPU's ceiling for moving memory" in operators.bottleneck(found)
