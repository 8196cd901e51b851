"""One device, one bench: bring the runner and the files, measure, take back what was measured."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import held, strict
from edgecnn.benchmark import answer, outputs, parsing
from edgecnn.benchmark.answer import Content
from edgecnn.errors import DeviceError, EdgeCnnError
from edgecnn.gate import limits
from edgecnn.progress import Progress, Silent
from edgecnn.runtime import runner
from edgecnn.strict import UnfitError, structured
from edgecnn.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from edgecnn.benchmark.files import BenchFile
    from edgecnn.benchmark.outputs import Outputs
    from edgecnn.devices.device import Completed, Device, Workspace
    from edgecnn.devices.wheels import RuntimeSpec
    from edgecnn.measurements import BenchPlan, BenchResult, DeviceFacts, DeviceFailure

_RUNNER = "runner.py"
_REQUEST = "request.json"
_KILLED = 128 + 9
_ALL = 1.01  # shares are rounded


@dataclass(frozen=True)
class Job:
    """What is to be measured, on whichever device.

    Attributes:
        files: they run in turns.
        threads: each of them.
        plan: how long.
        keep: leave the runtime's libraries on the device.
        here: each file's outputs on this machine, by SHA-256, where they could be computed.
    """

    files: Sequence[BenchFile]
    threads: Sequence[int]
    plan: BenchPlan
    keep: bool
    here: Mapping[str, Outputs] = field(default_factory=dict)


def measure(
    device: Device,
    job: Job,
    sink: Callable[[Sequence[BenchResult], Sequence[DeviceFailure]], None],
    progress: Progress | None = None,
) -> None:
    """Measure a job on a device.

    Args:
        device: where.
        job: what.
        sink: given what came back, once; also when the connection was cut in the middle or the
            user interrupts, and then before the exception goes on.
        progress: told of each step.

    Raises:
        DeviceError: the device cannot be reached, cannot run the files, or failed.
    """
    watcher = progress or Silent()
    watcher.stage(f"{device.target}: identifying the device")
    facts = device.facts()
    runtime = _runtime(device, facts, job)
    context = parsing.Context(device.target, facts, job)
    with device.workspace(keep=job.keep) as workspace:
        environment = _bring(workspace, runtime, job, device.target, watcher)
        command = [workspace.python, _RUNNER, "--with-parent", _REQUEST]
        listener = _Listener(device.target, watcher)
        try:
            done = workspace.run(
                command,
                environment=environment,
                on_error_line=listener.hear,
                limits=answer.limits(job),
            )
            content = answer.content(device.target, _answer(done, device.target), job)
        except BaseException as error:
            partial = _partial(device.target, listener, job)
            sink(*parsing.results(partial, context, {}, cut=_why(error)))
            raise
        there: dict[str, Outputs] = {}
        try:
            _fetch_outputs(device.target, workspace, content, job, there)
        finally:  # what was measured is kept, also when the connection breaks here
            sink(*parsing.results(content, context, there))


def _runtime(device: Device, facts: DeviceFacts, job: Job) -> RuntimeSpec | None:
    """The runtime that the device needs; None for this machine, which has its own."""
    if device.target == "local":
        return None
    from edgecnn.devices import wheels

    return wheels.runtime_for(facts, {file.format for file in job.files})


def _bring(
    workspace: Workspace, runtime: RuntimeSpec | None, job: Job, target: str, progress: Progress
) -> dict[str, str]:
    """Send everything; returns the environment to run in."""
    environment = {"PYTHONDONTWRITEBYTECODE": "1"}
    if runtime is not None:
        from edgecnn.devices import wheels

        wheels.require_own_modules(runtime, workspace)
        fetched = wheels.fetch(runtime, progress)
        progress.stage(f"{target}: sending {runtime.title}")
        environment["PYTHONPATH"] = workspace.runtime(runtime.key, fetched.archive)
    progress.stage(f"{target}: sending the files")
    workspace.send(_files(job))
    return environment


def _files(job: Job) -> dict[str, Path | bytes]:
    """What is sent, under names of our own: a user's file name may be anything."""
    sent: dict[str, Path | bytes] = {
        _RUNNER: Path(runner.__file__),
        _REQUEST: json.dumps(request(job)).encode(),
    }
    for number, file in enumerate(job.files):
        sent[f"{number}.{file.format}"] = file.path
        for name, values in zip(_input_names(number, file), file.inputs or (), strict=True):
            sent[name] = _npy(values)
    return sent


def _input_names(number: int, file: BenchFile) -> list[str]:
    return [f"{number}.{place}.npy" for place in range(len(file.inputs or ()))]


def _npy(values: NDArray[Any]) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def request(job: Job) -> dict[str, Any]:
    """What the runner is asked, as JSON."""
    plan = job.plan
    return {
        "schema": 1,
        "plan": {
            "name": plan.name,
            "warmup_s": plan.warmup_s,
            "min_runs": plan.min_runs,
            "min_s": plan.min_s,
            "repeats": plan.repeats,
            "interval_s": plan.interval_s,
        },
        "files": [
            {
                "path": f"{number}.{file.format}",
                "inputs": _input_names(number, file) or None,
                "shapes": file.shapes,
                "outputs": _outputs_name(number),
                "seed": 0,
            }
            for number, file in enumerate(job.files)
        ],
        "threads": list(job.threads),
        "pin": True,
        "limit_s": limits.seconds_or(runner.ANSWER_LIMIT_S),
    }


def _outputs_name(number: int) -> str:
    return f"{number}.out.npz"


def _partial(target: str, listener: _Listener, job: Job) -> Content:
    """What the runner had sent before it was cut; half an object, or a wrong one, is nothing."""
    try:
        return answer.content(target, listener.partial, job)
    except DeviceError:
        return Content()


def _fetch_outputs(
    target: str, workspace: Workspace, content: Content, job: Job, there: dict[str, Outputs]
) -> None:
    """Bring back the outputs whose hash is not this machine's, to see how far they are apart."""
    for number, file in enumerate(job.files):
        name, here = f"{number}.{file.format}", job.here.get(file.sha256)
        entries = [entry for entry in content.results if entry.path == name and entry.output_sha256]
        if here is None or not entries or entries[0].output_sha256 == here.sha256:
            continue
        with held.temporary() as folder:
            fetched = folder / "outputs.npz"
            most = outputs.most_bytes(here)
            workspace.fetch(_outputs_name(number), fetched, most)
            try:
                values = outputs.read(fetched, most)
            except EdgeCnnError as error:
                raise DeviceError(
                    f"{target}: {file.name}: {error.message}.", hint=answer.DAMAGED
                ) from error
        there[name] = outputs.Outputs(entries[0].output_sha256, entries[0].runtime, values)


class _Listener:
    """Hears the runner's stderr: passes progress on, and keeps the last partial result."""

    def __init__(self, target: str, progress: Progress) -> None:
        self._progress, self._shown = progress, 0
        self.partial: object = {}
        self._target = target
        progress.stage(f"{target}: measuring, %", 100)

    def hear(self, line: str) -> None:
        """Take one line.

        Raises:
            DeviceError: it tells of a progress that cannot be.
        """
        try:
            event = strict.parse(line)
        except UnfitError:  # a library's complaint
            return
        kind = event.get("event") if isinstance(event, dict) else None
        if kind == "partial":
            self.partial = event
        elif kind == "progress":
            percent = int(100 * self._share(event))
            self._progress.advance(max(0, percent - self._shown))
            self._shown = max(self._shown, percent)

    def _share(self, event: object) -> float:
        try:
            return structured(event, _Progressed).done
        except UnfitError as error:
            raise DeviceError(
                f"{self._target}: what the runner tells of its progress is damaged: {error}.",
                hint=answer.DAMAGED,
            ) from error


@dataclass(frozen=True)
class _Progressed:
    """How much is done, as a share."""

    done: float

    def __post_init__(self) -> None:
        if not 0 <= self.done <= _ALL:
            raise ValueError(f"done {self.done!r} is no share")


def _answer(done: Completed, target: str) -> object:
    """The runner's one object, still to be checked."""
    try:
        content = strict.parse(done.stdout)
    except UnfitError:
        content = None
    if content is not None:
        return content
    if done.exit_code == _KILLED:
        raise DeviceError(
            f"{target}: the runner was killed by signal 9 (probably out of memory).",
            hint="Close other programs on the device, or measure a smaller file.",
        )
    text = printable(" ".join(done.stderr.split())[-500:], 500) or "nothing"
    raise DeviceError(
        f"{target}: the runner ended with exit code {done.exit_code} and no result. It said:"
        f" {text}.",
        hint="Run the command again with --traceback, and report what it prints.",
    )


def _why(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
