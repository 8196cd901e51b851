"""Programs on the device: started in a group of their own, and ended with all they started.

Sent to the device: Python 3.9, standard library alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.devices.guard import place
from edgecnn.devices.guard.pipe import CHUNK, Header, Pipe

if TYPE_CHECKING:
    from collections.abc import Callable

_LAST_OUTPUT_S = 2.0
_ALIVE_S = 10.0
_PR_SET_PDEATHSIG = 1
# The out-of-memory killer shall take the program, not the guard or sshd.
_OOM_SCORE = "500"


class Programs:
    """Runs one program at a time, and hears of its end without asking for it again and again."""

    def __init__(self, pipe: Pipe, root: Path) -> None:
        self._pipe = pipe
        self._root = root
        self._ended, wake = os.pipe()
        os.set_blocking(self._ended, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self, header: Header, folder: Path) -> None:
        """Run one, hand its output on as it comes, and say how it ended."""
        until = time.monotonic() + (header["timeout_s"] or float("inf"))
        child = _start(header, folder, self._root)
        try:
            in_time = self._listen(child, until)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            place.kill_marked(self._root)
            child.wait()
        code = child.returncode if child.returncode >= 0 else 128 - child.returncode
        self._pipe.reply("exit", code=code, late=not in_time)

    def _listen(self, child: subprocess.Popen[bytes], until: float) -> bool:
        """Hand on what a program prints until it has ended; False when its time was up."""
        assert child.stdout is not None  # noqa: S101 - for the type checker: both are pipes
        assert child.stderr is not None  # noqa: S101 - likewise
        streams = {child.stdout.fileno(): "out", child.stderr.fileno(): "err"}
        ended, tell_at = False, time.monotonic() + _ALIVE_S
        while streams or not ended:
            for descriptor in self._pipe.wait([*streams, self._ended], min(until, tell_at)):
                chunk = os.read(descriptor, CHUNK)
                if chunk and descriptor in streams:
                    self._pipe.reply(streams[descriptor], chunk)
                elif not chunk:
                    del streams[descriptor]
            if not ended and child.poll() is not None:
                # What it started may hold its pipes open: that gets no more than a moment.
                ended = True
                until = time.monotonic() + _LAST_OUTPUT_S
            if time.monotonic() >= until:
                break
            if time.monotonic() >= tell_at:  # a program may be silent for long, we are not
                self._pipe.reply("alive")
                tell_at = time.monotonic() + _ALIVE_S
        return ended


def _start(header: Header, folder: Path, root: Path) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            header["argv"],
            cwd=folder,
            env={**os.environ, **header["environment"], place.MARK: str(root)},
            stdin=subprocess.PIPE,  # it ends when we do
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_preparation(),  # noqa: PLW1509 - the guard has one thread
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise place.RefusedError("start", str(error)) from error


def _preparation() -> Callable[[], None]:
    """What the new process does before it becomes the program."""
    libc: Any = None
    if sys.platform == "linux":
        with contextlib.suppress(ImportError, OSError):  # then the end of stdin has to do
            libc = __import__("ctypes").CDLL(None)

    def prepare() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with contextlib.suppress(OSError):  # a system without it
            Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)

    return prepare
