"""The emulated phone: the real adbd and adb, and nothing left of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from emulated_adbd import WORK

if TYPE_CHECKING:
    from emulated_adbd import EmulatedAndroid


def test_shell_says_what_it_is(emulated_android: EmulatedAndroid) -> None:
    run = emulated_android.run(
        "shell", "uname -m; id -u; getprop ro.product.cpu.abi; python3 --version; exit 7"
    )
    assert run.stdout.splitlines() == ["aarch64", "2000", "arm64-v8a", "Python 3.11.2"]
    assert run.returncode == 7


def test_files_go_there_and_back(emulated_android: EmulatedAndroid, tmp_path: Path) -> None:
    sent, back = tmp_path / "sent", tmp_path / "back"
    sent.write_bytes(os.urandom(3_000_000))
    name = f"{WORK}/a name with spaces"
    assert emulated_android.run("push", str(sent), name).returncode == 0
    assert emulated_android.run("pull", name, str(back)).returncode == 0
    assert back.read_bytes() == sent.read_bytes()
    emulated_android.run("shell", f"rm '{name}'")
    assert list(emulated_android.work.iterdir()) == []


def test_the_shell_may_write_in_its_folder_alone(emulated_android: EmulatedAndroid) -> None:
    run = emulated_android.run("shell", "touch /system/file")
    assert run.returncode != 0
    assert "Permission denied" in run.stderr


def test_it_can_be_unplugged(own_android: EmulatedAndroid) -> None:
    own_android.unplug()
    assert own_android.run("shell", "true").returncode != 0
    own_android.plug_in()
    assert own_android.run("shell", "echo back").stdout == "back\n"


def test_its_disk_can_be_small(own_android: EmulatedAndroid) -> None:
    with own_android.small_disk(WORK):
        run = own_android.run("shell", f"head -c 2000000 /dev/zero > {WORK}/file")
        assert "No space left on device" in run.stderr


def test_python_can_be_taken_away(own_android: EmulatedAndroid) -> None:
    with own_android.without_python():
        assert own_android.run("shell", "python3 --version").returncode == 127


def test_nothing_runs_after_it_stopped(own_android: EmulatedAndroid) -> None:
    own_android.run("shell", "setsid sleep 1234 </dev/null >/dev/null 2>&1 &")
    assert [each.command[-1] for each in own_android.processes()] == ["1234"]
    pids = [each.pid for each in own_android.device.processes()]
    assert len(pids) == 3  # adbd, the adb server, and sleep
    own_android.stop()
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
