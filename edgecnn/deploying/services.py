"""A deployed network as a service: made with `deploy`, asked about with the verb `service`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgecnn import strict
from edgecnn.deploying import place
from edgecnn.deploying.reply import Outcome, Refusal
from edgecnn.errors import DeviceError, InputError
from edgecnn.strict import UnfitError, structured
from edgecnn.text import printable_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.devices.device import Workspace
    from edgecnn.progress import Progress

_PROGRAM = "service_program.py"
_TIMEOUT_S = 300.0
Action = Literal["status", "logs", "stop", "remove"]
ACTIONS: tuple[Action, ...] = ("status", "logs", "stop", "remove")
_LONGEST = 1 << 20


@dataclass(frozen=True)
class ServiceOptions:
    """How a network runs as a service.

    Attributes:
        source: as the device's `live --source` takes it.
        port: of the page.
        listen: an address of the page; others than the device's own need its token.
        every_s: at most one result in so many seconds.
        above: least score; None for the task's own.
        fps: at most so many frames a second; 0 for all.
    """

    source: str = "camera"
    port: int = 8080
    listen: str = "127.0.0.1"
    every_s: float = 1.0
    above: float | None = None
    fps: float = 0.0

    def arguments(self) -> list[str]:
        """Of `live` on the device."""
        words = ["--source", self.source, "--port", str(self.port), "--listen", self.listen]
        words += ["--every", f"{self.every_s:g}", "--fps", f"{self.fps:g}"]
        return words if self.above is None else [*words, "--above", f"{self.above:g}"]


@dataclass(frozen=True)
class ServiceReport:
    """What a device says of a service.

    Attributes:
        folder: the network's.
        unit: the systemd user unit.
        release: in use; "" after `remove`.
        answers: it does, now.
        lingers: the user's services run while he is not logged in.
        port: of its page there; None for none.
        token: that viewers from the network need; "" where none may come.
        systemd: the unit's state, by systemd's own names.
        went_back: the last time a new release gave no answer: "from", "to", "why"; {} for never.
        log: its end, for `logs`.
        removed: by `remove`.
    """

    folder: str
    unit: str
    release: str = ""
    answers: bool = False
    lingers: bool = False
    port: int | None = None
    token: str = ""
    systemd: dict[str, str] = field(default_factory=dict)
    went_back: dict[str, str] = field(default_factory=dict)
    log: str = ""
    removed: bool = False


@dataclass(frozen=True)
class ServiceReply:
    """What the program prints of what it did."""

    service: ServiceReport


def service(where: str, action: Action = "status") -> ServiceReport:
    """Ask for a service, read the end of its log, stop it, or take it away.

    Args:
        where: "ssh://[user@]host[:port]/ARTIFACT", or without the artifact where one is deployed.
        action: one of ACTIONS.

    Raises:
        InputError: there is no such network, or no such action.
        DeviceError: the device cannot be reached, or there is no service.
    """
    if action not in ACTIONS:
        raise InputError(f"{action!r} is nothing to do.", hint=f"One of {', '.join(ACTIONS)}.")
    device, folder = place.opened(where)
    try:
        network = place.network(device, folder)
        said = device.ask(
            program().read_text("utf-8"), (action, network.folder), step=f"asking for {action}"
        )
    finally:
        device.close()
    return _understood(device.target, said)


def program() -> Path:
    """What is sent to a device, and does the work there."""
    return Path(__file__).parent / _PROGRAM


def move_over(
    workspace: Workspace,
    target: str,
    folder: str,
    options: ServiceOptions | None,
    progress: Progress,
) -> ServiceReport:
    """Make the folder's service, or have the one it has start the release in use.

    Args:
        workspace: of the device.
        target: it, for errors.
        folder: the network's there.
        options: None keeps the service as it is.
        progress: told.

    Raises:
        DeviceError: it gave no answer; where there was a release before, that one runs again.
    """
    progress.stage("waiting for the service's answer")
    workspace.send({_PROGRAM: program()})
    action: Sequence[str] = ("update", folder)
    if options is not None:
        action = ("install", folder, json.dumps({"arguments": options.arguments()}))
    done = workspace.run([workspace.python, _PROGRAM, *action], timeout_s=_TIMEOUT_S)
    return _understood(target, done.stdout or done.stderr)


def _understood(target: str, said: str) -> ServiceReport:
    try:
        parsed = strict.parse(said.encode())
        if not structured(parsed, Outcome).ok:
            refusal = structured(parsed, Refusal)
            raise DeviceError(
                f"{target}: {printable_lines(refusal.message[:1000])}.",
                hint=_HINTS.get(refusal.kind, "`edgecnn service logs` has its own words."),
            )
        report = structured(parsed, ServiceReply).service
    except UnfitError as error:
        raise DeviceError(
            f"{target}: what the service's program printed is damaged:"
            f" {printable_lines(said[-300:])}.",
            hint="Run it again.",
        ) from error
    if len(report.log) > _LONGEST:
        raise DeviceError(f"{target}: its log is longer than was asked for.")
    return report


_HINTS = {
    "none": "Install one: edgecnn deploy ARTIFACT DEVICE --service",
    "systemd": "Services need systemd, and a user who is logged in or lingers.",
    "place": "Is the disk there full, or the folder another user's?",
}
