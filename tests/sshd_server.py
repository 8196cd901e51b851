"""A real OpenSSH server on loopback, with keys and folders of its own, whose line can be cut.

Each connection is one `sshd -i`, with this process in between as the network is: it counts the
bytes that pass, and can end them, or hold them up. It needs neither root nor a free port.
"""

from __future__ import annotations

import contextlib
import getpass
import itertools
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

_PRIVILEGE_SEPARATION = Path("/run/sshd")


def find_sshd() -> str:
    """The server's path; "" when there is none (Debian: openssh-server)."""
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which("sshd", path=places) or ""


def make_key(path: Path) -> Path:
    """A new key pair without a passphrase."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "edgecnn-test", "-f", str(path)]
    subprocess.run(command, check=True)
    return path


class SshdServer:
    """One server; `folder` holds all that belongs to it.

    Attributes:
        target: as `--on` takes it.
        client_config: the client's configuration; $EDGECNN_SSH_CONFIG is to name it.
        known_hosts: the client's.
        cache: where the device's user keeps caches, and so where the guard works.
        lock: the device's lock file.
    """

    def __init__(
        self, folder: Path, *, environment: Mapping[str, str] | None = None, options: str = ""
    ) -> None:
        self.folder = folder
        self.cache = folder / "device-cache"
        self.lock = folder / "device.lock"
        self.known_hosts = folder / "known_hosts"
        self.client_config = folder / "ssh_config"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = self._listener.getsockname()[1]
        self.target = f"ssh://127.0.0.1:{self._port}"
        self._lines: list[_Line] = []
        self.limit = float("inf")
        self._write_files({**self._environment(), **(environment or {})}, options)
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def _environment(self) -> dict[str, str]:
        python = Path(sys.executable).parent
        return {
            "PATH": f"{python}:/usr/bin:/bin",
            "HOME": str(self.folder),  # bash would read the real user's .bashrc
            "XDG_CACHE_HOME": str(self.cache),
            "EDGECNN_LOCK": str(self.lock),
        }

    def _write_files(self, environment: Mapping[str, str], options: str) -> None:
        self.folder.mkdir(exist_ok=True)
        key, host_key = make_key(self.folder / "key"), make_key(self.folder / "host_key")
        public = key.with_suffix(".pub").read_text()
        (self.folder / "authorized_keys").write_text(public)
        values = " ".join(f'"{name}={value}"' for name, value in environment.items())
        (self.folder / "sshd_config").write_text(
            f'HostKey "{host_key}"\nAuthorizedKeysFile "{self.folder}/authorized_keys"\n'
            "StrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nPermitRootLogin yes\nPidFile none\nUseDNS no\n"
            f"SetEnv {values}\n{options}\n"
        )
        self.client_config.write_text(
            f'Host *\nUser {getpass.getuser()}\nIdentityFile "{key}"\nIdentitiesOnly yes\n'
            f'UserKnownHostsFile "{self.known_hosts}"\nGlobalKnownHostsFile none\n'
            "UpdateHostKeys no\n"
        )
        self.know(host_key.with_suffix(".pub"))

    def know(self, public_key: Path) -> None:
        """Make the client expect this host key, and no other."""
        kind, text = public_key.read_text().split()[:2]
        self.known_hosts.write_text(f"[127.0.0.1]:{self._port} {kind} {text}\n")

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client = self._listener.accept()[0]
                self._lines.append(_Line(self, client))

    def command(self) -> list[str]:
        """The server for one connection."""
        config, log = self.folder / "sshd_config", self.folder / "sshd.log"
        return [find_sshd(), "-i", "-f", str(config), "-E", str(log)]

    @property
    def passed(self) -> int:
        """Bytes that have passed, in both directions."""
        return sum(line.passed for line in self._lines)

    @property
    def connections(self) -> int:
        """How many there were."""
        return len(self._lines)

    def all_ended(self) -> bool:
        """Whether no connection is open."""
        return all(line.sshd.poll() is not None for line in self._lines)

    def start_anew(self, limit: float = float("inf")) -> None:
        """End all connections; the next ones are cut after `limit` bytes in all."""
        self.cut()
        self._lines.clear()
        self.limit = limit

    def cut(self) -> None:
        """End all connections, as a network does that goes down."""
        for line in self._lines:
            line.cut()

    def freeze(self) -> None:
        """Let nothing pass any more, and tell nobody, as a cable does that is pulled."""
        self.limit = -1.0

    def kill_sessions(self) -> None:
        """Kill the server's processes of all connections."""
        for line in self._lines:
            line.sshd.kill()

    def stop(self) -> None:
        """End everything."""
        self._listener.shutdown(socket.SHUT_RDWR)  # closing alone would not wake `accept`
        self._acceptor.join()
        self._listener.close()
        self.cut()
        for line in self._lines:
            line.sshd.kill()
            line.sshd.wait()

    def left(self) -> list[str]:
        """What is still on the device: files, the lock, and processes of ours."""
        # os.walk: what goes away meanwhile is no error.
        files = [f"{folder}/{each}" for folder, *names in os.walk(self.cache)
                 for each in itertools.chain(*names)]  # fmt: skip
        lock = [self.lock.name] if self.lock.exists() else []
        return [*files, *lock, *_processes(f"EDGECNN_GUARD={self.cache}")]

    def left_after(self, seconds: float) -> list[str]:
        """The same, as soon as nothing is left, or when this time is over."""
        deadline = time.monotonic() + seconds
        while (left := self.left()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left


class _Line:
    """One connection: a client, a server, and the network between them."""

    def __init__(self, server: SshdServer, client: socket.socket) -> None:
        self.passed = 0
        self._server = server
        ours, theirs = socket.socketpair()
        self._ends = (client, ours)
        self.sshd = subprocess.Popen(
            server.command(), stdin=theirs.fileno(), stdout=theirs.fileno(), start_new_session=True
        )
        theirs.close()
        for source, sink in ((client, ours), (ours, client)):
            threading.Thread(target=self._relay, args=(source, sink), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):  # cut, or one of them has ended
            while chunk := source.recv(1 << 16):
                if self._server.limit < 0:  # frozen: read, and never handed on
                    continue
                room = self._server.limit - self._server.passed
                if len(chunk) > room:
                    sink.sendall(chunk[: int(room)])
                    break
                sink.sendall(chunk)
                self.passed += len(chunk)
        if self._server.limit >= 0:
            self.cut()

    def cut(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):  # it is cut already
                end.shutdown(socket.SHUT_RDWR)


def _processes(mark: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if mark.encode() in (process / "environ").read_bytes():
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ")
                found.append(f"process {process.name}: {command.decode(errors='replace')[:60]}")
    return found


@contextlib.contextmanager
def running_sshd(
    folder: Path, *, environment: Mapping[str, str] | None = None, options: str = ""
) -> Generator[SshdServer, None, None]:
    """A server for as long as the block runs.

    Args:
        folder: a new one is made there.
        environment: what programs over there find set.
        options: further lines of sshd_config(5).
    """
    if os.getuid() == 0:  # sshd asks for it, and only its service makes it
        _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    server = SshdServer(folder, environment=environment, options=options)
    try:
        yield server
    finally:
        server.stop()
