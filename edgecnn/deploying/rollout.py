"""The verb `roll_out`: a network to many devices, a few first, and on only as it proves itself.

What cannot be reached, or is at work for somebody else, says nothing of the network: another device
takes its place. What was sent and did not prove itself stops the others before they begin.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn import held
from edgecnn.deploying import run, status
from edgecnn.deploying.records import Network, Rolled, Rollout
from edgecnn.devices import open_device, side_by_side
from edgecnn.errors import EdgeCnnError, InputError
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgecnn.deploying.run import Packs, Ready
    from edgecnn.deploying.tasking import TaskOptions
    from edgecnn.devices.device import Device

_AT_ONCE = 8  # each packs and sends some 25 MB


def roll_out(
    path: Path | str,
    on: str | Sequence[str],
    *,
    first: int = 1,
    to: str | None = None,
    task: TaskOptions | None = None,
    labels: Path | str | None = None,
    progress: Progress | None = None,
) -> Rollout:
    """Deploy to devices: `first` of them, and the others once these have proved themselves.

    Each device is deployed to as by `deploy`: it changes when the network has proved itself there,
    or not at all. After one that did not, no other is begun.

    Args:
        path: an artifact folder with a .tflite.
        on: "ssh://[user@]host[:port]", "local", "@FARM.toml" or "@FARM.toml:GROUP", one or several.
        first: how many must have proved themselves before the others begin.
        to: as for `deploy`.
        task: likewise.
        labels: likewise.
        progress: told of each device.

    Returns:
        What became of each device, and what runs there now.

    Raises:
        InputError: the artifact, a device or the task is not one; nothing was sent.
    """
    if first < 1:
        raise InputError(f"--first {first}: it must be at least 1.")
    watcher = progress or Silent()
    devices = status.opened((on,) if isinstance(on, str) else on)
    ready = run.prepare(path, to, task, labels, watcher)
    with held.temporary() as folder:
        rolling = _Rolling(ready, run.Packs(ready, folder), watcher)
        rolling.begin(devices, first)
    done = [rolling.done.get(device.target, Rolled(device.target, "left")) for device in devices]
    return Rollout(_with_what_runs(done, ready, to, watcher), first)


class _Rolling:
    """What has become of each device so far."""

    def __init__(self, ready: Ready, packs: Packs, progress: Progress) -> None:
        self._ready, self._packs, self._progress = ready, packs, progress
        self._stopped = threading.Event()
        self.done: dict[str, Rolled] = {}

    def begin(self, devices: Sequence[Device], first: int) -> None:
        """The first ones, those in place of the missed ones, and then the others."""
        left = list(devices)
        while left and not self._stopped.is_set() and (lacking := first - self._proved()) > 0:
            now, left = left[:lacking], left[lacking:]
            side_by_side.run(now, self._deploy, self._progress)
        if left and not self._stopped.is_set():
            side_by_side.run(left, self._deploy, self._progress, most=_AT_ONCE)

    def _proved(self) -> int:
        return sum(rolled.outcome == "deployed" for rolled in self.done.values())

    def _deploy(self, device: Device, progress: Progress) -> None:
        if self._stopped.is_set():
            return
        sent = threading.Event()
        try:
            done = run.deploy_to(device, self._ready, self._packs, progress, sent.set)
        except EdgeCnnError as error:
            rolled = Rolled(
                device.target,
                "failed" if sent.is_set() else "missed",
                message=error.message,
                hint=error.hint,
            )
            if sent.is_set():
                self._stopped.set()
        else:
            rolled = Rolled(device.target, "deployed", deployment=done, release=done.release)
        finally:
            device.close()
        self.done[device.target] = rolled
        progress.tell(_sentence(rolled))


def _sentence(rolled: Rolled) -> str:
    deployment = rolled.deployment
    if deployment is None:
        return rolled.message
    how = "bit-identical" if deployment.proof.bit_identical else "within the limits"
    return f"{rolled.target}: runs {deployment.release}, its outputs {how}"


def _with_what_runs(
    done: Sequence[Rolled], ready: Ready, to: str | None, progress: Progress
) -> tuple[Rolled, ...]:
    """Those that do not run the new release are asked what they run; silence is no answer."""
    failed = [rolled for rolled in done if rolled.outcome in {"failed", "left"}]
    if not failed:
        return tuple(done)
    devices = [open_device(rolled.target) for rolled in failed]
    report = status.ask_all(devices, to or ready.place, progress)
    runs = {standing.target: _release(standing.networks) for standing in report.devices}
    return tuple(
        replace(rolled, release=runs[rolled.target]) if rolled.target in runs and not rolled.release
        else rolled
        for rolled in done
    )  # fmt: skip


def _release(networks: Sequence[Network]) -> str:
    return networks[0].release if networks else ""
