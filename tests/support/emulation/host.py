"""What the machine that emulates must have, and which Debian mirror it uses."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_MIN_KERNEL = (6, 7)
_PROGRAMS = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "tar": "tar",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}
_POCKET = re.compile(r"-(security|updates|backports|proposed-updates)\b")


class UnavailableError(RuntimeError):
    """This machine cannot emulate; the message says why."""


def require_host() -> None:
    """Check that this machine can run emulated machines.

    Raises:
        UnavailableError: it cannot.
    """
    reason = _why_not()
    if reason:
        raise UnavailableError(f"devices cannot be emulated here: {reason}")


def _why_not() -> str:
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return f"needs Linux on x86-64, this is {platform.system()} on {platform.machine()}"
    if _kernel() < _MIN_KERNEL:
        return f"needs Linux 6.7 (binfmt_misc in namespaces), this is {platform.release()}"
    if os.geteuid() != 0:
        return "needs root"
    missing = [package for program, package in _PROGRAMS.items() if not shutil.which(program)]
    if missing:
        return f"needs Debian's packages {', '.join(sorted(set(missing)))}"
    if not KEYRING.exists():
        return "needs a Debian (its archive keyring)"
    return ""


def _kernel() -> tuple[int, int]:
    numbers = re.match(r"(\d+)\.(\d+)", platform.release())
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def debian_mirror() -> str:
    """The address that this machine's own apt takes Debian from.

    Raises:
        UnavailableError: its apt knows of none.
    """
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"],  # noqa: S607 - the system's apt
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    sources = [line.split(" ", 1) for line in listing.splitlines()]
    mirrors = [uri for release, uri in sources if not _POCKET.search(release)]
    if not mirrors:
        raise UnavailableError("devices cannot be emulated here: apt has no source of Debian")
    return mirrors[0]
