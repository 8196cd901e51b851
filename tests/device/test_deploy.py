"""Deploying to emulated Raspberry Pis over SSH: the true path, and its faults made for real."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tiny_artifact import write_artifact
from tiny_release import own_libraries, run, write_out
from tiny_tflite import float_net

import edgecnn
from edgecnn.deploying import artifact as artifacts
from edgecnn.deploying import release
from edgecnn.errors import DeviceError
from edgecnn.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from emulated_pi import EmulatedPi

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
    assert not list(pi.home.glob(".cache/edgecnn/work/*"))


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
        result = edgecnn.deploy(int8, target)
    assert result.proof.limit == 0
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
    script = f"{quoted(f'{folder}/current/classify')} --json 'photo*.jpg' cut.png absent.png"
    done = pi.run(script)
    assert done.returncode == 2, done.stderr
    photo, cut, absent = json.loads(done.stdout)["results"]
    assert "error" in cut
    assert absent["error"] == "does not exist"
    top: list[Any] = photo["top"]
    return top


def answers_here(folder: Path, tmp_path: Path) -> list[Any]:
    deployable = artifacts.read(folder, Silent())
    made = write_out(release.make(deployable, own_libraries(), None), tmp_path / "here")
    done = run(made / "classify", "--json", tmp_path / "photo 1.jpg")
    top: list[Any] = json.loads(done.stdout)["results"][0]["top"]
    return top


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def test_int8_is_bit_identical_on_a_pi_5(
    emulated_pi5: EmulatedPi, int8: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reached(emulated_pi5, monkeypatch) as target:
        assert edgecnn.deploy(int8, target).proof.bit_identical


@pytest.mark.parametrize("machine", ["emulated_armv7l", "emulated_pi4_32_bit"])
def test_a_32_bit_system_has_the_runtime_that_exists_for_it(
    machine: str,
    int8: Path,
    float32: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pi: EmulatedPi = request.getfixturevalue(machine)
    with reached(pi, monkeypatch) as target:
        quantized, whole = (edgecnn.deploy(each, target) for each in (int8, float32))
    assert quantized.runtime == whole.runtime == "tflite-runtime 2.14.0"
    assert quantized.proof.rule == "rms"
    assert whole.proof.max_difference < whole.proof.limit == 1e-3


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


def test_a_new_release_takes_the_place_of_the_old_one(
    own_pi4: EmulatedPi, float32: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "labels").write_text("ant\nbee\ncat\ndog\nelk\n")
    with reached(own_pi4, monkeypatch) as target:
        first = edgecnn.deploy(float32, target, to="nets/one")
        second = edgecnn.deploy(float32, target, to="nets/one", labels=tmp_path / "labels")
    net = own_pi4.home / "nets" / "one"
    assert second.previous == first.release
    assert releases(net) == {first.release, second.release}
    assert current(net) == second.release
    assert (net / "current" / "labels.txt").read_text().startswith("ant\n")


def deployed(pi: EmulatedPi, target: str, net: Path) -> str:
    """Have one release there, before the fault; its name."""
    name = edgecnn.deploy(net, target, to="net").release
    assert current(pi.home / "net") == name
    return name


@pytest.mark.parametrize("fault", ["cut_connections", "kill_sshd"])
def test_a_cut_in_the_proof_leaves_the_old_release_alone(
    own_pi4: EmulatedPi, float32: Path, tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "labels").write_text("ant\nbee\ncat\ndog\nelk\n")
    net = own_pi4.home / "net"

    def break_it() -> None:
        wait_for(lambda: any(net.glob("releases/.incoming-*/model.tflite")))
        getattr(own_pi4, fault)()

    with reached(own_pi4, monkeypatch) as target:
        old = deployed(own_pi4, target, float32)
        breaker = threading.Thread(target=break_it)
        breaker.start()
        with pytest.raises(DeviceError) as caught:
            edgecnn.deploy(float32, target, to="net", labels=tmp_path / "labels")
        breaker.join()
        wait_for(lambda: releases(net) == {old})
    assert caught.value.exit_code == 3
    assert current(net) == old


def test_a_reboot_in_the_proof_leaves_the_old_release_and_the_next_deploy_sweeps(
    own_pi4: EmulatedPi, float32: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "labels").write_text("ant\nbee\ncat\ndog\nelk\n")
    net = own_pi4.home / "net"

    def reboot() -> None:
        wait_for(lambda: any(net.glob("releases/.incoming-*/model.tflite")))
        own_pi4.reboot()

    with reached(own_pi4, monkeypatch) as target:
        old = deployed(own_pi4, target, float32)
        breaker = threading.Thread(target=reboot)
        breaker.start()
        with pytest.raises(DeviceError):
            edgecnn.deploy(float32, target, to="net", labels=tmp_path / "labels")
        breaker.join()
        assert current(net) == old
        new = edgecnn.deploy(float32, target, to="net", labels=tmp_path / "labels").release
    assert releases(net) == {old, new}


def test_a_full_disk_there_leaves_nothing(
    emulated_pi4: EmulatedPi, float32: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        emulated_pi4.small_disk("/home/pi/small", "5m") as disk,
        reached(emulated_pi4, monkeypatch) as target,
    ):
        with pytest.raises(DeviceError, match="are needed in") as caught:
            edgecnn.deploy(float32, target, to="small/net")
        assert list(disk.iterdir()) == []
    assert "Free some space there" in caught.value.hint


def test_a_device_that_computes_something_else_keeps_its_old_release(
    own_pi4: EmulatedPi, float32: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runtime's library is damaged while it is being proved."""
    (tmp_path / "labels").write_text("ant\nbee\ncat\ndog\nelk\n")
    net = own_pi4.home / "net"

    def damage() -> None:
        wait_for(lambda: any(net.glob("releases/.incoming-*/network.py")))
        for each in net.glob("releases/.incoming-*/network.py"):
            each.write_text("damaged")

    with reached(own_pi4, monkeypatch) as target:
        old = deployed(own_pi4, target, float32)
        breaker = threading.Thread(target=damage)
        breaker.start()
        with pytest.raises(DeviceError, match=r"network\.py was changed") as caught:
            edgecnn.deploy(float32, target, to="net", labels=tmp_path / "labels")
        breaker.join()
    assert "What ran before still runs" in caught.value.hint
    assert releases(net) == {old}
    assert own_pi4.run("net/current/classify --prove").returncode == 0
