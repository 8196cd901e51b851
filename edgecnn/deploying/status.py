"""The verb `deployed`: what runs on devices, asked without sending or locking anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import strict
from edgecnn.deploying.records import Network, Standing, StatusReport
from edgecnn.devices import farm, open_device, parse, side_by_side
from edgecnn.devices.shell import ShellDevice
from edgecnn.errors import DeviceError, EdgeCnnError, InputError
from edgecnn.measurements import DeviceFailure
from edgecnn.progress import Progress, Silent
from edgecnn.strict import UnfitError, structured
from edgecnn.text import printable_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.devices.device import Device

_PROGRAM = "standing.py"
_FOLDER = re.compile(r"/[^\x00-\x1f\x7f]{0,4095}")
_RELEASE = re.compile(r"[^\x00-\x1f\x7f/]{1,255}")
_LONGEST_NAME = 4096


@dataclass(frozen=True)
class _Answer:
    """What the program prints."""

    networks: tuple[Network, ...]


def deployed(
    on: str | Sequence[str], *, to: str | None = None, progress: Progress | None = None
) -> StatusReport:
    """Ask devices, side by side, which networks a deploy put there.

    Args:
        on: "ssh://[user@]host[:port]", "local", "@FARM.toml" or "@FARM.toml:GROUP", one or several.
        to: the folder there, as for `deploy`; None looks at all of ~/edgecnn.
        progress: told of each answer.

    Returns:
        The devices in the order asked, and those that gave no answer.

    Raises:
        InputError: a name is none of a device that can be deployed to; nothing was asked.
    """
    devices = opened((on,) if isinstance(on, str) else on)
    check_place(to)
    return ask_all(devices, to, progress or Silent())


def opened(names: Sequence[str]) -> list[Device]:
    """The devices behind names; nothing is reached yet.

    Raises:
        InputError: one is none, or a phone.
    """
    targets = farm.expanded(names)
    for target in targets:
        if parse(target).scheme == "adb":
            raise InputError(
                f"{target}: `deploy` goes over SSH.", hint="Name ssh://user@host, or use --bundle."
            )
    if not targets:
        raise InputError("No device is given.", hint="For example ssh://pi@raspberrypi.local")
    return [open_device(target) for target in targets]


def check_place(to: str | None) -> None:
    """Hold that a folder's name can be sent.

    Raises:
        InputError: it cannot.
    """
    if to is not None and (not to or re.search(r"[\x00-\x1f\x7f]", to)):
        raise InputError(f"--to takes a folder's path, not {to!r}.", hint="For example --to net.")


def ask_all(devices: Sequence[Device], to: str | None, progress: Progress) -> StatusReport:
    """See `deployed`."""
    answers: dict[str, Standing | DeviceFailure] = {}

    def ask(device: Device, watcher: Progress) -> None:
        watcher.stage(f"{device.target}: asking what runs there")
        try:
            answers[device.target] = Standing(device.target, networks_on(device, to))
        except EdgeCnnError as error:
            answers[device.target] = DeviceFailure(device.target, error.message, error.hint)
            watcher.tell(error.message)
        finally:
            device.close()

    side_by_side.run(devices, ask, progress)
    outcomes = [answers[device.target] for device in devices]
    return StatusReport(
        tuple(outcome for outcome in outcomes if isinstance(outcome, Standing)),
        tuple(outcome for outcome in outcomes if isinstance(outcome, DeviceFailure)),
    )


def networks_on(device: Device, to: str | None) -> tuple[Network, ...]:
    """What stands on one device.

    Raises:
        DeviceError: it cannot be reached, or its answer makes no sense.
    """
    assert isinstance(device, ShellDevice)  # noqa: S101 - for the type checker: see `opened`
    program = (Path(__file__).parent / _PROGRAM).read_text("utf-8")
    answer = device.ask(program, () if to is None else (to,), step="asking what runs there")
    try:
        networks = structured(strict.parse(answer), _Answer).networks
        strict.refuse(
            f"{network.folder[:100]!r}, {network.release[:100]!r} is no network"
            for network in networks
            if not _is_sound(network)
        )
    except UnfitError as error:
        raise DeviceError(
            f"{device.target}: its answer makes no sense: {printable_lines(str(error))}.",
            hint="Deploy again; if it stays so, look at the device's disk.",
        ) from error
    return networks


def _is_sound(network: Network) -> bool:
    """A network's name may hold whatever a file's may; what is printed is cleaned there."""
    names = (network.model, network.recipe, network.runtime)
    return (
        bool(_FOLDER.fullmatch(network.folder))
        and bool(_RELEASE.fullmatch(network.release))
        and all(len(name) <= _LONGEST_NAME for name in names)
    )
