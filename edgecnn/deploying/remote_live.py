"""The verb `live`: a deployed network runs on a source there, and its page is reached from here."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn import strict
from edgecnn.deploying import place
from edgecnn.devices.device import Limits
from edgecnn.errors import DeviceError
from edgecnn.progress import Progress, Silent
from edgecnn.strict import UnfitError
from edgecnn.text import printable_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgecnn.deploying.records import Network
    from edgecnn.devices.device import Completed
    from edgecnn.devices.shell import ShellDevice

# It may run for months, and be silent while its camera is unplugged; the guard says that it lives.
_LIMITS = Limits(stderr_bytes=1 << 62, silence_s=math.inf)
_AT_HOME = 'cd && exec "$0" "$@"'  # where relative names of sources begin
_HIGHEST_PORT = 65535
_LAST_WORDS = 1000


@dataclass(frozen=True)
class LiveOptions:
    """How a network runs live.

    Attributes:
        source: as the device's `live --source` takes it.
        above: least score; None for the task's own.
        every_s: at most one result in so many seconds; 0 gives each.
        fps: at most so many frames a second; 0 for all.
        loop: of files: again and again.
        once: of files: each, and then the end.
        threads: of one inference; None for the device's choice.
        local_port: of the page here; 0 takes a free one.
    """

    source: str = "camera"
    above: float | None = None
    every_s: float = 1.0
    fps: float = 0.0
    loop: bool = False
    once: bool = False
    threads: int | None = None
    local_port: int = 0


@dataclass(frozen=True)
class LiveRun:
    """A run that has ended.

    Attributes:
        target: the device.
        folder: the network's there.
        release: what ran.
        results: how many lines of results came.
        interrupted: it was ended from here; else its source has ended.
    """

    target: str
    folder: str
    release: str
    results: int
    interrupted: bool


def live(
    where: str,
    *,
    options: LiveOptions | None = None,
    on_page: Callable[[str], None] | None = None,
    on_line: Callable[[dict[str, Any]], None] | None = None,
    progress: Progress | None = None,
) -> LiveRun:
    """Run a deployed network on a source there, until the source ends or Ctrl-C.

    The page listens on the device's own loopback and is reached through the connection; when the
    connection ends, the program there does too. The device is locked for others meanwhile.

    Args:
        where: "ssh://[user@]host[:port]/ARTIFACT", or without the artifact where one is deployed.
        options: how it runs.
        on_page: called with the page's address here, once it answers.
        on_line: called with every result and event.
        progress: told of the stages.

    Raises:
        InputError: there is no such network.
        DeviceError: the device cannot be reached, or the program there failed.
    """
    wanted, watcher = options or LiveOptions(), progress or Silent()
    device, folder = place.opened(where)
    listener = LineListener(device, wanted.local_port, on_page, on_line)
    interrupted = False
    try:
        watcher.stage(f"looking for the network on {device.target}")
        network = place.network(device, folder)
        watcher.stage(f"starting {network.model} ({network.recipe}) on {device.target}")
        with contextlib.ExitStack() as stack:
            listener.tunnels = stack
            _run(device, network, wanted, listener)
    except KeyboardInterrupt:
        if not listener.started:
            raise
        interrupted = True
    finally:
        device.close()
    return LiveRun(device.target, network.folder, network.release, listener.results, interrupted)


class LineListener:
    """Takes the lines that come, and opens the way to the page with the first."""

    def __init__(
        self,
        device: ShellDevice,
        local_port: int,
        on_page: Callable[[str], None] | None,
        on_line: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self.started, self.results, self.words = False, 0, ""
        self.tunnels = contextlib.ExitStack()
        self._device, self._local_port = device, local_port
        self._on_page, self._on_line = on_page, on_line

    def line(self, text: str) -> None:
        """Take one line of the program's stderr."""
        try:
            line = strict.parse(text.encode())
        except UnfitError:
            line = None
        if not isinstance(line, dict) or line.get("kind") not in {"result", "event"}:
            self.words = (self.words + text + "\n")[-_LAST_WORDS:]
            return
        if line.get("event") == "started" and not self.started:
            self.started = True
            self._show(line.get("port"))
        self.results += line["kind"] == "result"
        if self._on_line is not None:
            self._on_line(line)

    def _show(self, port: object) -> None:
        if not isinstance(port, int) or not 0 < port <= _HIGHEST_PORT:
            raise DeviceError(f"{self._device.target}: its page has no port.")
        here = self.tunnels.enter_context(self._device.forwarded(port, self._local_port))
        if self._on_page is not None:
            self._on_page(f"http://127.0.0.1:{here}/")


def _run(
    device: ShellDevice, network: Network, options: LiveOptions, listener: LineListener
) -> None:
    program = f"{network.folder}/current/live"
    with device.workspace() as workspace:
        done = workspace.run(
            ["sh", "-c", _AT_HOME, program, *arguments(options)],
            on_error_line=listener.line,
            limits=_LIMITS,
        )
    if done.exit_code != 0:
        raise _failure(device.target, done, listener.words)


def arguments(options: LiveOptions) -> list[str]:
    """The command line of `live` on the device, but for where its lines and its page go."""
    words = ["--source", options.source, "--every", f"{options.every_s:g}"]
    words += ["--fps", f"{options.fps:g}"]
    words += ["--loop"] * options.loop + ["--once"] * options.once
    if options.above is not None:
        words += ["--above", f"{options.above:g}"]
    if options.threads is not None:
        words += ["--threads", str(options.threads)]
    return [*words, "--port", "0", "--to-stderr", "--while-stdin"]


@dataclass(frozen=True)
class ErrorReply:
    """What went wrong over there."""

    message: str
    hint: str


@dataclass(frozen=True)
class FailureReply:
    """The one object that a program prints that fails."""

    error: ErrorReply


def _failure(target: str, done: Completed, words: str) -> DeviceError:
    try:
        error = strict.structured(strict.parse(done.stdout.encode()), FailureReply).error
    except UnfitError:
        said = printable_lines(words.strip().rpartition("\n")[2])
        return DeviceError(
            f"{target}: live ended with exit code {done.exit_code}. {said}".strip(),
            hint="Deploy again: an earlier release has no `live`.",
        )
    return DeviceError(
        f"{target}: {printable_lines(error.message)}.", hint=printable_lines(error.hint)
    )
