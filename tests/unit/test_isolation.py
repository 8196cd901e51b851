"""edgecnn.isolation: a child's answer, its errors, its crash, its noise and its end."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import edgecnn
from edgecnn import isolation
from edgecnn.errors import EdgeCnnError, InputError
from edgecnn.isolation import Limits
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Callable

# The child imports this very file, whatever folder pytest was started from.
HERE = "test_isolation"
ROOT = Path(edgecnn.__file__).parents[1]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def add(left: int, right: int = 0) -> int:
    return left + right


def refuse() -> None:
    raise InputError("no such tensor", hint="name another")


def divide(by: float) -> float:
    return 1 / by


class AwkwardError(Exception):
    """Takes two arguments and keeps one: pickle cannot make it again."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def raise_awkward() -> None:
    raise AwkwardError("salt", "pepper")


def read_null() -> None:
    ctypes.string_at(0)


def die(number: int) -> None:
    os.write(2, b"before the end\n")
    os.kill(os.getpid(), number)


def count(steps: int, progress: Progress) -> str:
    progress.stage("counting", steps)
    for _ in range(steps):
        progress.advance()
    progress.warn("that was all")
    return "done"


def chatter() -> int:
    os.write(1, b"noise on stdout\n" * 1000)
    os.write(2, b"noise on stderr\n" * 1000)
    print("python noise", flush=True)  # noqa: T201 - the noise under test
    return 7


def unpicklable() -> object:
    return lambda: None


def sleep_forever(pid_file: str) -> None:
    Path(pid_file).write_text(str(os.getpid()))
    time.sleep(600)


def echo(blob: bytes) -> bytes:
    return blob


def loaded(module: str) -> str:
    return str(__import__(module).__file__)


class Recorder(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[object] = []

    def stage(self, name: str, total: int | None = None) -> None:
        """Keep both."""
        self.seen.append((name, total))

    def advance(self, steps: int = 1) -> None:
        """Keep the steps."""
        self.seen.append(steps)


def test_result_comes_back() -> None:
    assert isolation.run(f"{HERE}:add", 2, right=3, what="adding") == 5


def test_large_arguments_and_results_pass() -> None:
    blob = os.urandom(5_000_000)
    assert isolation.run(f"{HERE}:echo", blob, what="echoing") == blob


def test_edgecnn_error_keeps_its_class_and_hint() -> None:
    with pytest.raises(InputError, match="no such tensor") as caught:
        isolation.run(f"{HERE}:refuse", what="refusing")
    assert caught.value.hint == "name another"
    assert caught.value.exit_code == 2


def test_other_exceptions_pass_through() -> None:
    with pytest.raises(ZeroDivisionError):
        isolation.run(f"{HERE}:divide", 0, what="dividing")


def test_an_exception_that_cannot_be_pickled_keeps_its_text() -> None:
    with pytest.raises(RuntimeError, match="salt and pepper"):
        isolation.run(f"{HERE}:raise_awkward", what="raising")


def test_a_result_that_cannot_be_pickled_is_an_error_not_a_crash() -> None:
    with pytest.raises(Exception, match=r"(?i)pickle") as caught:
        isolation.run(f"{HERE}:unpicklable", what="making a lambda")
    assert not isinstance(caught.value, isolation.CrashedError)


def test_an_argument_that_cannot_be_pickled_starts_no_child() -> None:
    with pytest.raises(Exception, match=r"(?i)pickle"):
        isolation.run(f"{HERE}:echo", lambda: None, what="echoing")


def test_a_segfault_is_a_clear_error() -> None:
    with pytest.raises(isolation.CrashedError, match=r"reading a\.tflite: .*SIGSEGV") as caught:
        isolation.run(f"{HERE}:read_null", what="reading a.tflite")
    assert isinstance(caught.value, EdgeCnnError)
    assert "corrupt" in caught.value.hint


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_a_crash_names_its_signal_and_last_words(name: str) -> None:
    with pytest.raises(isolation.CrashedError, match=f"{name}.*\n.*before the end"):
        isolation.run(f"{HERE}:die", int(signal.Signals[name]), what="dying")


def test_a_crash_inside_an_except_block_names_its_own_signal() -> None:
    try:
        divide(0)
    except ZeroDivisionError:
        with pytest.raises(isolation.CrashedError, match="SIGABRT"):
            isolation.run(f"{HERE}:die", int(signal.SIGABRT), what="dying")


def test_a_signal_without_a_name_is_told_by_number() -> None:
    number = int(signal.SIGRTMIN) + 3
    with pytest.raises(isolation.CrashedError, match=f"signal {number}"):
        isolation.run(f"{HERE}:die", number, what="dying")


def test_a_child_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(isolation.CrashedError, match=r"took more than 0\.5 s"):
        isolation.run(
            f"{HERE}:sleep_forever",
            str(tmp_path / "pid"),
            what="sleeping",
            limits=Limits(seconds=0.5),
        )


def test_a_deadline_that_is_kept_changes_nothing() -> None:
    assert isolation.run(f"{HERE}:add", 1, what="adding", limits=Limits(seconds=60)) == 1


def test_progress_passes() -> None:
    progress = Recorder()
    assert isolation.run(f"{HERE}:count", 3, what="counting", progress=progress) == "done"
    assert progress.seen == [("counting", 3), 1, 1, 1]
    assert progress.warnings == ["that was all"]


def test_an_error_in_the_watcher_ends_the_child() -> None:
    class Broken(Silent):
        def advance(self, steps: int = 1) -> None:
            raise KeyboardInterrupt(steps)

    with pytest.raises(KeyboardInterrupt):
        isolation.run(f"{HERE}:count", 3, what="counting", progress=Broken())


def test_noise_stays_in_the_child(capfd: pytest.CaptureFixture[str]) -> None:
    assert isolation.run(f"{HERE}:chatter", what="chattering") == 7
    assert capfd.readouterr() == ("", "")


def test_the_working_folder_is_not_imported_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path) not in isolation.run(f"{HERE}:loaded", "json", what="importing")


def _run_script(script: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"}
    return subprocess.Popen(
        [sys.executable, str(script), *arguments],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from edgecnn import isolation\n"
        f"print(isolation.run('{HERE}:chatter', what='chattering'))\n"
    )
    process = _run_script(script)
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("7\n", "", 0)


def _wait_until(done: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def _is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"  # dead, and not yet collected by whoever adopted it


def test_the_child_dies_with_its_killed_parent(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = tmp_path / "script.py"
    script.write_text(
        "from edgecnn import isolation\n"
        f"isolation.run('{HERE}:sleep_forever', {str(pid_file)!r}, what='sleeping')\n"
    )
    parent = _run_script(script)
    _wait_until(lambda: pid_file.exists() and pid_file.read_text())
    child_pid = int(pid_file.read_text())
    assert not _is_gone(child_pid)
    parent.kill()
    parent.communicate()
    _wait_until(lambda: _is_gone(child_pid))
