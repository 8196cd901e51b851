"""The verbs `deploy` and `bundle`: check here, pack, send, and let the device prove it."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import held
from edgecnn.deploying import archive, artifact, libraries, release, services, status, tasking
from edgecnn.deploying.records import Bundle, Deployment
from edgecnn.deploying.reply import parse_reply, proof
from edgecnn.deploying.tasking import TaskOptions
from edgecnn.errors import InputError
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgecnn.deploying.artifact import Deployable
    from edgecnn.deploying.libraries import Libraries
    from edgecnn.deploying.release import Release
    from edgecnn.deploying.services import ServiceOptions
    from edgecnn.deploying.tasking import Task
    from edgecnn.devices.device import Completed, Device, Workspace
    from edgecnn.measurements import DeviceFacts

_ARCHIVE, _PROGRAM = "release.tar.gz", "install.py"
_PARENT = "~/edgecnn"
_MINUTES = 30  # the slowest network on the slowest device takes a fraction of it


def deploy(
    path: Path | str,
    target: str,
    *,
    to: str | None = None,
    task: TaskOptions | None = None,
    labels: Path | str | None = None,
    service: ServiceOptions | None = None,
    progress: Progress | None = None,
) -> Deployment:
    """Put a network on a device as a folder with all it needs, once it has proved itself there.

    The folder holds releases/ and the link `current`, which moves in one rename and only after the
    new release gave the outputs there that this machine computes from the same file. Whatever
    fails before leaves what was there.

    Args:
        path: an artifact folder with a .tflite.
        target: "ssh://[user@]host[:port]", or "local".
        to: the folder there; ~ and relative paths begin at the user's home. "~/edgecnn/NAME-RECIPE"
            when None.
        task: what the outputs mean; None takes classes where they are known to be, else `run`
            asks there.
        labels: a text file of one label a class, as `task.labels`; None numbers them.
        service: make it a service of the user there; a folder that has one keeps it, and the new
            release takes its place once it answers.
        progress: told of the stages.

    Returns:
        What is there now.

    Raises:
        InputError: the artifact or the target cannot be deployed, or the task does not fit.
        DeviceError: the device cannot be reached, lacks something, or does not compute the same.
    """
    watcher = progress or Silent()
    (device,) = status.opened((target,))
    ready = replace(prepare(path, to, task, labels, watcher), service=service)
    try:
        with held.temporary() as folder:
            return deploy_to(device, ready, Packs(ready, folder), watcher)
    finally:
        device.close()


@dataclass(frozen=True)
class Ready:
    """A network that may be sent.

    Attributes:
        deployable: what was read here, and what this machine computes.
        task: what its outputs mean.
        to: the folder on the device; None for `place`.
        service: how it is to run there by itself; None where that is not asked for.
    """

    deployable: Deployable
    task: Task
    to: str | None
    service: ServiceOptions | None = None

    @property
    def place(self) -> str:
        """The folder where nobody has said another."""
        return self.to or f"{_PARENT}/{release.folder_name(self.deployable)}"


def prepare(
    path: Path | str,
    to: str | None,
    task: TaskOptions | None,
    labels: Path | str | None,
    progress: Progress,
) -> Ready:
    """Read and check all that does not depend on the device.

    Raises:
        InputError: the artifact cannot be deployed, or the task or the place does not fit.
    """
    status.check_place(to)
    options = _options(task, labels)
    deployable = artifact.read(Path(path), progress)
    return Ready(deployable, tasking.resolve(deployable, options), to)


@dataclass(frozen=True)
class Pack:
    """What is sent to one kind of device."""

    libraries: Libraries
    release: Release
    path: Path


class Packs:
    """Archives of one network, each made once, when the first device of its kind asks.

    Args:
        ready: the network.
        folder: that they are written to; somebody else removes it.
    """

    def __init__(self, ready: Ready, folder: Path) -> None:
        self._ready, self._folder = ready, folder
        self._lock = threading.Lock()
        self._packs: dict[str, Pack] = {}

    def of(self, facts: DeviceFacts, progress: Progress) -> Pack:
        """The archive for such a device; several threads may ask.

        Raises:
            DeviceError: there are no libraries for what it is, or they cannot be fetched.
        """
        key = libraries.spec_for(facts).key
        with self._lock:
            if key not in self._packs:
                self._packs[key] = self._pack(facts, self._folder / f"{key}.tar.gz", progress)
            return self._packs[key]

    def _pack(self, facts: DeviceFacts, path: Path, progress: Progress) -> Pack:
        libs = libraries.libraries_for(facts, progress)
        packed = release.make(self._ready.deployable, libs, self._ready.task)
        progress.stage("packing")
        archive.write(packed, path)
        return Pack(libs, packed, path)


def deploy_to(
    device: Device,
    ready: Ready,
    packs: Packs,
    progress: Progress,
    on_sending: Callable[[], None] | None = None,
) -> Deployment:
    """Deploy to one device; see `deploy`.

    Args:
        device: somebody else closes it.
        ready: what is sent.
        packs: its archives.
        progress: told of the stages.
        on_sending: called when the device is there, is ours, and will be sent the network.

    Raises:
        DeviceError: as `deploy`.
    """
    progress.stage(f"identifying {device.target}")
    facts = device.facts()
    pack = packs.of(facts, progress)
    sent_bytes = pack.path.stat().st_size
    with device.workspace() as workspace:
        pack.libraries.require(workspace)
        progress.stage(f"sending {sent_bytes / 1e6:.1f} MB to {device.target}")
        if on_sending is not None:
            on_sending()
        done = _install(workspace, pack.path, ready.place, progress)
        installed = parse_reply(device.target, done, ready.deployable, pack.release)
        served = None
        if installed.service or ready.service is not None:
            served = services.move_over(
                workspace, device.target, installed.folder, ready.service, progress
            )
    manifest = ready.deployable.manifest
    return Deployment(
        target=device.target,
        device=facts,
        folder=installed.folder,
        release=installed.release,
        previous=installed.previous if installed.previous != installed.release else "",
        removed=installed.removed,
        unchanged=installed.unchanged,
        model=manifest.model.name,
        recipe=manifest.recipe,
        weights=manifest.model.weights,
        runtime=pack.libraries.runtime,
        sent_bytes=sent_bytes,
        proof=proof(installed.proof),
        task=ready.task.name,
        head=ready.task.head,
        service=served,
    )


def _install(workspace: Workspace, packed: Path, place: str, progress: Progress) -> Completed:
    program = Path(__file__).parent / _PROGRAM
    workspace.send({_PROGRAM: program, _ARCHIVE: packed})
    progress.stage("checking its outputs there")
    return workspace.run([workspace.python, _PROGRAM, _ARCHIVE, place], timeout_s=_MINUTES * 60.0)


def _options(task: TaskOptions | None, labels: Path | str | None) -> TaskOptions:
    """The task with its labels, whichever way they came; its files are there."""
    options = task or TaskOptions()
    if labels is not None:
        options = replace(options, labels=Path(labels))
    for path, what in (
        (options.labels, "one label a line"),
        (options.anchors, "four numbers a line"),
    ):
        if path is not None and not path.is_file():
            raise InputError(f"{path} does not exist.", hint=f"Name a text file, {what}.")
    return options


def bundle(
    path: Path | str,
    file: Path | str,
    *,
    machine: str = "aarch64",
    python: str = "3.11",
    task: TaskOptions | None = None,
    labels: Path | str | None = None,
    progress: Progress | None = None,
) -> Bundle:
    """Pack what `deploy` sends into one .tar.gz, for a device that cannot be reached.

    Unpacked there, `<folder>/current/run --prove` does what `deploy` would have done.

    Args:
        path: an artifact folder with a .tflite.
        file: the .tar.gz to write; it appears whole or not at all.
        machine: of the device: "aarch64", "armv7l" or "x86_64".
        python: the device's Python: "3.11".
        task: as for `deploy`.
        labels: likewise.
        progress: told of the stages.

    Returns:
        What was written: the same bytes for the same artifact, machine, Python and libraries.

    Raises:
        InputError: the artifact cannot be deployed, the task does not fit, there is no runtime for
            such a device, or the file cannot be written.
    """
    watcher, file = progress or Silent(), Path(file)
    options = _options(task, labels)
    if not re.fullmatch(r"3\.\d+", python):
        raise InputError(
            f"--python takes a version, not {python!r}.", hint="For example --python 3.11."
        )
    if not file.parent.is_dir():
        raise InputError(f"{file.parent} does not exist.", hint="Make the folder first.")
    deployable = artifact.read(Path(path), watcher)
    purpose = tasking.resolve(deployable, options)
    shipped = libraries.libraries_without_device(machine, python, watcher)
    packed = release.make(deployable, shipped, purpose)
    watcher.stage("packing")
    archive.write(packed, file)
    done = _bundle(file, deployable, shipped, packed, machine, python)
    return replace(done, task=purpose.name, head=purpose.head)


def _bundle(
    file: Path,
    deployable: Deployable,
    shipped: Libraries,
    packed: Release,
    machine: str,
    python: str,
) -> Bundle:
    return Bundle(
        path=file,
        sha256=release.sha256(file),
        bytes=file.stat().st_size,
        folder=packed.folder,
        release=packed.name,
        machine=machine,
        python=python,
        model=deployable.manifest.model.name,
        recipe=deployable.manifest.recipe,
        weights=deployable.manifest.model.weights,
        runtime=shipped.runtime,
        needs=shipped.needs,
    )
