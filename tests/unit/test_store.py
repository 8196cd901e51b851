"""Folders appear whole or not at all, whoever is killed, out of space or at it twice."""

from __future__ import annotations

import fcntl
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
    """Told by the lock: a process number may be another one's, in another container."""
    dead = tmp_path / f".int8.{os.getpid()}-0123abcd.part"
    live = tmp_path / f".int8.{2**22 + 1}-0123abcd.part"  # above any process number
    other = tmp_path / ".float32.1-0123abcd.part"
    foreign = tmp_path / ".int8.backup"
    for folder in (dead, live, other, foreign):
        folder.mkdir()
        fill(folder, "half")
    lock = os.open(live, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    make(tmp_path / "int8", "new")
    os.close(lock)
    assert not dead.exists()
    assert contents(live) == contents(other) == contents(foreign) == whole("half")


def test_what_is_being_made_is_locked(tmp_path: Path) -> None:
    with store.new_folder(tmp_path / "int8") as part:
        lock = os.open(part, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(lock)
        make(tmp_path / "int8", "of another run meanwhile")
        fill(part, "new")
    assert contents(tmp_path / "int8") == whole("new")


def listed(content: dict[str, list[str]]) -> list[str]:
    return content["files"]


def record(folder: Path) -> None:
    (folder / "record.json").write_text('{"files": ["a", "b", "c"]}')


def own(final: Path) -> None:
    store.require_own(final, "record.json", listed)


def make_own(final: Path, content: str) -> None:
    with store.new_folder(final, replaceable=own) as part:
        fill(part, content)
        record(part)


def test_a_folder_of_ours_and_an_empty_one_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "int8").mkdir()
    make_own(tmp_path / "int8", "old")
    make_own(tmp_path / "int8", "new")
    assert (tmp_path / "int8" / "a").read_text() == "new"


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("no record", "it holds thesis.txt, and no record.json of edgecnn's"),
        ("another's record", "its record.json is not one of edgecnn's"),
        ("no JSON", "its record.json is not one of edgecnn's"),
        ("a pipe for a record", "it holds record.json, and no record.json of edgecnn's"),
        ("a file in ours", "it holds thesis.txt, which edgecnn did not write"),
        ("a link", "it is a symbolic link"),
    ],
)
def test_what_is_not_ours_is_not_replaced(tmp_path: Path, kind: str, why: str) -> None:
    final = folder = tmp_path / "int8"
    if kind == "a link":
        folder = tmp_path / "elsewhere"
        final.symlink_to(folder)
    folder.mkdir()
    if kind == "a pipe for a record":
        os.mkfifo(folder / "record.json")
    else:
        (folder / "thesis.txt").write_text("three years")
    if kind == "a file in ours":
        record(folder)
    if kind in {"another's record", "no JSON"}:
        (folder / "record.json").write_text('{"mine": 1}' if kind != "no JSON" else "{")
    before = names(folder)
    with pytest.raises(InputError) as caught:
        make_own(final, "new")
    assert caught.value.message == f"{final} is not replaced: {why}."
    assert "--out" in caught.value.hint
    assert names(folder) == before


def test_what_was_put_there_while_we_worked_is_not_replaced_either(tmp_path: Path) -> None:
    final = tmp_path / "int8"

    def work() -> None:
        with store.new_folder(final, replaceable=own) as part:
            fill(part, "new")
            final.mkdir()
            (final / "thesis.txt").write_text("three years")

    with pytest.raises(InputError, match=r"thesis\.txt"):
        work()
    assert (final / "thesis.txt").read_text() == "three years"
    assert names(tmp_path) == ["int8"]


def test_a_file_appears_whole_and_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "profile").write_text("precious")
    (tmp_path / "junit.xml").symlink_to(tmp_path / "profile")
    store.write_file(tmp_path / "junit.xml", b"<testsuites/>")
    assert (tmp_path / "profile").read_text() == "precious"
    assert (tmp_path / "junit.xml").read_bytes() == b"<testsuites/>"
    assert not (tmp_path / "junit.xml").is_symlink()
    assert names(tmp_path) == ["junit.xml", "profile"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        store.write_file(disk / "junit.xml", b"old")
        with pytest.raises(OSError, match="No space left"):
            store.write_file(disk / "junit.xml", bytes(4 << 20))
        assert (disk / "junit.xml").read_bytes() == b"old"
        assert names(disk) == ["junit.xml"]


def test_a_device_is_written_to_and_stays_one() -> None:
    store.write_file(Path("/dev/null"), b"nobody reads this")
    assert Path("/dev/null").is_char_device()


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


_NAME_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0/")


@given(st.text(_NAME_CHARACTERS, min_size=1, max_size=50).filter(lambda n: n not in {".", ".."}))
def test_any_name_a_folder_may_have_works(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        final = make(make(Path(folder) / name, "old"), "new")
        assert contents(final) == whole("new")
        assert names(Path(folder)) == [name]
