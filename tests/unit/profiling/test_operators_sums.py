"""From events to operators, kinds and shares."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.profiling import operator_sums
from edgecnn.profiling.operator_costs import Cost
from edgecnn.profiling.operator_litert import Event, Run
from edgecnn.profiling.operator_record import Ceilings, LayerTime
from edgecnn.profiling.operator_sums import TimedOperator

CEILINGS = Ceilings(1, {"int8": 1e9, "float32": 1e8}, ((1000, 1e6),))


def cost(index: int, kind: str, macs: int = 0, moved: int = 100, dtype: str = "int8") -> Cost:
    return Cost(index, f"t{index}", kind, dtype, macs, moved)


def run(*elapsed_us: float, wall_us: float = 0.0) -> Run:
    events = tuple(Event("ADD", None, each) for each in elapsed_us)
    return Run(wall_us or sum(elapsed_us), events)


def test_slow_and_odd_runs_do_not_count() -> None:
    runs = [run(10, 20), run(10, 20), run(10, 20), run(900, 20), run(1), run(10, 20)]
    wall_ms, events = operator_sums.typical(runs)
    assert [event.elapsed_us for event in events] == [10, 20]
    assert wall_ms == pytest.approx(0.03)


def test_a_run_that_waited_for_other_programs_explains_less_and_does_not_count() -> None:
    assert operator_sums.explained([run(10, 20, wall_us=7000), run(10, 20, wall_us=40)]) == 0.75


walls = st.floats(1, 1e6)


@given(st.lists(st.tuples(walls, walls, walls), min_size=1, max_size=30))
def test_the_parts_add_up_to_the_whole(times: list[tuple[float, float, float]]) -> None:
    wall_ms, events = operator_sums.typical([run(*each) for each in times])
    assert sum(event.elapsed_us for event in events) / 1e3 == pytest.approx(wall_ms)


def test_events_of_one_operator_are_summed_under_its_kernel() -> None:
    events = (
        Event("Convert (NC, F32, QDU8)", None, 5),
        Event("Convolution (NHWC, QDU8, F32, QC8W) IGEMM", None, 20),
        Event("SOFTMAX", 2, 1),
    )
    costs = (cost(0, "CONV_2D"), cost(1, "DEQUANTIZE"), cost(2, "SOFTMAX"))
    found = operator_sums.attribute(events, costs)
    assert [(each.cost.index, each.time_ms) for each in found] == [(0, 0.025), (2, 0.001)]
    assert found[0].kernel.startswith("Convolution")


def test_an_index_of_another_numbering_is_not_believed() -> None:
    found = operator_sums.attribute((Event("ADD", 7, 3),), (cost(0, "MUL"), cost(1, "ADD")))
    assert [each.cost.index for each in found] == [1]


def test_events_that_fit_nothing_leave_no_operator() -> None:
    assert operator_sums.attribute((Event("Add (ND)", None, 3),), (cost(0, "CONV_2D"),)) == []


def test_a_ceiling_that_an_operator_passed_is_raised() -> None:
    fast = TimedOperator(cost(0, "CONV_2D", macs=3_000_000), "", 1.0)
    assert operator_sums.raised(CEILINGS, [fast]).macs_per_s == {"int8": 3e9, "float32": 1e8}


def test_an_operator_too_short_for_the_clock_raises_nothing() -> None:
    fast = TimedOperator(cost(0, "CONV_2D", macs=3_000_000), "", 0.001)
    assert operator_sums.raised(CEILINGS, [fast]) == CEILINGS


def test_kinds_share_the_time_the_macs_and_the_ceiling() -> None:
    timed = [
        TimedOperator(cost(0, "CONV_2D", macs=900_000), "", 1.0),
        TimedOperator(cost(1, "DEPTHWISE_CONV_2D", macs=50_000, moved=1500), "", 2.0),
        TimedOperator(cost(2, "DEPTHWISE_CONV_2D", macs=50_000, moved=1500), "", 1.0),
    ]
    deep, wide = operator_sums.kind_times(operator_sums.layer_times(timed, CEILINGS))
    assert (deep.kind, deep.count, deep.time_share, deep.macs_share) == (
        "DEPTHWISE_CONV_2D", 2, 0.75, 0.1,
    )  # fmt: skip
    assert deep.ceiling_share == pytest.approx(1.0)  # 2 x 1500 bytes at 1 MB/s are 3 ms
    assert deep.bound == "memory"
    assert wide.ceiling_share == pytest.approx(0.9)  # 0.9 M at 1 G/s are 0.9 ms
    assert wide.bound == "compute"


def test_a_dtype_without_a_ceiling_has_no_share_of_one() -> None:
    timed = [TimedOperator(cost(0, "CONV_2D", macs=900, dtype="int16"), "", 1.0)]
    layers = operator_sums.layer_times(timed, CEILINGS)
    (kind,) = operator_sums.kind_times(layers)
    assert layers[0].ceiling_ms is None
    assert kind.ceiling_share is None
    assert kind.bound is None


layers = st.builds(
    LayerTime,
    index=st.integers(0, 99),
    name=st.text(),
    kind=st.sampled_from(["ADD", "MUL", "CONV_2D"]),
    compute_dtype=st.sampled_from(["int8", "float32"]),
    kernel=st.text(),
    time_ms=st.floats(0, 1e3),
    macs=st.integers(0, 10**12),
    bytes_moved=st.integers(0, 10**9),
    ceiling_ms=st.none() | st.floats(0, 1e3),
    bound=st.sampled_from(["compute", "memory"]),
)


@given(st.lists(layers))
def test_kinds_lose_nothing_of_the_layers(found: list[LayerTime]) -> None:
    kinds = operator_sums.kind_times(found)
    assert sum(kind.count for kind in kinds) == len(found)
    assert sum(kind.macs for kind in kinds) == sum(layer.macs for layer in found)
    assert sum(k.time_ms for k in kinds) == pytest.approx(sum(layer.time_ms for layer in found))
    assert [kind.time_ms for kind in kinds] == sorted((k.time_ms for k in kinds), reverse=True)
