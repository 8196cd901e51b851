"""Folders to work in, locked while somebody does: what a killed run left is told from what is used.

The lock (flock, on the folder itself) ends with the process that holds it, however that ends. Every
process of the machine sees it, in whichever container; process numbers mean nothing in another one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_NO_LOCKS = {errno.EBADF, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_FORGOTTEN_S = 24 * 3600.0  # where a file system has no locks (NFS), age has to do
_TEMPORARY = re.compile(r"^edgecnn-[0-9a-f]{16}\.tmp$")


@contextlib.contextmanager
def new(name: Callable[[], Path], *, mode: int = 0o777) -> Generator[Path, None, None]:
    """A new folder, locked until the block ends, and gone then unless it was renamed.

    Args:
        name: a path that nobody has, another one at each call; its parent is there.
        mode: its permissions, before the umask.

    Raises:
        OSError: it cannot be made.
    """
    path, descriptor = _taken(name, mode)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)  # a leftover is removed by the next run
        os.close(descriptor)


def _taken(name: Callable[[], Path], mode: int) -> tuple[Path, int]:
    while True:
        path = name()
        path.mkdir(mode=mode)
        with contextlib.suppress(FileNotFoundError):  # swept in the moment before it was locked
            descriptor = os.open(path, _OPEN)
            with _without_locks():
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _stands(path, descriptor):
                return path, descriptor
            os.close(descriptor)


def _stands(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _without_locks() -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def sweep(folders: Iterable[Path]) -> None:
    """Remove those of our folders in which nobody works any more; links and others' stay."""
    for folder in folders:
        with contextlib.suppress(OSError):  # another run has just removed it, or it is no folder
            _remove_abandoned(folder)


def _remove_abandoned(folder: Path) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        return
    descriptor = os.open(folder, _OPEN)
    try:
        if _abandoned(descriptor):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def _abandoned(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return time.time() - os.fstat(descriptor).st_mtime > _FORGOTTEN_S
    return True


@contextlib.contextmanager
def temporary() -> Generator[Path, None, None]:
    """A private folder of the system's temporary one, gone when the block ends.

    What killed runs left of theirs is removed with it.

    Raises:
        OSError: there is no place for it.
    """
    base = tempfile.gettempdir()
    _sweep_temporary(base)
    with new(lambda: Path(base, f"edgecnn-{secrets.token_hex(8)}.tmp"), mode=0o700) as folder:
        yield folder


@functools.cache
def _sweep_temporary(base: str) -> None:
    """Once a process: the folder may be full of other programs' files."""
    sweep(path for path in Path(base).iterdir() if _TEMPORARY.match(path.name))
