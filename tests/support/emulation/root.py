"""The roots of emulated machines, and the qemu that runs them; made once, then kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from emulation.apt import SUITE, private_apt, unpack
from emulation.cache import kept

if TYPE_CHECKING:
    from emulation.machines import Architecture, Machine

USER = "pi"
USER_ID = 1000

_QEMU_PROGRAMS = ("qemu-aarch64-static", "qemu-arm-static")
_ON_64_BIT_KERNEL = "-on-64-bit-kernel"
# qemu-arm's two names for `uname -m` that matter, side by side in its constants.
_UNAMES_32 = b"armv7l\0armv6l\0"
_UNAMES_64 = b"aarch64\0rmv6l\0"
_PASSWD = f"""sshd:x:105:65534::/run/sshd:/usr/sbin/nologin
{USER}:x:{USER_ID}:{USER_ID}::/home/{USER}:/bin/bash
"""
_PYTHON = "python3.11"
_CACHE_TAG = "cpython-311"
_FILES = {
    "shadow": f"{USER}:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\n",
    "environment": "",
}


def debian_root(architecture: Architecture) -> Path:
    """A Debian of this architecture with Python and OpenSSH: a folder to read, never to write.

    Raises:
        UnavailableError: apt knows no Debian.
        RuntimeError: the mirror cannot be reached.
    """
    ingredients = f"{SUITE} {architecture} {Path(__file__).read_text('utf-8')}"
    return kept(f"root-{architecture.name}", ingredients, lambda root: _make(root, architecture))


def qemu_folder() -> Path:
    """The folder with qemu-user's programs (linked statically) of the same Debian.

    Raises:
        UnavailableError: apt knows no Debian.
        RuntimeError: the mirror cannot be reached.
    """
    return kept("qemu", f"{SUITE} {Path(__file__).read_text('utf-8')}", _make_qemu)


def qemu_for(machine: Machine) -> Path:
    """The qemu program that runs this machine's programs."""
    name = machine.architecture.qemu
    if machine.kernel_bits > machine.architecture.bits:
        name += _ON_64_BIT_KERNEL
    return qemu_folder() / name


def _make_qemu(folder: Path) -> None:
    with private_apt("amd64") as apt:
        (package,) = apt.download(["qemu-user-static"])
        unpack(package, folder, *(f"./usr/bin/{program}" for program in _QEMU_PROGRAMS))
    for program in _QEMU_PROGRAMS:
        (folder / "usr/bin" / program).rename(folder / program)
    shutil.rmtree(folder / "usr")
    _pretend_64_bit_kernel(folder / "qemu-arm-static")


def _pretend_64_bit_kernel(program: Path) -> None:
    """Write a second qemu-arm beside `program`, under which `uname -m` says aarch64.

    So it is on Raspberry Pi OS (32-bit) since 2023; qemu itself cannot pretend it.
    """
    code = program.read_bytes()
    if code.count(_UNAMES_32) != 1:
        raise RuntimeError(f"{program.name} is not the qemu 7.2 this was written for")
    patched = program.with_name(program.name + _ON_64_BIT_KERNEL)
    patched.write_bytes(code.replace(_UNAMES_32, _UNAMES_64))
    patched.chmod(0o755)


def _make(root: Path, architecture: Architecture) -> None:
    (root / "usr").mkdir()
    for name in ("bin", "sbin", "lib"):
        (root / "usr" / name).mkdir()
        (root / name).symlink_to(f"usr/{name}")
    with private_apt(architecture.name) as apt:
        for package in apt.download_with_dependencies(architecture.packages):
            unpack(package, root)
    _configure(root, architecture)
    _compile_python(root, architecture)


def _configure(root: Path, architecture: Architecture) -> None:
    """Do what the packages' own scripts would, as far as the machines need it."""
    etc = root / "etc"
    for name, addition in {"passwd": _PASSWD, "group": f"{USER}:x:{USER_ID}:\n"}.items():
        master = (root / "usr/share/base-passwd" / f"{name}.master").read_text("utf-8")
        (etc / name).write_text(master.replace(":*:", ":x:") + addition, encoding="utf-8")
    for name, text in _FILES.items():
        (etc / name).write_text(text, encoding="utf-8")
    for name in ("proc", "sys", "dev", "tmp", "run/sshd", f"home/{USER}"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    shutil.chown(root / "home" / USER, USER_ID, USER_ID)
    _choose_alternatives(root, root / "usr/lib" / architecture.triplet)


def _choose_alternatives(root: Path, libraries: Path) -> None:
    (root / "usr/bin/awk").symlink_to("mawk")
    for name in ("blas", "lapack"):
        for library in libraries.glob(f"{name}/lib{name}.so.3"):
            (libraries / library.name).symlink_to(f"{name}/{library.name}")


def _compile_python(root: Path, architecture: Architecture) -> None:
    """Compile the standard library, as the packages' scripts do: else every start does it anew."""
    python = [sys.executable]  # compiled code is the same on every architecture,
    if sys.implementation.cache_tag != _CACHE_TAG:  # but not in every version
        own = root / "usr/bin" / _PYTHON
        python = [str(qemu_folder() / architecture.qemu), "-L", str(root), str(own)]
    subprocess.run(
        [
            *(*python, "-I", "-m", "compileall", "-q", "-s", str(root)),
            *("-x", "/(tests?|lib2to3|pydoc_data)/", str(root / "usr/lib")),
        ],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
