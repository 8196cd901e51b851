"""Records of experiments on disk: written whole or not at all, every field checked when read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from edgecnn import files, store
from edgecnn.errors import InputError
from edgecnn.evidence.checks import problems
from edgecnn.evidence.records import (
    DeviceLatency,
    Devices,
    Gradients,
    Kernels,
    Layers,
    Parameters,
    Twins,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgecnn.evidence.words import Source

Record: TypeAlias = Kernels | Parameters | Gradients | Twins | Devices | Layers

DEFAULT = Path("artifacts") / "experiments"
SCHEMA = 1
_TOLD = 3
_KINDS: Mapping[str, type[Record]] = {
    "kernels": Kernels,
    "parameters": Parameters,
    "gradients": Gradients,
    "twins": Twins,
    "devices": Devices,
    "layers": Layers,
}


@dataclass(frozen=True)
class Measurement:
    """What `bench` measured of a contender on a real device, and the line it comes from."""

    latency: DeviceLatency
    source: Source


@dataclass(frozen=True)
class LeftOut:
    """What `bench` measured of a contender's network and what decides nothing all the same.

    Attributes:
        what: the network and its recipe.
        device: as it calls itself.
        threads: of one inference.
        latency_ms: the median.
        why: a clause that goes on from "left out: ".
        source: the line it comes from.
    """

    what: str
    device: str
    threads: int
    latency_ms: float
    why: str
    source: Source


@dataclass(frozen=True)
class Evidence:
    """What the experiments found; None where a record is missing.

    `measurements` and `left_out` are results of `bench`, which the folder of the records does not
    hold.
    """

    kernels: Kernels | None = None
    parameters: Parameters | None = None
    gradients: Gradients | None = None
    twins: Twins | None = None
    devices: Devices | None = None
    layers: Layers | None = None
    measurements: tuple[Measurement, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @property
    def latencies(self) -> tuple[DeviceLatency, ...]:
        """Those of the record of devices, each measurement in the place of what it replaces."""
        recorded = () if self.devices is None else self.devices.latencies
        every = (*recorded, *(measurement.latency for measurement in self.measurements))
        keys = ((time.label, time.recipe, time.device, time.threads) for time in every)
        return tuple(dict(zip(keys, every, strict=True)).values())

    @property
    def records(self) -> dict[str, Record]:
        """The records there are, by the stems of their files."""
        by_name = {name: getattr(self, name) for name in _KINDS}
        return {name: record for name, record in by_name.items() if record is not None}


def command(name: str) -> str:
    """What makes a record again, in a clone of the repository."""
    return f"python tools/experiment_{name}.py"


def write(record: Record, folder: Path) -> Path:
    """Write a record as `<experiment>.json`; the file appears whole, or not at all.

    Args:
        record: what an experiment found.
        folder: made where it is missing.

    Returns:
        The file.

    Raises:
        InputError: the record could not be read again (a NaN, a negative count), or the file
            cannot be written.
    """
    name = next(name for name, kind in _KINDS.items() if isinstance(record, kind))
    path = folder / f"{name}.json"
    if faults := problems(record):
        raise InputError(
            f"{path} would not be a sound record: {faults[0]}.", hint="The experiment has a fault."
        )
    content = {"schema": record.schema, **asdict(record)}
    text = json.dumps(content, indent=1, ensure_ascii=True, allow_nan=False)
    try:
        store.write_file(path, f"{text}\n".encode("ascii"))
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {error.strerror}.", hint="Name another folder."
        ) from error
    return path


def read_all(folder: Path) -> Evidence:
    """Read every record of a folder.

    Args:
        folder: what the experiments wrote, `artifacts/experiments` of a clone.

    Returns:
        The evidence; a record whose file is missing is None.

    Raises:
        InputError: there is no such folder, it holds no record, or one of them is damaged.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder} is no folder: the records of the experiments are not here.",
            hint="Run this in a clone of edgecnn's repository, whose artifacts/experiments holds"
            " them, or name their folder with --records DIR.",
        )
    records: dict[str, Any] = {name: _read(folder / f"{name}.json", name) for name in _KINDS}
    evidence = Evidence(**records)
    if not evidence.records:
        raise InputError(
            f"{folder} holds no record of an experiment.",
            hint=f"Name the right folder with --records DIR, or begin with"
            f" `{command('parameters')}` in a clone of edgecnn's repository.",
        )
    return evidence


def _read(path: Path, name: str) -> Record | None:
    again = f"Make it again: `{command(name)}`."
    try:
        content = json.loads(files.read_text(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is no record: {error}.", hint=again) from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is no record: it holds no JSON object.", hint=again)
    if (schema := content.get("schema")) != SCHEMA:
        raise InputError(
            f"{path} has schema {schema!r}; this edgecnn reads {SCHEMA}.",
            hint=f"Update edgecnn, or make it again: `{command(name)}`.",
        )
    record = _structure(content, path, name, again)
    if faults := problems(record):
        raise InputError(f"{path} is damaged: {_some(faults)}.", hint=again)
    return record


def _structure(content: dict[str, Any], path: Path, name: str, hint: str) -> Record:
    import cattrs

    from edgecnn.strict import strict_converter

    try:
        record: Record = strict_converter().structure(content, _KINDS[name])
    except cattrs.BaseValidationError as error:
        faults = [str(problem) for problem in cattrs.transform_error(error)]
        raise InputError(f"{path} is damaged: {_some(faults)}.", hint=hint) from error
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged: {error}.", hint=hint) from error
    return record


def _some(faults: list[str]) -> str:
    """The first few problems; a file of another kind has thousands."""
    more = f"; and {len(faults) - _TOLD} more" if len(faults) > _TOLD else ""
    return "; ".join(faults[:_TOLD]) + more
