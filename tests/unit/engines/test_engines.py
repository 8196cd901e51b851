"""The order of tasks, and the local engine: deaths, second tries, memory, and being stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_tasks import task

from edgecnn.engines.local import LocalEngine, free_bytes
from edgecnn.engines.tasks import ASSUMED_BYTES, Need, Schedule, Task
from edgecnn.errors import InputError
from edgecnn.isolation import CrashedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def grouped(groups: str) -> list[Task]:
    return [task("double", n, group=name.strip()) for n, name in enumerate(groups)]


def test_the_first_of_a_group_starts_alone_and_other_groups_beside_it() -> None:
    schedule = Schedule(grouped("aaab "))
    first = schedule.next()
    second = schedule.next()
    third = schedule.next()
    assert [each and each.group for each in (first, second, third)] == ["a", "b", ""]
    assert schedule.next() is None
    assert first is not None
    schedule.ended(first, well=True)
    assert [each.argument for each in (schedule.next(), schedule.next()) if each] == [1, 2]
    assert schedule.next() is None


def test_where_the_first_fails_the_second_takes_its_place() -> None:
    schedule = Schedule(grouped("aaa"))
    for expected in range(3):
        started = schedule.next()
        assert started is not None
        assert started.argument == expected
        assert schedule.next() is None
        schedule.ended(started, well=False)
    assert schedule.next() is None


def test_tasks_are_taken_as_they_are_needed() -> None:
    taken = list[int]()

    def tasks() -> Iterator[Task]:
        for number in range(100_000):
            taken.append(number)
            yield task("double", number, group="one")

    schedule = Schedule(tasks())
    assert schedule.next() is not None
    assert schedule.next() is None
    assert len(taken) < 2000


@given(st.text("abc ", max_size=30), st.integers(1, 4), st.randoms(use_true_random=False))
def test_every_task_is_started_once_and_no_group_twice_before_its_first_has_ended(
    groups: str, workers: int, random: object
) -> None:
    schedule, running, started = Schedule(grouped(groups)), list[Task](), list[Task]()
    opened = set[str]()
    while True:
        while len(running) < workers and (new := schedule.next()) is not None:
            closed = [each.group for each in running if each.group and each.group not in opened]
            assert new.group not in closed
            running.append(new)
            started.append(new)
        if not running:
            break
        ended = running.pop(random.randrange(len(running)))  # type: ignore[attr-defined] # Random
        well = random.random() < 0.7  # type: ignore[attr-defined] # likewise
        if well:
            opened.add(ended.group)
        schedule.ended(ended, well=well)
    assert sorted(each.key for each in started) == sorted(each.key for each in grouped(groups))


def test_memory_is_given_as_measured() -> None:
    need = Need()
    assert need.bytes == ASSUMED_BYTES
    need.learn(1000)
    need.learn(500)
    assert need.bytes == 1200
    engine = LocalEngine(8, 4 * ASSUMED_BYTES)
    assert engine.workers == 4
    assert LocalEngine(8, 10).workers == 1
    assert LocalEngine(8).workers == 8
    free = free_bytes()
    assert free is None or free > 0


def test_results_refusals_and_deaths(tmp_path: Path) -> None:
    (tmp_path / "always").mkdir()
    (tmp_path / "once").mkdir()
    tasks = [
        task("double", 21),
        task("refuse", "no"),
        task("die", str(tmp_path / "always")),
        task("die_once", str(tmp_path / "once")),
        task("double", 4, isolated=False, key="here"),
    ]
    ended = {each.task.key: each for each in LocalEngine(2).run(tasks)}
    assert len(ended) == len(tasks)
    assert ended["double 21"].value == 42
    assert ended["double 21"].peak_bytes > 1 << 20
    assert ended["here"].value == 8
    refused = ended["refuse no"]
    assert isinstance(refused.error, InputError)
    assert refused.attempts == 1
    dead = ended[tasks[2].key]
    assert isinstance(dead.error, CrashedError)
    assert dead.attempts == len(list((tmp_path / "always").iterdir())) == 4
    again = ended[tasks[3].key]
    assert (again.value, again.attempts) == ("alive", 2)


def test_a_child_computes_on_its_cores_alone() -> None:
    """On Ray libraries would take one thread, here all: their sums' last digits differ."""
    tasks = [task("environment_of", "OMP_NUM_THREADS", key=str(n), cores=n) for n in (1, 3)]
    assert {each.task.key: each.value for each in LocalEngine(1).run(tasks)} == {"1": "1", "3": "3"}


def test_a_group_begins_with_one(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    tasks = [task("begin_and_end", (str(marks), str(n)), group="net") for n in range(3)]
    assert [each.error for each in LocalEngine(3).run(tasks)] == [None] * 3
    assert marks.read_text().splitlines()[:2] == ["begin 0", "end 0"]


def _pids(marks: Path) -> list[int]:
    return [int(path.name.partition("-")[0]) for path in marks.iterdir()]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_for_marks(marks: Path, count: int) -> None:
    while len(list(marks.iterdir())) < count:
        time.sleep(0.01)


def test_closing_ends_what_runs(tmp_path: Path) -> None:
    tasks = [task("double", 1), *(task("wait_for_ever", str(tmp_path), key=k) for k in "ab")]
    with contextlib.closing(LocalEngine(3).run(tasks)) as outcomes:
        assert next(outcomes).value == 2
        _wait_for_marks(tmp_path, 2)
    assert not any(map(_is_alive, _pids(tmp_path)))


def test_an_interrupt_ends_what_runs(tmp_path: Path) -> None:
    def interrupt() -> None:
        _wait_for_marks(tmp_path, 1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        list(LocalEngine(2).run([task("wait_for_ever", str(tmp_path))]))
    assert not any(map(_is_alive, _pids(tmp_path)))
