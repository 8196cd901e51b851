"""The emulated machines are what they say they are, can be broken, and leave nothing behind."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from measure.process_tree import descendants

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulated_pi import EmulatedPi

MACHINES = {
    "emulated_pi4": ("aarch64", "64", "Raspberry Pi 4 Model B Rev 1.1 (EMULATED)"),
    "emulated_pi5": ("aarch64", "64", "Raspberry Pi 5 Model B Rev 1.0 (EMULATED)"),
    "emulated_armv7l": ("armv7l", "32", "Raspberry Pi 2 Model B Rev 1.1 (EMULATED)"),
    "emulated_pi4_32_bit": ("aarch64", "32", "Raspberry Pi 4 Model B Rev 1.1 (EMULATED)"),
}
TOOL = Path(__file__).parents[1] / "support" / "emulated_pi.py"
_PATIENCE_SECONDS = 60
_BACKGROUND = "setsid sleep 1234 </dev/null >/dev/null 2>&1 & until pgrep -x sleep; do :; done"


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _output(pi: EmulatedPi, command: str) -> str:
    run = pi.run(command)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


@pytest.mark.parametrize("fixture", MACHINES)
def test_it_is_what_it_says(fixture: str, request: pytest.FixtureRequest) -> None:
    pi: EmulatedPi = request.getfixturevalue(fixture)
    program = "import os, platform, sys; print(sys.version[:4], os.cpu_count(), platform.machine())"
    found = _output(
        pi,
        "uname -m; getconf LONG_BIT; tr -d '\\0' < /sys/firmware/devicetree/base/model; echo;"
        f" id -un; vcgencmd get_throttled; python3 -c '{program}'",
    )
    machine, bits, model = MACHINES[fixture]
    expected = [machine, bits, model, "pi", "throttled=0x0", f"3.11 4 {machine}"]
    assert found.splitlines() == expected
    assert f"Model\t\t: {model}" in (pi.root / "proc/cpuinfo").read_text()


def test_the_cores_differ_as_the_real_ones_do(
    emulated_pi4: EmulatedPi, emulated_pi5: EmulatedPi
) -> None:
    """The kernel's word (AT_HWCAP) comes from qemu's core, not from our files."""
    atomics, dot_product = 1 << 8, 1 << 20  # Linux's HWCAP_ATOMICS and HWCAP_ASIMDDP
    program = "import ctypes; print(ctypes.CDLL(None).getauxval(16))"
    pi4, pi5 = (int(_output(pi, f"python3 -c '{program}'")) for pi in (emulated_pi4, emulated_pi5))
    assert pi4 & (atomics | dot_product) == 0
    assert pi5 & (atomics | dot_product) == atomics | dot_product


def test_nothing_but_python_is_there(emulated_pi4: EmulatedPi) -> None:
    assert "No module named 'numpy'" in emulated_pi4.run("python3 -c 'import numpy'").stderr


def test_32_bit_has_numpy(emulated_armv7l: EmulatedPi) -> None:
    program = "import numpy; print(int((numpy.ones((9, 9)) @ numpy.ones((9, 9))).sum()))"
    assert _output(emulated_armv7l, f"python3 -c '{program}'") == "729\n"


def test_files_arrive_as_they_are(emulated_pi4: EmulatedPi, tmp_path: Path) -> None:
    sent = tmp_path / "file"
    sent.write_bytes(os.urandom(3_000_000))
    command = ["scp", "-q", "-F", str(emulated_pi4.ssh_config), str(sent)]
    subprocess.run([*command, f"{emulated_pi4.alias}:sent file"], check=True)
    found = _output(emulated_pi4, "sha256sum 'sent file'; rm 'sent file'")
    assert found.split()[0] == hashlib.sha256(sent.read_bytes()).hexdigest()
    assert list(emulated_pi4.home.glob("sent*")) == []


def test_it_can_be_reached_by_address_and_port(emulated_pi4: EmulatedPi) -> None:
    config, port = str(emulated_pi4.ssh_config), str(emulated_pi4.port)
    command = ["ssh", "-F", config, "-p", port, "pi@127.0.0.1", "hostname"]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    assert run.stdout == "raspberrypi\n"


def test_machines_share_a_root_and_no_writes(
    emulated_pi4: EmulatedPi, emulated_pi5: EmulatedPi
) -> None:
    (emulated_pi4.root / "usr/bin/only-here").write_text("")
    assert not (emulated_pi5.root / "usr/bin/only-here").exists()
    assert emulated_pi4.run("rm /usr/bin/only-here").returncode != 0  # the user is not root
    (emulated_pi4.root / "usr/bin/only-here").unlink()


def test_killed_sshd_leaves_programs_alone(own_pi4: EmulatedPi) -> None:
    own_pi4.run(_BACKGROUND)
    own_pi4.kill_sshd()
    assert own_pi4.run("true").returncode == 255
    assert [each.command[1:] for each in own_pi4.processes()] == [("1234",)]
    own_pi4.restart_sshd()
    assert own_pi4.run("true").returncode == 0


def test_cut_connection_ends_the_client(own_pi4: EmulatedPi) -> None:
    command = ["ssh", "-F", str(own_pi4.ssh_config), own_pi4.alias, "echo there; cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"there\n"
        own_pi4.cut_connections()
        assert client.wait(_PATIENCE_SECONDS) == 255
    assert own_pi4.run("true").returncode == 0
    _wait_until(lambda: own_pi4.processes() == [])


def test_reboot_ends_all_and_keeps_the_disk(own_pi4: EmulatedPi) -> None:
    own_pi4.run(f"touch kept; cd /tmp; touch gone; {_BACKGROUND}")
    own_pi4.reboot()
    assert own_pi4.processes() == []
    assert _output(own_pi4, "ls /tmp; ls") == "kept\n"


def test_changed_host_key_is_noticed(own_pi4: EmulatedPi) -> None:
    own_pi4.change_host_key()
    run = own_pi4.run("true")
    assert run.returncode == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in run.stderr


def test_python_can_be_taken_away(own_pi4: EmulatedPi) -> None:
    with own_pi4.without_python():
        assert own_pi4.run("python3 --version").returncode == 127
        assert own_pi4.run("/usr/bin/python3 --version").returncode == 127
    assert _output(own_pi4, "python3 --version").startswith("Python 3.11")


def test_path_can_be_another(own_pi4: EmulatedPi) -> None:
    own_pi4.set_path("/usr/games")
    assert own_pi4.run("python3 --version").returncode == 127
    assert _output(own_pi4, 'echo "$PATH"') == "/usr/games\n"


def test_a_disk_can_be_small(own_pi4: EmulatedPi) -> None:
    with own_pi4.small_disk("/home/pi/small") as folder:
        run = own_pi4.run("head -c 2000000 /dev/zero > small/file")
        assert "No space left on device" in run.stderr
        assert (folder / "file").stat().st_size == 1 << 20
    assert list(folder.iterdir()) == []


def test_throttling_can_be_told(own_pi4: EmulatedPi) -> None:
    (own_pi4.root / "sys/devices/platform/soc/soc:firmware/get_throttled").write_text("50005\n")
    assert _output(own_pi4, "vcgencmd get_throttled") == "throttled=0x50005\n"


def test_nothing_of_the_host_changes(own_pi4: EmulatedPi) -> None:
    mounts = Path("/proc/self/mountinfo").read_text("utf-8")
    assert str(own_pi4.folder) not in mounts
    assert not Path("/proc/sys/fs/binfmt_misc/emulated").exists()
    assert socket.gethostname() != _output(own_pi4, "hostname").strip()
    places = {line.split()[1] for line in _output(own_pi4, "cat /proc/mounts").splitlines()}
    assert {place.split("/")[1] for place in places} == {"", "dev", "proc"}


def test_nothing_runs_after_it_stopped(own_pi4: EmulatedPi) -> None:
    own_pi4.run(_BACKGROUND)
    pids = [process.pid for process in own_pi4.device.processes()]
    assert len(pids) >= 2
    own_pi4.stop()
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_runs_after_the_command_was_ended(
    end: signal.Signals,
    tmp_path: Path,
    emulated_pi4: EmulatedPi,  # noqa: ARG001 - skips where none can run
) -> None:
    command = [sys.executable, str(TOOL), "start", "--folder", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tool:
        assert tool.stdout is not None
        _wait_until(lambda: "Ctrl-C" in (tool.stdout.readline() if tool.stdout else ""))
        pids = descendants(tool.pid)
        assert len(pids) >= 4  # the command, the supervisor's two, and sshd
        tool.send_signal(end)
        assert tool.wait(_PATIENCE_SECONDS) == (-end if end == signal.SIGKILL else 0)
        _wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids[1:]))
