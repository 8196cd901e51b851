"""Everything that can go wrong over SSH, made to go wrong on a real OpenSSH server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from small_disk import small_disk
from sshd_server import SshdServer, find_sshd, make_key, running_sshd

from edgecnn.devices import open_device
from edgecnn.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from edgecnn.devices.device import Device, Workspace

pytestmark = pytest.mark.device


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[SshdServer, None, None]:
    """A server of the test's own: its faults are nobody else's."""
    if not find_sshd():
        pytest.skip("no sshd: install openssh-server")
    with running_sshd(tmp_path / "server") as running:
        monkeypatch.setenv("EDGECNN_SSH_CONFIG", str(running.client_config))
        yield running


@pytest.fixture
def device(server: SshdServer) -> Generator[Device, None, None]:
    """The server's machine."""
    found = open_device(server.target)
    yield found
    found.close()


def _error(target: str) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        open_device(target).facts()
    assert caught.value.exit_code == 3
    assert caught.value.message.startswith(f"{target}: ")
    assert caught.value.hint
    return caught.value


def test_an_unknown_host_key_is_not_accepted(server: SshdServer) -> None:
    server.known_hosts.write_text("")
    error = _error(server.target)
    assert "host key is not known" in error.message
    assert f"ssh -F {server.client_config} -p" in error.hint
    assert server.known_hosts.read_text() == ""


def test_it_is_not_accepted_either_where_the_users_configuration_would(server: SshdServer) -> None:
    server.known_hosts.write_text("")
    with server.client_config.open("a") as file:
        file.write("StrictHostKeyChecking accept-new\n")
    assert "host key is not known" in _error(server.target).message
    assert server.known_hosts.read_text() == ""


def test_a_changed_host_key_is_told_as_such(server: SshdServer, tmp_path: Path) -> None:
    server.know(make_key(tmp_path / "other").with_suffix(".pub"))
    error = _error(server.target)
    assert "host key has changed" in error.message
    assert f"ssh-keygen -R '[127.0.0.1]:{server.target.rpartition(':')[2]}'" in error.hint


def test_a_wrong_key_is_told_and_nothing_is_asked(server: SshdServer, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other").with_suffix(".pub")
    (server.folder / "authorized_keys").write_text(other.read_text())
    error = _error(server.target)
    assert "no key of ours is accepted" in error.message
    assert "ssh-copy-id" in error.hint


def test_a_key_that_others_can_read_is_told(server: SshdServer) -> None:
    (server.folder / "key").chmod(0o644)
    error = _error(server.target)
    assert "others can read it" in error.message
    assert error.hint == f"chmod 600 {server.folder}/key"


def test_a_port_where_nothing_listens(server: SshdServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert server
    assert "nothing listens" in _error(f"ssh://127.0.0.1:{port}").message


def test_a_name_that_leads_nowhere(server: SshdServer) -> None:
    assert server
    assert "leads to no address" in _error("ssh://pi@no-such-host.invalid").message


def test_a_server_of_another_kind(server: SshdServer) -> None:
    assert server
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            client = other.accept()[0]
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            client.close()

        threading.Thread(target=answer, daemon=True).start()
        error = _error(f"ssh://127.0.0.1:{other.getsockname()[1]}")
    assert "closed the connection" in error.message


def test_no_ssh_on_this_machine(server: SshdServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(server.folder))
    error = _error(server.target)
    assert "no ssh on this machine" in error.message
    assert "openssh-client" in error.hint


@pytest.mark.parametrize("text", ["Hots *\n", "ServerAliveInterval often\n"])
def test_a_configuration_that_ssh_cannot_read(server: SshdServer, text: str) -> None:
    server.client_config.write_text(text)
    assert "configuration" in _error(server.target).message


def test_a_configuration_that_is_not_there(
    server: SshdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECNN_SSH_CONFIG", "/nowhere/config")
    assert "no configuration file /nowhere/config" in _error(server.target).message


@pytest.mark.parametrize(
    ("command", "said"),
    [("echo This account is not available.; exit 1", "exit code 1"), ("echo no shell", "no shell")],
)
def test_an_account_without_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: SshdServer, command: str, said: str
) -> None:
    assert server
    with running_sshd(tmp_path / "other", options=f"ForceCommand {command}") as other:
        monkeypatch.setenv("EDGECNN_SSH_CONFIG", str(other.client_config))
        error = _error(other.target)
        assert said in error.message + error.hint


def _python(folder: Path, script: str | None) -> dict[str, str]:
    """A PATH with all that the probe uses, and this Python or none."""
    folder.mkdir()
    for name in ("uname", "tr", "dd", "sleep", "readlink", "getconf", "cat", "sh"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    if script is not None:
        (folder / "python3").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "python3").chmod(0o755)
    return {"PATH": str(folder)}


@pytest.mark.parametrize(
    ("script", "said"), [(None, "no Python 3;"), ("echo 3.7.3 32; exit 1", "only Python 3.7.3;")]
)
def test_a_device_without_a_python_that_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, said: str
) -> None:
    if not find_sshd():
        pytest.skip("no sshd: install openssh-server")
    environment = _python(tmp_path / "bin", script)
    with running_sshd(tmp_path / "server", environment=environment) as server:
        monkeypatch.setenv("EDGECNN_SSH_CONFIG", str(server.client_config))
        device = open_device(server.target)
        facts = device.facts()  # still says what it is
        assert facts.cores == os.cpu_count()
        with pytest.raises(DeviceError, match=said) as caught, device.workspace():
            pass
        assert "apt install python3" in caught.value.hint
        device.close()
        assert server.left() == []


def _all_steps(device: Device, tmp_path: Path) -> None:
    device.facts()
    with device.workspace() as workspace:
        workspace.send({"a": os.urandom(60_000), "b": b"b"})
        workspace.run(["sh", "-c", "echo up >&2; head -c 30000 a"])
        workspace.fetch("a", tmp_path / "back")


def test_a_connection_cut_at_any_byte_is_told_and_leaves_nothing(
    server: SshdServer, tmp_path: Path
) -> None:
    # A first whole run shows how many bytes there are to be cut at.
    device = open_device(server.target)
    _all_steps(device, tmp_path)
    device.close()
    whole = server.passed
    steps = set()
    for share in range(1, 26):
        server.start_anew(limit=whole * share // 26)
        device = open_device(server.target)
        with pytest.raises(DeviceError) as caught:
            _all_steps(device, tmp_path)
        device.close()
        steps.add(caught.value.message.partition("while ")[2].partition(" ")[0])
        assert caught.value.hint
        assert server.left_after(20.0) == [], f"cut after {share}/26 of {whole} bytes"
    assert {"asking", "preparing", "sending", "running", "fetching"} <= steps
    server.start_anew()
    _all_steps(open_device(server.target), tmp_path)


def _in_the_middle(device: Device, do: Callable[[], None]) -> DeviceError:
    """The error when this happens while a program runs over there."""
    with pytest.raises(DeviceError) as caught, device.workspace() as workspace:
        workspace.run(
            ["sh", "-c", "echo up >&2; sleep 1000 & sleep 1000"],
            on_error_line=lambda _: do(),
        )
    return caught.value


@pytest.mark.parametrize("fault", ["cut", "kill_sessions"])
def test_a_program_does_not_go_on_when_the_connection_is_gone(
    server: SshdServer, device: Device, fault: str
) -> None:
    error = _in_the_middle(device, getattr(server, fault))
    assert "the connection broke while running sh" in error.message
    assert server.left_after(20.0) == []
    with device.workspace():  # the device can be used again, by a new connection
        pass


def test_a_cable_that_is_pulled_is_noticed(server: SshdServer, device: Device) -> None:
    error = _in_the_middle(device, server.freeze)
    assert "it stopped answering" in error.message
    server.cut()  # what the other side would notice after a minute by itself
    assert server.left_after(20.0) == []


def test_the_connection_goes_while_a_file_is_sent(
    server: SshdServer, device: Device, tmp_path: Path
) -> None:
    big = tmp_path / "big"
    big.write_bytes(bytes(64 << 20))
    device.facts()
    server.limit = server.passed + (20 << 20)
    with pytest.raises(DeviceError, match="while sending big"), device.workspace() as workspace:
        workspace.send({"big": big})
    assert server.left_after(20.0) == []


def test_a_runtime_is_kept_whole_or_not_at_all(
    server: SshdServer, device: Device, tmp_path: Path
) -> None:
    (tmp_path / "library").write_bytes(os.urandom(8 << 20))
    with tarfile.open(tmp_path / "r.tar", "w") as archive:
        archive.add(tmp_path / "library", "library")
    device.facts()
    server.limit = server.passed + (4 << 20)
    with pytest.raises(DeviceError, match="runtime key"), device.workspace(keep=True) as workspace:
        workspace.runtime("key", tmp_path / "r.tar")
    assert server.left_after(20.0) == []
    server.start_anew()
    with device.workspace(keep=True) as workspace:
        folder = Path(workspace.runtime("key", tmp_path / "r.tar"))
    before = server.passed
    with device.workspace(keep=True) as workspace:
        assert workspace.runtime("key", tmp_path / "other.tar") == str(folder)
    assert server.passed - before < 1 << 20
    assert (folder / "library").read_bytes() == (tmp_path / "library").read_bytes()


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_over_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not find_sshd():
        pytest.skip("no sshd: install openssh-server")
    with (
        small_disk(tmp_path / "disk") as disk,
        running_sshd(tmp_path / "server", environment={"XDG_CACHE_HOME": str(disk)}) as server,
    ):
        monkeypatch.setenv("EDGECNN_SSH_CONFIG", str(server.client_config))
        device = open_device(server.target)
        with device.workspace() as workspace:
            with pytest.raises(DeviceError, match=r"disk is full: 1\.\d MB are free, and 2\.2 MB"):
                workspace.send({"model": bytes(2 << 20)})
            # Filled by another between our look and our write.
            (disk / "other").write_bytes(bytes(400_000))
            _fill_while_sending(workspace, disk)
            assert workspace.run(["echo", "on"]).stdout == "on\n"
        device.close()
        (disk / "other").unlink()
        assert list(disk.iterdir()) == []


def _fill_while_sending(workspace: Workspace, disk: Path) -> None:
    quota = bytes(300_000)
    script = f"head -c {len(quota)} /dev/zero > filled"
    workspace.run(["sh", "-c", script])
    with pytest.raises(DeviceError, match="disk is full"):
        workspace.send({"a": quota, "b": quota})
    assert disk.exists()


def test_two_at_once(server: SshdServer, device: Device) -> None:
    with device.workspace() as first:
        second = open_device(server.target)
        with pytest.raises(DeviceError, match=f"process {os.getpid()}, since"), second.workspace():
            pass
        second.close()
        assert first.run(["echo", "on"]).stdout == "on\n"
    assert server.left() == []


def test_a_program_that_the_out_of_memory_killer_takes(device: Device) -> None:
    with device.workspace() as workspace:
        done = workspace.run(["sh", "-c", "cat /proc/self/oom_score_adj; kill -KILL $$"])
    assert (done.stdout, done.exit_code) == ("500\n", 137)


def test_a_killed_guard(server: SshdServer, device: Device) -> None:
    def kill() -> None:
        [lock] = server.cache.glob("edgecnn/sessions/*/lock")
        holders = {int(each.parts[2]) for each in Path("/proc").glob("[0-9]*/fd/*")
                   if _leads_to(each, lock)}  # fmt: skip
        os.kill(min(holders), 9)

    error = _in_the_middle(device, kill)
    assert "our program there ended" in error.message
    assert "memory" in error.hint
    assert server.left_after(20.0) == []


def _leads_to(link: Path, path: Path) -> bool:
    try:
        return link.readlink() == path
    except OSError:  # it is closed, or another user's
        return False


def test_a_client_that_is_killed_leaves_no_connection(server: SshdServer, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom edgecnn.devices import open_device\n"
        "with open_device(sys.argv[1]).workspace() as workspace:\n"
        "    workspace.run(['sh', '-c', 'echo up >&2; sleep 1000'],\n"
        "                  on_error_line=lambda line: print(line, flush=True))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, server.target], stdout=subprocess.PIPE, cwd=tmp_path
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"up\n"
    child.kill()
    child.wait()
    child.stdout.close()
    assert server.left_after(20.0) == []
    deadline = time.monotonic() + 20.0
    while not server.all_ended() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.all_ended()
