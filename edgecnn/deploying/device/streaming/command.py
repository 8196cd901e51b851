"""Runs a user's command with a result's line on its stdin: one at a time, in bounded time."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

from edgecnn.deploying.device.streaming.mailbox import Mailbox
from edgecnn.deploying.device.trouble import TroubleError

if TYPE_CHECKING:
    from collections.abc import Callable

_END_S = 2.0
_LAST_WORDS = 200


class OnResult:
    """A command that is run for results; while it runs, only the newest of them waits.

    Args:
        command: as a user writes it; no shell reads it.
        within_s: it is killed after so long, with all it started.
        tell: called with "command_failed" and why.

    Raises:
        TroubleError: it is no command.
    """

    def __init__(self, command: str, within_s: float, tell: Callable[..., None]) -> None:
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise TroubleError(f"--on-result: {error}", "Write it as a shell takes it.") from error
        if not self._words:
            raise TroubleError("--on-result takes a command", "For example --on-result ./notify.sh")
        self._within_s, self._tell = within_s, tell
        self._mailbox: Mailbox[str] = Mailbox()
        self._running: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._work, name="on-result", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Run it for a line, unless a newer one comes before its turn; never waits."""
        self._mailbox.put(line)

    def close(self) -> None:
        """End; what runs is given a moment, and then killed."""
        self._mailbox.close()
        self._thread.join(_END_S)
        running = self._running
        if running is not None:
            _kill(running)
            self._thread.join(_END_S)

    def _work(self) -> None:
        while not self._mailbox.ended:
            line = self._mailbox.take(1.0)
            if line is not None:
                self._run(line)

    def _run(self, line: str) -> None:
        try:
            self._running = process = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            self._tell("command_failed", why=f"{self._words[0]}: {error.strerror}")
            return
        try:
            process.communicate(f"{line}\n".encode(), self._within_s)
        except subprocess.TimeoutExpired:
            self._tell("command_failed", why=f"it did not end within {self._within_s:g} s")
        finally:
            _kill(process)
            process.wait()
            self._running = None
        if process.returncode > 0:
            self._tell("command_failed", why=f"exit code {process.returncode}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill it and what it left running."""
    with contextlib.suppress(OSError):  # all of it has ended
        os.killpg(process.pid, signal.SIGKILL)
