"""Folders appear whole or not at all, whoever is killed, out of space or at it twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_disk import small_disk

from edgecnn import store
from edgecnn.errors import InputError

FILES = ("a", "b", "c")


def fill(folder: Path, content: str, names: tuple[str, ...] = FILES) -> None:
    for name in names:
        (folder / name).write_text(content)


def make(final: Path, content: str) -> Path:
    with store.new_folder(final) as part:
        fill(part, content)
    return final


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail(final: Path, error: BaseException) -> None:
    """Raise the error with the folder half filled."""
    with store.new_folder(final) as part:
        fill(part, "half", ("a",))
        raise error


def whole(content: str) -> dict[str, str]:
    return dict.fromkeys(FILES, content)


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_folder_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    final = tmp_path / "deep" / "er" / "int8"
    with store.new_folder(final) as part:
        fill(part, "new")
        assert part.parent == final.parent
        assert not final.exists()
    assert contents(final) == whole("new")
    assert names(final.parent) == ["int8"]


def test_a_new_folder_takes_the_place_of_the_old_one_and_of_all_that_was_in_it(
    tmp_path: Path,
) -> None:
    final = make(tmp_path / "int8", "old")
    (final / "notes.txt").write_text("of an earlier version")
    make(final, "new")
    assert contents(final) == whole("new")
    assert names(tmp_path) == ["int8"]


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt(), InputError("no")])
def test_an_error_leaves_the_old_folder_and_nothing_else(
    tmp_path: Path, error: BaseException
) -> None:
    final = make(tmp_path / "int8", "old")
    with pytest.raises(type(error)):
        fail(final, error)
    assert contents(final) == whole("old")
    assert names(tmp_path) == ["int8"]


def test_an_error_with_nothing_there_before_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        fail(tmp_path / "int8", RuntimeError())
    assert names(tmp_path) == []


def test_a_reader_always_sees_a_whole_folder(tmp_path: Path) -> None:
    final = make(tmp_path / "int8", "0")
    seen: set[str] = set()
    problems: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            # Through one descriptor, as one look: names may change hands between two of them.
            try:
                look = os.open(final, os.O_RDONLY | os.O_DIRECTORY)
            except OSError as error:
                problems.append(f"the folder was missing: {error}")
                return
            try:
                found = set()
                for name in FILES:
                    file = os.open(name, os.O_RDONLY, dir_fd=look)
                    found.add(os.read(file, 10).decode())
                    os.close(file)
            except FileNotFoundError:
                continue  # the old folder is being removed behind us; its name is long another's
            finally:
                os.close(look)
            if len(found) > 1:
                problems.append(f"mixed: {found}")
            seen.update(found)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 60):
        make(final, str(number))
    done.set()
    reader.join()
    assert problems == []
    assert len(seen) > 1  # it did read while folders were changing


def test_leftovers_of_dead_processes_go_and_those_of_live_ones_stay(tmp_path: Path) -> None:
    dead = tmp_path / f".int8.{dead_pid()}-0123abcd.part"
    live = tmp_path / f".int8.{os.getppid()}-0123abcd.part"
    other = tmp_path / f".float32.{dead_pid()}-0123abcd.part"
    foreign = tmp_path / ".int8.backup"
    for folder in (dead, live, other, foreign):
        folder.mkdir()
        fill(folder, "half")
    make(tmp_path / "int8", "new")
    assert not dead.exists()
    assert contents(live) == contents(other) == contents(foreign) == whole("half")


def test_a_name_with_dots_and_regex_signs_is_taken_as_it_is(tmp_path: Path) -> None:
    odd = ["a.b", "a+b", "a(b", ".hidden", "1-2.part"]
    for name in odd:
        make(make(tmp_path / name, "old"), "new")
    found = {path.name: contents(path) for path in tmp_path.iterdir()}
    assert found == {name: whole("new") for name in odd}


def test_stepping_aside_gives_the_new_folder_too(tmp_path: Path) -> None:
    final = make(tmp_path / "int8", "old")
    part = tmp_path / ".int8.1-00.part"
    part.mkdir()
    fill(part, "new")
    store._step_aside(part, final)  # noqa: SLF001 - taken only where the exchange is not had
    assert contents(final) == whole("new")
    assert names(tmp_path) == ["int8"]


def test_two_that_step_aside_at_once_leave_one_whole_folder(tmp_path: Path) -> None:
    final = tmp_path / "int8"
    for round_number in range(20):
        parts = [tmp_path / f"part{round_number}-{n}" for n in range(4)]
        for part in (*parts, *([final] if round_number == 0 else [])):
            part.mkdir()
            (part / "file").write_text(part.name)
        with ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(store._step_aside, parts, [final] * len(parts)))  # noqa: SLF001 - as above
        assert (final / "file").read_text() in {part.name for part in parts}
        assert [entry.name for entry in tmp_path.iterdir()] == ["int8"]


def test_a_folder_that_stepped_aside_comes_back_when_its_run_was_killed(tmp_path: Path) -> None:
    final = make(tmp_path / "int8", "old")
    final.rename(tmp_path / ".int8.aside")  # here the run was killed
    with pytest.raises(RuntimeError):
        fail(final, RuntimeError())
    assert contents(final) == whole("old")
    assert names(tmp_path) == ["int8"]


def test_a_system_without_the_exchange_says_so(tmp_path: Path) -> None:
    one, other = make(tmp_path / "one", "1"), make(tmp_path / "other", "2")
    assert store._exchange(one, other)  # noqa: SLF001 - what every replacement relies on
    assert (contents(one), contents(other)) == (whole("2"), whole("1"))


@pytest.mark.parametrize("there_before", [True, False])
def test_a_full_disk_is_told_and_harms_nothing(tmp_path: Path, *, there_before: bool) -> None:
    with small_disk(tmp_path / "disk") as disk:
        final = disk / "xception" / "int8"
        if there_before:
            make(final, "old")
        with (
            pytest.raises(InputError, match="disk is full") as caught,
            store.new_folder(final) as part,
        ):
            (part / "model.tflite").write_bytes(bytes(4 << 20))
        assert str(final) in caught.value.message
        assert caught.value.hint
        assert names(final.parent) == (["int8"] if there_before else [])
        assert not there_before or contents(final) == whole("old")
        make(final, "new")  # the space is free again
        assert contents(final) == whole("new")


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match="cannot be written") as caught:
        make(tmp_path / "file" / "int8", "new")
    assert "--out" in caught.value.hint
    assert (tmp_path / "file").read_text() == "not a folder"


def test_a_file_under_the_final_name_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "int8").write_text("the user's own")
    with pytest.raises(InputError, match="cannot be written"):
        make(tmp_path / "int8", "new")
    assert (tmp_path / "int8").read_text() == "the user's own"
    assert names(tmp_path) == ["int8"]


def test_a_read_only_file_system_is_told(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk", "size=1m,ro") as disk,
        pytest.raises(InputError, match="cannot be written: Read-only file system"),
    ):
        make(disk / "int8", "new")


def test_a_name_that_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written: File name too long"):
        make(tmp_path / ("x" * 300), "new")


_LOOP = """
import sys
from pathlib import Path
from edgecnn import store
print("ready", flush=True)
number = 0
while True:
    number += 1
    with store.new_folder(Path(sys.argv[1])) as part:
        for name in "abc":
            (part / name).write_text(str(number))
"""


@pytest.mark.parametrize("step", range(6))
def test_killed_at_any_moment_a_whole_folder_stays_and_the_next_run_tidies(
    tmp_path: Path, step: int
) -> None:
    final = make(tmp_path / "int8", "old")
    child = subprocess.Popen([sys.executable, "-c", _LOOP, str(final)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(0.01 + 0.0037 * step)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    found = contents(final)
    assert found.keys() == set(FILES)
    assert len(set(found.values())) == 1
    make(final, "new")
    assert contents(final) == whole("new")
    assert names(tmp_path) == ["int8"]


def test_two_runs_at_once_leave_one_whole_folder(tmp_path: Path) -> None:
    final = tmp_path / "int8"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _LOOP.replace("while True", "while number < 40"), str(final)],
            stdout=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    assert [child.wait() for child in children] == [0, 0]
    assert contents(final) == whole("40")
    assert names(tmp_path) == ["int8"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


KEY, OTHER_KEY, THIRD_KEY = "a" * 64, "b" * 64, "c" * 64


def test_the_cache_makes_each_content_once(cache: Path) -> None:
    made = []

    def work(part: Path) -> None:
        made.append(part)
        fill(part, "content")

    first = store.cached("float", KEY, work)
    assert store.cached("float", KEY, work) == first == cache / "float" / KEY
    assert contents(first) == whole("content")
    assert len(made) == 1
    store.cached("float", OTHER_KEY, work)
    store.cached("statistics", KEY, work)
    assert len(made) == 3


def test_work_that_fails_is_not_kept(cache: Path) -> None:
    def stop(part: Path) -> None:
        fill(part, "half", ("a",))
        raise InputError("no")

    with pytest.raises(InputError):
        store.cached("float", KEY, stop)
    assert names(cache / "float") == []
    assert contents(store.cached("float", KEY, lambda part: fill(part, "new"))) == whole("new")


def _age(entry: Path, hours: float) -> None:
    then = time.time() - 3600 * hours
    os.utime(entry, (then, then))


def test_the_cache_forgets_what_was_not_used_for_longest(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_CACHE_LIMIT_BYTES", 2500)
    made = [store.cached("float", key, _kilobyte) for key in (KEY, OTHER_KEY)]
    _age(made[0], hours=3)
    _age(made[1], hours=5)
    store.cached("float", OTHER_KEY, _kilobyte)  # a use makes it young again
    third = store.cached("float", THIRD_KEY, _kilobyte)
    assert set((cache / "float").iterdir()) == {made[1], third}


def _kilobyte(part: Path) -> None:
    (part / "data").write_bytes(bytes(1000))


def test_the_cache_removes_what_killed_runs_left(cache: Path) -> None:
    key, dead = "0" * 64, 2**22 + 1  # above any process number
    part = cache / "float" / f".{key}.{dead}-abcd.part"
    part.mkdir(parents=True)
    alive = cache / "float" / f".{key}.{os.getpid()}-abcd.part"
    alive.mkdir()
    store.cached("float", "1" * 64, lambda folder: (folder / "file").touch())
    assert not part.exists()
    assert alive.exists()


def test_the_cache_keeps_what_another_run_may_be_reading(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_CACHE_LIMIT_BYTES", 500)
    for key in (KEY, OTHER_KEY, THIRD_KEY):
        store.cached("float", key, _kilobyte)
    assert len(list((cache / "float").iterdir())) == 3


def test_the_cache_never_removes_what_is_not_its_own(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EDGECNN_CACHE may name a folder in which the user keeps other things."""
    monkeypatch.setattr(store, "_CACHE_LIMIT_BYTES", 500)
    photographs = cache / "2019" / "holiday"
    photographs.mkdir(parents=True)
    _kilobyte(photographs)
    _age(photographs, hours=10000)
    store.cached("float", KEY, _kilobyte)
    assert (photographs / "data").exists()


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path))
    assert store.cache_folder() == tmp_path
    monkeypatch.delenv("EDGECNN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert store.cache_folder() == tmp_path / "xdg" / "edgecnn"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store.cache_folder() == tmp_path / ".cache" / "edgecnn"


_NAME_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0/")


@given(st.text(_NAME_CHARACTERS, min_size=1, max_size=50).filter(lambda n: n not in {".", ".."}))
def test_any_name_a_folder_may_have_works(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        final = make(make(Path(folder) / name, "old"), "new")
        assert contents(final) == whole("new")
        assert names(Path(folder)) == [name]


def test_a_user_without_a_home_is_asked_for_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("EDGECNN_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(InputError, match="no home folder") as caught:
        store.cache_folder()
    assert "EDGECNN_CACHE" in caught.value.hint
