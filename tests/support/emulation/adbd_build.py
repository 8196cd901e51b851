"""Android's adbd, built for this machine from Debian's source package, and Debian's adb client.

It is the daemon of a phone (AOSP, platform tools 29), with three differences: it listens on the
loopback alone, not on vsock, and knows no authentication.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emulation.apt import SUITE, private_apt, unpack
from emulation.cache import cache_folder, kept
from emulation.host import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

ADBD = "opt/adbd"
"""Where the daemon lies in its layer, with its libraries and the loader that starts it."""
ADB = "opt/adb"
"""Where the client lies, likewise."""
LOADER = "ld-linux-x86-64.so.2"

_HERE = Path(__file__).parent
_PACKAGES = (
    *("adb", "android-libbase", "android-libboringssl", "android-libcutils", "android-liblog"),
    *("android-libbase-dev", "android-libcutils-dev", "android-liblog-dev"),
    *("android-platform-system-core-headers", "libcap-dev", "libssl-dev", "libusb-1.0-0"),
)
_PROGRAMS = {"g++": "g++", "dpkg-source": "dpkg-dev"}
_CORE = "system/core"
_AUTH = "frameworks/native/libs/adbd_auth"
# Relative to system/core/adb: what makes the daemon (its Android.bp: adbd and libadbd).
_SOURCES = (
    *("adb.cpp", "adb_io.cpp", "adb_listeners.cpp", "adb_trace.cpp", "adb_unique_fd.cpp"),
    *("adb_utils.cpp", "services.cpp", "shell_service_protocol.cpp", "socket_spec.cpp"),
    *("sockets.cpp", "sysdeps_unix.cpp", "transport.cpp", "transport_fd.cpp"),
    *("transport_local.cpp", "transport_usb.cpp", "types.cpp"),
    *("fdevent/fdevent.cpp", "fdevent/fdevent_epoll.cpp", "fdevent/fdevent_poll.cpp"),
    *("sysdeps/errno.cpp", "sysdeps/posix/network.cpp", "adbconnection/adbconnection_server.cpp"),
    *("daemon/auth.cpp", "daemon/file_sync_service.cpp", "daemon/jdwp_service.cpp"),
    *("daemon/main.cpp", "daemon/services.cpp", "daemon/shell_service.cpp"),
    *("daemon/usb_dummy.cpp", "../diagnose_usb/diagnose_usb.cpp"),
    f"../../../{_AUTH}/adbd_auth.cpp",
)
_INCLUDES = (
    *(f"{_CORE}/{name}/include" for name in ("base", "libcutils", "liblog", "libutils")),
    *(f"{_CORE}/{name}/include" for name in ("diagnose_usb", "libasyncio", "libcrypto_utils")),
    *(f"{_CORE}/{name}" for name in ("include", "adb", "adb/daemon/include")),
    *(f"{_CORE}/adb/adbconnection/include", f"{_AUTH}/include"),
)
_FLAGS = (
    *("-std=gnu++2a", "-O0", "-w", "-fpermissive", "-D_GNU_SOURCE", "-DADB_HOST=0"),
    *("-DALLOW_ADBD_ROOT=1", "-DALLOW_ADBD_NO_AUTH", '-DADB_VERSION="29.0.6-edgecnn"'),
    '-DPLATFORM_TOOLS_VERSION="29.0.6"',
)
# Standard ones that most of its files include: compiled once (g++'s precompiled headers).
_HEADERS = (
    *("algorithm", "array", "chrono", "condition_variable", "deque", "list", "map", "mutex"),
    *("sstream", "string", "thread", "unordered_map", "vector"),
    *("android-base/file.h", "android-base/logging.h", "android-base/stringprintf.h"),
    *("android-base/strings.h", "android-base/unique_fd.h"),
)
_LIBRARIES = ("libbase.so.0", "libcutils.so.0", "liblog.so.0")
_TRIPLET = "x86_64-linux-gnu"


@dataclass(frozen=True)
class _Tree:
    """Folders of one build: the sources, unpacked packages, and object files."""

    source: Path
    packages: Path
    objects: Path

    @property
    def libraries(self) -> Path:
        return self.packages / "usr/lib" / _TRIPLET

    @property
    def library_path(self) -> str:
        return f"{self.libraries / 'android'}:{self.libraries}"


def adb_layer() -> Path:
    """A folder with the daemon (`ADBD`) and the client (`ADB`); built once, then kept.

    Raises:
        UnavailableError: this machine has no compiler, or its apt knows no Debian.
        RuntimeError: the mirror cannot be reached, or adbd does not compile.
    """
    texts = [file.read_text("utf-8") for file in sorted((_HERE / "adbd").iterdir())]
    texts.append(Path(__file__).read_text("utf-8"))
    return kept("adbd", "\n".join([SUITE, *texts]), _make)


def _make(layer: Path) -> None:
    missing = [package for program, package in _PROGRAMS.items() if not shutil.which(program)]
    if missing:
        raise UnavailableError(f"adbd cannot be built here: needs {', '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix=".adbd-", dir=cache_folder()) as name:
        tree = _fetch(Path(name))
        _listen_on_loopback(tree.source / _CORE / "adb")
        objects = _compile(tree)
        program = _link(tree, objects)
        _bundle(program, layer / ADBD, tree.library_path)
        client = tree.packages / "usr/lib/android-sdk/platform-tools/adb"
        _bundle(client, layer / ADB, tree.library_path)


def _fetch(folder: Path) -> _Tree:
    tree = _Tree(folder / "source", folder / "packages", folder / "objects")
    tree.packages.mkdir()
    tree.objects.mkdir()
    with private_apt("amd64", sources=True) as apt:
        description = apt.source("android-platform-tools")
        _run(["dpkg-source", "--no-check", "--extract", str(description), str(tree.source)])
        for package in apt.download(_PACKAGES):
            unpack(package, tree.packages)
    return tree


def _listen_on_loopback(adb: Path) -> None:
    """Change the two addresses it listens on: this test device is nobody else's.

    The address `tcp:localhost:PORT` would say the same, but adbd gives up listening where parsing
    it leaves an errno.
    """
    any_address = r"network_inaddr_any_server\(port, SOCK_STREAM, error\)"
    loopback = "network_loopback_server(port, SOCK_STREAM, error, true)"
    _replace(adb / "socket_spec.cpp", any_address, loopback, 1)
    _replace(adb / "daemon/main.cpp", r'addrs\.push_back\(\s*[\w:]+\("vsock:%d", \w+\)\);', "", 2)


def _replace(file: Path, pattern: str, replacement: str, count: int) -> None:
    text, replaced = re.subn(pattern, replacement, file.read_text("utf-8"))
    if replaced != count:
        raise RuntimeError(f"{file.name} is not the source of adbd that this was written for")
    file.write_text(text, encoding="utf-8")


def _compile(tree: _Tree) -> list[Path]:
    includes = [tree.source / name for name in _INCLUDES]
    includes += [tree.packages / "usr/include", tree.packages / "usr/include" / _TRIPLET]
    paths = [f"-I{folder}" for folder in includes]
    first = _compile_headers(tree.objects, paths)

    def compile_one(number: int, source: Path) -> Path:
        output = tree.objects / f"{number}.o"
        command = ["g++", *_FLAGS, "-include", first] if source.suffix == ".cpp" else ["gcc"]
        _run([*command, *paths, "-c", str(source), "-o", str(output)])
        return output

    sources = [tree.source / _CORE / "adb" / name for name in _SOURCES]
    sources.append(_HERE / "adbd" / "left_out.c")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_one, range(len(sources)), sources))


def _compile_headers(folder: Path, paths: Sequence[str]) -> str:
    """Compile once what every file begins with, which is most of what g++ reads; named to it."""
    header = folder / "first.h"
    names = "".join(f"#include <{name}>\n" for name in _HEADERS)
    header.write_text((_HERE / "adbd" / "compat.h").read_text("utf-8") + names, encoding="utf-8")
    _run(["g++", *_FLAGS, *paths, "-x", "c++-header", str(header), "-o", f"{header}.gch"])
    return str(header)


def _link(tree: _Tree, objects: Sequence[Path]) -> Path:
    program = tree.objects / "adbd"
    libraries = [f"-l:{name}" for name in _LIBRARIES]
    search = f"-L{tree.libraries / 'android'}"
    _run(["g++", "-o", str(program), *map(str, objects), search, *libraries,
          "-lresolv", "-lutil", "-lpthread"])  # fmt: skip
    return program


def _bundle(program: Path, folder: Path, library_path: str) -> None:
    """Copy a program with all it links: the root that it runs in is of another architecture."""
    folder.mkdir(parents=True)
    shutil.copy2(program, folder)
    listing = _run(["ldd", str(program)], {"LD_LIBRARY_PATH": library_path})
    for library in re.findall(r"(?:=> |^\s*)(/\S+)", listing, re.MULTILINE):
        shutil.copy(library, folder / Path(library).name)


def _run(command: Sequence[str], environment: dict[str, str] | None = None) -> str:
    run = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        raise RuntimeError(f"{command[0]} {command[-1]} failed:\n{run.stderr[-4000:]}")
    return run.stdout
