"""Looks into HDF5 files for what would bring in other files, before anything of them is read.

HDF5 can keep a dataset's bytes in another file (external storage), map other files into one
(virtual datasets), and link to another file's objects (external links): a weights file could so
bring the bytes of any file of this machine into the model that is exported.
"""

from __future__ import annotations

import contextlib
import io
import zipfile
from typing import TYPE_CHECKING

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import h5py

_RAISED_BY_READERS = (OSError, RuntimeError, KeyError, ValueError, TypeError, NotImplementedError)
_SUFFIXES = (".h5", ".hdf5")


def require_own_bytes(path: Path) -> None:
    """Hold that a .h5 file, or each one in a .keras file, is all there is of it.

    Raises:
        InputError: something in it lies in another file, or it is corrupt.
    """
    try:
        with _contents(path) as contents:
            for file in contents:
                require_own(file, path)
    except (*_RAISED_BY_READERS, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read as HDF5: {error}", hint="It may be corrupt."
        ) from error


@contextlib.contextmanager
def _contents(path: Path) -> Iterator[Iterator[h5py.File]]:
    import h5py

    with contextlib.ExitStack() as opened:
        if path.suffix.lower() in _SUFFIXES:
            yield iter([opened.enter_context(h5py.File(path, "r"))])
            return
        archive = opened.enter_context(zipfile.ZipFile(path))
        members = [m for m in archive.infolist() if m.filename.lower().endswith(_SUFFIXES)]
        yield (
            # In memory: going back and forth in an archive's member reads it again from its start.
            opened.enter_context(h5py.File(io.BytesIO(archive.read(member)), "r"))
            for member in members
        )


def require_own(file: h5py.File, path: Path) -> None:
    """Hold that nothing in an open file lies in another one.

    Args:
        file: the open file.
        path: what the user calls it.

    Raises:
        InputError: something does; it is named.
    """
    from h5py import h5d, h5g, h5l, h5o

    # By HDF5's own calls: h5py's objects take longer, and a network has hundreds of arrays.
    pending, seen = [("", h5g.open(file.id, b"/"))], set[int]()
    while pending:
        parent, group = pending.pop()
        for name in group:
            where = f"{parent}/{name.decode(errors='replace')}"
            link = group.links.get_info(name).type
            if link == h5l.TYPE_SOFT:
                continue  # what it leads to is reached by its own name
            if link != h5l.TYPE_HARD:
                raise _refusal(path, where, "a link to another file")
            info = h5o.get_info(group, name)
            if info.addr in seen:
                continue
            seen.add(info.addr)
            if info.type == h5o.TYPE_GROUP:
                pending.append((where, h5g.open(group, name)))
            elif info.type == h5o.TYPE_DATASET:
                properties = h5d.open(group, name).get_create_plist()
                if properties.get_external_count() or properties.get_layout() == h5d.VIRTUAL:
                    raise _refusal(path, where, "kept in another file")


def _refusal(path: Path, where: str, what: str) -> InputError:
    return InputError(
        f"{path}: its {where} is {what}, which edgecnn does not read.",
        hint="Save the weights again as one file that holds them all.",
    )
