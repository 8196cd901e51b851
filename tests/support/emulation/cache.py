"""Folders that are made once and kept: complete or absent, whoever else wants them meanwhile."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_KEPT_SECONDS = 7 * 24 * 3600

CACHE = "EDGECNN_EMULATED_CACHE"


def cache_folder() -> Path:
    """Where roots and built programs are kept: $EDGECNN_EMULATED_CACHE, or in the user's cache."""
    chosen = os.environ.get(CACHE)
    if chosen:
        return Path(chosen).absolute()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home).absolute() / "edgecnn-emulated"


@contextmanager
def locked(name: str) -> Generator[None, None, None]:
    """Hold the cache's lock of this name; the kernel lets go of it however the process ends."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def readable_by_all() -> Generator[None, None, None]:
    """Make files that the machine's users can read, whatever this shell's umask is."""
    previous = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(previous)


def kept(name: str, ingredients: str, make: Callable[[Path], None]) -> Path:
    """Return the folder `name`, made by `make` unless it was made of the same ingredients before.

    Args:
        name: of the folder.
        ingredients: all that decides what `make` makes; other ones make another folder.
        make: fills the empty folder it is given.
    """
    key = hashlib.sha256(ingredients.encode()).hexdigest()[:16]
    final = cache_folder() / f"{name}-{key}"
    with locked(name):
        if not final.is_dir():
            part = cache_folder() / f".{name}.part"
            _remove(part)
            with readable_by_all():
                part.mkdir()
                make(part)
            part.rename(final)
        os.utime(final)
        _remove_forgotten(name)
    return final


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _remove_forgotten(name: str) -> None:
    """Roots are large: one that no machine was started from for a week goes."""
    for folder in cache_folder().glob(f"{name}-{'[0-9a-f]' * 16}"):
        if folder.stat().st_mtime < time.time() - _KEPT_SECONDS:
            _remove(folder)
