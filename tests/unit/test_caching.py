"""The cache: made once, checked when read, made again when damaged, cleared of what is old."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import command_line
import pytest

import edgecnn
from edgecnn import caching
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = ("a", "b", "c")


def fill(folder: Path, content: str, names: tuple[str, ...] = FILES) -> None:
    for name in names:
        (folder / name).write_text(content)


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.iterdir() if path.name != caching.SUMS)
    return {path.name: path.read_text() for path in files}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def whole(content: str) -> dict[str, str]:
    return dict.fromkeys(FILES, content)


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

    first = caching.cached("float", KEY, work)
    assert caching.cached("float", KEY, work) == first == cache / "float" / KEY
    assert contents(first) == whole("content")
    assert len(made) == 1
    caching.cached("float", OTHER_KEY, work)
    caching.cached("statistics", KEY, work)
    assert len(made) == 3


def test_work_that_fails_is_not_kept(cache: Path) -> None:
    def stop(part: Path) -> None:
        fill(part, "half", ("a",))
        raise InputError("no")

    with pytest.raises(InputError):
        caching.cached("float", KEY, stop)
    assert names(cache / "float") == []
    assert contents(caching.cached("float", KEY, lambda part: fill(part, "new"))) == whole("new")


def _age(entry: Path, hours: float) -> None:
    then = time.time() - 3600 * hours
    os.utime(entry, (then, then))


def test_the_cache_forgets_what_was_not_used_for_longest(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "_LIMIT_BYTES", 2500)
    made = [caching.cached("float", key, _kilobyte) for key in (KEY, OTHER_KEY)]
    _age(made[0], hours=3)
    _age(made[1], hours=5)
    caching.cached("float", OTHER_KEY, _kilobyte)  # a use makes it young again
    third = caching.cached("float", THIRD_KEY, _kilobyte)
    assert set((cache / "float").iterdir()) == {made[1], third}


def _kilobyte(part: Path) -> None:
    (part / "data").write_bytes(bytes(1000))


def test_the_cache_removes_what_killed_runs_left(cache: Path) -> None:
    """Told by the lock: a process number may be another one's, in another container."""
    part = cache / "float" / f".{KEY}.{os.getpid()}-abcd.part"
    part.mkdir(parents=True)
    with caching.scratch("float", KEY) as alive:
        caching.cached("float", OTHER_KEY, lambda folder: (folder / "file").touch())
        assert not part.exists()
        assert alive.exists()
    assert not alive.exists()


def _change(entry: Path) -> None:
    (entry / "b").write_text("permuted")  # as long as before, where that is what is asked


def _cut_off(entry: Path) -> None:
    (entry / "b").write_text("con")


def _remove(entry: Path) -> None:
    (entry / "b").unlink()


def _add(entry: Path) -> None:
    (entry / "d").write_text("content")


def _link(entry: Path) -> None:
    (entry / "b").rename(entry.parent / "elsewhere")
    (entry / "b").symlink_to(entry.parent / "elsewhere")


def _forget_sums(entry: Path) -> None:
    (entry / caching.SUMS).unlink()


def _spoil_sums(entry: Path) -> None:
    (entry / caching.SUMS).write_text("{" * 100000)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (_change, "b was changed"),
        (_cut_off, "b was changed"),
        (_remove, "b is missing, or was added"),
        (_add, "d is missing, or was added"),
        (_link, "b was changed"),
        (_forget_sums, "it has no checksums"),
        (_spoil_sums, "it cannot be read"),
    ],
)
@pytest.mark.usefixtures("cache")
def test_a_damaged_entry_is_told_and_made_again(damage: Callable[[Path], None], why: str) -> None:
    entry = caching.cached("float", KEY, lambda part: fill(part, "original"))
    damage(entry)
    assert [why in (each.problem or "") for each in edgecnn.cache(check=True).damaged] == [True]
    told: list[str] = []
    assert caching.find("float", KEY, warn=told.append) is None
    assert caching.cached("float", KEY, lambda part: fill(part, "original"), warn=told.append)
    assert contents(entry) == whole("original")
    assert [why in each and each.endswith("It is rebuilt.") for each in told] == [True, True]
    assert edgecnn.cache(check=True).damaged == ()


def test_a_user_without_a_home_is_asked_for_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("EDGECNN_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(InputError, match="no home folder") as caught:
        caching.cache_folder()
    assert "EDGECNN_CACHE" in caught.value.hint


def test_the_cache_is_shown_and_cleared(cache: Path) -> None:
    assert edgecnn.cache().entries == edgecnn.cache(clear=True).entries == ()
    for kind, key in (("float", KEY), ("float", OTHER_KEY), ("statistics", KEY)):
        caching.cached(kind, key, _kilobyte)
    _age(cache / "float" / KEY, hours=3)
    (cache / "holiday" / "2019").mkdir(parents=True)
    (cache / "float" / ".hidden").write_text("the user's own")
    shown = edgecnn.cache()
    assert [(each.kind, each.key) for each in shown.entries] == [
        ("float", OTHER_KEY),
        ("float", KEY),
        ("statistics", KEY),
    ]
    assert {each.problem for each in shown.entries} == {None}
    assert {each.problem for each in edgecnn.cache(check=True).entries} == {""}
    assert edgecnn.cache(clear=True).cleared
    assert edgecnn.cache().entries == ()
    assert names(cache) == ["float", "holiday"]
    assert names(cache / "float") == [".hidden"]


@pytest.mark.usefixtures("cache")
def test_the_command_shows_checks_and_clears() -> None:
    entry = caching.cached("float", KEY, _kilobyte)
    shown = command_line.run("cache")
    assert re.search(r"float +1 +1\.0\d kB", shown.stdout), shown.stdout
    assert "all intact" in command_line.run("cache", "--check").stdout
    (entry / "data").write_bytes(b"cut")
    done = command_line.run_json("cache", "--check", code=1)
    assert [each["problem"] for each in done["entries"]] == ["data was changed"]
    assert "DAMAGED" in command_line.run("cache", "--check").stderr
    assert "Removed" in command_line.run("cache", "--clear").stdout
    assert not entry.exists()
    assert command_line.run("cache", "--check", "--clear").returncode == 2


def test_the_cache_keeps_what_another_run_may_be_reading(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "_LIMIT_BYTES", 500)
    for key in (KEY, OTHER_KEY, THIRD_KEY):
        caching.cached("float", key, _kilobyte)
    assert len(list((cache / "float").iterdir())) == 3


def test_the_cache_never_removes_what_is_not_its_own(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EDGECNN_CACHE may name a folder in which the user keeps other things."""
    monkeypatch.setattr(caching, "_LIMIT_BYTES", 500)
    photographs = cache / "2019" / "holiday"
    photographs.mkdir(parents=True)
    _kilobyte(photographs)
    _age(photographs, hours=10000)
    caching.cached("float", KEY, _kilobyte)
    assert (photographs / "data").exists()


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path))
    assert caching.cache_folder() == tmp_path
    monkeypatch.delenv("EDGECNN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert caching.cache_folder() == tmp_path / "xdg" / "edgecnn"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert caching.cache_folder() == tmp_path / ".cache" / "edgecnn"
