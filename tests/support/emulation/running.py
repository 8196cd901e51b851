"""A machine that runs: its processes, its files and its disks, from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulation.cache import readable_by_all

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

_STOP_SECONDS = 20
_POLL_SECONDS = 0.01
_FIRST = "1"  # the supervisor's process id in there


@dataclass(frozen=True)
class DeviceProcess:
    """A process of the machine.

    Attributes:
        pid: its id on this side.
        device_pid: its id in the machine.
        command: its arguments, without the emulator.
    """

    pid: int
    device_pid: int
    command: tuple[str, ...]


class RunningMachine:
    """Namespaces with a root of their own; see `supervisor`.

    Attributes:
        root: the machine's root folder as this side reaches it, to read and to write.
    """

    def __init__(self, plan: Mapping[str, Any], folder: Path) -> None:
        """Start it.

        Args:
            plan: what `supervisor` reads.
            folder: where the plan and the machine's log (`machine.log`) are written.

        Raises:
            RuntimeError: it did not come up.
        """
        self.log = folder / "machine.log"
        plan_file = folder / "plan.json"
        plan_file.write_text(json.dumps(plan, indent=1), encoding="utf-8")
        with self.log.open("wb") as log:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-I", str(Path(__file__).with_name("supervisor.py")), plan_file],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # a Ctrl-C at our terminal is ours to handle
            )
        try:
            self._pid = int(self._answer()["pid"])
            self._answer()
        except BaseException:
            self.stop()
            raise
        self.root = Path(f"/proc/{self._pid}/root")
        self._namespace = _namespace(self._pid)

    def order(self, do: str, **details: object) -> dict[str, Any]:
        """Have the supervisor do something; its answer is returned.

        Raises:
            RuntimeError: it could not, or is gone.
        """
        if self._supervisor.stdin is None:
            raise RuntimeError("the machine is stopped")
        try:
            self._supervisor.stdin.write(json.dumps({"do": do, **details}) + "\n")
            self._supervisor.stdin.flush()
        except BrokenPipeError as error:
            raise RuntimeError(f"the machine is gone:\n{self._log_tail()}") from error
        return self._answer()

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a program in there, as root, detached.

        Args:
            command: the program's absolute path in the machine, and its arguments.
            environment: all of its environment.

        Raises:
            RuntimeError: the machine is gone.
        """
        self.order("start", command=list(command), environment=dict(environment))

    def processes(self) -> list[DeviceProcess]:
        """All that runs in the machine, zombies and the supervisor excepted."""
        pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        processes = (self._process(pid) for pid in pids)
        return [process for process in processes if process and process.command]

    def kill(self, processes: Sequence[DeviceProcess]) -> None:
        """Kill each, and wait until they are gone; one that has ended meanwhile is no error."""
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        self._wait_until_gone({process.pid for process in processes})

    def kill_all(self) -> None:
        """Cut the power: every process but the supervisor dies at once."""
        self.order("kill_all")
        self._wait_until_gone(None)

    @contextlib.contextmanager
    def small_disk(
        self, at: str, size: str = "1m", owner: int = 1000
    ) -> Generator[Path, None, None]:
        """Mount an empty tmpfs in the machine; it goes when the block ends.

        Args:
            at: an absolute folder in the machine; made when it is not there.
            size: as mount takes it ("1m"), whole pages.
            owner: user id that may write there.
        """
        folder = self.root / at.lstrip("/")
        with readable_by_all():
            folder.mkdir(parents=True, exist_ok=True)
        self.order("mount_tmpfs", at=at, options=f"size={size},mode=755,uid={owner},gid={owner}")
        try:
            yield folder
        finally:
            self.order("unmount", at=at)

    @contextlib.contextmanager
    def hidden(self, *files: str) -> Generator[None, None, None]:
        """Take files (absolute paths in the machine) away while the block runs."""
        places = [self.root / file.lstrip("/") for file in files]
        for place in places:
            place.rename(place.with_name(f".{place.name}.hidden"))
        try:
            yield
        finally:
            for place in places:
                place.with_name(f".{place.name}.hidden").rename(place)

    def stop(self) -> None:
        """End the machine and all that runs in it."""
        process = self._supervisor
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        process.stdin = None
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()  # the machine has it as its parent, and dies with it
            process.wait()

    def _answer(self) -> dict[str, Any]:
        line = self._supervisor.stdout.readline() if self._supervisor.stdout else ""
        if not line:
            raise RuntimeError(f"the machine is gone:\n{self._log_tail()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"the machine could not: {answer['error']}")
        return answer

    def _log_tail(self) -> str:
        return self.log.read_text("utf-8", errors="replace")[-2000:]

    def _wait_until_gone(self, pids: set[int] | None) -> None:
        """Wait for these processes of the machine; None: for all."""
        deadline = time.monotonic() + _STOP_SECONDS
        while any(pids is None or process.pid in pids for process in self.processes()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"killed, but not gone: {self.processes()}")
            time.sleep(_POLL_SECONDS)

    def _process(self, pid: int) -> DeviceProcess | None:
        try:
            if _namespace(pid) != self._namespace:
                return None
            raw = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
            status = Path(f"/proc/{pid}/status").read_text("utf-8")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return None  # it ended while we looked, or is none of ours
        device_pid = _field(status, "NSpid")[-1]
        if device_pid == _FIRST:
            return None
        words = raw.rstrip("\0").split("\0") if raw else []
        if words and "/qemu-" in words[0]:
            words = words[1:]
        return DeviceProcess(pid, int(device_pid), tuple(words))


def _field(status: str, name: str) -> list[str]:
    (line,) = (line for line in status.splitlines() if line.startswith(f"{name}:"))
    return line.split()[1:]


def _namespace(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/ns/pid")  # noqa: PTH115 - Path.readlink would parse "pid:[1]"
