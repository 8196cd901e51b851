"""bench and check over SSH on emulated Raspberry Pis: the true path, and its faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from command_line import forked, forked_json
from hostile_files import endless_while
from tiny_artifact import write_artifact
from tiny_tflite import float_net, int8_net

import edgecnn
from edgecnn.benchmark import session
from edgecnn.benchmark.files import collect
from edgecnn.devices import open_device
from edgecnn.errors import DeviceError
from edgecnn.evidence.results import read
from edgecnn.measurements import BenchPlan
from edgecnn.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from command_line import Here
    from emulated_pi import EmulatedPi

    from edgecnn.measurements import BenchResult, DeviceFailure

pytestmark = pytest.mark.usefixtures("warm_children")
_EVERYWHERE = "find /home /tmp /var/tmp /dev/shm /run -not -path '*/sshd*'"


@pytest.fixture
def int8(tmp_path: Path) -> Path:
    path = tmp_path / "a $(touch pwned) 'q\" net.tflite"
    path.write_bytes(int8_net().to_bytes())
    return path


def target(pi: EmulatedPi) -> str:
    return f"ssh://{pi.alias}"


def use(pi: EmulatedPi, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let ssh know the device, and return its target."""
    monkeypatch.setenv("EDGECNN_SSH_CONFIG", str(pi.ssh_config))
    return target(pi)


def files(pi: EmulatedPi) -> set[str]:
    """Whatever lies where a user may write; the lock that all benches share stays."""
    found = pi.run(_EVERYWHERE).stdout.splitlines()
    return {each for each in found if not each.endswith(".lock")}


def programs(pi: EmulatedPi) -> list[str]:
    """Ours, among those that run."""
    said = [str(each) for each in pi.processes()]
    return [each for each in said if "runner" in each or "edgecnn" in each]


@pytest.mark.parametrize("machine", ["emulated_pi4", "emulated_pi5"])
def test_int8_outputs_are_this_machines_to_the_bit(
    machine: str,
    int8: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pi: EmulatedPi = request.getfixturevalue(machine)
    artifact = write_artifact(tmp_path / "tiny", ("tflite",))
    on = ("--on", use(pi, monkeypatch), "--results", tmp_path / "r.jsonl")
    before = files(pi)
    shown = forked_json("bench", artifact, int8, *on)
    assert [one["outputs_match"] for one in shown["results"]] == [True, True]
    here = edgecnn.bench(int8, results=None).results[0]
    assert shown["results"][1]["output_sha256"] == here.output_sha256
    for one in shown["results"]:
        assert one["emulated"] is True
        assert one["device"]["emulator"] == "qemu-user"
        assert one["device"]["machine"] == "aarch64"
        assert one["runtime"].startswith("ai-edge-litert ")
        assert one["trust"]["grade"] != "trusted"
    assert files(pi) == before
    assert programs(pi) == []
    assert len(read(tmp_path / "r.jsonl")[0]) == 2


@pytest.mark.usefixtures("short_plan")
@pytest.mark.parametrize("machine", ["emulated_armv7l", "emulated_pi4_32_bit"])
def test_a_32_bit_system_runs_tflite_runtime(
    machine: str,
    here: Here,
    int8: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pi: EmulatedPi = request.getfixturevalue(machine)
    before = files(pi)
    shown = here("bench", int8, "--on", use(pi, monkeypatch), "--no-results")
    (made,) = shown["results"]
    assert made["runtime"] == "tflite-runtime 2.14.0"
    assert made["device"]["userland_bits"] == 32
    assert made["outputs_match"] is True
    assert files(pi) == before
    assert programs(pi) == []


def test_an_emulated_devices_milliseconds_are_not_shown(
    emulated_armv7l: EmulatedPi, int8: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = forked("bench", int8, "--on", use(emulated_armv7l, monkeypatch), "--no-results")
    assert done.returncode == 0
    row = next(line for line in done.stdout.splitlines() if "emulated  " in line)
    assert "match" in row
    assert " ms" not in row
    assert "emulated by qemu-user" in " ".join(done.stdout.split())


@pytest.mark.usefixtures("short_plan")
def test_a_latency_budget_cannot_be_held_against_an_emulator(
    here: Here, emulated_armv7l: EmulatedPi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = write_artifact(tmp_path / "tiny", ("tflite",))
    on = ("--on", use(emulated_armv7l, monkeypatch), "--no-results")
    shown = here("check", artifact, "--p90", "1000s", "--size", "1MB", *on, code=3)
    outcomes = {each["budget"]: each["outcome"] for each in shown["checks"]}
    assert outcomes == {"size": "holds", "p90": "undecided", "outputs": "holds"}


@pytest.mark.usefixtures("short_plan")
def test_keep_leaves_the_runtime_and_the_next_run_uses_it(
    here: Here, own_armv7l: EmulatedPi, int8: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = ("--on", use(own_armv7l, monkeypatch), "--no-results", "--keep")
    here("bench", int8, *on)
    find = "find /home -name '_pywrap_tensorflow_interpreter_wrapper*.so'"
    kept = own_armv7l.run(find).stdout.split()
    assert len(kept) == 1
    stamp = own_armv7l.run(f"stat -c %Z {kept[0]}").stdout
    here("bench", int8, *on)
    assert own_armv7l.run(f"stat -c %Z {kept[0]}").stdout == stamp
    assert programs(own_armv7l) == []


def test_devices_shows_clock_temperature_and_throttling(
    here: Here, own_pi4: EmulatedPi, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = own_pi4.root / "sys/devices/platform/soc/soc:firmware/get_throttled"
    flags.write_text("50005\n")
    before = files(own_pi4)
    (device,) = here("devices", use(own_pi4, monkeypatch))["devices"]
    assert "Raspberry Pi 4" in device["facts"]["model"]
    assert device["state"]["throttled"] == 0x50005
    assert device["state"]["temperature_c"] > 0
    assert "ai-edge-litert" in device["runtime"]
    assert files(own_pi4) == before
    assert programs(own_pi4) == []


class _AtHalf(Silent):
    """Does something when half is measured."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self._act, self._percent, self._done = act, 0, False

    def advance(self, steps: int = 1) -> None:
        """Count, and act once."""
        self._percent += steps
        if self._percent >= 50 and not self._done:
            self._done = True
            self._act()


def _cut_in_the_middle(
    pi: EmulatedPi, file: Path, act: Callable[[], object]
) -> tuple[DeviceError, list[BenchResult]]:
    """Measure four repeats, and act when half of them are done."""
    results: list[BenchResult] = []

    def take(found: Sequence[BenchResult], _failed: Sequence[DeviceFailure]) -> None:
        results.extend(found)

    plan = BenchPlan("publish", warmup_s=0.0, min_runs=5, min_s=0.2, repeats=4)
    device = open_device(target(pi))
    try:
        with pytest.raises(DeviceError) as caught:
            session.measure(device, session.Job(collect([file]), (1,), plan, keep=False), take,
                            _AtHalf(act))  # fmt: skip
    finally:
        device.close()
    return caught.value, results


def test_a_connection_cut_in_the_middle_keeps_what_was_measured(
    own_armv7l: EmulatedPi, int8: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(own_armv7l, monkeypatch)
    error, (made,) = _cut_in_the_middle(own_armv7l, int8, own_armv7l.cut_connections)
    assert error.exit_code == 3
    assert made.trust.grade == "void"
    assert any("cut off" in reason for reason in made.trust.reasons)
    assert 1 <= len(made.repeat_p50_ms) < 4


def test_a_runner_that_the_kernel_kills_is_told(
    own_armv7l: EmulatedPi, int8: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(own_armv7l, monkeypatch)
    before = files(own_armv7l)

    def kill() -> None:
        running = own_armv7l.processes()
        own_armv7l.device.kill([each for each in running if "--with-parent" in str(each)])

    error, (made,) = _cut_in_the_middle(own_armv7l, int8, kill)
    assert "killed by signal 9 (probably out of memory)" in error.message
    assert made.trust.grade == "void"
    assert files(own_armv7l) == before
    assert programs(own_armv7l) == []


@pytest.mark.usefixtures("short_plan")
def test_a_device_that_reboots_is_told_and_the_others_are_measured(
    here: Here,
    own_armv7l: EmulatedPi,
    int8: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on = use(own_armv7l, monkeypatch)
    error, _ = _cut_in_the_middle(own_armv7l, int8, own_armv7l.reboot)
    assert error.hint
    own_armv7l.kill_sshd()
    where = ("--on", on, "--on", "local", "--results", tmp_path / "r.jsonl")
    shown = here("bench", int8, *where, code=3)
    assert [one["target"] for one in shown["results"]] == ["local"]
    assert [one["target"] for one in shown["failures"]] == [on]
    assert len(read(tmp_path / "r.jsonl")[0]) == 1


def test_no_python_is_told(
    here: Here, own_pi4: EmulatedPi, int8: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = use(own_pi4, monkeypatch)
    with own_pi4.without_python():
        shown = here("bench", int8, "--on", on, "--no-results", code=3)
    assert shown["results"] == []
    (failure,) = shown["failures"]
    assert "Python" in failure["message"]
    assert "apt install python3" in failure["hint"]


def test_onnx_on_a_32_bit_system_is_told_before_anything_is_sent(
    here: Here, emulated_armv7l: EmulatedPi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = write_artifact(tmp_path / "tiny")
    on = ("--on", use(emulated_armv7l, monkeypatch), "--no-results")
    shown = here("bench", artifact / "model.onnx", *on, code=3)
    assert "32-bit" in shown["failures"][0]["message"]


def test_a_device_that_computes_something_else_is_caught(
    emulated_armv7l: EmulatedPi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The same name here and there, and another network behind it there.
    path, other = tmp_path / "net.tflite", tmp_path / "other.tflite"
    path.write_bytes(int8_net().to_bytes())
    other.write_bytes(float_net().to_bytes())
    use(emulated_armv7l, monkeypatch)
    from edgecnn.benchmark.outputs import compute_here

    (file,) = collect([path])
    wrong = {file.sha256: compute_here(collect([other])[0])}
    taken: list[BenchResult] = []

    def take(found: Sequence[BenchResult], _failed: Sequence[DeviceFailure]) -> None:
        taken.extend(found)

    device = open_device(target(emulated_armv7l))
    plan = BenchPlan("quick", warmup_s=0.0, min_runs=5, min_s=0.0)
    job = session.Job((file,), (1,), plan, keep=False, here=wrong)
    session.measure(device, job, take)
    device.close()
    (made,) = taken
    assert made.outputs_match is False
    assert made.trust.grade == "void"


def test_a_loop_without_end_is_stopped_on_the_device(
    emulated_armv7l: EmulatedPi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "while.tflite"
    path.write_bytes(endless_while())
    use(emulated_armv7l, monkeypatch)
    monkeypatch.setenv("EDGECNN_SECONDS", "20")
    failures: list[DeviceFailure] = []

    def take(_found: Sequence[BenchResult], failed: Sequence[DeviceFailure]) -> None:
        failures.extend(failed)

    device = open_device(target(emulated_armv7l))
    plan = BenchPlan("quick", warmup_s=0.0, min_runs=1, min_s=0.0)
    session.measure(device, session.Job(collect([path]), (1,), plan, keep=False), take)
    device.close()
    (failure,) = failures
    assert "no answer within 20 s" in failure.message
    assert programs(emulated_armv7l) == []
