"""Folders and files that appear whole or not at all.

Work goes into a hidden folder beside the final one; it is synced and then exchanged with it in one
step of the file system (Linux's renameat2 with RENAME_EXCHANGE), so that whoever looks sees the old
folder or the new one, and whoever is killed leaves one of them. Where the system has no exchange,
the old folder steps aside first, and is brought back by the next run if that one is killed between.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import re
import secrets
import shutil
import sys
from typing import TYPE_CHECKING, Any

from edgecnn import held
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NO_PLACE = {errno.EACCES, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR,
             errno.EPERM, errno.EROFS}  # fmt: skip
_PART = re.compile(r"^\.(?P<name>.+)\.\d+-[0-9a-f]+\.part$")
_ASIDE = ".{name}.aside"
_MOST_RECORD_BYTES = 64 << 20


@contextlib.contextmanager
def new_folder(
    final: Path, *, replaceable: Callable[[Path], None] | None = None
) -> Generator[Path, None, None]:
    """A folder to fill; it takes the place of `final` when the block ends without an error.

    Args:
        final: where it goes.
        replaceable: asked before the work and again before the exchange; raises where what
            stands at `final` is not ours to replace. None where the name alone says it is.

    Raises:
        InputError: the place cannot be written to, is taken, or the disk is full.
    """
    may_be_replaced = replaceable or (lambda _: None)
    with file_errors(final):
        may_be_replaced(final)
        final.parent.mkdir(parents=True, exist_ok=True)
        _tidy(final)
        with held.new(lambda: part_path(final)) as part:
            yield part
            _sync(part)
            may_be_replaced(final)
            _put_in_place(part, final)


def require_own(
    final: Path, record: str, listed: Callable[[dict[str, Any]], Iterable[str]]
) -> None:
    """Hold that what stands at `final` may be replaced: nothing, an empty folder, one of ours.

    Args:
        final: where a folder is to go.
        record: the JSON file that every such folder of ours has.
        listed: what else is ours in it, by the record; a KeyError, TypeError or AttributeError
            says that it is no such record.

    Raises:
        InputError: something else stands there, or the user's own files lie in it.
    """
    if not final.is_symlink() and not final.is_dir():
        return  # nothing is there, or a file, which a folder cannot replace
    why = "it is a symbolic link" if final.is_symlink() else _not_ours(final, record, listed)
    if why:
        raise InputError(
            f"{final} is not replaced: {why}.",
            hint="Move it away, or choose another folder with --out.",
        )


def _not_ours(final: Path, record: str, listed: Callable[[dict[str, Any]], Iterable[str]]) -> str:
    names = sorted(entry.name for entry in final.iterdir())
    if not names:
        return ""
    path = final / record
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _MOST_RECORD_BYTES:
        return f"it holds {names[0]}, and no {record} of edgecnn's"
    try:
        written = {record, *listed(json.loads(path.read_bytes()))}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return f"its {record} is not one of edgecnn's"
    foreign = next((name for name in names if name not in written), "")
    return f"it holds {foreign}, which edgecnn did not write" if foreign else ""


def write_file(final: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all; a link at its name is replaced, not followed.

    A device or a pipe is written to as it is.

    Raises:
        OSError: it cannot be written.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists() and not final.is_file():
        final.write_bytes(content)
        return
    part = part_path(final.with_name(final.name[:200]))
    try:
        with part.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(final)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def file_errors(final: Path) -> Generator[None, None, None]:
    """Say of a full disk, or of a place that cannot be written, what to do."""
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


def part_path(final: Path) -> Path:
    """A hidden name beside `final` that nobody has."""
    return final.parent / f".{final.name}.{os.getpid()}-{secrets.token_hex(4)}.part"


def part_of(name: str) -> str:
    """Whose `part_path` a file's name is; "" where it is none."""
    match = _PART.match(name)
    return match["name"] if match else ""


def _tidy(final: Path) -> None:
    """Remove what killed runs left beside `final`, and bring back an old one that stepped aside."""
    held.sweep(entry for entry in final.parent.iterdir() if part_of(entry.name) == final.name)
    aside = final.parent / _ASIDE.format(name=final.name)
    if aside.exists() and not final.exists():
        aside.rename(final)


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


def _exchange(first: Path, second: Path) -> bool:
    """Swap two names in one step; False where the system or the file system cannot."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    names = os.fsencode(first), os.fsencode(second)
    if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}:
        return False
    raise OSError(code, os.strerror(code), str(second))


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
