"""Where the guard works on the device: the lock, the private folder, and what others left behind.

Sent to the device: Python 3.9, standard library alone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

MARK = "EDGECNN_GUARD"
_STALE_S = 60.0
_MAX_DESCRIPTOR = 64  # we open a dozen
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class RefusedError(Exception):
    """What was asked for cannot be; the other side is told why."""

    def __init__(self, kind: str, text: str = "") -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


def open_lock(path: Path) -> int:
    """The lock file, made if need be; every user of the device may lock it."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        # Without O_CREAT: Linux refuses that for another user's file in /tmp (protected_regular).
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        mask = os.umask(0)
        try:
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
        finally:
            os.umask(mask)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileExistsError(errno.EEXIST, "not a regular file", str(path))
    return descriptor


def lock_at(path: Path, who: str) -> int:
    """Hold the lock at `path`, with our name in it.

    Raises:
        RefusedError: another one holds it.
        OSError: there can be no such file.
    """
    while True:
        try:
            descriptor = open_lock(path)
        except FileExistsError:
            if path.is_file() and not path.is_symlink():  # made a moment ago by another guard
                continue
            raise
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            by = os.pread(descriptor, 200, 0).decode("utf-8", "replace")
            raise RefusedError("taken", by) from error
        # Its last holder removes it: what we locked may no longer be what others find.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{who}, since {time.strftime('%H:%M:%S')}".encode(), 0)
                return descriptor
        os.close(descriptor)


@contextlib.contextmanager
def device_lock(who: str) -> Generator[tuple[Path, int], None, None]:
    """Hold the device's lock: in /tmp, or at home where /tmp cannot be written.

    Yields:
        The lock file's path and descriptor.

    Raises:
        RefusedError: another one holds it, or there is no place for it.
    """
    path, descriptor = _take_lock(who)
    try:
        yield path, descriptor
    finally:
        with contextlib.suppress(OSError):  # another user's file in /tmp stays
            path.unlink()
        os.close(descriptor)


def _take_lock(who: str) -> tuple[Path, int]:
    chosen = os.environ.get("EDGECNN_LOCK")
    home = Path(os.environ.get("HOME") or "/", ".edgecnn.lock")
    # /tmp is the one folder that all users of a device share; symbolic links are not followed.
    places = [Path(chosen)] if chosen else [Path("/tmp", "edgecnn.lock"), home]  # noqa: S108 - see above
    problems: list[str] = []
    for path in places:
        with _noted(path, problems):
            return path, lock_at(path, who)
    raise RefusedError("place", "; ".join(problems))


@contextlib.contextmanager
def _noted(place: Path, problems: list[str]) -> Generator[None, None, None]:
    """Go on with the next place when this one cannot be used."""
    try:
        yield
    except OSError as error:
        problems.append(f"{place}: {error.strerror}")


@contextlib.contextmanager
def private_folder(lock: tuple[Path, int]) -> Generator[tuple[Path, Path], None, None]:
    """A new folder, ours alone, and the base it stands in; nothing of it is left afterwards.

    Args:
        lock: the device's, as `device_lock` yields it.

    Yields:
        The base and the folder.

    Raises:
        RefusedError: there is no place to write.
        OSError: the disk is full, or something in the folder cannot be removed.
    """
    base, folders = _base_folder()
    _sweep(base / "sessions")
    root = Path(tempfile.mkdtemp(prefix="edgecnn-", dir=base / "sessions"))
    try:
        alive = os.open(root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(alive, fcntl.LOCK_EX)  # held until this process ends
        with _keeper([lock[1], alive], lambda: _clear(root, folders, lock[0])):
            yield base, root
    finally:
        for number in SIGNALS:  # we are ending already
            signal.signal(number, signal.SIG_IGN)
        _clear(root, folders)


def _clear(root: Path, folders: list[Path], lock: Path | None = None) -> None:
    kill_marked(root)
    remove(root)
    _remove_empty(folders)
    if lock is not None:
        lock.unlink()


@contextlib.contextmanager
def _keeper(locks: list[int], clear: Callable[[], None]) -> Generator[None, None, None]:
    """A second process that waits for the end of this one, and clears up if we cannot.

    It holds the locks with us (flock belongs to the open file, not to a process): nobody measures
    before all is gone.
    """
    read_end, write_end = os.pipe()
    keeper = os.fork()
    if keeper == 0:
        os.setsid()
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        for descriptor in {*range(_MAX_DESCRIPTOR)} - {
            *locks,
            read_end,
        }:  # or the connection stays open
            with contextlib.suppress(OSError):
                os.close(descriptor)
        try:
            if not os.read(read_end, 1):
                clear()
        finally:
            os._exit(0)
    try:
        yield
    finally:
        os.write(write_end, b"done")
        os.close(write_end)
        os.close(read_end)
        os.waitpid(keeper, 0)


def _base_folder() -> tuple[Path, list[Path]]:
    """The user's cache, else a shared place; and what may go again once it is empty.

    Libraries cannot be loaded from some file systems (noexec): those come last.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path(os.environ.get("HOME") or "/", ".cache")
    own = f"edgecnn-{os.getuid()}"
    # The shared ones are checked to be ours.
    places = [Path(home, "edgecnn"), Path("/var/tmp", own), Path("/tmp", own)]  # noqa: S108 - see above
    bases: dict[Path, list[Path]] = {}
    problems: list[str] = []
    for place in places:
        with _noted(place, problems):
            bases[place] = _make_base(place)
    if not bases:
        raise RefusedError("place", "; ".join(problems))
    runs = [place for place in bases if not os.statvfs(place).f_flag & os.ST_NOEXEC]
    best = [*runs, *bases][0]
    for place, folders in bases.items():
        if place != best:
            _remove_empty(folders)
    return best, bases[best]


def _make_base(place: Path) -> list[Path]:
    """Make the folders, and make sure that they are ours and can be written.

    Returns:
        What may be removed when it is empty, the deepest first.

    Raises:
        OSError: they are not, or cannot.
    """
    new = [folder for folder in place.parents if folder.name == ".cache" or not folder.exists()]
    (place / "sessions").mkdir(mode=0o700, parents=True, exist_ok=True)
    status = place.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(errno.EACCES, "it is another user's", str(place))
    tempfile.TemporaryFile(dir=place / "sessions").close()
    return [place / "sessions", place, *new]


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):  # something is in it: a kept runtime, the user's own
            folder.rmdir()


def remove(folder: Path) -> None:
    """Remove a folder, whatever its programs did to its permissions."""

    def again(function: Callable[[str], object], path: str, _: object) -> None:
        with contextlib.suppress(FileNotFoundError):
            Path(path).parent.chmod(0o700)
            if Path(path).is_dir():
                Path(path).chmod(0o700)
                shutil.rmtree(path)
            else:
                function(path)

    shutil.rmtree(folder, onerror=again)


def kill_marked(root: Path) -> None:
    """Kill every process that was started for this folder, and what those started."""
    mark = f"{MARK}={root}".encode()
    for _ in range(200):
        count = 0
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended, or is another user's
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    os.kill(int(process.name), signal.SIGKILL)
                    count += 1
        if not count:
            return
        time.sleep(0.01)


def _sweep(work: Path) -> None:
    """Remove what guards left that were killed, or lost to a reboot."""
    for root in work.iterdir():
        try:
            descriptor = os.open(root / "lock", os.O_RDWR)
        except FileNotFoundError:
            if abs(time.time() - root.stat().st_mtime) > _STALE_S:  # else it is just being made
                remove(root)
            continue
        with contextlib.suppress(BlockingIOError):  # its guard lives
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            kill_marked(root)
            remove(root)
        os.close(descriptor)
