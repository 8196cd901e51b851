"""Devices that nodes of a Ray cluster offer, as its resources: `device:raspberry-pi-4b`.

    ray start --address=HEAD:6379 --resources='{"device:raspberry-pi-4b": 1}'

A node that says no more is the device itself. Where the device hangs on the node, $EDGECNN_FARM is
a farm.toml there, whose group [raspberry-pi-4b] has the one target.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.devices import farm
from edgecnn.errors import DeviceError, EdgeCnnError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edgecnn.benchmark.report import BenchReport

MARK = "device:"
FARM = "EDGECNN_FARM"
_NAME = re.compile(r"device:[A-Za-z0-9_-]{1,64}")


def expanded(names: Iterable[str]) -> tuple[str, ...]:
    """Farms to their devices; what nodes offer stays as it is.

    Raises:
        InputError: one is neither a device nor a farm nor what a node may offer.
    """
    devices: dict[str, None] = {}
    for name in names:
        if not name.startswith(MARK):
            devices |= dict.fromkeys(farm.expanded((name,)))
        elif _NAME.fullmatch(name):
            devices[name] = None
        else:
            raise InputError(
                f"{name!r} is nothing that a node can offer.", hint="device:raspberry-pi-4b is."
            )
    return tuple(devices)


def of(names: Iterable[str]) -> tuple[str, ...]:
    """Those that nodes offer."""
    return tuple(name for name in names if name.startswith(MARK))


def targets(names: Iterable[str]) -> dict[str, str]:
    """On the node: by the target to measure, what it was asked for as.

    Raises:
        DeviceError: the node offers a device, and does not say where it is.
    """
    return {_target(name) if name.startswith(MARK) else name: name for name in names}


def _target(name: str) -> str:
    path = os.environ.get(FARM)
    if not path:
        return "local"
    try:
        devices = farm.expanded((f"@{path}:{name[len(MARK) :]}",))
    except EdgeCnnError as error:
        raise DeviceError(f"{name}: {error.message}", hint=error.hint) from error
    if len(devices) > 1:
        raise DeviceError(
            f"{name}: {path} on its node has {len(devices)} targets in that group.",
            hint="Ray gives it to one task at a time: name one target there.",
        )
    return devices[0]


def renamed(report: BenchReport, names: Mapping[str, str]) -> BenchReport:
    """The report with its devices called what they were asked for as: nodes' own names differ."""
    return replace(
        report,
        results=tuple(replace(result, target=names[result.target]) for result in report.results),
        failures=tuple(
            replace(failure, target=names.get(failure.target, failure.target))
            for failure in report.failures
        ),
    )
