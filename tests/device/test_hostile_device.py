"""A device may say anything: each odd answer is that device's failure, and nobody else's."""

from __future__ import annotations

import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import hostile_device
import pytest
from command_line import run_json
from sshd_server import find_sshd, running_sshd
from tiny_tflite import int8_net

from edgecnn.benchmark import plans, run, session
from edgecnn.benchmark.files import collect
from edgecnn.benchmark.gathering import Gathered
from edgecnn.benchmark.outputs import compute_here
from edgecnn.devices import channel, open_device, shell, workspace
from edgecnn.devices.target import parse
from edgecnn.errors import DeviceError
from edgecnn.progress import Silent
from edgecnn.runtime import runner

if TYPE_CHECKING:
    from edgecnn.benchmark.report import BenchReport

_SCRIPT = Path(hostile_device.__file__)
_PYTHON = [sys.executable, "-I", "-S", str(_SCRIPT)]
_SOON_S = 2.0  # what is allowed for an answer here, where nothing but silence takes so long
_AT_ONCE = 4
_MOST_GROWTH_BYTES = 200 << 20
_OVER_SSH = ("probe-endless", "greeting-ends", "hello-list", "runtime-empty", "send-sum-other",
             "run-stdout-endless", "report-threads", "report-load", "bye-missing")  # fmt: skip


class OddDevice(shell.ShellDevice):
    """A device whose shell is the hostile program, without the way over a network."""

    def __init__(self, name: str) -> None:
        super().__init__(parse(f"ssh://{name}"))
        self._name = name

    def shell(self) -> subprocess.Popen[bytes]:
        """Start it."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            _PYTHON,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            bufsize=0,
            env={"EDGECNN_ODD": self._name},
        )

    def lost(self, step: str, code: int | None, message: str) -> DeviceError:
        """As every device has it."""
        return DeviceError(f"{self.target}: it ended while {step} ({code}).", hint=message[-200:])


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "net.tflite"
    path.write_bytes(int8_net().to_bytes())
    return path


@pytest.fixture(scope="module")
def report(net: Path) -> BenchReport:
    """One bench on all of them, and on this machine last."""
    files = collect([net])
    here = {files[0].sha256: compute_here(files[0])}
    job = session.Job(files, (1,), plans.plan("quick"), keep=False, here=here)
    gathered = Gathered(None, Silent())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.MonkeyPatch.context() as patch:
        for module, name in (
            (channel, "ANSWER_S"),
            (channel, "_END_S"),
            (workspace, "_UNPACKING_S"),
        ):
            patch.setattr(module, name, _SOON_S)
        for module, name in ((channel, "_START_S"), (shell, "_PROBE_S")):  # of a new process
            patch.setattr(module, name, 2 * _SOON_S)
        patch.setattr(runner, "ANSWER_LIMIT_S", _SOON_S / 3)
        with ThreadPoolExecutor(_AT_ONCE) as pool:  # most of the time is waiting for the silent
            odd = map(OddDevice, hostile_device.CASES)
            list(pool.map(lambda device: run.measure_on(device, job, gathered), odd))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown << 10 < _MOST_GROWTH_BYTES, f"{grown} kB more than before"
    run.measure_on(open_device("local"), job, gathered)
    return gathered.report(files)


def test_the_other_devices_results_are_there(report: BenchReport) -> None:
    kept = {f"ssh://{name}" for name, odd in hostile_device.CASES.items() if odd.measured}
    assert {each.target for each in report.results} == {*kept, "local"}
    assert all(each.target != "local" for each in report.failures)


@pytest.mark.parametrize("name", hostile_device.CASES)
def test_an_odd_answer_is_that_devices_failure(report: BenchReport, name: str) -> None:
    (failure,) = (each for each in report.failures if each.target == f"ssh://{name}")
    assert hostile_device.CASES[name].words in failure.message
    assert failure.message.endswith(".")
    assert failure.message.isprintable()
    assert len(failure.message) + len(failure.hint) < 2500


def test_over_ssh_the_command_prints_the_others_and_exits_with_3(net: Path, tmp_path: Path) -> None:
    if not find_sshd():
        pytest.skip("no sshd: install openssh-server")
    options = f"AcceptEnv EDGECNN_ODD\nForceCommand exec {' '.join(_PYTHON)}"
    with running_sshd(tmp_path / "server", options=options) as server:
        port = server.target.rpartition(":")[2]
        hosts = "".join(
            f"Host {name}\nHostName 127.0.0.1\nPort {port}\nSetEnv EDGECNN_ODD={name}\n"
            for name in _OVER_SSH
        )
        config = server.client_config
        config.write_text(hosts + config.read_text())
        targets = [f"ssh://{name}" for name in _OVER_SSH]
        on = [word for target in (*targets, "local") for word in ("--on", target)]
        shown = run_json("bench", net, *on, "--no-results", code=3, EDGECNN_SSH_CONFIG=config)
    assert [each["target"] for each in shown["results"]] == ["ssh://bye-missing", "local"]
    assert [each["target"] for each in shown["failures"]] == targets
    for name, failure in zip(_OVER_SSH, shown["failures"], strict=True):
        assert hostile_device.CASES[name].words in failure["message"]
