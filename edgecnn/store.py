"""Folders that appear whole or not at all, and the cache.

Work goes into a hidden folder beside the final one; it is synced and then exchanged with it in one
step of the file system (Linux's renameat2 with RENAME_EXCHANGE), so that whoever looks sees the old
folder or the new one, and whoever is killed leaves one of them. Where the system has no exchange,
the old folder steps aside first, and is brought back by the next run if that one is killed between.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import secrets
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NO_PLACE = {errno.EACCES, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR,
             errno.EPERM, errno.EROFS}  # fmt: skip
_PART = re.compile(r"^\.(?P<name>.+)\.(?P<pid>\d+)-[0-9a-f]+\.part$")
_ASIDE = ".{name}.aside"
_KEY = re.compile(r"^[0-9a-f]{16,}$")
_CACHE_LIMIT_BYTES = 8 << 30


@contextlib.contextmanager
def new_folder(final: Path) -> Generator[Path, None, None]:
    """A folder to fill; it takes the place of `final` when the block ends without an error.

    Raises:
        InputError: the place cannot be written to, or the disk is full.
    """
    with _file_errors(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        _tidy(final)
        part = final.parent / _part_name(final)
        part.mkdir()
        try:
            yield part
            _sync(part)
            _put_in_place(part, final)
        finally:
            shutil.rmtree(part, ignore_errors=True)  # a leftover is removed by the next run


@contextlib.contextmanager
def _file_errors(final: Path) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise InputError(
                f"The disk is full: {final} was not written, and what was there is untouched.",
                hint="Free some space, or choose another folder with --out"
                " (the cache: EDGECNN_CACHE).",
            ) from error
        if error.errno in _NO_PLACE:
            raise InputError(
                f"{final} cannot be written: {error.strerror} ({error.filename}).",
                hint="Choose another folder with --out (the cache: EDGECNN_CACHE).",
            ) from error
        raise


def _tidy(final: Path) -> None:
    """Remove what killed runs left beside `final`, and bring back an old one that stepped aside."""
    for entry in final.parent.iterdir():
        match = _PART.match(entry.name)
        if match and match["name"] == final.name and not _alive(int(match["pid"])):
            shutil.rmtree(entry, ignore_errors=True)
    aside = final.parent / _ASIDE.format(name=final.name)
    if aside.exists() and not final.exists():
        aside.rename(final)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _put_in_place(part: Path, final: Path) -> None:
    try:
        part.rename(final)  # where there is nothing yet, or an empty folder
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
        if not _exchange(part, final):
            _step_aside(part, final)
    descriptor = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step; False where the system or the file system cannot."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    names = os.fsencode(one), os.fsencode(other)
    if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}:
        return False
    raise OSError(code, os.strerror(code), str(other))


def _step_aside(part: Path, final: Path) -> None:
    aside = final.parent / _ASIDE.format(name=final.name)
    while part.exists():
        shutil.rmtree(aside, ignore_errors=True)
        try:
            with contextlib.suppress(FileNotFoundError):  # another run has moved it just now
                final.rename(aside)
            part.rename(final)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise  # else another run has put its own there just now: the last one stays
    shutil.rmtree(aside, ignore_errors=True)


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


def cached(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The cache's folder for this content, made by `make(folder)` if it is not there yet.

    Args:
        kind: what it is, such as "float"; a folder of the cache.
        key: hex digest of everything that decides the content.
        make: fills a folder; called in this process.
    """
    final = cache_folder() / kind / key
    if not final.exists():
        with new_folder(final) as part:
            make(part)
        _evict(keep=final)
    with contextlib.suppress(OSError):  # a read-only cache is still a cache
        os.utime(final)
    return final


@contextlib.contextmanager
def scratch(kind: str, key: str) -> Generator[Path, None, None]:
    """A folder of the cache to work in, gone when the block ends.

    What a killed run leaves of it is removed by the next one.
    """
    final = cache_folder() / kind / key
    with _file_errors(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        part = final.parent / _part_name(final)
        part.mkdir()
        try:
            yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)  # a leftover is removed by the next run


def _part_name(final: Path) -> str:
    return f".{final.name}.{os.getpid()}-{secrets.token_hex(4)}.part"


def is_cached(kind: str, key: str) -> bool:
    """Whether the cache has a folder for this content."""
    return (cache_folder() / kind / key).exists()


def _evict(keep: Path) -> None:
    """Remove what was not used for longest until the cache is within its limit.

    Only what has a cache's name is counted and removed: $EDGECNN_CACHE may name a folder in which
    the user keeps other things.
    """
    _tidy_cache()
    entries = [entry for entry in cache_folder().glob("*/*") if _KEY.match(entry.name)]
    sized = [(_used(entry), _size_bytes(entry), entry) for entry in entries]
    total = sum(size for _, size, _ in sized)
    for used, size, entry in sorted(sized):
        if total <= _CACHE_LIMIT_BYTES or entry == keep or time.time() - used < 60 * 60:
            continue  # what another run may be reading stays
        shutil.rmtree(entry, ignore_errors=True)
        total -= size


def _tidy_cache() -> None:
    """Remove what killed runs left: the same key may never be asked for again."""
    for entry in cache_folder().glob("*/.*.part"):
        match = _PART.match(entry.name)
        if match and _KEY.match(match["name"]) and not _alive(int(match["pid"])):
            shutil.rmtree(entry, ignore_errors=True)


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
