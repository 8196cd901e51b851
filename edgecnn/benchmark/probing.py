"""The verbs `probe` and `list_devices`: what a device is, and what it could run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import strict
from edgecnn.benchmark import answer
from edgecnn.benchmark.report import DeviceProbe, DevicesReport
from edgecnn.devices import farm, side_by_side
from edgecnn.errors import DeviceError, EdgeCnnError
from edgecnn.measurements import DeviceFailure
from edgecnn.progress import Progress, Silent
from edgecnn.runtime import runner
from edgecnn.strict import UnfitError
from edgecnn.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.devices.device import Device
    from edgecnn.measurements import DeviceFacts, DeviceState

_RUNNER = "runner.py"
_STATE = "import json, runner; print(json.dumps(runner.read_state(runner.fastest_cores()[0])))"
_STATE_LIMIT_S = 120.0


def probe(target: str) -> DeviceProbe:
    """Ask a device what it is and how it fares; nothing stays there.

    Args:
        target: "local", "ssh://[user@]host[:port]" or "adb://SERIAL".

    Raises:
        InputError: it is none of these.
        DeviceError: it cannot be reached.
    """
    from edgecnn import devices

    return _probe(devices.open_device(target))


def _probe(device: Device) -> DeviceProbe:
    target = device.target
    try:
        facts = device.facts()
        runtime, problem, hint = _runtime(target, facts)
        if problem:
            return DeviceProbe(target, facts, "", None, problem, hint)
        try:
            state = _state(device)
        except DeviceError as error:
            return DeviceProbe(target, facts, runtime, None, error.message, error.hint)
        return DeviceProbe(target, facts, runtime, state)
    finally:
        device.close()


def list_devices(targets: Iterable[str] = (), *, progress: Progress | None = None) -> DevicesReport:
    """Probe devices, side by side: those named, or this machine and every phone adb knows.

    Devices behind SSH cannot be listed: name them, or a farm of them.

    Raises:
        InputError: a name is none of a device; nothing was asked.
    """
    from edgecnn import devices

    named, notes = farm.expanded(targets), tuple[str, ...]()
    if not named:
        named, notes = _at_hand()
    by_target: dict[str, DeviceProbe | DeviceFailure] = {}

    def ask(device: Device, watcher: Progress) -> None:
        watcher.stage(f"{device.target}: identifying the device")
        try:
            by_target[device.target] = _probe(device)
        except EdgeCnnError as error:
            by_target[device.target] = DeviceFailure(device.target, error.message, error.hint)

    opened = [devices.open_device(target) for target in named]
    side_by_side.run(opened, ask, progress or Silent())
    answers = [by_target[target] for target in named]
    return DevicesReport(
        tuple(reply for reply in answers if isinstance(reply, DeviceProbe)),
        tuple(reply for reply in answers if isinstance(reply, DeviceFailure)),
        notes,
    )


def _at_hand() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """This machine and what adb knows, and what could not be listed."""
    ssh = "Devices behind SSH cannot be listed: `edgecnn devices ssh://pi@HOST` asks one."
    from edgecnn.devices import adb

    try:
        serials = adb.attached()
    except EdgeCnnError as error:
        return ("local",), (ssh, f"Phones are not listed: {error.message}")
    return ("local", *(f"adb://{serial}" for serial in serials)), (ssh,)


def _runtime(target: str, facts: DeviceFacts) -> tuple[str, str, str]:
    """What would run .tflite files there; else the problem, and what to do."""
    if target == "local":
        return "its own", "", ""
    from edgecnn.devices import wheels

    try:
        return wheels.runtime_for(facts, {"tflite"}).title, "", ""
    except EdgeCnnError as error:
        return "", error.message, error.hint


def _state(device: Device) -> DeviceState:
    with device.workspace() as workspace:
        workspace.send({_RUNNER: Path(runner.__file__)})
        done = workspace.run([workspace.python, "-c", _STATE], timeout_s=_STATE_LIMIT_S)
    try:
        return answer.state(strict.parse(done.stdout))
    except UnfitError as error:
        text = printable(" ".join((done.stderr or done.stdout).split())[-300:], 300)
        raise DeviceError(
            f"{device.target}: its state cannot be read ({error}): {text}", hint=answer.DAMAGED
        ) from error
