"""Looks into HDF5 files for what would bring in other files, before anything of them is read.

HDF5 can keep a dataset's bytes in another file (external storage), map other files into one
(virtual datasets), and link to another file's objects (external links): a weights file could so
bring the bytes of any file of this machine into the model that is exported.
"""

from __future__ import annotations

import contextlib
import io
import zipfile
from typing import IO, TYPE_CHECKING

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
        members = [each for each in archive.infolist() if each.filename.lower().endswith(_SUFFIXES)]
        yield (
            opened.enter_context(h5py.File(opened.enter_context(_member(archive, each)), "r"))
            for each in members
        )


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    """A file of an archive that can be read in any order at the cost of reading."""
    if member.compress_type == zipfile.ZIP_STORED:
        return archive.open(member)
    return io.BytesIO(archive.read(member))


def require_own(file: h5py.File, path: Path) -> None:
    """Hold that nothing in an open file lies in another one.

    Args:
        file: the open file.
        path: what the user calls it.

    Raises:
        InputError: something does; it is named.
    """
    import h5py

    pending, seen = [file["/"]], set[int]()
    while pending:
        group = pending.pop()
        for name in group:
            where = f"{group.name.rstrip('/')}/{name}"
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.SoftLink):
                continue  # what it leads to is reached by its own name
            if not isinstance(link, h5py.HardLink):
                raise _refusal(path, where, "a link to another file")
            held = group[name]
            address = h5py.h5o.get_info(held.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(held, h5py.Group):
                pending.append(held)
            elif isinstance(held, h5py.Dataset) and (held.external or held.is_virtual):
                raise _refusal(path, where, "kept in another file")


def _refusal(path: Path, where: str, what: str) -> InputError:
    return InputError(
        f"{path}: its {where} is {what}, which edgecnn does not read.",
        hint="Save the weights again as one file that holds them all.",
    )
