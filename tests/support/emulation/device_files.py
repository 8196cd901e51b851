"""The files that make an emulated machine look like its board: /proc, /sys, /etc.

Without a Pi-like /proc/cpuinfo and /sys/devices/system/cpu, LiteRT and onnxruntime crash while they
probe the CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulation.cache import readable_by_all

if TYPE_CHECKING:
    from pathlib import Path

    from emulation.machines import Machine

CORES = 4
TEMPERATURE_MILLIDEGREES = 48312
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
"""Where a Raspberry Pi's kernel says whether it throttled, in hexadecimal; relative to the root."""

_VCGENCMD = f"""#!/bin/sh
[ "$1" = get_throttled ] || {{ echo 'error=2 error_msg="Invalid arguments"'; exit 255; }}
echo "throttled=0x$(cat /{THROTTLED})"
"""


def cpuinfo(machine: Machine) -> str:
    """What /proc/cpuinfo says on it."""
    core = (
        f"BogoMIPS\t: 108.00\n"
        f"Features\t: {machine.features}\n"
        f"CPU implementer\t: 0x41\n"
        f"CPU architecture: {8 if machine.kernel_bits == 64 else 7}\n"
        f"CPU variant\t: {machine.variant:#x}\n"
        f"CPU part\t: {machine.part:#05x}\n"
        f"CPU revision\t: {machine.core_revision}\n\n"
    )
    cores = "".join(f"processor\t: {number}\n{core}" for number in range(CORES))
    board = f"Revision\t: {machine.revision}\nSerial\t\t: 10000000deadbeef\n"
    return f"{cores}{board}Model\t\t: {machine.model}\n"


def meminfo(machine: Machine) -> str:
    """What /proc/meminfo says on it: most memory is free."""
    available = machine.memory_kib * 7 // 8
    sizes = {
        "MemTotal": machine.memory_kib,
        "MemFree": machine.memory_kib * 5 // 8,
        "MemAvailable": available,
        "Buffers": machine.memory_kib // 64,
        "Cached": machine.memory_kib // 4,
        "SwapTotal": 102396,
        "SwapFree": 102396,
    }
    return "".join(f"{name + ':':<16}{kib:>8} kB\n" for name, kib in sizes.items())


def _core_files(machine: Machine, number: int) -> dict[str, str]:
    folder = f"sys/devices/system/cpu/cpu{number}"
    return {
        f"{folder}/cpufreq/cpuinfo_max_freq": f"{machine.max_khz}\n",
        f"{folder}/cpufreq/cpuinfo_min_freq": f"{machine.min_khz}\n",
        f"{folder}/cpufreq/scaling_cur_freq": f"{machine.max_khz}\n",
        f"{folder}/cpufreq/scaling_governor": "ondemand\n",
        f"{folder}/topology/physical_package_id": "0\n",
        f"{folder}/topology/core_id": f"{number}\n",
        f"{folder}/topology/core_siblings": "f\n",
        f"{folder}/topology/core_siblings_list": f"0-{CORES - 1}\n",
        f"{folder}/topology/thread_siblings_list": f"{number}\n",
        f"{folder}/regs/identification/midr_el1": f"{machine.midr:#018x}\n",
    }


def system_files(machine: Machine) -> dict[str, str]:
    """What lies in the machine's root besides Debian: path relative to the root to text."""
    files = {
        "etc/hostname": f"{machine.hostname}\n",
        "etc/hosts": f"127.0.0.1 localhost {machine.hostname}\n",
        "usr/bin/vcgencmd": _VCGENCMD,
        THROTTLED: "0\n",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": f"{TEMPERATURE_MILLIDEGREES}\n",
        "sys/firmware/devicetree/base/model": f"{machine.model}\0",
        "sys/devices/system/cpu/kernel_max": "255\n",
    }
    for name in ("possible", "present", "online"):
        files[f"sys/devices/system/cpu/{name}"] = f"0-{CORES - 1}\n"
    for number in range(CORES):
        files |= _core_files(machine, number)
    return files


def write_files(folder: Path, files: dict[str, str]) -> None:
    """Write each file below `folder`, readable for all; programs are executable."""
    with readable_by_all():
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            file.chmod(0o755 if text.startswith("#!") else 0o644)
