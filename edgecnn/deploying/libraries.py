"""The libraries a device needs to classify: a runtime, numpy, and Pillow for image files."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.devices import wheels
from edgecnn.errors import DeviceError, InputError
from edgecnn.measurements import DeviceFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgecnn.devices.device import Workspace
    from edgecnn.devices.wheels import OwnModule, RuntimeSpec
    from edgecnn.progress import Progress

MACHINES = {"aarch64": 64, "armv7l": 32, "x86_64": 64}
"""Machines that have wheels, and the width of their userland, bits."""
_RUNTIMES = {"ai-edge-litert", "tflite-runtime"}


@dataclass(frozen=True)
class Libraries:
    """What goes into runtime/.

    Attributes:
        files: relative name to content.
        runtime: the .tflite runtime: "ai-edge-litert 2.3.0".
        python: the Python they are built for, "3.11".
        needs: what the device must have beside them, as a sentence; "" for nothing.
        spec: the wheels they come from; None where there are none.
    """

    files: Mapping[str, bytes]
    runtime: str
    python: str
    needs: str = ""
    spec: RuntimeSpec | None = None

    def require(self, workspace: Workspace) -> None:
        """Make sure that a device has what it must have beside them.

        Raises:
            DeviceError: something is missing, too old or too new.
        """
        if self.spec is not None:
            wheels.require_own_modules(self.spec, workspace)


def spec_for(facts: DeviceFacts) -> RuntimeSpec:
    """What a device needs; devices of one spec are sent the same.

    Raises:
        DeviceError: there are no wheels for what it is.
    """
    return wheels.runtime_for(facts, {"tflite"}, extras={"pillow"})


def libraries_for(facts: DeviceFacts, progress: Progress) -> Libraries:
    """Fetch what a device needs, from edgecnn's cache or with pip.

    Raises:
        DeviceError: there are no wheels for what the device is, or pip could not get them.
    """
    spec = spec_for(facts)
    fetched = wheels.fetch(spec, progress)
    runtime = next(wheel.title for wheel in spec.wheels if wheel.package in _RUNTIMES)
    return Libraries(_files(fetched), runtime, spec.python, _needs(spec.own_modules), spec)


def libraries_without_device(machine: str, python: str, progress: Progress) -> Libraries:
    """The same for a device that is known by its machine and its Python alone.

    Raises:
        InputError: there are no wheels for such a device.
        DeviceError: pip could not get them.
    """
    facts = DeviceFacts(
        model=f"{machine} with Python {python}",
        machine=machine,
        userland_bits=MACHINES.get(machine, 64),
        system="",
        kernel="",
        libc="",
        cpu="",
        cores=0,
        memory_bytes=0,
        python=python,
    )
    try:
        spec_for(facts)
    except DeviceError as error:
        raise InputError(error.message, hint=error.hint) from error
    return libraries_for(facts, progress)


def _files(fetched: wheels.Fetched) -> dict[str, bytes]:
    with tarfile.open(fetched.archive) as tar:
        opened = {member.name: tar.extractfile(member) for member in tar if member.isreg()}
        return {name: stream.read() for name, stream in opened.items() if stream is not None}


def _needs(modules: tuple[OwnModule, ...]) -> str:
    if not modules:
        return ""
    packages = " ".join(module.debian for module in modules)
    return f"Libraries that no wheel brings: sudo apt install {packages}"
