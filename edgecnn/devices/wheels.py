"""Which runtime a device needs, and that runtime as one archive to send there.

What a device needs follows from its facts and the pins alone (`runtime_for`); `fetch` gets the
wheels with pip, on this side, and keeps of each what an inference needs. numpy has no wheels for
32-bit ARM: there the device must have its own (`require_own_modules`).
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from edgecnn import caching, digests
from edgecnn.devices import wheel_download, wheel_fit, wheel_tree
from edgecnn.devices.facts import printable
from edgecnn.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from edgecnn.devices.device import Workspace
    from edgecnn.devices.wheel_pins import Wheel
    from edgecnn.measurements import DeviceFacts
    from edgecnn.progress import Progress

_CACHE_KIND = "runtimes"
_ARCHIVE = "runtime.tar"
_WHEELS = "wheels"
_ASKING_S = 120.0
_ASK_VERSION = "import sys, {0}; sys.stdout.write({0}.__version__)"


@dataclass(frozen=True)
class OwnModule:
    """A Python module that no wheel brings: the device must have it.

    Attributes:
        module: its import name.
        at_least: the oldest version that fits, "" for any.
        below: the first version that no longer fits, "" for none.
        debian: the package of the device's system that holds it.
    """

    module: str
    at_least: str
    below: str
    debian: str


_NUMPY_BEFORE = {"3.9": "1.19.2"}  # what tflite-runtime's wheels ask for themselves
_OWN_PILLOW = OwnModule("PIL", "", "", "python3-pil")


@dataclass(frozen=True)
class RuntimeSpec:
    """What a device needs to run files of some formats; says it without a network.

    Attributes:
        machine: "aarch64", "armv7l" or "x86_64": the userland's, not the kernel's.
        python: "3.11".
        wheels: what is sent.
        own_modules: what the device must have itself (`require_own_modules`).
    """

    machine: str
    python: str
    wheels: tuple[Wheel, ...]
    own_modules: tuple[OwnModule, ...] = ()

    @property
    def key(self) -> str:
        """Hex digest of all that decides the archive's content."""
        content = [[astuple(wheel) for wheel in self.wheels], wheel_tree.RULES]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]

    @property
    def title(self) -> str:
        """The packages and what they are for, as messages name them."""
        packages = ", ".join(wheel.title for wheel in self.wheels)
        return f"{packages} for Python {self.python} on {self.machine}"


@dataclass(frozen=True)
class Fetched:
    """A runtime as one file.

    Attributes:
        archive: a .tar of regular files; unpacked into a folder, that folder is a PYTHONPATH.
            The same pins give the same bytes on every machine.
        sha256: of the archive.
        size_bytes: of the archive, which is not compressed.
    """

    archive: Path
    sha256: str
    size_bytes: int


def runtime_for(
    facts: DeviceFacts, formats: Collection[str], *, extras: Collection[str] = ()
) -> RuntimeSpec:
    """Decide what a device needs; nothing is fetched.

    Args:
        facts: what the device says of itself.
        formats: of the files to run: "tflite", "onnx".
        extras: further packages of the pins: "pillow".

    Raises:
        DeviceError: no runtime exists for what the device is; the hint says what would fit.
    """
    wheel_fit.check_libc(facts)
    machine, python = wheel_fit.machine(facts), wheel_fit.python(facts)
    wheels = wheel_fit.pick(facts, _packages(machine, formats, extras))
    return RuntimeSpec(machine, python, wheels, tuple(_own_modules(machine, python, extras)))


def _packages(machine: str, formats: Collection[str], extras: Collection[str]) -> Iterator[str]:
    on_arm32 = machine == wheel_fit.ARMV7L
    if "tflite" in formats:
        yield "tflite-runtime" if on_arm32 else "ai-edge-litert"
    if "onnx" in formats:
        yield "onnxruntime"
    if not on_arm32:
        yield "numpy"
        yield from sorted(extras)


def _own_modules(machine: str, python: str, extras: Collection[str]) -> Iterator[OwnModule]:
    if machine == wheel_fit.ARMV7L:
        yield OwnModule("numpy", _NUMPY_BEFORE.get(python, "1.23.2"), "2", "python3-numpy")
        if "pillow" in extras:
            yield _OWN_PILLOW


def require_own_modules(spec: RuntimeSpec, workspace: Workspace) -> None:
    """Make sure that the device has the modules that no wheel brings.

    Raises:
        DeviceError: one is missing, too old or too new; the hint has the command to run there.
    """
    for own in spec.own_modules:
        question = [workspace.python, "-c", _ASK_VERSION.format(own.module)]
        answer = workspace.run(question, timeout_s=_ASKING_S)
        install = f"Run there: sudo apt install {own.debian}"
        if answer.exit_code != 0:
            raise DeviceError(
                f"The device's Python has no {own.module}, and there are no wheels of it for"
                f" {spec.machine}.",
                hint=install,
            )
        has = _version(answer.stdout)
        if has < _version(own.at_least) or (own.below and has >= _version(own.below)):
            raise DeviceError(
                f"The device's {own.module} is {printable(answer.stdout)}; {spec.title} needs"
                f" {own.at_least} or newer, below {own.below}.",
                hint=f"{install} (its system's own version fits).",
            )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"[0-9]{1,9}", text)[:3])


def fetch(spec: RuntimeSpec, progress: Progress | None = None) -> Fetched:
    """The runtime's archive: from the cache, else fetched with pip (its settings hold) and kept.

    Two calls at once both fetch, and leave the same file; one that is killed leaves none. The cache
    keeps the wheels too: they are held to the pins, and the archive to them, at every use. What was
    changed is fetched again.

    Raises:
        DeviceError: pip could not get a wheel.
        MissingPartError: this Python has no pip.
        InputError: the cache cannot be written.
    """
    make = functools.partial(_make, spec, progress)
    folder = caching.cached(
        _CACHE_KIND,
        spec.key,
        make,
        warn=progress.warn if progress else None,
        problem=functools.partial(_problem, spec),
    )
    archive = folder / _ARCHIVE
    return Fetched(archive, digests.of_file(archive), archive.stat().st_size)


def _make(spec: RuntimeSpec, progress: Progress | None, folder: Path) -> None:
    if progress:
        progress.stage(f"fetching {spec.title}")
    downloaded = folder / _WHEELS
    downloaded.mkdir()
    files = wheel_download.download(spec.wheels, downloaded)
    wheel_tree.pack([files[wheel] for wheel in spec.wheels], folder / _ARCHIVE)


def _problem(spec: RuntimeSpec, entry: Path) -> str:
    """What keeps a folder of the cache from being what the pins say; "" where nothing does."""
    try:
        paths = {digests.of_file(path): path for path in (entry / _WHEELS).glob("*.whl")}
        if lost := [wheel.title for wheel in spec.wheels if wheel.sha256 not in paths]:
            return f"it lacks the pinned wheel of {lost[0]}"
        pinned = [paths[wheel.sha256] for wheel in spec.wheels]
        whole = wheel_tree.is_packed_from(entry / _ARCHIVE, pinned)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return "" if whole else f"{_ARCHIVE} was changed"
