"""A farm of emulated Raspberry Pis: measured and deployed side by side, and what one of them does.

What overlaps is seen, not timed: a device is held still until the others have ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import ray_cluster
from emulated_pi import EmulatedPi
from emulation.host import UnavailableError
from tiny_artifact import write_artifact
from tiny_tflite import float_net, int8_net

import edgecnn
from edgecnn.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from command_line import Here

pytestmark = pytest.mark.usefixtures("warm_children")
_PATIENCE_S = 120.0


class Arrivals(Silent):
    """Keeps what arrives, in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def tell(self, message: str) -> None:
        """Keep it."""
        self.told.append(message)


@pytest.fixture(scope="module")
def pis(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[EmulatedPi, ...], None, None]:
    """Three devices of this module's own: 32-bit ones, whose runtime is soon there."""
    with contextlib.ExitStack() as stack:
        started = []
        for number in range(3):
            pi = EmulatedPi("armv7l", tmp_path_factory.mktemp(f"farm-{number}"))
            try:
                pi.start()
            except UnavailableError as error:
                pytest.skip(str(error))
            stack.callback(pi.stop)
            started.append(pi)
        yield tuple(started)


@pytest.fixture
def farm(
    pis: tuple[EmulatedPi, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, list[str]]:
    """The farm's name, and its targets: under names of their own."""
    config = tmp_path / "ssh_config"
    config.write_text(_config(pis))
    monkeypatch.setenv("EDGECNN_SSH_CONFIG", str(config))
    targets = [f"ssh://pi-{number}" for number in range(len(pis))]
    path = tmp_path / "farm.toml"
    quoted = ", ".join(f'"{each}"' for each in targets)
    path.write_text(f"[pi2]\ntargets = [{quoted}]\n")
    return f"@{path}:pi2", targets


def _config(pis: tuple[EmulatedPi, ...]) -> str:
    """Each device's own configuration under a name of its own."""
    return "\n".join(
        pi.ssh_config.read_text().replace(pi.alias, f"pi-{number}") for number, pi in enumerate(pis)
    )


@pytest.fixture
def int8(tmp_path: Path) -> Path:
    path = tmp_path / "net.tflite"
    path.write_bytes(int8_net().to_bytes())
    return path


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def runners(pi: EmulatedPi) -> list[int]:
    """What measures there, by the ids on this side."""
    return [each.pid for each in pi.processes() if "--with-parent" in str(each)]


def test_a_slow_one_and_a_cut_one_hold_nobody_up(
    pis: tuple[EmulatedPi, ...], farm: tuple[str, list[str]], int8: Path
) -> None:
    slow, cut, _ = pis
    name, targets = farm
    arrivals = Arrivals()
    at_once = threading.Event()

    def disturb() -> None:
        wait_for(lambda: runners(slow))
        held = runners(slow)
        for pid in held:
            os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: runners(cut))
        at_once.set()  # both are at work: one is held, and the other has begun
        cut.cut_connections()
        wait_for(lambda: len(arrivals.told) == 2)
        for pid in held:
            os.kill(pid, signal.SIGCONT)

    disturber = threading.Thread(target=disturb, daemon=True)
    disturber.start()
    report = edgecnn.bench(int8, on=name, results=None, progress=arrivals)
    disturber.join(_PATIENCE_S)

    assert at_once.is_set()
    assert report.targets == tuple(targets)
    assert [each.target for each in report.results] == [targets[0], targets[2]]
    assert [each.target for each in report.failures] == [targets[1]]
    assert report.failures[0].hint
    assert arrivals.told[2].startswith(targets[0])  # the one that was held came last
    assert all(each.outputs_match for each in report.results)
    wait_for(lambda: not any(pi.processes() for pi in pis))


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_artifact(tmp_path_factory.mktemp("artifact") / "net", ("tflite",))


_FOLDER = "edgecnn/tiny-float32"


def standing(here: Here, name: str, code: int = 0) -> dict[str, list[str]]:
    """The releases on each device that answers."""
    told = here("deploy", "--status", name, code=code)
    return {each["target"]: [n["release"] for n in each["networks"]] for each in told["devices"]}


def test_a_rollout_goes_past_a_dead_device_and_stops_where_it_is_not_proven(
    here: Here, pis: tuple[EmulatedPi, ...], farm: tuple[str, list[str]], artifact: Path
) -> None:
    name, targets = farm
    dead, odd, other = pis
    dead.kill_sshd()
    (odd.home / _FOLDER).mkdir(parents=True)
    (odd.home / _FOLDER / "current").write_text("somebody's file")
    os.chown(odd.home / _FOLDER, odd.home.stat().st_uid, odd.home.stat().st_gid)

    told = here("deploy", artifact, name, "--task", "none", code=3)["rollout"]
    assert [each["target"] for each in told["devices"]] == targets
    assert [each["outcome"] for each in told["devices"]] == ["missed", "failed", "left"]
    assert told["stopped"] is True
    assert "not a link that a deploy made" in told["devices"][1]["message"]
    assert not (other.home / "edgecnn").exists()

    (odd.home / _FOLDER / "current").unlink()
    told = here("deploy", artifact, "--on", name, "--task", "none", code=3)["rollout"]
    assert [each["outcome"] for each in told["devices"]] == ["missed", "deployed", "deployed"]
    (release,) = {each["release"] for each in told["devices"][1:]}
    assert standing(here, name, code=3) == {target: [release] for target in targets[1:]}

    dead.restart_sshd()
    told = here("deploy", artifact, "--on", name, "--task", "none", "--first", "3")["rollout"]
    assert {each["outcome"] for each in told["devices"]} == {"deployed"}
    assert [each["deployment"]["unchanged"] for each in told["devices"]] == [False, True, True]
    assert standing(here, name) == {target: [release] for target in targets}
    wait_for(lambda: not any(pi.processes() for pi in pis))


@pytest.mark.usefixtures("short_plan")
def test_a_sweep_measures_on_a_farm_and_shows_no_emulators_times(
    pis: tuple[EmulatedPi, ...], farm: tuple[str, list[str]], tmp_path: Path
) -> None:
    name, targets = farm
    (tmp_path / "float.tflite").write_bytes(float_net().to_bytes())
    random = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", input=random.random((16, 8, 8, 3), np.float32))
    axes = {"model": str(tmp_path / "float.tflite"), "recipe": "float32",
            "calibration": str(tmp_path / "data.npz")}  # fmt: skip
    report = edgecnn.sweep({"axes": axes, "bench": {"on": name}}, out=tmp_path / "out")
    assert (report.done, report.failed) == (1, ())
    assert [front.place and front.place.device for front in report.fronts] == targets
    assert not any(front.records for front in report.fronts)
    assert [note.split(" is emulated")[0] for note in report.notes] == targets
    wait_for(lambda: not any(pi.processes() for pi in pis))


def test_a_node_of_a_ray_cluster_measures_the_device_it_offers(
    pis: tuple[EmulatedPi, ...],
    farm: tuple[str, list[str]],
    tmp_path: Path,
) -> None:
    """Where the device is, its node alone knows: the sweep names a kind, and gets its records."""
    _, targets = farm
    (tmp_path / "nodes.toml").write_text(f'[raspberry-pi-2]\ntargets = ["{targets[0]}"]\n')
    (tmp_path / "float.tflite").write_bytes(float_net().to_bytes())
    axes = {"model": str(tmp_path / "float.tflite"), "recipe": "float32"}
    asked = {"axes": axes, "input": {"input_range": [0, 1]},
             "bench": {"on": "device:raspberry-pi-2"}}  # fmt: skip
    with ray_cluster.one_node(
        {"device:raspberry-pi-2": 1}, EDGECNN_FARM=str(tmp_path / "nodes.toml")
    ) as address:
        report = edgecnn.sweep(
            asked, out=tmp_path / "out", storage=tmp_path / "storage", ray=address
        )
    assert (report.done, report.failed) == (1, ())
    assert [front.place and front.place.device for front in report.fronts] == [
        "device:raspberry-pi-2"
    ]
    (note,) = report.notes
    assert note.startswith("device:raspberry-pi-2 is emulated")
    wait_for(lambda: not any(pi.processes() for pi in pis))
