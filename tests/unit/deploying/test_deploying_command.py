"""`edgecnn deploy`: what it refuses before anything is fetched or reached, and what it prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command_line import run, run_json
from tiny_artifact import write_artifact

import edgecnn
from edgecnn.deploying import (
    Bundle,
    Deployment,
    Network,
    OutputProof,
    Proof,
    Rolled,
    Rollout,
    Standing,
    StatusReport,
    TaskOptions,
    standing,
)
from edgecnn.errors import InputError
from edgecnn.measurements import DeviceFacts, DeviceFailure
from edgecnn.reporting import deployment as report
from edgecnn.reporting import farm

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.usefixtures("warm_children")

FACTS = DeviceFacts("Raspberry Pi 5", "aarch64", 64, "Debian", "6.1", "glibc 2.36", "Cortex-A76",
                    4, 4 << 30, "3.11.2")  # fmt: skip
PROOF = Proof(4, (OutputProof("logits", "absolute", 0.0, 0.0),), "ab" * 32)
DEPLOYMENT = Deployment(
    target="ssh://pi@pi",
    device=FACTS,
    folder="/home/pi/a net",
    release="a" * 16,
    previous="",
    removed=(),
    unchanged=False,
    model="net",
    recipe="int8",
    weights="random",
    runtime="ai-edge-litert 2.3.0",
    sent_bytes=20_000_000,
    proof=PROOF,
    task="classify",
)
BUNDLE = Bundle(Path("x/a b.tar.gz"), "cd" * 32, 20_000_000, "a net-int8", "a" * 16, "aarch64",
                "3.11", "net", "int8", "trained.keras", "ai-edge-litert 2.3.0", "")  # fmt: skip


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_artifact(tmp_path_factory.mktemp("made") / "float32", ("tflite",))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "No TARGET and no --bundle given"),
        (["ssh://pi@pi", "--bundle", "x.tar.gz"], "exclude each other"),
        (["--bundle", "x.tar.gz", "--to", "there"], "--to cannot be used here"),
        (["ssh://pi@pi", "--machine", "armv7l"], "--machine cannot be used here"),
        (["ssh://pi@pi", "--python", "3.11"], "--python cannot be used here"),
        (["ssh://pi@pi", "--source", "camera"], "--source is for --service"),
        (["--bundle", "x.tar.gz", "--service"], "not for --bundle"),
        (["--on", "ssh://a", "--on", "ssh://b", "--service"], "--service is for one device"),
        (["pi@pi"], "is not a device"),
        (["adb://X"], "goes over SSH"),
        (["ssh://-oProxyCommand=x"], "is no host's name"),
        (["@absent.toml"], "cannot be read"),
        (["--on", "ssh://a", "--on", "adb://X"], "goes over SSH"),
        (["--on", "ssh://a", "--on", "ssh://b", "--bundle", "x.tar.gz"], "exclude each other"),
        (["--status"], "is not a device"),
        (["ssh://a", "--on", "ssh://b", "--to", ""], "--to takes a folder's path"),
        (["ssh://a", "--on", "ssh://b", "--python", "3.11"], "--python cannot be used here"),
        (["ssh://pi@pi", "--to", ""], "--to takes a folder's path"),
        (["ssh://pi@pi", "--labels", "absent.txt"], "absent.txt does not exist"),
        (["ssh://pi@pi", "--anchors", "absent.txt"], "absent.txt does not exist"),
        (["ssh://pi@pi", "--task", "translate"], "translate"),
        (["ssh://pi@pi", "--head", "yolov8"], "--head is for networks that find boxes"),
        (["ssh://pi@pi", "--task", "detect"], "look like no head"),
        (["ssh://pi@pi", "--task", "detect", "--head", "yolov99"], "no head 'yolov99'"),
        (["ssh://pi@pi", "--task", "segment"], "No output can be the mask"),
        (["--bundle", "x.tar.gz", "--machine", "armv6l"], "armv6l"),
        (["--bundle", "x.tar.gz", "--python", "three"], "--python takes a version"),
        (["--bundle", "absent/x.tar.gz"], "absent does not exist"),
        (["--bundle", "x.tar.gz", "--machine", "armv7l", "--python", "3.13"], "up to Python 3.11"),
    ],
)
def test_what_is_refused(artifact: Path, args: Sequence[str], words: str) -> None:
    told = run_json("deploy", artifact, *args, code=2)
    assert words in told["error"]["message"]
    assert not Path("x.tar.gz").exists()


def test_a_folder_that_is_no_artifact_is_told_before_any_device(tmp_path: Path) -> None:
    done = run("deploy", tmp_path, "ssh://pi@no-such-host.invalid")
    assert done.returncode == 2
    assert "manifest.json does not exist" in done.stderr


def test_the_functions_refuse_as_the_command_does(artifact: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="goes over SSH"):
        edgecnn.deploy(artifact, "adb://X")
    with pytest.raises(InputError, match="takes a folder's path"):
        edgecnn.deploy(artifact, "ssh://pi", to="/a\nb")
    with pytest.raises(InputError, match="does not exist"):
        edgecnn.bundle(artifact, tmp_path / "x.tar.gz", labels=tmp_path / "absent")
    with pytest.raises(InputError, match="does not exist"):
        edgecnn.deploy(artifact, "ssh://pi", task=TaskOptions(anchors=tmp_path / "absent"))


def test_json_objects_are_json() -> None:
    told = json.loads(json.dumps(report.deployment_object(DEPLOYMENT)))
    assert told["schema"] == 1
    assert told["deployed"]["proof"]["bit_identical"]
    assert told["deployed"]["device"]["model"] == "Raspberry Pi 5"
    assert json.loads(json.dumps(report.bundle_object(BUNDLE)))["bundle"]["path"] == "x/a b.tar.gz"


def test_no_latency_is_told_of_a_deployment() -> None:
    """It may be an emulator's."""
    text = str(report.deployment_object(DEPLOYMENT)) + str(report.deployment_pairs(DEPLOYMENT))
    assert "ms" not in text.replace("items", "")


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ([("absolute", 0.0, 0.0)], "bit-identical"),
        ([("absolute", 4.0, 3.0)], "4 reference inputs within 3 steps"),
        ([("relative", 1e-3, 1.23e-5)], "within 1.2e-05 of the largest"),
        ([("rms", 0.5, 0.1)], "20.0 dB SNR against this machine's other runtime"),
        ([("share", 0.01, 0.0025)], "except for 0.25% (1% allowed)"),
        (
            [("absolute", 0.0, 0.0), ("relative", 1e-3, 1e-4)],
            "y0 bit-identical to this machine's; y1 within 1.0e-04",
        ),
    ],
)
def test_a_proof_in_words(outputs: list[tuple[str, float, float]], words: str) -> None:
    made = Proof(4, tuple(OutputProof(f"y{k}", *each) for k, each in enumerate(outputs)), "")
    assert words in report.proof_text(made)


def test_commands_can_be_pasted() -> None:
    assert report.use_deployment(DEPLOYMENT) == "'/home/pi/a net/current/run' photo.jpg"
    assert report.use_bundle(BUNDLE) == (
        "tar xzf 'a b.tar.gz'",
        "'./a net-int8/current/run' --prove",
    )


def test_random_weights_are_cautioned_of() -> None:
    assert "random" in report.cautions(DEPLOYMENT)[0]
    assert report.cautions(BUNDLE) == ()


def test_what_a_rollout_prints() -> None:
    done = Rolled("ssh://a", "deployed", "a" * 16, DEPLOYMENT)
    failed = Rolled("ssh://b", "failed", "b" * 16, message="ssh://b: it differs.")
    left, missed = Rolled("ssh://c", "left", "b" * 16), Rolled("ssh://d", "missed", message="Dead.")
    stopped = Rollout((done, failed, left), 1)
    assert (stopped.stopped, stopped.complete) == (True, False)
    assert [row[1:3] for row in farm.rollout_table(stopped).rows] == [
        ("deployed", "a" * 16), ("NOT PROVEN", "b" * 16), ("not begun", "b" * 16)
    ]  # fmt: skip
    assert farm.rollout_sentence(stopped) == (
        "1 of 3 devices run the new release. Stopped: it did not prove itself on ssh://b."
    )
    passed = Rollout((done, missed), 1)
    assert (passed.stopped, passed.complete) == (False, False)
    assert "tries the others again" in farm.rollout_sentence(passed)
    told = json.loads(json.dumps(report.rollout_object(passed)))["rollout"]
    assert told["devices"][0]["deployment"]["proof"]["bit_identical"] is True
    assert told["devices"][1]["message"] == "Dead."


def test_what_status_prints() -> None:
    network = Network("/home/pi/edgecnn/net-int8", "a" * 16, "net\x1b[2J", "int8", "litert")
    failure = DeviceFailure("ssh://c", "Dead.", "")
    told = StatusReport((Standing("ssh://a", (network,)), Standing("ssh://b", ())), (failure,))
    rows = farm.status_table(told).rows
    assert [row[0] for row in rows] == ["ssh://a", "ssh://b", "ssh://c"]
    assert "\x1b" not in rows[0][1]
    assert [row[1] for row in rows[1:]] == ["nothing", "no answer"]


def test_what_stands_on_a_device_is_asked_and_held_to_its_form(tmp_path: Path) -> None:
    """The program that devices run, by the suite's own Python."""
    program = Path(standing.__file__)

    def told(*arguments: str) -> list[dict[str, str]]:
        command = [sys.executable, "-I", "-S", str(program), *arguments]
        environment = {**os.environ, "HOME": str(tmp_path)}
        done = subprocess.run(command, capture_output=True, check=True, env=environment)
        networks: list[dict[str, str]] = json.loads(done.stdout)["networks"]
        return networks

    assert told() == []
    release = tmp_path / "edgecnn" / "net-int8" / "releases" / ("a" * 16)
    release.mkdir(parents=True)
    (release.parents[1] / "current").symlink_to(f"releases/{release.name}")
    (release / "release.json").write_text('{"runtime": "litert", "task": []}')
    (release / "manifest.json").write_text('{"model": {"name": "net"}, "recipe": 3}')
    (network,) = told()
    assert network == {"folder": str(release.parents[1]), "release": "a" * 16, "model": "net",
                       "recipe": "", "runtime": "litert"}  # fmt: skip
    assert told("edgecnn/net-int8") == [network]
    (release / "manifest.json").write_text("[" * 100_000)
    assert told()[0]["model"] == ""


def test_this_machine_is_asked_what_runs_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert edgecnn.deployed("local") == StatusReport((Standing("local", ()),))
    release = tmp_path / "edgecnn" / "a 'net'" / "releases" / ("a" * 16)
    release.mkdir(parents=True)
    current = release.parents[1] / "current"
    current.symlink_to(f"releases/{release.name}")
    (release / "manifest.json").write_text('{"model": {"name": "\\u001b[2J"}, "recipe": "int8"}')
    network = Network(str(release.parents[1]), "a" * 16, "\x1b[2J", "int8", "")
    for to in (None, "edgecnn/a 'net'", str(release.parents[1])):
        (device,) = edgecnn.deployed("local", to=to).devices
        assert device.networks == (network,)
    told = run_json("deploy", "--status", "local")
    assert told["devices"][0]["networks"][0]["release"] == "a" * 16
    assert "\x1b" not in run("deploy", "--status", "local").stdout

    current.unlink()
    current.symlink_to("releases/odd\x1bname")
    report = edgecnn.deployed("local")
    assert report.devices == ()
    assert "makes no sense" in report.failures[0].message
    assert run("deploy", "--status", "local").returncode == 3
