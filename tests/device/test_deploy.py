"""Deploying to emulated Raspberry Pis over SSH: the true path, and its faults made for real."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

import any_artifact
import numpy as np
import pytest
from PIL import Image
from tiny_artifact import write_artifact
from tiny_release import own_libraries, release_of, run, write_out
from tiny_tflite import float_net

import edgecnn
from edgecnn import manifest as manifests
from edgecnn.deploying import TaskOptions, release, tasking
from edgecnn.deploying import artifact as artifacts
from edgecnn.errors import DeviceError
from edgecnn.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from emulated_pi import EmulatedPi

    from edgecnn.deploying import Deployment

ODD = 'it\'s "a" $(touch hacked) net'


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quantized network, fed with pixels."""
    folder = tmp_path_factory.mktemp("int8")
    images = folder / "images"
    images.mkdir()
    for seed in range(24):
        photograph(images / f"{seed}.png", seed)
    (folder / f"{ODD}.tflite").write_bytes(float_net().to_bytes())
    result = edgecnn.export(
        str(folder / f"{ODD}.tflite"),
        recipes=["int8"],
        formats=["tflite"],
        calibration=str(images),
        calibration_samples=8,
        preprocessing=edgecnn.Preprocessing(),
        out=folder / "out",
    )
    return result.artifacts[0].folder


@pytest.fixture(scope="module")
def float32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_artifact(tmp_path_factory.mktemp("float32") / "net", ("tflite",))


def photograph(path: Path, seed: int) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    Image.fromarray(pixels).resize((40, 30), Image.Resampling.BICUBIC).save(path)
    return path


@contextlib.contextmanager
def reached(pi: EmulatedPi, monkeypatch: pytest.MonkeyPatch) -> Generator[str, None, None]:
    """A device's target; nothing of ours may be left there but what was deployed."""
    monkeypatch.setenv("EDGECNN_SSH_CONFIG", str(pi.ssh_config))
    yield f"ssh://{pi.alias}"
    wait_for(lambda: not pi.processes())
    assert not list((pi.home / ".cache" / "edgecnn" / "work").glob("*"))


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so; the test fails when it never is."""
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def current(folder: Path) -> str:
    return (folder / "current").readlink().name


def releases(folder: Path) -> set[str]:
    """All that lies there, hidden or not."""
    assert {each.name for each in folder.iterdir()} == {"releases", "current"}
    return {each.name for each in (folder / "releases").iterdir()}


def test_int8_is_bit_identical_on_a_pi_4_and_answers_as_here(
    emulated_pi4: EmulatedPi, int8: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reached(emulated_pi4, monkeypatch) as target:
        result = edgecnn.deploy(int8, target, task=TaskOptions(task="classify"))
    assert result.proof.outputs[0].limit == 0
    assert result.proof.bit_identical
    assert result.device.emulator
    assert result.folder == f"/home/pi/edgecnn/{ODD}-int8"
    assert not list(emulated_pi4.home.rglob("hacked"))
    assert answers(emulated_pi4, result.folder, tmp_path) == answers_here(int8, tmp_path)


def answers(pi: EmulatedPi, folder: str, tmp_path: Path) -> list[Any]:
    """What a device says of a JPEG, among files that are none."""
    photograph(tmp_path / "photo 1.jpg", 5)
    (pi.home / "photo 1.jpg").write_bytes((tmp_path / "photo 1.jpg").read_bytes())
    (pi.home / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    script = f"{quoted(f'{folder}/current/run')} --json 'photo*.jpg' cut.png absent.png"
    done = pi.run(script)
    assert done.returncode == 2, done.stderr
    photo, cut, absent = map(json.loads, done.stdout.splitlines())
    assert "error" in cut
    assert absent["error"] == "does not exist"
    top: list[Any] = photo["top"]
    return top


def answers_here(folder: Path, tmp_path: Path) -> list[Any]:
    deployable = artifacts.read(folder, Silent())
    task = tasking.resolve(deployable, TaskOptions(task="classify"))
    made = write_out(release.make(deployable, own_libraries(), task), tmp_path / "here")
    done = run(made / "run", "--json", tmp_path / "photo 1.jpg")
    top: list[Any] = json.loads(done.stdout)["top"]
    return top


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def test_boxes_of_a_32_bit_pi_are_those_found_here(
    emulated_armv7l: EmulatedPi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = [(32.0, 32.0, 20.0, 10.0, 1, 0.9), (10.0, 40.0, 8.0, 8.0, 0, 0.6)]
    artifact = any_artifact.yolov8(tmp_path / "yolo", boxes)
    options = TaskOptions(task="detect")
    with reached(emulated_armv7l, monkeypatch) as target:
        result = edgecnn.deploy(artifact, target, to="yolo", task=options)
        assert (result.task, result.head) == ("detect", "yolov8")
        photograph(tmp_path / "photo.jpg", 3)
        (emulated_armv7l.home / "photo.jpg").write_bytes((tmp_path / "photo.jpg").read_bytes())
        done = emulated_armv7l.run("yolo/current/run --json --draw drawn photo.jpg")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    made = write_out(release_of(artifact, options), tmp_path / "here")
    here = json.loads(run(made / "run", "--json", tmp_path / "photo.jpg").stdout)
    assert found["detections"] == here["detections"]
    assert len(found["detections"]) == 2
    with Image.open(emulated_armv7l.home / found["drawn"][0]) as drawn:
        assert drawn.size == (40, 30)


@pytest.mark.parametrize(
    ("make", "machine"),
    [
        (any_artifact.picture_and_numbers, "emulated_armv7l"),
        (any_artifact.int8_map_of_an_onnx_source, "emulated_pi4"),
    ],
)
def test_every_output_of_any_network_is_proved_there(
    make: Callable[[Path], Path],
    machine: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    artifact = make(tmp_path / "net")
    with reached(request.getfixturevalue(machine), monkeypatch) as target:
        result = edgecnn.deploy(artifact, target, to="any")
    assert result.task == ""
    outputs = manifests.load(artifact / "manifest.json").outputs
    assert [each.name for each in result.proof.outputs] == [each.name for each in outputs]
    for each in result.proof.outputs:
        assert each.max_difference <= each.limit < 0.01
    assert result.proof.bit_identical or make is any_artifact.picture_and_numbers


def test_int8_is_bit_identical_on_a_pi_5(
    emulated_pi5: EmulatedPi, int8: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reached(emulated_pi5, monkeypatch) as target:
        assert edgecnn.deploy(int8, target).proof.bit_identical


def test_a_32_bit_system_on_a_64_bit_kernel_has_the_runtime_that_exists_for_it(
    emulated_pi4_32_bit: EmulatedPi, int8: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reached(emulated_pi4_32_bit, monkeypatch) as target:
        result = edgecnn.deploy(int8, target)
    assert result.runtime == "tflite-runtime 2.14.0"
    assert result.proof.outputs[0].rule == "rms"


def test_a_32_bit_system_without_pillow_is_told_what_to_install(
    emulated_armv7l: EmulatedPi, int8: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = "/usr/lib/python3/dist-packages/PIL/__init__.py"
    with (
        emulated_armv7l.device.hidden(hidden),
        reached(emulated_armv7l, monkeypatch) as target,
        pytest.raises(DeviceError, match="has no PIL") as caught,
    ):
        edgecnn.deploy(int8, target, to="not there")
    assert "sudo apt install python3-pil" in caught.value.hint
    assert not (emulated_armv7l.home / "not there").exists()


def test_a_full_disk_there_leaves_nothing(
    emulated_armv7l: EmulatedPi, float32: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        emulated_armv7l.small_disk("/home/pi/small", "5m") as disk,
        reached(emulated_armv7l, monkeypatch) as target,
    ):
        with pytest.raises(DeviceError, match="are needed in") as caught:
            edgecnn.deploy(float32, target, to="small/net")
        assert list(disk.iterdir()) == []
    assert "Free some space there" in caught.value.hint


class Faulty:
    """A 32-bit Pi (its runtime is the smallest) with a release, and another one to deploy."""

    def __init__(self, pi: EmulatedPi, artifact: Path, labels: Path) -> None:
        self.pi, self.net = pi, pi.home / "net"
        self._artifact, self._labels = artifact, labels
        self.old = edgecnn.deploy(artifact, f"ssh://{pi.alias}", to="net")

    def deploy_other(self) -> Deployment:
        """Deploy with labels, which makes it another release."""
        return edgecnn.deploy(
            self._artifact, f"ssh://{self.pi.alias}", to="net", labels=self._labels
        )

    def fail_during_proof(self, fault: Callable[[], None]) -> DeviceError:
        """Deploy, and break something once the new release is there to be proved."""

        def break_it() -> None:
            # Unpacked in the order of their names: all before it is there.
            wait_for(lambda: any(self.net.glob("releases/.incoming-*/runtime")))
            fault()

        breaker = threading.Thread(target=break_it)
        breaker.start()
        with pytest.raises(DeviceError) as caught:
            self.deploy_other()
        breaker.join()
        assert current(self.net) == self.old.release
        return caught.value


@pytest.fixture(scope="module")
def faulty(
    emulated_armv7l: EmulatedPi, float32: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Faulty, None, None]:
    """One for all faults; each must leave it as it was."""
    labels = tmp_path_factory.mktemp("labels") / "labels.txt"
    labels.write_text("ant\nbee\ncat\ndog\nelk\n")
    with pytest.MonkeyPatch.context() as patch, reached(emulated_armv7l, patch):
        made = Faulty(emulated_armv7l, float32, labels)
        try:
            yield made
        finally:
            shutil.rmtree(made.net)


def test_a_32_bit_system_computes_the_same_floats(faulty: Faulty) -> None:
    assert faulty.old.runtime == "tflite-runtime 2.14.0"
    (output,) = faulty.old.proof.outputs
    assert output.max_difference < output.limit == 1e-3
    assert releases(faulty.net) == {faulty.old.release}


@pytest.mark.parametrize("fault", ["cut_connections", "kill_sshd"])
def test_a_cut_in_the_proof_leaves_the_old_release_alone(faulty: Faulty, fault: str) -> None:
    try:
        error = faulty.fail_during_proof(getattr(faulty.pi, fault))
        wait_for(lambda: releases(faulty.net) == {faulty.old.release})
    finally:
        faulty.pi.restart_sshd()
    assert error.exit_code == 3


def test_a_release_damaged_on_its_way_keeps_the_old_one_in_place(faulty: Faulty) -> None:
    def damage() -> None:
        for each in faulty.net.glob("releases/.incoming-*/edgecnn/deploying/device/network.py"):
            each.write_text("damaged")

    error = faulty.fail_during_proof(damage)
    assert "device/network.py was changed" in error.message
    assert "What ran before still runs" in error.hint
    assert releases(faulty.net) == {faulty.old.release}
    assert faulty.pi.run("net/current/run --prove").returncode == 0


def test_a_reboot_in_the_proof_and_a_new_release_after_it(faulty: Faulty) -> None:
    faulty.fail_during_proof(faulty.pi.reboot)
    new = faulty.deploy_other()
    assert new.previous == faulty.old.release
    assert current(faulty.net) == new.release
    assert releases(faulty.net) == {faulty.old.release, new.release}
    assert (faulty.net / "current" / "labels.txt").read_text().startswith("ant\n")
