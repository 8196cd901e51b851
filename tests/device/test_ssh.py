"""A real OpenSSH server on loopback: the true path of every device over SSH."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sshd_server import SshdServer, find_sshd, running_sshd

from edgecnn.devices import open_device

if TYPE_CHECKING:
    from collections.abc import Generator

    from edgecnn.devices.device import Device

pytestmark = pytest.mark.device
_ODD = 'it\'s "$(reboot)" `reboot`\nnew line *~é'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[SshdServer, None, None]:
    """A server for all tests of this module."""
    if not find_sshd():
        pytest.skip("no sshd: install openssh-server")
    with running_sshd(tmp_path_factory.mktemp("ssh") / 'a "server"'.replace('"', "'")) as running:
        yield running


@pytest.fixture
def device(server: SshdServer, monkeypatch: pytest.MonkeyPatch) -> Generator[Device, None, None]:
    """The server's machine; nothing may be left on it."""
    monkeypatch.setenv("EDGECNN_SSH_CONFIG", str(server.client_config))
    found = open_device(server.target)
    yield found
    found.close()
    assert server.left() == []


def test_it_says_what_it_is(device: Device) -> None:
    facts = device.facts()
    here = open_device("local").facts()
    assert (facts.machine, facts.kernel, facts.system) == (here.machine, here.kernel, here.system)
    assert (facts.cores, facts.memory_bytes, facts.cpu) == (
        here.cores,
        here.memory_bytes,
        here.cpu,
    )
    assert facts.python


def test_files_go_there_and_back_whatever_their_names(device: Device, tmp_path: Path) -> None:
    content = os.urandom(5 << 20)
    (tmp_path / "source").write_bytes(content)
    with device.workspace() as workspace:
        workspace.send({_ODD: tmp_path / "source", "sub/x": b"y"})
        assert (Path(workspace.folder) / _ODD).read_bytes() == content
        done = workspace.run(["sh", "-c", 'cat "$0" | wc -c; cat sub/x', _ODD])
        assert done.stdout.split() == [str(len(content)), "y"]
        workspace.fetch(_ODD, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content


def test_a_program_runs_there_with_its_lines_as_they_come(device: Device) -> None:
    lines: list[str] = []
    with device.workspace() as workspace:
        done = workspace.run(
            [
                workspace.python,
                "-c",
                "import os, sys; print(os.environ['X']); sys.exit('no\\nway')",
            ],
            environment={"X": _ODD},
            on_error_line=lines.append,
        )
    assert done.exit_code == 1
    assert done.stdout == f"{_ODD}\n"
    assert lines == ["no", "way"]


def test_one_connection_carries_all_of_it(server: SshdServer, device: Device) -> None:
    before = server.connections
    device.facts()
    for _ in range(3):
        with device.workspace() as workspace:
            workspace.send({"x": b"x"})
    assert server.connections == before + 1
    device.close()
    with device.workspace():
        pass
    assert server.connections == before + 2


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # the process has ended
        return ""


def test_the_sockets_folder_goes_with_the_connection(device: Device) -> None:
    def ours() -> set[Path]:
        """Sockets of ssh processes that this one has started: other tests run beside it."""
        commands = [
            _read(folder / "cmdline")
            for folder in Path("/proc").glob("[0-9]*")
            if f"PPid:\t{os.getpid()}\n" in _read(folder / "status")
        ]
        every = Path("/tmp").glob("edgecnn-ssh-*/s")  # noqa: S108 - where ssh.py puts it
        return {socket for socket in every if any(str(socket) in text for text in commands)}

    before = ours()
    device.facts()
    [socket] = ours() - before
    assert socket.parent.stat().st_mode & 0o077 == 0
    device.close()
    assert not socket.parent.exists()


_SHELLS = {
    "noisy": 'ForceCommand echo "Welcome, edgecnn!"; echo again >&2; exec $SSH_ORIGINAL_COMMAND',
    "fish": 'ForceCommand exec fish -c "$SSH_ORIGINAL_COMMAND"',
    "tcsh": 'ForceCommand exec tcsh -c "$SSH_ORIGINAL_COMMAND"',
    "busybox": "ForceCommand exec busybox $SSH_ORIGINAL_COMMAND",
}


@pytest.mark.parametrize("shell", _SHELLS)
def test_any_login_shell_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: SshdServer, shell: str
) -> None:
    assert server
    if shell != "noisy" and not shutil.which(shell):
        pytest.skip(f"no {shell} on this machine")
    with running_sshd(tmp_path / "other", options=_SHELLS[shell]) as other:
        monkeypatch.setenv("EDGECNN_SSH_CONFIG", str(other.client_config))
        device = open_device(other.target)
        with device.workspace() as workspace:
            workspace.send({_ODD: b"content"})
            assert workspace.run(["cat", _ODD]).stdout == "content"
        device.close()
        assert other.left() == []


def test_what_the_user_configured_for_working_by_hand_does_not_matter(
    server: SshdServer, device: Device
) -> None:
    usual = server.client_config.read_text()
    server.client_config.write_text(
        f"{usual}RequestTTY force\nRemoteCommand uptime\nControlMaster auto\nControlPersist yes\n"
        f'ControlPath "{server.folder}/own-%r"\nLogLevel QUIET\nForwardX11 yes\n'
        "LocalForward 127.0.0.1:9 127.0.0.1:9\nPermitLocalCommand yes\nLocalCommand false\n"
    )
    try:
        with device.workspace() as workspace:
            assert workspace.run(["echo", "on"]).stdout == "on\n"
    finally:
        server.client_config.write_text(usual)
    assert not list(server.folder.glob("own-*"))


def test_a_folder_that_a_killed_process_left_is_removed(device: Device) -> None:
    old, new = (Path(tempfile.mkdtemp(prefix="edgecnn-ssh-", dir="/tmp")) for _ in range(2))
    os.utime(old, (0, 0))
    try:
        device.facts()
        assert not old.exists()
        assert new.exists()  # another process may be about to use it
    finally:
        new.rmdir()
