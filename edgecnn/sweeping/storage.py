"""Where a sweep's artifacts, trained weights and data lie, by their keys: a folder, or an address.

A folder is worked in as it is: every worker sees it. An address (s3://, gs://, file://: whatever
fsspec knows) is looked at from each node for itself, and what a node lacks comes into its cache, by
the same key. The checksums of a thing are written last: what has none is not there yet.
"""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edgecnn import caching
from edgecnn.convert.versions import digest
from edgecnn.errors import EdgeCnnError, InputError, MissingPartError
from edgecnn.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

_SCHEME = "://"
_STORED = "stored"  # in the cache


class Storage(Protocol):
    """Things by their kind ("artifacts") and the key of their content."""

    def find(self, kind: str, key: str) -> Path | None:
        """The thing as a folder of this machine, not to be written to; None where it is not there.

        Raises:
            InputError: the storage cannot be read.
        """

    def make(self, kind: str, key: str, fill: Callable[[Path], object]) -> Path:
        """Make the thing and keep it; `fill(folder)` writes `folder / key`.

        Raises:
            InputError: the storage is full, or cannot be written.
        """

    def share(self, kind: str, key: str, path: Path) -> None:
        """Let every node find a file or folder of this machine by its key, under its own name.

        Raises:
            InputError: as `make`.
        """


def is_address(where: Path | str) -> bool:
    """Whether it is one of fsspec's, and no folder.

    >>> is_address("s3://bucket/sweeps"), is_address("artifacts")
    (True, False)
    """
    return isinstance(where, str) and _SCHEME in where


def opened(where: str) -> Storage:
    """The storage at a folder's path or an address; nothing is written.

    Raises:
        InputError: it is no address, or nobody answers there.
        MissingPartError: fsspec, or what it needs for this address, is not installed.
    """
    return _Address(where) if is_address(where) else _Folder(Path(where))


class _Folder:
    """One that every worker sees."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, kind: str, key: str) -> Path | None:
        """See `Storage.find`."""
        path = self._folder / kind / key
        return path if path.exists() else None

    def make(self, kind: str, key: str, fill: Callable[[Path], object]) -> Path:
        """See `Storage.make`."""
        from edgecnn import store

        with store.file_errors(self._folder):
            (self._folder / kind).mkdir(parents=True, exist_ok=True)
        fill(self._folder / kind)
        return self._folder / kind / key

    def share(self, kind: str, key: str, path: Path) -> None:
        """Nothing is to be done: who sees the folder sees the file."""


class _Address:
    """One of fsspec's; this machine's copies lie in its cache.

    Args:
        address: such as s3://bucket/folder.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._system, self._root = _file_system(address)

    def find(self, kind: str, key: str) -> Path | None:
        """See `Storage.find`."""
        entry = self._entry(kind, key)
        here = caching.find(_STORED, entry)
        if here is None:
            with _input_errors(self._address):
                if not self._system.exists(f"{self._place(kind, key)}/{caching.SUMS}"):
                    return None
            here = self._fetched(kind, key)
        return None if here is None else here / key

    def make(self, kind: str, key: str, fill: Callable[[Path], object]) -> Path:
        """See `Storage.make`."""

        def filled(folder: Path) -> None:
            fill(folder)

        here = caching.cached(_STORED, self._entry(kind, key), filled)
        self._send(_tree(here / key), self._place(kind, key))
        return here / key

    def share(self, kind: str, key: str, path: Path) -> None:
        """See `Storage.share`."""
        place = self._place(kind, key)
        with _input_errors(self._address):
            there = self._system.exists(f"{place}/{caching.SUMS}")
        if not there:
            named = _tree(path) if path.is_dir() else {"": path}
            self._send({f"{path.name}/{name}".rstrip("/"): at for name, at in named.items()}, place)

    def _entry(self, kind: str, key: str) -> str:
        """The key of this machine's copy."""
        return digest(self._address, kind, key)

    def _place(self, kind: str, key: str) -> str:
        return f"{self._root}/{kind}/{key}"

    def _fetched(self, kind: str, key: str) -> Path | None:
        """This machine's copy; None where what came is not what was sent."""
        place = self._place(kind, key)

        def fetch(folder: Path) -> None:
            with _input_errors(self._address):
                for name in self._system.find(place):
                    path = folder / key / name.removeprefix(place).lstrip("/")
                    path.parent.mkdir(parents=True, exist_ok=True)
                    self._system.get_file(name, str(path))
            if caching.problem_of(folder / key):
                raise _DamagedError
            (folder / key / caching.SUMS).unlink()

        try:
            return caching.cached(_STORED, self._entry(kind, key), fetch)
        except _DamagedError:
            return None

    def _send(self, named: Mapping[str, Path], place: str) -> None:
        """Every file, then their checksums, by which others know that all are there."""
        with _input_errors(self._address):
            sums = caching.sums_text(named)
            for name, path in named.items():
                self._system.makedirs(f"{place}/{name}".rpartition("/")[0], exist_ok=True)
                self._system.put_file(str(path), f"{place}/{name}")
            self._system.pipe_file(f"{place}/{caching.SUMS}", sums.encode("ascii"))


class _DamagedError(Exception):
    """What came from the storage is not what its checksums say."""


def _tree(folder: Path) -> dict[str, Path]:
    """Every file below a folder, by its path in it."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in files}


@functools.lru_cache(maxsize=8)
def _file_system(address: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise MissingPartError(
            f"--storage {printable(address)} needs fsspec, which is not installed.",
            hint="pip install 'edgecnn[ray]', on every node; a folder needs none.",
        ) from error
    try:
        system, root = fsspec.core.url_to_fs(address)
    except ImportError as error:  # of s3fs, gcsfs, ...
        raise MissingPartError(
            f"--storage {printable(address)}: {error}.", hint="On every node."
        ) from error
    except ValueError as error:
        raise InputError(
            f"--storage {printable(address)} is no address: {error}.",
            hint="Name a folder, or an address of fsspec's such as s3://bucket/folder.",
        ) from error
    return system, str(root).rstrip("/")


@contextlib.contextmanager
def _input_errors(address: str) -> Generator[None, None, None]:
    """Say whose fault it is: file systems of the network raise whatever their makers chose."""
    try:
        yield
    except (EdgeCnnError, _DamagedError):
        raise
    except Exception as error:  # noqa: BLE001 - their own classes, which nobody can name here
        cause = error if isinstance(error, OSError) else OSError(str(error))
        raise InputError(
            f"The storage {printable(address)} cannot be used: {error}.",
            hint="Is it there, has it room, and may you write to it from every node?",
        ) from cause
