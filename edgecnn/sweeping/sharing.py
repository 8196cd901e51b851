"""The user's files in a storage with an address: nodes that do not see them find them there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.building.files import tree_sha256
from edgecnn.errors import InputError
from edgecnn.sweeping import keys
from edgecnn.sweeping.storage import is_address, opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edgecnn.sweeping.records import Point
    from edgecnn.sweeping.storage import Storage

DATA = "data"


class Shared:
    """What lies there already; each file is read and sent once.

    Args:
        where: the storage; nothing is sent to a folder, which every node sees.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._keys: dict[str, str] = {}

    def of(self, source: Point, *options: dict[str, Any] | None) -> tuple[tuple[str, str], ...]:
        """Send the files of a point that are not there, and name them all with their keys.

        Args:
            source: its files named from the root.
            *options: of verbs, their files likewise.

        Raises:
            InputError: a file cannot be read, or the storage not be written.
        """
        if not is_address(self._where):
            return ()
        named = [source.model, source.weights, source.calibration]
        for table in options:
            named += [str(value) for name, value in (table or {}).items() if name in keys.FILES]
        files = dict.fromkeys(name for name in named if name and Path(name).is_absolute())
        return tuple((name, self._key(name)) for name in files if Path(name).exists())

    def _key(self, name: str) -> str:
        if name not in self._keys:
            key = tree_sha256(Path(name))
            opened(self._where).share(DATA, key, Path(name))
            self._keys[name] = key
        return self._keys[name]


def fetched(shared: Iterable[tuple[str, str]], storage: Storage) -> dict[str, str]:
    """On a node: by its path on the machine that began the sweep, each file's path here.

    Raises:
        InputError: one is not in the storage.
    """
    names = dict[str, str]()
    for path, key in shared:
        folder = storage.find(DATA, key)
        if folder is None:
            cause = FileNotFoundError(path)
            raise InputError(
                f"{path} is not in the storage.", hint="The same command puts it there again."
            ) from cause
        names[path] = str(folder / Path(path).name)
    return names


def point_named(point: Point, names: Mapping[str, str]) -> Point:
    """The point, its files named as they lie here."""

    def here(name: str | None) -> str | None:
        return None if name is None else names.get(name, name)

    return replace(
        point,
        model=names.get(point.model, point.model),
        weights=here(point.weights),
        calibration=here(point.calibration),
    )


def options_named(
    options: dict[str, Any] | None, names: Mapping[str, str]
) -> dict[str, Any] | None:
    """A verb's options, likewise."""
    if options is None:
        return None
    return {
        name: names.get(str(value), value) if name in keys.FILES else value
        for name, value in options.items()
    }
