"""The cache: folders by the digest of all that decides their content, checked when they are read.

Beside its files each entry has their sizes and checksums. They are there for what happens to a disk
and to a folder that is copied or cut off; who may write to the cache may write to its user's files.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import digests, held, store
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

SUMS = "sums.json"
_KEY = re.compile(r"^[0-9a-f]{16,}$")
_LIMIT_BYTES = 8 << 30
_MOST_SUMS_BYTES = 1 << 20


@dataclass(frozen=True)
class CacheEntry:
    """One folder of the cache.

    Attributes:
        kind: what it holds, such as "float-tflite".
        key: the digest it is found by.
        size_bytes: of its files.
        used: when it was last used, seconds since 1970.
        problem: what is wrong with it; "" where nothing is, None where nobody looked.
    """

    kind: str
    key: str
    size_bytes: int
    used: float
    problem: str | None = None


@dataclass(frozen=True)
class CacheReport:
    """What lies in the cache, or lay there until it was cleared.

    Attributes:
        folder: the cache.
        entries: by kind, the one used last first.
        cleared: whether they were removed.
    """

    folder: Path
    entries: tuple[CacheEntry, ...]
    cleared: bool = False

    @property
    def damaged(self) -> tuple[CacheEntry, ...]:
        """Those that are not what was put there."""
        return tuple(entry for entry in self.entries if entry.problem)


def cache_folder() -> Path:
    """Where float stages and statistics are kept: $EDGECNN_CACHE, else the user's cache folder."""
    chosen = os.environ.get("EDGECNN_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or _home() / ".cache"
    return Path(base) / "edgecnn"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:
        raise InputError(
            "There is no place for the cache: HOME is not set, and the system knows no home folder"
            " of this user.",
            hint="Name a folder: EDGECNN_CACHE=FOLDER.",
        ) from error


def cache(*, check: bool = False, clear: bool = False) -> CacheReport:
    """Say what the cache holds; check it, or clear it.

    Args:
        check: read every file, and say which entries are not what was put there. They are made
            again when they are next needed.
        clear: remove every entry, and what killed runs left.

    Raises:
        InputError: the cache cannot be written.
    """
    folder = cache_folder()
    paths = sorted(_paths())
    entries = sorted(
        (_entry(path, check=check) for path in paths), key=lambda entry: (entry.kind, -entry.used)
    )
    if clear:
        with store.file_errors(folder):
            _clear(paths)
    return CacheReport(folder, tuple(entries), cleared=clear)


def _entry(path: Path, *, check: bool) -> CacheEntry:
    kind, problem = path.parent.name, problem_of(path) if check else None
    return CacheEntry(kind, path.name, _size_bytes(path), _used(path), problem)


def _paths() -> list[Path]:
    """Only what has a cache's name: $EDGECNN_CACHE may name a folder with the user's own things."""
    paths = (path for path in cache_folder().glob("*/*") if _KEY.match(path.name))
    return [path for path in paths if path.is_dir() and not path.is_symlink()]


def _clear(paths: list[Path]) -> None:
    _tidy()
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # another run has just removed it
            shutil.rmtree(path)
    for kind in {path.parent for path in paths}:
        with contextlib.suppress(OSError):  # a run at work has a folder in it
            kind.rmdir()


def cached(
    kind: str,
    key: str,
    make: Callable[[Path], None],
    *,
    warn: Callable[[str], None] | None = None,
    problem: Callable[[Path], str] | None = None,
) -> Path:
    """The cache's folder for this content, made by `make(folder)` if it is not there yet.

    Args:
        kind: what it is, such as "float"; a folder of the cache.
        key: hex digest of everything that decides the content.
        make: fills a folder; called in this process. Also where an entry is damaged.
        warn: told of a damaged entry.
        problem: what is wrong with an entry, in the place of `problem_of`.
    """
    sound = find(kind, key, warn=warn, problem=problem)
    if sound is not None:
        return sound
    final = _path(kind, key)
    with store.new_folder(final) as part:
        make(part)
        write_sums(part)
    _evict(keep=final)
    return final


def find(
    kind: str,
    key: str,
    *,
    warn: Callable[[str], None] | None = None,
    problem: Callable[[Path], str] | None = None,
) -> Path | None:
    """The cache's folder for this content, read and checked; None where there is no sound one.

    Arguments as of `cached`.
    """
    final = _path(kind, key)
    if not final.exists():
        return None
    why = (problem or problem_of)(final)
    if why:
        if warn is not None:
            warn(f"The cache's {kind} entry {key[:12]} is not used: {why}. It is rebuilt.")
        return None
    with contextlib.suppress(OSError):  # a read-only cache is still a cache
        os.utime(final)
    return final


def problem_of(entry: Path) -> str:
    """What is wrong with an entry, by reading all of it: a clause; "" where nothing is."""
    sums = entry / SUMS
    try:
        recorded = json.loads(sums.read_bytes()) if _is_small(sums) else None
        paths = _files(entry)
        if not isinstance(recorded, dict):
            return "it has no checksums"
        if set(recorded) != set(paths):
            return f"{min(set(recorded) ^ set(paths))} is missing, or was added"
        for name, path in paths.items():
            if path.is_symlink() or recorded[name] != _sum(path):
                return f"{name} was changed"
    except (OSError, ValueError, RecursionError) as error:
        return f"it cannot be read ({error})"
    return ""


def _is_small(sums: Path) -> bool:
    return sums.is_file() and sums.stat().st_size <= _MOST_SUMS_BYTES


def _files(entry: Path) -> dict[str, Path]:
    """Every file of an entry but its checksums, by its path in it."""
    paths = (path for path in entry.rglob("*") if path.is_symlink() or not path.is_dir())
    named = {path.relative_to(entry).as_posix(): path for path in paths}
    return {name: path for name, path in sorted(named.items()) if name != SUMS}


def write_sums(folder: Path) -> None:
    """Give an entry's files their sizes and checksums, as `problem_of` reads them."""
    (folder / SUMS).write_text(sums_text(_files(folder)), encoding="ascii")


def sums_text(named: Mapping[str, Path]) -> str:
    """What SUMS holds of files by their names in a folder."""
    sums = {name: _sum(path) for name, path in named.items()}
    return json.dumps(sums, indent=1) + "\n"


def _sum(path: Path) -> list[int | str]:
    return [path.stat().st_size, digests.of_file(path)]


@contextlib.contextmanager
def scratch(kind: str, key: str) -> Generator[Path, None, None]:
    """A folder of the cache to work in, gone when the block ends.

    What a killed run leaves of it is removed by the next one.
    """
    final = _path(kind, key)
    with store.file_errors(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        with held.new(lambda: store.part_path(final)) as part:
            yield part


def _path(kind: str, key: str) -> Path:
    return cache_folder() / kind / key


def _evict(keep: Path) -> None:
    """Remove what was not used for longest until the cache is within its limit."""
    _tidy()
    sized = [(_used(entry), _size_bytes(entry), entry) for entry in _paths()]
    total = sum(size for _, size, _ in sized)
    for used, size, entry in sorted(sized):
        if total <= _LIMIT_BYTES or entry == keep or time.time() - used < 60 * 60:
            continue  # what another run may be reading stays
        shutil.rmtree(entry, ignore_errors=True)
        total -= size


def _tidy() -> None:
    """Remove what killed runs left: the same key may never be asked for again."""
    parts = cache_folder().glob("*/.*.part")
    held.sweep(part for part in parts if _KEY.match(store.part_of(part.name)))


def _used(entry: Path) -> float:
    """When an entry was last used; 0 when another run has just removed it."""
    with contextlib.suppress(FileNotFoundError):
        return entry.stat().st_mtime
    return 0.0


def _size_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # another run has just removed it
            total += path.stat().st_size if path.is_file() else 0
    return total
