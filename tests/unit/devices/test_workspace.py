"""A folder on this machine by way of the real guard: what it lends, and what it leaves."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_disk import small_disk

from edgecnn.devices import open_device
from edgecnn.errors import DeviceError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgecnn.devices.device import Device

_ODD_NAMES = ["a b", "it's", 'say "hi"', "$(reboot)", "`reboot`", "new\nline", "-rf", "~", "*", "é",
              "\udcff", "#;&|<>!", "sub/folder/x", "back\\slash", "%s{0}"]  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the guard works in a test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("EDGECNN_LOCK", str(tmp_path / "lock"))
    return tmp_path / "cache"


@pytest.fixture
def local(cache: Path) -> Device:
    """This machine, working in `cache`."""
    assert not cache.exists()
    return open_device("local")


def _left(cache: Path) -> list[str]:
    return [str(each) for each in (cache, cache.parent / "lock") if each.exists()]


def _wait_until(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def test_this_machine_is_the_python_we_run_in(local: Device, cache: Path) -> None:
    facts = local.facts()
    assert facts.python == ".".join(map(str, sys.version_info[:3]))
    with local.workspace() as workspace:
        assert workspace.python == sys.executable
        code = "import sys; print(sys.prefix)"
        assert workspace.run([workspace.python, "-c", code]).stdout.strip() == sys.prefix
    assert _left(cache) == []


def test_what_is_sent_is_there_and_comes_back(local: Device, cache: Path, tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(content)
    with local.workspace() as workspace:
        workspace.send({"big": source, "empty": b"", "big again": source})
        assert (Path(workspace.folder) / "big again").read_bytes() == content
        assert Path(workspace.folder).stat().st_mode & 0o077 == 0
        workspace.fetch("big", back)
        assert back.read_bytes() == content
        workspace.send({"big": b"another"})
        workspace.fetch("big", back)
        assert back.read_bytes() == b"another"
    assert _left(cache) == []


def test_a_name_may_hold_anything(local: Device, cache: Path, tmp_path: Path) -> None:
    files = {name: name.encode(errors="surrogateescape") for name in _ODD_NAMES}
    with local.workspace() as workspace:
        workspace.send(files)
        found = {
            str(each.relative_to(workspace.folder))
            for each in Path(workspace.folder).rglob("*")
            if each.is_file()
        }
        assert found == set(_ODD_NAMES)
        for name, content in files.items():
            done = workspace.run(["cat", "--", name])
            assert done.stdout == content.decode(errors="replace")
            workspace.fetch(name, tmp_path / "back")
            assert (tmp_path / "back").read_bytes() == content
    assert _left(cache) == []


@pytest.mark.parametrize("name", ["", "/etc/x", "../x", "a/../../x", "a//b", "./x", "a\0b"])
def test_a_name_does_not_leave_the_folder(local: Device, cache: Path, name: str) -> None:
    with local.workspace() as workspace:
        with pytest.raises(DeviceError, match="no name within a folder"):
            workspace.send({name: b"x"})
        with pytest.raises(DeviceError, match="no name within a folder"):
            workspace.fetch(name, cache.parent / "back")
        workspace.send({"after": b"it goes on"})
    assert _left(cache) == []


@settings(max_examples=15)
@given(st.binary(max_size=3000), st.text(st.characters(exclude_characters="\0"), max_size=50))
def test_arguments_and_output_pass_as_they_are(content: bytes, word: str) -> None:
    code = "import sys; sys.stdout.buffer.write(sys.argv[1].encode()); print(end='')"
    with open_device("local").workspace() as workspace:
        workspace.send({"x": content})
        assert workspace.run([workspace.python, "-c", code, word]).stdout == word
        done = workspace.run(["cat", "x"])
        assert done.stdout == content.decode(errors="replace")


def test_a_program_gets_its_environment_and_gives_its_exit_code(local: Device) -> None:
    lines: list[str] = []
    with local.workspace() as workspace:
        done = workspace.run(
            ["sh", "-c", 'echo "$ODD"; pwd; echo one >&2; printf "two\\nthree" >&2; exit 7'],
            environment={"ODD": "a 'b' $(c)"},
            on_error_line=lines.append,
        )
        assert done.stdout.splitlines() == ["a 'b' $(c)", workspace.folder]
        assert done.exit_code == 7
        assert done.stderr == "one\ntwo\nthree"
        assert lines == ["one", "two", "three"]


def test_a_killed_program_has_its_signals_exit_code(local: Device) -> None:
    with local.workspace() as workspace:
        assert workspace.run(["sh", "-c", "kill -KILL $$"]).exit_code == 137
        assert workspace.run(["sh", "-c", "kill -SEGV $$"]).exit_code == 139
        assert workspace.run(["sh", "-c", "exit 0"]).exit_code == 0


def test_much_output_on_both_streams_arrives_whole(local: Device) -> None:
    code = (
        "import sys, threading\n"
        "def say(out, mark):\n"
        "    for _ in range(2000): print(mark * 999, file=out)\n"
        "threads = [threading.Thread(target=say, args=each)\n"
        "           for each in ((sys.stdout, 'o'), (sys.stderr, 'e'))]\n"
        "[each.start() for each in threads]; [each.join() for each in threads]\n"
    )
    lines: list[str] = []
    with local.workspace() as workspace:
        done = workspace.run([workspace.python, "-c", code], on_error_line=lines.append)
    assert done.stdout == ("o" * 999 + "\n") * 2000
    assert lines == ["e" * 999] * 2000
    assert len(done.stderr) == 64 << 10


def test_a_program_that_cannot_be_started_is_an_error_and_no_more(local: Device) -> None:
    with local.workspace() as workspace:
        with pytest.raises(DeviceError, match="no-such-program"):
            workspace.run(["no-such-program"])
        with pytest.raises(DeviceError, match="null byte"):
            workspace.run(["echo", "a\0b"])
        assert workspace.run(["echo", "on"]).stdout == "on\n"


def test_a_program_that_takes_too_long_is_stopped_with_all_it_started(
    local: Device, cache: Path
) -> None:
    stay = "import os, time\nif os.fork() == 0: os.setsid()\nprint('up', flush=True)\n"
    with local.workspace() as workspace:
        with pytest.raises(DeviceError, match=r"the time was up after 1\.5 s"):
            workspace.run(
                [workspace.python, "-c", stay + "while True: print('x' * 99); time.sleep(.01)"],
                timeout_s=1.5,
            )
        assert _marked(cache) == []
        assert workspace.run(["echo", "on"]).stdout == "on\n"


def test_what_a_program_leaves_running_ends_with_it(local: Device, cache: Path) -> None:
    with local.workspace() as workspace:
        done = workspace.run(["sh", "-c", "setsid sleep 1000 & sleep 1000 & echo done"])
        assert done.stdout == "done\n"
        assert _marked(cache) == []


def _marked(cache: Path) -> list[int]:
    """Processes that a guard under `cache` started."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if f"EDGECNN_GUARD={cache}".encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
    return found


def test_a_device_is_used_by_one_at_a_time(local: Device, cache: Path) -> None:
    with local.workspace() as first:
        with (
            pytest.raises(DeviceError, match=rf"process {os.getpid()}, since") as caught,
            open_device("local").workspace(),
        ):
            pass
        assert caught.value.hint
        first.send({"still": b"ours"})
    with local.workspace():
        pass
    assert _left(cache) == []


def test_an_error_in_the_block_leaves_nothing(local: Device, cache: Path) -> None:
    def full_house(_: str) -> None:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"), local.workspace() as workspace:
        workspace.run(
            ["sh", "-c", "echo x >&2; while :; do echo y; done"], on_error_line=full_house
        )
    assert _left(cache) == []


def test_after_an_interruption_the_workspace_is_over(local: Device, cache: Path) -> None:
    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with local.workspace() as workspace:
        with pytest.raises(KeyboardInterrupt):
            workspace.run(["sh", "-c", "echo x >&2; sleep 1000"], on_error_line=stop)
        with pytest.raises(DeviceError, match="the connection has ended"):
            workspace.send({"x": b""})
    assert _left(cache) == []


def test_unreadable_and_unwritable_files_of_this_machine_are_input_errors(
    local: Device, tmp_path: Path
) -> None:
    with local.workspace() as workspace:
        with pytest.raises(InputError, match="cannot be read"):
            workspace.send({"x": tmp_path / "missing"})
        workspace.send({"x": b"x"})
        with pytest.raises(DeviceError, match="there is no file 'y'"):
            workspace.fetch("y", tmp_path / "back")
        with pytest.raises(InputError, match="cannot be written"):
            workspace.fetch("x", tmp_path / "no folder" / "back")
    assert list(tmp_path.iterdir()) == []


_CLIENT = """
import sys
from edgecnn.devices import open_device
with open_device("local").workspace() as workspace:
    workspace.send({"x": b"x"})
    workspace.run(["sh", "-c", "echo up >&2; sleep 1000"],
                  on_error_line=lambda line: print(line, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_when_this_process_is_killed_nothing_is_left(cache: Path, number: signal.Signals) -> None:
    child = subprocess.Popen([sys.executable, "-c", _CLIENT], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    assert _marked(cache)
    child.send_signal(number)
    child.wait()
    child.stdout.close()
    assert _wait_until(lambda: _left(cache) == []), _left(cache)
    assert _marked(cache) == []


def _guards(cache: Path) -> list[int]:
    """The guard's two processes: they have its lock's file open."""
    [lock] = cache.glob("edgecnn/sessions/*/lock")
    found = set()
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # it is closed, or another user's
            if descriptor.readlink() == lock:
                found.add(int(descriptor.parts[2]))
    return sorted(found)


def test_a_killed_guard_is_told_and_its_keeper_clears_up(local: Device, cache: Path) -> None:
    def kill(_: str) -> None:
        os.kill(_guards(cache)[0], signal.SIGKILL)

    with (
        pytest.raises(DeviceError, match="ended while running sh") as caught,
        local.workspace() as workspace,
    ):
        workspace.run(["sh", "-c", "echo up >&2; sleep 1000"], on_error_line=kill)
    assert "memory" in caught.value.hint
    assert _wait_until(lambda: _left(cache) == []), _left(cache)
    assert _marked(cache) == []


def test_what_a_lost_power_left_is_swept_by_the_next(local: Device, cache: Path) -> None:
    def kill(_: str) -> None:
        keeper_last = _guards(cache)[::-1]
        for process in keeper_last:
            os.kill(process, signal.SIGKILL)

    with pytest.raises(DeviceError), local.workspace() as workspace:
        workspace.run(["sh", "-c", "echo up >&2; sleep 1000"], on_error_line=kill)
    assert len(_left(cache)) == 2
    young = cache / "edgecnn/sessions/edgecnn-young"
    young.mkdir()
    with local.workspace() as after:
        there = {Path(after.folder).parent, young}  # another guard may be making this one
        assert set((cache / "edgecnn/sessions").iterdir()) == there
    young.rmdir()
    assert _marked(cache) == []


def test_a_guard_that_is_asked_to_end_clears_up(local: Device, cache: Path) -> None:
    def end(_: str) -> None:
        os.kill(_guards(cache)[0], signal.SIGTERM)

    with (
        pytest.raises(DeviceError, match="asked to end while running sh"),
        local.workspace() as workspace,
    ):
        workspace.run(["sh", "-c", "echo up >&2; sleep 1000"], on_error_line=end)
    assert _wait_until(lambda: _left(cache) == []), _left(cache)


def test_folders_without_permissions_are_removed_too(local: Device, cache: Path) -> None:
    with local.workspace() as workspace:
        workspace.run(["sh", "-c", "mkdir -p a/b; touch a/b/c; chmod 0 a/b/c a/b a; chmod 0 ."])
    assert _left(cache) == []


def _archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_a_runtime_goes_with_the_workspace(local: Device, cache: Path, tmp_path: Path) -> None:
    archive = _archive(tmp_path / "r.tar", {"pack/__init__.py": b"x = 7", "é": b""})
    with local.workspace() as workspace:
        folder = workspace.runtime("pack-1.0", archive)
        done = workspace.run(
            [workspace.python, "-c", "import pack; print(pack.x)"],
            environment={"PYTHONPATH": folder},
        )
        assert done.stdout == "7\n"
    assert _left(cache) == []


def test_a_kept_runtime_is_not_sent_again_while_it_is_whole(
    local: Device, cache: Path, tmp_path: Path
) -> None:
    archive = _archive(tmp_path / "r.tar", {"a": b"1", "b/c": b"2" * 100_000})
    with local.workspace(keep=True) as workspace:
        folder = Path(workspace.runtime("pack-1.0", archive))
        workspace.send({"model": b"never kept"})
    kept = [str(each.relative_to(cache)) for each in sorted(cache.rglob("*")) if each.is_file()]
    base = "edgecnn/kept-runtimes/pack-1.0"
    assert kept == [f"{base}/SHA256SUMS", f"{base}/a", f"{base}/b/c"]
    archive.write_bytes(b"what would be sent")
    with local.workspace() as workspace:
        assert workspace.runtime("pack-1.0", archive) == str(folder)
    assert (folder / "a").read_bytes() == b"1"
    (folder / "b/c").write_bytes(b"2" * 99_999)
    with local.workspace(keep=True) as workspace:
        with pytest.raises(DeviceError, match="runtime pack"):
            workspace.runtime("pack-1.0", archive)
        _archive(archive, {"a": b"1", "b/c": b"2" * 100_000})
        workspace.runtime("pack-1.0", archive)
    assert (folder / "b/c").read_bytes() == b"2" * 100_000


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x"])
def test_an_archive_does_not_leave_its_folder(
    local: Device, cache: Path, tmp_path: Path, name: str
) -> None:
    archive = _archive(tmp_path / "r.tar", {"good": b"1", name: b"evil"})
    with local.workspace(keep=True) as workspace:
        with pytest.raises(DeviceError, match="no name within a folder"):
            workspace.runtime("pack", archive)
        assert workspace.run(["echo", "on"]).stdout == "on\n"
    assert _left(cache) == []


@pytest.mark.parametrize("key", ["", "../x", "a/b", "-x", ".x", "a b"])
def test_a_runtimes_key_is_a_plain_name(local: Device, tmp_path: Path, key: str) -> None:
    with local.workspace() as workspace, pytest.raises(InputError, match="does not name a runtime"):
        workspace.runtime(key, tmp_path)


def test_a_truncated_archive_leaves_nothing(local: Device, cache: Path, tmp_path: Path) -> None:
    archive = _archive(tmp_path / "r.tar", {"a": b"1" * 5000})
    archive.write_bytes(archive.read_bytes()[:3000])
    with local.workspace(keep=True) as workspace, pytest.raises(DeviceError, match="runtime pack"):
        workspace.runtime("pack", archive)
    assert _left(cache) == []


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_told_before_and_during(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECNN_LOCK", str(tmp_path / "lock"))
    with small_disk(tmp_path / "disk") as disk:
        monkeypatch.setenv("XDG_CACHE_HOME", str(disk))
        with open_device("local").workspace() as workspace:
            with pytest.raises(DeviceError, match=r"disk is full: .* free, and 2\.2 MB are needed"):
                workspace.send({"big": bytes(2 << 20)})
            workspace.send({"fits": bytes(300_000)})
            archive = tmp_path / "r.tar.gz"
            with tarfile.open(archive, "w:gz") as packed:
                member = tarfile.TarInfo("zeros")  # small on its way, large over there
                member.size = 4 << 20
                packed.addfile(member, io.BytesIO(bytes(member.size)))
            with pytest.raises(DeviceError, match="disk is full"):
                workspace.runtime("big", archive)
            assert workspace.run(["cat", "fits"]).stdout == "\0" * 300_000
        assert list(disk.iterdir()) == []


def test_no_place_to_write_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGECNN_LOCK", str(tmp_path / "file" / "lock"))
    with pytest.raises(DeviceError, match="no place to write"), open_device("local").workspace():
        pass


def test_another_users_lock_that_is_no_file_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    lock = tmp_path / "lock"
    lock.symlink_to(precious)
    monkeypatch.setenv("EDGECNN_LOCK", str(lock))
    with pytest.raises(DeviceError, match="no place to write"), open_device("local").workspace():
        pass
    assert precious.read_text() == "mine"
