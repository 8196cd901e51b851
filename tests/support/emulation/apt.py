"""Debian packages of any architecture, fetched by the system's apt with a state of our own.

apt checks every package against the archive's signed lists. Nothing is installed, and the
machine's own lists and settings stay as they are.
"""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emulation.cache import cache_folder
from emulation.host import KEYRING, debian_mirror

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

SUITE = "bookworm"
"""Debian 12: what Raspberry Pi OS is made of, with Python 3.11."""

_EXCLUDED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info")


@dataclass(frozen=True)
class PrivateApt:
    """An apt of its own.

    Attributes:
        folder: its state; created by `update`.
        architecture: of the packages.
        sources: whether source packages can be asked for.
    """

    folder: Path
    architecture: str
    sources: bool = False

    def update(self) -> None:
        """Fetch the lists of packages.

        Raises:
            RuntimeError: the mirror cannot be reached.
        """
        for name in ("lists/partial", "cache/archives/partial", "etc"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "status").touch()
        entry = f"[signed-by={KEYRING}] {debian_mirror()} {SUITE} main\n"
        kinds = ("deb", "deb-src") if self.sources else ("deb",)
        text = "".join(f"{kind} {entry}" for kind in kinds)
        (self.folder / "etc" / "sources.list").write_text(text, encoding="utf-8")
        self._run("update")

    def download_with_dependencies(self, packages: Sequence[str]) -> list[Path]:
        """Fetch packages and all they depend on.

        Raises:
            RuntimeError: there is no such package, or the mirror cannot be reached.
        """
        self._run("--yes", "--download-only", "install", *packages)
        return sorted((self.folder / "cache" / "archives").glob("*.deb"))

    def download(self, packages: Sequence[str]) -> list[Path]:
        """Fetch these packages alone.

        Raises:
            RuntimeError: as for `download_with_dependencies`.
        """
        folder = self.folder / "alone"
        folder.mkdir()
        self._run("download", *packages, folder=folder)
        return sorted(folder.glob("*.deb"))

    def source(self, package: str) -> Path:
        """Fetch a source package; its .dsc file is returned.

        Raises:
            RuntimeError: as for `download_with_dependencies`.
        """
        folder = self.folder / "source"
        folder.mkdir()
        self._run("--download-only", "source", package, folder=folder)
        return next(folder.glob("*.dsc"))

    def _run(self, *arguments: str, folder: Path | None = None) -> None:
        command = ["apt-get", "-qq", *self._options(), *arguments]
        run = subprocess.run(
            command, cwd=folder or self.folder, capture_output=True, text=True, check=False
        )
        if run.returncode != 0:
            raise RuntimeError(f"apt-get {' '.join(arguments[:3])} failed: {run.stderr.strip()}")

    def _options(self) -> list[str]:
        options = {
            "APT::Architecture": self.architecture,
            "APT::Architectures": self.architecture,
            "APT::Install-Recommends": "0",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Debug::NoLocking": "1",
            "Dir::State": self.folder,
            "Dir::State::lists": self.folder / "lists",
            "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder / "cache",
            "Dir::Etc::sourcelist": self.folder / "etc" / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
        }
        return [part for name, value in options.items() for part in ("-o", f"{name}={value}")]


@contextmanager
def private_apt(architecture: str, *, sources: bool = False) -> Generator[PrivateApt, None, None]:
    """An apt whose lists, and all it downloads, are gone when the block ends.

    Raises:
        UnavailableError: this machine's apt knows no Debian.
        RuntimeError: the mirror cannot be reached.
    """
    with tempfile.TemporaryDirectory(prefix=".apt-", dir=cache_folder()) as folder:
        apt = PrivateApt(Path(folder), architecture, sources)
        apt.update()
        yield apt


def unpack(package: Path, into: Path, *members: str) -> None:
    """Unpack a package's files, without documentation and translations; or these members alone.

    Raises:
        subprocess.CalledProcessError: it is damaged.
    """
    excluded = [f"--exclude=./{folder}/*" for folder in _EXCLUDED]
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)],  # noqa: S607 - the system's dpkg
        stdout=subprocess.PIPE,
    ) as archive:
        # A package's ./lib must follow the root's link lib -> usr/lib, not replace it.
        subprocess.run(
            ["tar", "-x", "-C", str(into), "--keep-directory-symlink", *excluded, *members],  # noqa: S607 - the system's tar
            check=True,
            stdin=archive.stdout,
        )
    if archive.returncode != 0:
        raise subprocess.CalledProcessError(archive.returncode, archive.args)
