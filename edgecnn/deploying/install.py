"""Puts a release into its place on a device, once it has proved itself there, or not at all.

`edgecnn deploy` sends it beside an archive: it runs on Python 3.9 and newer, with the standard
library alone.

    python3 install.py ARCHIVE FOLDER

The release is unpacked beside the others under a hidden name, runs its reference inputs there, gets
its own name, and only then does the link `current` move to it, in one rename. Whatever fails before
leaves the old release as it was and nothing else behind: a process of its own does the work and
watches its parent, so that it cleans up when the connection is cut and the parent killed. What a
power cut leaves (a hidden folder) is swept by the next deploy. One JSON object on stdout says what
was done, or what went wrong.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NAME = re.compile(r"[0-9a-f]{16}(\.[0-9]+)?")
_SERVICE, _PENDING = "service.json", "pending.json"  # see service_program.py
_INCOMING, _NEW_LINK = ".incoming-", ".current-"
_SPARE_BYTES = 4 << 20  # for folders, and for the bytecode Python writes
_LONGEST_WORDS = 1000  # characters of the last line that a failed proof wrote
_EXECUTABLE = 0o111
_WORKERS_ARGUMENTS = 4
_MARK = "EDGECNN_GUARD"  # of all that edgecnn's guard kills when the connection is gone
_POLL_S = 0.05
_PATIENCE_S = 15.0  # a deploy that was cut off may still be cleaning up


class InstallError(Exception):
    """What went wrong: `kind` for the program that asked, the sentence for its user."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message


def main() -> int:
    """Install in a process that outlives this one only to clean up."""
    if len(sys.argv) == _WORKERS_ARGUMENTS:
        archive, folder, parent = sys.argv[1:]
        os.umask(0o022)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        return _tell(Path(archive), folder, lambda: os.getppid() == int(parent))
    archive, folder = sys.argv[1:]
    me, archive = str(Path(__file__).resolve()), str(Path(archive).resolve())
    return subprocess.run(
        [sys.executable, me, archive, folder, str(os.getpid())],
        stdin=subprocess.DEVNULL,
        cwd="/",
        # Whoever kills our group, or all that bear its mark, must not keep us from cleaning up.
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if name != _MARK},
        check=False,
    ).returncode


def _tell(archive: Path, folder: str, still_wanted: Callable[[], bool]) -> int:
    answer: dict[str, Any]
    try:
        answer = {"ok": True, **install(archive, _place(folder), still_wanted)}
    except InstallError as error:
        answer = {"ok": False, "kind": error.kind, "message": error.message}
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        answer = {"ok": False, "kind": "full" if full else "place", "message": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0 if answer["ok"] else 1


def _place(folder: str) -> Path:
    """A folder as its user named it: ~ is his home, and so is where a relative path begins."""
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home raises where there is none
    return Path(home, os.path.expanduser(folder))  # noqa: PTH111 - likewise


def install(archive: Path, folder: Path, still_wanted: Callable[[], bool]) -> dict[str, Any]:
    """Unpack, prove, switch.

    Args:
        archive: a .tar.gz whose files all lie in <any name>/releases/<release>/.
        folder: where releases/ and the link `current` are, or are to be.
        still_wanted: asked between the steps; when it says no, all is undone.

    Raises:
        InstallError, OSError: nothing was changed.
    """
    folder = folder.absolute()
    with _folders(folder / "releases") as releases, _locked(folder, still_wanted):
        _sweep(folder)
        old = _current(folder)
        with _proven(archive, releases, still_wanted) as (release, kept, proof):
            _refuse_unwanted(still_wanted)
            proven = old if release == old else _arm(folder, release, old)
            _switch(folder, release)
        unchanged = kept and release == old
        removed = [] if unchanged else _prune(releases, {release, old, proven})
    return {"folder": str(folder), "release": release, "unchanged": unchanged,
            "previous": old, "removed": removed, "proof": proof,
            "service": (folder / _SERVICE).exists()}  # fmt: skip


@contextlib.contextmanager
def _proven(
    archive: Path, releases: Path, still_wanted: Callable[[], bool]
) -> Iterator[tuple[str, bool, dict[str, Any]]]:
    """Unpack a release, prove it, give it its name; it goes again when the block fails.

    Yields:
        Its name, whether it was there already, and what its proof told.
    """
    with tarfile.open(archive) as tar, contextlib.ExitStack() as undo:
        name, kept = _release_name(tar), dict[str, Any]()
        with contextlib.suppress(InstallError, OSError):  # not there, or damaged: it comes anew
            kept = _prove(releases / name, still_wanted)
        if kept:
            yield name, True, kept
            return
        release = _free(releases, name)
        incoming = releases / f"{_INCOMING}{release.name}"
        undo.callback(shutil.rmtree, incoming, ignore_errors=True)
        _unpack(tar, incoming, still_wanted)
        proof = _prove(incoming, still_wanted)
        os.sync()
        incoming.rename(release)
        undo.callback(shutil.rmtree, release, ignore_errors=True)
        yield release.name, False, proof
        undo.pop_all()


@contextlib.contextmanager
def _folders(deepest: Path) -> Iterator[Path]:
    """Make a folder and those above it; those that were made are removed after a failure."""
    missing = [parent for parent in (deepest, *deepest.parents) if not os.path.lexists(parent)]
    deepest.mkdir(parents=True, exist_ok=True)
    try:
        yield deepest
    except BaseException:
        for folder in missing:
            with contextlib.suppress(OSError):  # another deploy has put something there
                folder.rmdir()
        raise


@contextlib.contextmanager
def _locked(folder: Path, still_wanted: Callable[[], bool]) -> Iterator[None]:
    """Hold the folder against another deploy; the lock ends with this process, whatever happens."""
    descriptor = os.open(folder, os.O_RDONLY)
    end = time.monotonic() + _PATIENCE_S
    try:
        while not _is_ours(descriptor):
            _refuse_unwanted(still_wanted)
            if time.monotonic() > end:
                raise InstallError("busy", f"another deploy is at work in {folder}")
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _is_ours(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sweep(folder: Path) -> None:
    """Remove what a power cut in the middle of a deploy has left."""
    for release in folder.glob(f"releases/{_INCOMING}*"):
        shutil.rmtree(release)
    for left in [*folder.glob(f"{_NEW_LINK}*"), *folder.glob(".*.part")]:
        with contextlib.suppress(FileNotFoundError):  # its service was at work on it, and is done
            left.unlink()


def _current(folder: Path) -> str:
    """The release that runs now; "" when there is none."""
    link = folder / "current"
    if not os.path.lexists(link):
        return ""
    if not link.is_symlink():
        raise InstallError("place", f"{link} is there, and is not a link that a deploy made")
    return Path(os.readlink(link)).name  # noqa: PTH115 - Path.readlink is the same, and no clearer


def _release_name(tar: tarfile.TarFile) -> str:
    names = {"".join(PurePosixPath(member.name).parts[2:3]) for member in tar if member.isreg()}
    if len(names) != 1 or not _NAME.fullmatch(next(iter(names))):
        raise InstallError("archive", "the archive holds no release")
    return names.pop()


def _free(releases: Path, name: str) -> Path:
    """A name nobody has: a damaged release of the same content may be the one that runs."""
    number, free = 2, releases / name
    while os.path.lexists(free):
        number, free = number + 1, releases / f"{name}.{number}"
    return free


def _unpack(tar: tarfile.TarFile, place: Path, still_wanted: Callable[[], bool]) -> None:
    members = [member for member in tar.getmembers() if member.isreg()]
    needed = sum(member.size for member in members) + _SPARE_BYTES
    free = shutil.disk_usage(place.parent).free
    if free < needed:
        raise InstallError(
            "full", f"{needed >> 20} MiB are needed in {place.parent}, and {free >> 20} are free"
        )
    for member in members:
        _refuse_unwanted(still_wanted)
        parts = PurePosixPath(member.name).parts[3:]
        if not parts or ".." in parts:
            raise InstallError("archive", f"the archive holds {member.name!r}")
        path = place.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        source = tar.extractfile(member)
        assert source is not None  # noqa: S101 - for the type checker: a regular file has content
        with source, path.open("xb") as target:
            shutil.copyfileobj(source, target)
        if member.mode & _EXECUTABLE:
            path.chmod(0o755)


def _refuse_unwanted(still_wanted: Callable[[], bool]) -> None:
    if not still_wanted():
        raise InstallError("gone", "the connection was cut; all is as it was")


def _prove(release: Path, still_wanted: Callable[[], bool]) -> dict[str, Any]:
    """Let the release run its reference inputs where it is going to run."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        # Started as its user will start it later.
        with subprocess.Popen([str(release / "run"), "--prove"], stdout=out, stderr=err) as run:
            try:
                while run.poll() is None:
                    _refuse_unwanted(still_wanted)
                    time.sleep(_POLL_S)
            except BaseException:
                run.kill()
                raise
        for stream in (out, err):
            stream.seek(0)
        return _judged(run.returncode, out.read(), err.read().decode("utf-8", "replace"))


def _judged(code: int, out: bytes, errors: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(out)
    except ValueError:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        words = errors.strip().rpartition("\n")[2][:_LONGEST_WORDS]
        raise InstallError("proof", f"the network {how}. {words}".strip()) from None
    if not answer["ok"]:
        raise InstallError("proof", "{message}: {hint}".format_map(answer["error"]))
    return answer


def _arm(folder: Path, release: str, old: str) -> str:
    """Have a service go back where the new release does not answer; returns where it goes then.

    A release that has not yet answered is nothing to go back to: the one before it is.
    """
    if not (folder / _SERVICE).exists():
        return old
    pending, earlier = folder / _PENDING, dict[str, Any]()
    with contextlib.suppress(OSError, ValueError):
        earlier = json.loads(pending.read_bytes())
    proven = str(earlier.get("old", "")) if earlier.get("new") == old else old
    part = folder / f".{_PENDING}.part"
    with part.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps({"new": release, "old": proven, "starts": 0}))
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(pending)
    return proven


def _switch(folder: Path, name: str) -> None:
    """Move the link in one step: whoever looks finds the old release or the new one."""
    new = folder / f"{_NEW_LINK}{os.getpid()}"
    new.symlink_to(f"releases/{name}")
    try:
        new.replace(folder / "current")
    except OSError:
        new.unlink()
        raise
    os.sync()


def _prune(releases: Path, keep: set[str]) -> list[str]:
    """Remove older releases; one that cannot be removed is no reason to fail."""
    names = {entry.name for entry in releases.iterdir()} - keep
    old = sorted(name for name in names if _NAME.fullmatch(name))
    for name in old:
        shutil.rmtree(releases / name, ignore_errors=True)
    return [name for name in old if not os.path.lexists(releases / name)]


if __name__ == "__main__":
    sys.exit(main())
