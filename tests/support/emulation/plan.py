"""How an emulated machine is put together: its own files over a Debian root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulation.device_files import cpuinfo, meminfo, system_files, write_files
from emulation.root import debian_root, qemu_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from emulation.machines import Machine

DISK_BYTES = 2 << 30
_PROC_FILES = ("cpuinfo", "meminfo")


def machine_plan(
    machine: Machine, folder: Path, files: Mapping[str, str], layers: Sequence[Path] = ()
) -> dict[str, object]:
    """Write the machine's own files into `folder`, and say what `supervisor` is to do.

    Args:
        machine: what to imitate.
        folder: the machine's own on this side.
        files: more files, path relative to the machine's root to text.
        layers: folders whose files the machine has besides, under its own ones.

    Raises:
        UnavailableError: this machine's apt knows no Debian.
        RuntimeError: what it is made of cannot be fetched.
    """
    layer, proc, mount_point = (folder / name for name in ("layer", "proc", "mount"))
    write_files(layer, {**system_files(machine), **files})
    write_files(proc, {"cpuinfo": cpuinfo(machine), "meminfo": meminfo(machine)})
    mount_point.mkdir(exist_ok=True)
    architecture = machine.architecture
    return {
        "hostname": machine.hostname,
        "layers": [str(path) for path in (layer, *layers, debian_root(architecture))],
        "mount_point": str(mount_point),
        "disk_bytes": DISK_BYTES,
        "proc_files": {name: str(proc / name) for name in _PROC_FILES},
        "interpreter": {
            "path": str(qemu_for(machine)),
            "bits": architecture.bits,
            "elf_machine": architecture.elf_machine,
        },
    }
