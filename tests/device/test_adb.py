"""A phone over adb: a real adbd and a real adb; what fails, and that nothing is left there."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from refusing_phone import phone as other_phone
from tiny_tflite import TinyModel

import edgecnn
from edgecnn.devices import open_device
from edgecnn.devices.adb import AdbDevice
from edgecnn.errors import DeviceError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from emulated_adbd import EmulatedAndroid

    from edgecnn.devices.device import Completed

_PATIENCE_S = 30.0
_NAPS = "sleep 543; true"  # a shell and its child


@pytest.fixture
def phone(
    emulated_android: EmulatedAndroid, monkeypatch: pytest.MonkeyPatch
) -> Generator[EmulatedAndroid, None, None]:
    """The phone that all tests share, and that each leaves as it was."""
    with _used(emulated_android, monkeypatch) as used:
        yield used


@pytest.fixture
def own_phone(
    own_android: EmulatedAndroid, monkeypatch: pytest.MonkeyPatch
) -> Generator[EmulatedAndroid, None, None]:
    """A phone to break."""
    with _used(own_android, monkeypatch) as used:
        yield used


@contextlib.contextmanager
def _used(
    phone: EmulatedAndroid, monkeypatch: pytest.MonkeyPatch
) -> Generator[EmulatedAndroid, None, None]:
    for name, value in phone.environment.items():
        monkeypatch.setenv(name, value)
    yield phone
    _nothing_is_left(phone)


def _nothing_is_left(phone: EmulatedAndroid) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while list(phone.work.iterdir()) or phone.processes():
        left = [*phone.work.iterdir(), *phone.processes()]
        assert time.monotonic() < deadline, f"left on the phone: {left}"
        time.sleep(0.1)


def device_of(phone: EmulatedAndroid) -> AdbDevice:
    device = open_device(f"adb://{phone.serial}")
    assert isinstance(device, AdbDevice)
    return device


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands in for benchmark_model, which no package brings."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler: install gcc")
    source = Path(__file__).with_name("benchmark_model_stand_in.c")
    made = tmp_path_factory.mktemp("program") / "benchmark_model"
    subprocess.run([compiler, "-O1", "-static", "-o", made, source], check=True)
    return made


@pytest.fixture
def relu(tmp_path: Path) -> Path:
    """A network of one operator, under a name that no shell takes lightly."""
    tiny = TinyModel()
    given, wanted = tiny.tensor("float32", (1, 8)), tiny.tensor("float32", (1, 8))
    tiny.operator("RELU", [given], [wanted])
    tiny.border([given], [wanted])
    path = tmp_path / "it's a $(reboot) `net`.tflite"
    path.write_bytes(tiny.to_bytes())
    return path


def test_it_says_what_it_is(phone: EmulatedAndroid) -> None:
    facts = device_of(phone).facts()
    assert facts.machine == "aarch64"
    assert facts.userland_bits == 64
    assert facts.model.endswith("edgecnn phone (EMULATED)")
    assert facts.system == "Android 10"
    assert facts.python.startswith("3.11")
    assert facts.emulated


def test_without_a_serial_the_only_phone_is_meant(phone: EmulatedAndroid) -> None:
    assert open_device("adb://").facts() == device_of(phone).facts()


def test_android_serial_is_obeyed(phone: EmulatedAndroid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDROID_SERIAL", "R58M123")
    with pytest.raises(DeviceError, match=f"it knows: {phone.serial}"):
        open_device("adb://").facts()


def test_a_phone_in_the_network_is_connected_to(phone: EmulatedAndroid) -> None:
    subprocess.run([phone.adb, "disconnect", phone.serial], check=True, capture_output=True)
    assert device_of(phone).facts().machine == "aarch64"


def test_bench_runs_litert_where_a_python_is(phone: EmulatedAndroid, relu: Path) -> None:
    report = edgecnn.bench(relu, on=f"adb://{phone.serial}", results=None)
    assert report.failures == ()
    [result] = report.results
    assert result.runtime == "ai-edge-litert 2.3.0"
    assert result.outputs_match is True
    assert result.emulated
    assert len(result.samples_ms) >= 64


def test_bench_runs_benchmark_model(phone: EmulatedAndroid, relu: Path, program: Path) -> None:
    report = edgecnn.bench(
        relu, on=f"adb://{phone.serial}", threads=(1, 2), benchmark_model=program, results=None
    )
    assert report.failures == ()
    assert [result.threads for result in report.results] == [1, 2]
    for result in report.results:
        assert result.runtime.startswith("benchmark_model ")
        assert result.samples_ms == ()
        assert 0 < result.latency_ms.min <= result.latency_ms.p50 <= result.latency_ms.p90
        assert result.latency_at_most == ("p90", "p99")
        assert result.load_ms == 1.234
        assert result.peak_rss_bytes == 3.25 * 2**20
        assert result.before.clock_mhz
        assert result.after.free_memory_bytes
        assert result.trust.grade != "trusted"


def test_a_phone_needs_no_python_for_it(
    own_phone: EmulatedAndroid, relu: Path, program: Path
) -> None:
    target = f"adb://{own_phone.serial}"
    with own_phone.without_python():
        without = edgecnn.bench(relu, on=target, results=None)
        with_program = edgecnn.bench(relu, on=target, benchmark_model=program, results=None)
    [failure] = without.failures
    assert "no Python" in failure.message
    assert len(with_program.results) == 1
    assert with_program.failures == ()


def test_files_arrive_whatever_their_names(phone: EmulatedAndroid) -> None:
    names = ("a b", "it's", '"', "$(touch x)", "`touch x`", "-rf", "a;b&c|d", "é\\n")
    with device_of(phone).folder() as folder:
        folder.send({name: name.encode() * 1000 for name in names})
        place = phone.root / folder.folder.lstrip("/")
        assert {path.name: path.read_bytes() for path in place.iterdir()} == {
            name: name.encode() * 1000 for name in names
        }


def test_large_files_arrive(phone: EmulatedAndroid, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40_000
    (tmp_path / "large").write_bytes(content)
    with device_of(phone).folder() as folder:
        folder.send({"large": tmp_path / "large", "empty": b""})
        place = phone.root / folder.folder.lstrip("/")
        assert (place / "large").read_bytes() == content
        assert (place / "empty").read_bytes() == b""


def test_a_file_of_ours_that_is_not_there_is_an_input_error(
    phone: EmulatedAndroid, tmp_path: Path
) -> None:
    with device_of(phone).folder() as folder, pytest.raises(InputError, match="cannot be read"):
        folder.send({"x": tmp_path / "x"})


@pytest.mark.parametrize(
    ("script", "code", "stdout", "stderr"),
    [
        ("echo out; echo err >&2; exit 7", 7, "out\n", "err"),
        ("kill -9 $$", 137, "", ""),
        ("printf 'no newline'", 0, "no newline", ""),
        ("cat; pwd", 0, "{folder}\n", ""),
    ],
)
def test_programs_end_with_their_own_exit_code(
    phone: EmulatedAndroid, script: str, code: int, stdout: str, stderr: str
) -> None:
    with device_of(phone).folder() as folder:
        done = folder.run(["sh", "-c", script])
        assert done.exit_code == code
        assert done.stdout == stdout.format(folder=folder.folder)
        assert stderr in done.stderr


def test_a_program_that_takes_too_long_does_not_go_on(phone: EmulatedAndroid) -> None:
    with device_of(phone).folder() as folder:
        with pytest.raises(DeviceError, match="time was up"):
            folder.run(["sh", "-c", _NAPS], timeout_s=1.0)
        assert [each for each in phone.processes() if "543" in each.command] == []
        assert folder.run(["echo", "still there"]).stdout == "still there\n"


@pytest.mark.parametrize("first", ["folder", "workspace"])
@pytest.mark.parametrize("second", ["folder", "workspace"])
def test_two_at_once_are_refused_whatever_they_use(
    phone: EmulatedAndroid, first: str, second: str
) -> None:
    with (
        getattr(device_of(phone), first)(),
        pytest.raises(DeviceError, match=r"another edgecnn is using it .*process") as caught,
        getattr(device_of(phone), second)(),
    ):
        pass
    assert "Wait" in caught.value.hint


def run_and(phone: EmulatedAndroid, fault: Callable[[], object]) -> DeviceError:
    """Have the fault happen while a program runs; gives the error that comes of it."""
    device = device_of(phone)
    answers: list[Completed] = []

    def run_program() -> None:
        with device.folder() as folder:
            breaking.start()
            answers.append(folder.run(["sh", "-c", _NAPS]))

    def when_it_runs() -> None:
        while not [each for each in phone.processes() if "543" in each.command]:
            time.sleep(0.05)
        fault()

    breaking = threading.Thread(target=when_it_runs)
    with pytest.raises(DeviceError) as caught:
        run_program()
    breaking.join()
    assert answers == []
    assert caught.value.message.startswith(f"adb://{phone.serial}: ")
    return caught.value


def test_the_cable_is_pulled(own_phone: EmulatedAndroid) -> None:
    error = run_and(own_phone, own_phone.unplug)
    assert "the connection broke while running sh" in error.message
    assert "adb devices" in error.hint
    _nothing_is_left(own_phone)


def test_adb_is_disconnected(phone: EmulatedAndroid) -> None:
    command = [str(phone.adb), "disconnect", phone.serial]
    error = run_and(phone, lambda: subprocess.run(command, check=True, capture_output=True))
    assert "the connection broke while running sh" in error.message
    assert "not found" in error.message


def test_a_killed_guard_ends_the_program_and_the_next_one_clears_up(
    phone: EmulatedAndroid,
) -> None:
    def kill_guard() -> None:
        guards = [each for each in phone.processes() if "edgecnn-bye" in " ".join(each.command)]
        assert len(guards) == 1
        phone.device.kill(guards)

    assert "while running sh" in run_and(phone, kill_guard).message
    with device_of(phone).folder():
        pass


_USE = """
import sys
from edgecnn.devices import open_device
with open_device(sys.argv[1]).folder() as folder:
    folder.run(["sh", "-c", sys.argv[2]])
"""


def test_we_are_killed(phone: EmulatedAndroid) -> None:
    ours = subprocess.Popen([sys.executable, "-c", _USE, f"adb://{phone.serial}", _NAPS])
    while not [each for each in phone.processes() if "543" in each.command]:
        assert ours.poll() is None
        time.sleep(0.05)
    ours.kill()
    ours.wait()
    _nothing_is_left(phone)


def test_the_disk_is_full(own_phone: EmulatedAndroid) -> None:
    with (
        own_phone.small_disk("/data/local/tmp", "1m"),
        pytest.raises(DeviceError, match="its disk is full") as caught,
        device_of(own_phone).folder() as folder,
    ):
        folder.send({"large": bytes(3_000_000)})
    assert "adb shell df" in caught.value.hint


def test_a_phone_without_room_for_us_is_told(own_phone: EmulatedAndroid) -> None:
    own_phone.work.chmod(0o555)
    with (
        pytest.raises(DeviceError, match="nothing can be written"),
        device_of(own_phone).folder(),
    ):
        pass


def test_there_is_no_adb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match="there is no adb on this machine") as caught:
        open_device("adb://R58M123").facts()
    assert "apt install adb" in caught.value.hint


def test_a_phone_that_adb_does_not_know(phone: EmulatedAndroid) -> None:
    with pytest.raises(DeviceError, match=f"no such device .it knows: {phone.serial}"):
        open_device("adb://R58M123").facts()


@contextlib.contextmanager
def connected(phone: EmulatedAndroid, address: str) -> Generator[None, None, None]:
    subprocess.run([phone.adb, "connect", address], check=False, capture_output=True)
    try:
        yield
    finally:
        subprocess.run([phone.adb, "disconnect", address], check=True, capture_output=True)


def test_a_phone_that_allows_nobody(phone: EmulatedAndroid) -> None:
    with (
        other_phone(answers=True) as address,
        connected(phone, address),
        pytest.raises(DeviceError, match="has not allowed this computer") as caught,
    ):
        open_device(f"adb://{address}").facts()
    assert "USB debugging" in caught.value.hint


def test_a_phone_that_does_not_answer(phone: EmulatedAndroid) -> None:
    with (
        other_phone(answers=False) as address,
        connected(phone, address),
        pytest.raises(DeviceError, match=r"does not answer|just being connected"),
    ):
        open_device(f"adb://{address}").facts()


def test_several_phones_need_a_name(phone: EmulatedAndroid) -> None:
    again = phone.serial.replace("127.0.0.1", "localhost")
    with connected(phone, again), pytest.raises(DeviceError, match="several devices") as caught:
        open_device("adb://").facts()
    assert "--on adb://" in caught.value.hint
