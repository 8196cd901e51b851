"""Runs on the device, for as long as we are there: keeps the lock and the folder, and clears up.

When stdin ends, for whatever reason (we are done, the connection was cut, sshd was killed), or
nothing came for a minute (the cable was pulled), it kills what still runs, removes the folder and
gives the lock back. Sent to the device: Python 3.9, standard library alone.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import signal
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path

from edgecnn.devices.guard import files, place
from edgecnn.devices.guard.pipe import CHUNK, GoneError, Header, Payload, Pipe
from edgecnn.devices.guard.programs import Programs

# Not where edgecnn itself caches what it fetches: the device may be this machine.
_KEPT = "kept-runtimes"


class Guard:
    """What a client may ask for; each method answers one kind of frame."""

    def __init__(self, pipe: Pipe, base: Path, root: Path) -> None:
        self._pipe = pipe
        self._base = base
        self._root = root
        self._folder = root / "files"
        self._folder.mkdir()
        self._programs = Programs(pipe, root)

    def serve(self) -> None:
        """Do what is asked for until the client is gone."""
        version = ".".join(map(str, sys.version_info[:3]))
        self._pipe.reply("hello", folder=str(self._folder), python=sys.executable, version=version)
        while True:
            header = self._pipe.header()
            try:
                getattr(self, f"do_{header['op']}")(header)
            except place.RefusedError as error:
                self._pipe.reply("error", kind=error.kind, text=error.text)
            except OSError as error:
                text = str(error).replace(f"{self._root}/", "")
                self._pipe.reply("error", kind=kind_of(error), text=text, free=self._free())

    def _free(self) -> int:
        status = os.statvfs(self._root)
        return status.f_bavail * status.f_frsize

    def do_space(self, _: Header) -> None:
        """How many bytes can be written."""
        self._pipe.reply("ok", free=self._free())

    def do_send(self, header: Header) -> None:
        """Take a file; it gets its name when what can be read back is what was sent."""
        payload = Payload(self._pipe.payload(header["size"]))
        part = self._root / "part"
        try:
            final = files.inside(self._folder, header["name"])
            with part.open("wb") as file:
                for chunk in iter(lambda: payload.read(CHUNK), b""):
                    file.write(chunk)
            digest = files.sha256(part)
            if digest == header["sha256"]:
                part.chmod(header["mode"])
                final.parent.mkdir(parents=True, exist_ok=True)
                part.replace(final)
        finally:
            payload.drain()
            part.unlink(missing_ok=True)
        self._pipe.reply("ok", sha256=digest)

    def do_fetch(self, header: Header) -> None:
        """Give a file."""
        path = files.inside(self._folder, header["name"])
        if not path.is_file():
            raise place.RefusedError("missing", f"there is no file {header['name']!r}")
        with path.open("rb") as file:
            remaining = os.fstat(file.fileno()).st_size
            self._pipe.reply("data", size=remaining)
            total = hashlib.sha256()
            while remaining:
                chunk = file.read(min(remaining, CHUNK))
                if not chunk:  # it became shorter: the frame stays whole, its sum does not hold
                    chunk = bytes(min(remaining, CHUNK))
                    total = hashlib.sha256(b"changed")
                remaining -= len(chunk)
                total.update(chunk)
                self._pipe.raw(chunk)
        self._pipe.reply("ok", sha256=total.hexdigest())

    def do_run(self, header: Header) -> None:
        """Run a program."""
        self._programs.run(header, self._folder)

    def do_runtime(self, header: Header) -> None:
        """Where a kept runtime is, if it is whole."""
        folder = self._base / _KEPT / header["key"]
        whole = files.intact(folder)
        if folder.exists() and not whole:
            place.remove(folder)
        self._pipe.reply("ok", folder=str(folder) if whole else "", free=self._free())

    def do_unpack(self, header: Header) -> None:
        """Take an archive and unpack it as it comes."""
        payload = Payload(self._pipe.payload(header["size"]))
        part = Path(tempfile.mkdtemp(dir=self._root))
        try:
            files.unpack(payload, part)
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise place.RefusedError("archive", str(error)) from error
        finally:
            payload.drain()
        if payload.sum.hexdigest() != header["sha256"]:
            raise place.RefusedError("archive", "its sum differs from what was sent")
        runtimes = (self._base if header["keep"] else self._root) / _KEPT
        runtimes.mkdir(exist_ok=True)
        final = runtimes / header["key"]
        part.rename(final)
        self._pipe.reply("ok", folder=str(final))


def kind_of(error: OSError) -> str:
    """A full disk is told apart from all else."""
    return "full" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "system"


def end(*_: object) -> None:
    """Answer a signal that ends us."""
    raise GoneError


def main(options: Header) -> None:
    """Hold lock and folder until the client is gone."""
    pipe = Pipe(options["patience_s"])
    os.umask(0o077)
    os.chdir("/")
    for number in place.SIGNALS:
        signal.signal(number, end)
    try:
        pipe.raw(f"\n{options['marker']}\n".encode())
        with (
            place.device_lock(options["who"]) as lock,
            place.private_folder(lock) as (base, root),
        ):
            Guard(pipe, base, root).serve()
    except place.RefusedError as error:
        pipe.reply("error", kind=error.kind, text=error.text)
    except OSError as error:
        pipe.reply("error", kind=kind_of(error), text=str(error), free=0)
    except GoneError:
        with contextlib.suppress(GoneError):  # most often nobody listens any more
            pipe.reply("bye")
