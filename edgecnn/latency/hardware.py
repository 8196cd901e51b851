"""What a device's cores are, asked of the device itself: the numbers a profile needs.

`SCRIPT` runs over there, with the standard library of any Python 3.9.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from edgecnn import strict
from edgecnn.devices import cpus
from edgecnn.devices.facts import printable
from edgecnn.errors import DeviceError, InputError
from edgecnn.latency import cores
from edgecnn.latency.profiles import Cluster
from edgecnn.strict import UnfitError, structured

if TYPE_CHECKING:
    from collections.abc import Sequence

SCRIPT = r"""
import glob, json, re, time

def read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""

def copied_gbps(size=1 << 25, seconds=1.0):
    source, target = memoryview(bytearray(b"\1") * size), memoryview(bytearray(size))
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        target[:] = source
        best = max(best, 2 * size / (time.perf_counter() - begin) / 1e9)
    return best

said = {}
for block in read("/proc/cpuinfo").split("\n\n"):
    lines = dict(re.findall(r"^([^\t:]+?)\s*:\s*(.*)$", block, re.M))
    if lines.get("processor", "").isdigit():
        said[int(lines["processor"])] = lines
found = []
for number in sorted(said):
    base = "/sys/devices/system/cpu/cpu%d/" % number
    levels = {read(c + "/level"): read(c + "/size") for c in glob.glob(base + "cache/index*")}
    found.append({
        "implementer": said[number].get("CPU implementer", ""),
        "part": said[number].get("CPU part", ""),
        "dot": "asimddp" in said[number].get("Features", "").split(),
        "max_khz": read(base + "cpufreq/cpuinfo_max_freq"),
        "l2": levels.get("2", ""),
    })
print(json.dumps({"cpus": found, "dram_gbps": copied_gbps()}))
"""
# Qualcomm's own names for slightly changed ARM designs.
_SAME_DESIGN = {
    "kryo-2xx-gold": "cortex-a73",
    "kryo-2xx-silver": "cortex-a53",
    "kryo-3xx-gold": "cortex-a75",
    "kryo-3xx-silver": "cortex-a55",
    "kryo-4xx-gold": "cortex-a76",
    "kryo-4xx-silver": "cortex-a55",
}
_KHZ_PER_GHZ = 1e6
_KIB = {"K": 1, "M": 1024}
_SIZE = re.compile(r"[0-9]{1,6}[KM]")
_PART = re.compile(r"0x[0-9A-Fa-f]{1,8}|[1-9][0-9]{0,7}")
_CLOCK_KHZ = re.compile(r"[1-9][0-9]{3,8}")
_MOST_CORES, _MOST_GBPS = 1024, 1e4
_LAST_WORDS = 200


@dataclass(frozen=True)
class _Cpu:
    """One core, as the script prints it; the texts are those of /proc and /sys."""

    implementer: str
    part: str
    dot: bool
    max_khz: str
    l2: str

    def __post_init__(self) -> None:
        fields = ((self.implementer, _PART), (self.part, _PART), (self.max_khz, _CLOCK_KHZ))
        for text, pattern in fields if self.implementer else ():
            if not pattern.fullmatch(text):
                raise ValueError(f"{text[:60]!r} is of no core")

    @property
    def clock_ghz(self) -> float:
        return int(self.max_khz) / _KHZ_PER_GHZ


@dataclass(frozen=True)
class _Answer:
    """All that the script prints."""

    cpus: tuple[_Cpu, ...]
    dram_gbps: float

    def __post_init__(self) -> None:
        if len(self.cpus) > _MOST_CORES or not 0 < self.dram_gbps < _MOST_GBPS:
            raise ValueError("so many cores, or so fast a memory, cannot be")


class Hardware(NamedTuple):
    """What a device said.

    Attributes:
        clusters: its cores, the fastest first.
        dram_gbps: bytes that one core read and wrote a second when it copied, in 1e9.
        usual_l2: whether some cache's size is the design's usual one, since the system is silent.
    """

    clusters: tuple[Cluster, ...]
    dram_gbps: float
    usual_l2: bool


def parse(target: str, text: str) -> Hardware:
    """Read what the script printed.

    Args:
        target: the device, for errors.
        text: of its stdout.

    Raises:
        DeviceError: that is no answer, or the system hides the cores' clock.
        InputError: a core of a design that profiles do not know.
    """
    try:
        answer = structured(strict.parse(text), _Answer)
        rows = [(_core(target, cpu), cpu.clock_ghz, cpu.l2) for cpu in answer.cpus]
    except UnfitError as error:
        words = printable(text[-_LAST_WORDS:])
        raise DeviceError(
            f"{target}: what its cores are cannot be read: {words}",
            hint="The system must show /proc/cpuinfo and the cores' cpufreq in /sys.",
        ) from error
    if not rows:
        raise DeviceError(f"{target}: its /proc/cpuinfo names no core.")
    clusters, usual = _clusters(rows)
    return Hardware(clusters, answer.dram_gbps, usual)


def _core(target: str, cpu: _Cpu) -> str:
    """The design's name as profiles have it."""
    if not cpu.implementer:
        raise InputError(
            f"{target}: profiles are of ARM cores, and this machine says of none.",
            hint="Name an ARM device: ssh://[USER@]HOST or adb://SERIAL.",
        )
    named = cpus.core_name(int(cpu.implementer, 0), int(cpu.part, 0))
    name = named.lower().replace(" ", "-")
    name = _SAME_DESIGN.get(name, name)
    if not cpu.dot and name + cores.NO_DOT in cores.CORES:
        name += cores.NO_DOT
    try:
        return cores.find(name).name
    except InputError as error:
        raise InputError(
            f"{target}: no latency of a {named} was ever published; a profile cannot name it.",
            hint=f"Name the nearest in a profile of your own. {error.hint}",
        ) from error


def _clusters(rows: Sequence[tuple[str, float, str]]) -> tuple[tuple[Cluster, ...], bool]:
    """Equal cores together, those that multiply fastest first."""
    usual, clusters = False, list[Cluster]()
    for (core, clock_ghz, l2), count in Counter(rows).items():
        size = _kib(l2)
        usual = usual or size is None
        clusters.append(Cluster(core, count, clock_ghz, size or cores.CORES[core].l2_kib))
    clusters.sort(key=lambda c: -c.clock_ghz * cores.CORES[c.core].fp32_macs)
    return tuple(clusters), usual


def _kib(text: str) -> int | None:
    """A cache's size as /sys writes it: "512K"."""
    number, unit = text[:-1], text[-1:]
    return int(number) * _KIB[unit] if _SIZE.fullmatch(text) else None
