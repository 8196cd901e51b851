"""Keys and settings of both ends of an emulated machine's SSH."""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulation.root import USER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOOPBACK = "127.0.0.1"
HOST_KEY = "etc/ssh/edgecnn_host_key"
SERVER_CONFIG = "etc/ssh/edgecnn_sshd_config"
AUTHORIZED_KEYS = "etc/ssh/edgecnn_authorized_keys"
_UP_SECONDS = 30
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class ClientFiles:
    """What `ssh` needs on this side: all in one folder.

    Attributes:
        identity: the private key that the machine lets in.
        known_hosts: holds the machine's host key.
        config: for `ssh -F`, with one host.
    """

    identity: Path
    known_hosts: Path
    config: Path


def client_files(folder: Path) -> ClientFiles:
    """Name the files that belong to the machine of this folder."""
    return ClientFiles(folder / "identity", folder / "known_hosts", folder / "ssh_config")


def make_key(file: Path) -> str:
    """Make an Ed25519 key pair, FILE and FILE.pub; the public key is returned."""
    for old in (file, file.with_name(f"{file.name}.pub")):
        old.unlink(missing_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "emulated", "-f", str(file)],  # noqa: S607 - the system's OpenSSH
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    return file.with_name(f"{file.name}.pub").read_text("utf-8")


def server_config(environment: Mapping[str, str]) -> str:
    """Settings of the machine's sshd; every session gets these variables."""
    variables = " ".join(f'"{name}={value}"' for name, value in environment.items())
    return f"""ListenAddress {LOOPBACK}
HostKey /{HOST_KEY}
AuthorizedKeysFile /{AUTHORIZED_KEYS}
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
UseDNS no
PidFile none
SetEnv {variables}
Subsystem sftp /usr/lib/openssh/sftp-server
"""


def write_client_files(files: ClientFiles, alias: str, port: int, host_key: str) -> None:
    """Write known_hosts and a configuration that knows the machine by name and by address."""
    kind, key, *_ = host_key.split()
    files.known_hosts.write_text(f"[{LOOPBACK}]:{port} {kind} {key}\n", encoding="utf-8")
    files.config.write_text(
        f"""Host {alias}
  HostName {LOOPBACK}
  Port {port}
Host {alias} {LOOPBACK}
  User {USER}
  IdentityFile "{files.identity}"
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile "{files.known_hosts}"
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
""",
        encoding="utf-8",
    )


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def is_up(port: int, greeting: bytes) -> bool:
    """Whether someone listens there and begins with this greeting ("" takes any)."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_UP_SECONDS) as connection:
            return not greeting or connection.recv(len(greeting)) == greeting
    except OSError:
        return False


def wait_until_up(port: int, greeting: bytes = b"SSH-2.0-") -> None:
    """Wait for a server.

    Raises:
        TimeoutError: none came up within half a minute.
    """
    deadline = time.monotonic() + _UP_SECONDS
    while not is_up(port, greeting):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing answers on {LOOPBACK}:{port}")
        time.sleep(_POLL_SECONDS)
