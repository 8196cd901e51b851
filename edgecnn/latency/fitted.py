"""The fitted speeds, and how time follows from them; `fitted.json` is tools/fit_profiles.py's work.

An inference takes, for each unit of work, its amount times what the unit takes on the cores that
share it. With n cores whose units take w_i seconds each, work that is shared takes

    e / sum(1 / w_i) + (1 - e) * max(w_i) / n

(a share e is balanced by speed, the rest split evenly), of which a serial share, run by the first
core alone, is kept from: Amdahl's law, with one serial share for heavy and one for light units.
"""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

from edgecnn.latency import cores
from edgecnn.latency.work import UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.latency.profiles import Cluster

FILE = "fitted.json"


class Speed(NamedTuple):
    """What one unit takes on a group of equal cores."""

    seconds: float
    cores: int


@dataclass(frozen=True)
class Interval:
    """Where measured over predicted time lies, four times in five, when a new source measures."""

    low: float
    high: float


@dataclass(frozen=True)
class Sharing:
    """How work is shared among threads, at one precision on one device.

    Attributes:
        heavy_serial: share of products and depthwise work that one core does alone.
        light_serial: the same for element-wise work, copies, and pooling.
        balanced: share of the rest that is balanced by the cores' speeds.
        dispatch: how much more starting an operator takes for each further thread.
    """

    heavy_serial: float
    light_serial: float
    balanced: float
    dispatch: float

    def seconds(self, parallel: str, speeds: Sequence[Speed]) -> float:
        """What one unit takes on these cores together, the fastest first."""
        first = speeds[0].seconds
        threads = sum(speed.cores for speed in speeds)
        if parallel == "serial":
            return first
        if parallel == "dispatch":
            return first * (1.0 + self.dispatch * (threads - 1))
        serial = self.heavy_serial if parallel == "heavy" else self.light_serial
        rate = sum(speed.cores / speed.seconds for speed in speeds)
        even = max(speed.seconds for speed in speeds) / threads
        return serial * first + (1.0 - serial) * (
            self.balanced / rate + (1.0 - self.balanced) * even
        )


@dataclass(frozen=True)
class Reference:
    """A network whose latency was published: enough to say what resembles it.

    Attributes:
        macs: at the input size of the row.
        shapes: share of its MACs by kind of operator, window and plane, as `nearness` names them.
        kinds: of all its operators, those that multiply nothing too.
    """

    macs: int
    shapes: dict[str, float]
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Fitted:
    """Everything that was fitted.

    Attributes:
        units: core to precision to unit to its cost: cycles, or bytes of `dram_gbps` a byte.
        sharing: precision to how threads share work on any device.
        serial_shift: device to the shift of its heavy serial share, in log-odds.
        factors: device to precision to measured over predicted, for devices with rows.
        references: device to precision to the networks that TFLite with XNNPACK ran there.
        runtimes: device to what ran its networks: "xnnpack", "library", "builtin" or "ruy".
        intervals: basis to the 80% interval.
    """

    units: dict[str, dict[str, dict[str, float]]]
    sharing: dict[str, Sharing]
    serial_shift: dict[str, float]
    factors: dict[str, dict[str, float]]
    references: dict[str, dict[str, tuple[Reference, ...]]]
    runtimes: dict[str, tuple[str, ...]]
    intervals: dict[str, Interval]

    def seconds(self, cluster: Cluster, precision: str, dram_gbps: float) -> list[float]:
        """What each unit takes one core of a cluster.

        A core that was never measured is as efficient as its most similar sibling: its units that
        use SIMD shrink with its width, the others take as many cycles.

        Args:
            cluster: the cores.
            precision: "float32" or "int8".
            dram_gbps: of the device.
        """
        core = cores.find(cluster.core)
        source = core if core.name in self.units else cores.sibling(core, set(self.units))
        cycle = 1e-9 / cluster.clock_ghz
        wide = {
            "simd": cycle * _macs(source, precision) / _macs(core, precision),
            "lanes": cycle * source.fp32_macs / core.fp32_macs,
            "cycle": cycle,
            "bandwidth": 1e-9 / dram_gbps,
        }
        costs = self.units[source.name][precision]
        return [costs[unit.name] * wide[unit.per] for unit in UNITS]

    def measured(self, core: str) -> bool:
        """Whether rows of this core were fitted."""
        return core in self.units

    def on(self, device: str, precision: str) -> Sharing:
        """How threads share work on a device."""
        common = self.sharing[precision]
        shift = self.serial_shift.get(device, 0.0)
        return Sharing(
            shifted(common.heavy_serial, shift),
            common.light_serial,
            common.balanced,
            common.dispatch,
        )


def shifted(share: float, log_odds: float) -> float:
    """A share whose odds are multiplied by exp(log_odds)."""
    odds = share / (1.0 - share) * math.exp(log_odds)
    return odds / (1.0 + odds)


def _macs(core: cores.Core, precision: str) -> int:
    return core.fp32_macs if precision == "float32" else core.int8_macs


@functools.cache
def load() -> Fitted:
    """The speeds that come with edgecnn."""
    return parse((resources.files(__package__) / FILE).read_text("utf-8"))


def parse(text: str) -> Fitted:
    """Read what `written` wrote."""
    import cattrs

    return cattrs.structure(json.loads(text), Fitted)


def written(fitted: Fitted) -> str:
    """The JSON of fitted speeds: sorted, numbers of four digits, so that fits compare as text."""
    import cattrs

    return json.dumps(_rounded(cattrs.unstructure(fitted)), indent=1, sort_keys=True) + "\n"


def _rounded(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _rounded(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(member) for member in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
