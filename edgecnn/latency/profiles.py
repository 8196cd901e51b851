"""What a device is: its cores, memory and power, from a TOML file; every number has a source.

A file of one's own looks like those in profiles/:

    title = "Raspberry Pi 5"
    soc = "BCM2712"
    dram_gbps = 11.25        # read and written by one core that copies, GB/s
    idle_w = 2.8             # of the whole board; may be left out, together with load_w
    load_w = 9.7

    [[clusters]]             # the fastest first
    core = "cortex-a76"      # of edgecnn.latency.cores
    count = 4
    clock_ghz = 2.4
    l2_kib = 512             # that one core uses
    source = "..."

    [sources]
    dram_gbps = "..."
    power = "..."

    [scale]                  # measured over predicted, for one device; may be left out
    float32 = 1.04
    int8 = 0.97

    [units.float32]          # likewise for single units of work (`edgecnn.latency.work`), beside
    depthwise_mac = 1.1      # the scale; `edgecnn devices calibrate` writes them

A profile may also list what the device calls itself to Android or its device tree, what people call
it in a sentence, and what it is (`edgecnn.latency.device_names` reads these):

    names = ["SM-G973F", "Galaxy S10"]
    short = "Galaxy S10"
    kind = "phone"           # or "raspberry-pi"; left out: another board
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from edgecnn import files, strict
from edgecnn.errors import InputError
from edgecnn.latency import cores, work
from edgecnn.zoo.suggest import suggest

_SUFFIX = ".toml"
# What no device that runs TFLite on a CPU lies outside of.
_RANGES = {
    "count": (1, 256),
    "clock_ghz": (0.1, 6.0),
    "l2_kib": (16, 65536),
    "dram_gbps": (0.1, 1000.0),
    "idle_w": (0.01, 500.0),
    "load_w": (0.01, 1000.0),
    "scale": (0.05, 20.0),
    "units": (0.01, 100.0),
}
_KEYS = {"title", "soc", "names", "dram_gbps", "idle_w", "load_w", "clusters", "sources", "scale"}
_KEYS |= {"units", "short", "kind"}
_KINDS = ("raspberry-pi", "phone", "board")
_CLUSTER_KEYS = {"core", "count", "clock_ghz", "l2_kib", "source"}
_PRECISIONS = {"float32", "int8"}


@dataclass(frozen=True)
class Cluster:
    """Equal cores of a device; `core` is a name of `edgecnn.latency.cores`.

    `l2_kib` is the level-2 cache that one of them uses, `clock_ghz` their highest clock.
    """

    core: str
    count: int
    clock_ghz: float
    l2_kib: int


@dataclass(frozen=True)
class DeviceProfile:
    """One device.

    Attributes:
        name: what the user types; the stem of its file.
        title: what people call it.
        soc: its chip.
        clusters: its cores, the fastest first.
        dram_gbps: bytes one core reads and writes a second when it copies, in 1e9.
        idle_w: the whole device at rest, watts; None where not known.
        load_w: with all cores busy.
        sources: where each number comes from.
        scale: measured over predicted time by precision, where someone measured this very device.
        units: the same beside the scale, by precision and unit of work.
        names: what the device calls itself, or begins to.
        short: its name in a sentence.
        kind: "raspberry-pi", "phone" or "board".
    """

    name: str
    title: str
    soc: str
    clusters: tuple[Cluster, ...]
    dram_gbps: float
    idle_w: float | None
    load_w: float | None
    sources: dict[str, str]
    scale: dict[str, float] = field(default_factory=dict)
    units: dict[str, dict[str, float]] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    short: str = ""
    kind: str = "board"

    @property
    def cores(self) -> int:
        """All of them."""
        return sum(cluster.count for cluster in self.clusters)

    def fastest(self, threads: int) -> tuple[Cluster, ...]:
        """The clusters that this many threads run on, the fastest first."""
        chosen = []
        for cluster in self.clusters:
            count = min(threads, cluster.count)
            threads -= count
            if count:
                chosen.append(Cluster(cluster.core, count, cluster.clock_ghz, cluster.l2_kib))
        return tuple(chosen)


def names() -> list[str]:
    """The profiles that come with edgecnn."""
    folder = resources.files(__package__) / "profiles"
    return sorted(
        file.name.removesuffix(_SUFFIX) for file in folder.iterdir() if file.name.endswith(_SUFFIX)
    )


def find(device: str) -> DeviceProfile:
    """The profile of that name, or of that file when it ends in .toml.

    Raises:
        InputError: no such profile (the hint names the nearest), or something in it is missing,
            absurd, or without a source.
    """
    if device.endswith(_SUFFIX):
        return load(Path(device))
    known = names()
    if device.lower() not in known:
        raise InputError(
            f"There is no device named {device!r}.",
            hint=suggest(device, known) + " A profile of your own is a file: --device my.toml.",
        )
    name = device.lower()
    text = (resources.files(__package__) / "profiles" / f"{name}{_SUFFIX}").read_text("utf-8")
    return parse(text, name)


def load(path: Path) -> DeviceProfile:
    """Read a profile of the user's own.

    Raises:
        InputError: the file cannot be read, or is no valid profile.
    """
    try:
        text = files.read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.", hint="Check the path.") from error
    return parse(text, path.stem, where=str(path))


def parse(text: str, name: str, where: str = "") -> DeviceProfile:
    """Read a profile's text.

    Args:
        text: TOML.
        name: of the device.
        where: what errors call it.

    Raises:
        InputError: it is no valid profile.
    """
    reader = _Reader(where or name)
    table = reader.toml(text)
    reader.only(table, _KEYS, "the profile")
    clusters = tuple(
        reader.cluster(entry, number)
        for number, entry in enumerate(reader.tables(table, "clusters"), start=1)
    )
    sources = table.get("sources", {})
    idle, load_w = reader.power(table)
    reader.sourced(sources, "dram_gbps", needed=True)
    reader.sourced(sources, "power", needed=idle is not None)
    title = str(table.get("title", name))
    return DeviceProfile(
        name=name,
        title=title,
        soc=str(table.get("soc", "")),
        clusters=clusters,
        dram_gbps=reader.number(table, "dram_gbps", "the profile"),
        idle_w=idle,
        load_w=load_w,
        sources={key: str(value) for key, value in sources.items()},
        scale=reader.scale(table),
        units=reader.units(table),
        names=reader.names(table),
        short=str(table.get("short", title)),
        kind=reader.kind(table),
    )


class _Reader:
    """Reads one profile; `where` is what errors call it."""

    def __init__(self, where: str) -> None:
        self._where = where

    def wrong(self, what: str) -> InputError:
        return InputError(
            f"The device profile {self._where}: {what}.",
            hint="`edgecnn devices` shows profiles that are right; compare with one of them.",
        )

    def toml(self, text: str) -> dict[str, Any]:
        try:
            return strict.parse_toml(text)
        except strict.UnfitError as error:
            raise self.wrong(str(error)) from error

    def only(self, table: dict[str, Any], known: set[str], what: str) -> None:
        if unknown := sorted(set(table) - known):
            raise self.wrong(
                f"{what} has no {unknown[0]!r}; it may have {', '.join(sorted(known))}"
            )

    def tables(self, table: dict[str, Any], key: str) -> list[dict[str, Any]]:
        rows = table.get(key)
        if not isinstance(rows, list) or not rows or not all(isinstance(x, dict) for x in rows):
            raise self.wrong(f"it lacks [[{key}]]")
        return rows

    def number(self, table: dict[str, Any], key: str, what: str, limits: str = "") -> float:
        value = table.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(f"{what} lacks the number {key}")
        low, high = _RANGES[limits or key]
        if not low <= value <= high:
            raise self.wrong(f"{key} = {value:g} of {what} is absurd: {low:g} to {high:g}")
        return float(value)

    def cluster(self, table: dict[str, Any], number: int) -> Cluster:
        what = f"cluster {number}"
        self.only(table, _CLUSTER_KEYS, what)
        self.sourced(table, "source", needed=True)
        try:
            core = cores.find(str(table.get("core", "")))
        except InputError as error:
            raise InputError(
                f"{self.wrong(what).message} {error.message}", hint=error.hint
            ) from None
        return Cluster(
            core=core.name,
            count=int(self.number(table, "count", what)),
            clock_ghz=self.number(table, "clock_ghz", what),
            l2_kib=int(self.number(table, "l2_kib", what)),
        )

    def power(self, table: dict[str, Any]) -> tuple[float | None, float | None]:
        if "idle_w" not in table and "load_w" not in table:
            return None, None
        idle = self.number(table, "idle_w", "the profile")
        load_w = self.number(table, "load_w", "the profile")
        if load_w < idle:
            raise self.wrong(f"load_w = {load_w:g} is less than idle_w = {idle:g}")
        return idle, load_w

    def sourced(self, table: Any, key: str, *, needed: bool) -> None:  # noqa: ANN401 - any TOML
        if not isinstance(table, dict):
            raise self.wrong("[sources] is not a table")
        if needed and not (isinstance(table.get(key), str) and table[key].strip()):
            raise self.wrong(f"{key} has no source; say where its number comes from")

    def scale(self, table: dict[str, Any]) -> dict[str, float]:
        scale = self._table(table, "scale", _PRECISIONS)
        return {key: self.number(scale, key, "[scale]", "scale") for key in scale}

    def units(self, table: dict[str, Any]) -> dict[str, dict[str, float]]:
        by_precision = self._table(table, "units", _PRECISIONS)
        units = {}
        for precision in by_precision:
            own = self._table(by_precision, precision, set(work.NAMES))
            what = f"[units.{precision}]"
            units[precision] = {unit: self.number(own, unit, what, "units") for unit in own}
        return units

    def _table(self, table: dict[str, Any], key: str, known: set[str]) -> dict[str, Any]:
        value = table.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(f"[{key}] is not a table")
        self.only(value, known, f"[{key}]")
        return value

    def names(self, table: dict[str, Any]) -> tuple[str, ...]:
        texts = table.get("names", [])
        if not isinstance(texts, list) or not all(isinstance(n, str) and n.strip() for n in texts):
            raise self.wrong("names is no list of names")
        return tuple(texts)

    def kind(self, table: dict[str, Any]) -> str:
        kind = table.get("kind", "board")
        if kind not in _KINDS:
            raise self.wrong(f"kind = {kind!r} is none of {', '.join(_KINDS)}")
        return str(kind)
