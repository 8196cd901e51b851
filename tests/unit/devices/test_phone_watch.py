"""What a phone's shell tells of its state while a program runs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgecnn.devices import phone_watch
from edgecnn.measurements import DeviceState

LINES = """\
before ticks cpu 1000 0 200 8000 100 10 20 0 0 0
before own 77 (sh) S 1 77 77 0 -1 4194560 0 0 0 0 10 5 3 2 20 0 1 0 100 0 0
before clock 2400000
before max_clock 2841600
before governor schedutil
before temperature 31000 battery
before temperature 48312 cpu-0-0-usr
before temperature 51000 soc_max
before held 0
before load 3.92
before memory 5200394
after clock 2841600
after clock 2600000
after ticks cpu 1800 0 300 8100 100 10 20 0 0 0
after own 77 (sh) S 1 77 77 0 -1 4194560 0 0 0 0 10 5 703 97 20 0 1 0 100 0 0
after clock 300000
after max_clock 2841600
after governor schedutil
after temperature 55000 cpu-0-0-usr
after held 0
after held 2
after load 4.08
after memory 5100000
"""


def test_all_that_is_told_is_read() -> None:
    before, after = phone_watch.states(LINES)
    assert before == DeviceState(
        clock_mhz=2400.0,
        max_clock_mhz=2841.6,
        governor="schedutil",
        temperature_c=51.0,
        throttled=0,
        load_average=3.92,
        free_memory_bytes=5200394 * 1024,
    )
    assert after.clock_mhz == 2600.0, "the last one while it ran"
    assert after.throttled == 4
    assert after.temperature_c == 55.0
    # 900 ticks were busy, 795 of them the program's and its shell's, of 1000 in all.
    assert after.busy_share == 0.105


def test_a_program_that_ends_at_once_has_the_clock_of_its_start() -> None:
    lines = [line for line in LINES.splitlines() if not line.startswith("after clock 2")]
    assert phone_watch.states("\n".join(lines))[1].clock_mhz == 2400.0


def test_what_is_not_told_is_not_known() -> None:
    assert phone_watch.states("") == (DeviceState(), DeviceState())


def test_zones_that_do_not_name_the_cpu_count_where_none_does() -> None:
    before, _ = phone_watch.states("before temperature 31000 battery\nbefore temperature 40000\n")
    assert before.temperature_c == 40.0


@given(st.lists(st.sampled_from(LINES.splitlines())), st.integers(0, 60), st.text(max_size=9))
def test_lines_that_are_cut_missing_or_strange_are_passed_over(
    lines: list[str], cut: int, strange: str
) -> None:
    text = "\n".join([line[:cut] + strange for line in lines] + lines)
    for state in phone_watch.states(text):
        assert state.busy_share is None or 0 <= state.busy_share <= 1
        assert state.clock_mhz is None or state.clock_mhz >= 0
