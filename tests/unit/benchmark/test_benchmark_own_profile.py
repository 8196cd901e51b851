"""A profile of one's own device: what it says of its cores, the small networks, the TOML."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_benches import EMULATED_PI, PI, result

import edgecnn
from edgecnn.benchmark import own_profile
from edgecnn.benchmark import run as benchmark_run
from edgecnn.benchmark.report import BenchReport
from edgecnn.cli.app import run
from edgecnn.devices.local import LocalDevice
from edgecnn.errors import DeviceError, InputError
from edgecnn.inspection import check_recipe, inspect
from edgecnn.latency import hardware, probe_nets, profiles, work
from edgecnn.latency.files import costs_of_file
from edgecnn.latency.predictor import predict_latency
from edgecnn.latency.profiles import Cluster
from edgecnn.latency.subjects import recipe_of
from edgecnn.measurements import DeviceFailure, Latency, Trust
from edgecnn.runtime.session import open_session

A72 = {"implementer": "0x41", "part": "0xd08", "dot": False, "max_khz": "1800000", "l2": "1024K"}
A76 = {"implementer": "0x41", "part": "0xd0b", "dot": True, "max_khz": "2400000", "l2": "512K"}
A55 = {"implementer": "0x41", "part": "0xd05", "dot": True, "max_khz": "1800000", "l2": ""}


def answer(*cpus: dict[str, Any], dram_gbps: float = 5.25) -> str:
    return json.dumps({"cpus": cpus, "dram_gbps": dram_gbps})


def test_the_script_runs_with_the_standard_library_alone() -> None:
    command = [sys.executable, "-I", "-S", "-c", hardware.SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert len(said["cpus"]) >= 1
    assert said["dram_gbps"] > 0


def test_equal_cores_are_a_cluster_the_fastest_first() -> None:
    found = hardware.parse("ssh://board", answer(*[A55] * 4, *[A76] * 4))
    assert found.clusters == (
        Cluster("cortex-a76", 4, 2.4, 512),
        Cluster("cortex-a55", 4, 1.8, 128),
    )
    assert found.usual_l2
    assert not hardware.parse("ssh://board", answer(*[A72] * 4)).usual_l2


def test_a_design_built_without_its_dot_product_has_its_own_name() -> None:
    (cluster,) = hardware.parse("ssh://board", answer({**A55, "dot": False})).clusters
    assert cluster.core == "cortex-a55-nodot"


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("", DeviceError, "cannot be read"),
        ("no json", DeviceError, "cannot be read"),
        ('{"cpus": [{}], "dram_gbps": 1}', DeviceError, "cannot be read"),
        (answer(), DeviceError, "names no core"),
        (answer({**A72, "max_khz": ""}), DeviceError, "cannot be read"),
        (answer({**A72, "implementer": ""}), InputError, "profiles are of ARM cores"),
        (answer({**A72, "part": "0xd4f"}), InputError, "no latency of a Neoverse-V2"),
    ],
)
def test_what_a_device_does_not_say_is_told(text: str, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        hardware.parse("ssh://board", text)


@pytest.mark.parametrize("net", probe_nets.NETS, ids=lambda net: str(net.name))
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_small_network_is_what_it_says_and_runs(
    net: probe_nets.ProbeNet, precision: str, tmp_path: Path
) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(probe_nets.tflite_bytes(net, precision))
    found = inspect(path)
    check_recipe(found, precision, precision)
    assert found.graph.delegate_partitions == 1
    assert found.graph.undelegated_ops == {}
    assert costs_of_file(path).macs > 1_000_000
    session = open_session(path, threads=1)
    image = np.zeros((1, net.size, net.size, net.channels), precision)
    assert session.run([image])[0].ndim == 4


@given(
    st.text(max_size=30),
    st.floats(0.1, 3.0),
    st.dictionaries(
        st.sampled_from(["float32", "int8"]), st.floats(0.1, 10).map(lambda x: round(x, 3))
    ),
)
def test_any_profile_reads_back(title: str, clock_ghz: float, scale: dict[str, float]) -> None:
    units = {precision: dict.fromkeys(work.NAMES, value) for precision, value in scale.items()}
    written = profiles.DeviceProfile(
        name="mine", title=title, soc=title, clusters=(Cluster("cortex-a72", 4, clock_ghz, 1024),),
        dram_gbps=5.25, idle_w=None, load_w=None, sources={"dram_gbps": "measured"}, scale=scale,
        units=units,
    )  # fmt: skip
    found = profiles.parse(own_profile.as_toml(written), "mine")
    assert (found.scale, found.units) == (scale, units)
    assert found.clusters[0].clock_ghz == pytest.approx(clock_ghz, rel=1e-5)
    if title.isprintable():
        assert found.title == title


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """This machine, which says that it is a Pi; its measurements are what `factor` makes them."""
    said: dict[str, Any] = {"facts": PI, "factor": 1.5, "trust": Trust("trusted"), "failures": ()}
    script = f"print({answer(*[A72] * 4)!r})"
    monkeypatch.setattr(hardware, "SCRIPT", script)
    monkeypatch.setattr(LocalDevice, "facts", lambda _self: said["facts"])

    def bench(paths: list[str], **options: Any) -> BenchReport:  # noqa: ANN401 - BenchOptions
        assert options["on"] == "local"
        plain = dataclasses.replace(profiles.find("raspberry-pi-4b"), name="mine", dram_gbps=5.25,
            clusters=(Cluster("cortex-a72", 4, 1.8, 1024),))  # fmt: skip
        results = []
        for path in paths:
            cost = costs_of_file(Path(path))
            expected = predict_latency(cost, plain, recipe_of(cost), 1)
            time_ms = expected.latency_ms * said["factor"]
            latency = Latency(time_ms, time_ms, time_ms, time_ms, time_ms)
            results.append(result(file=path, latency_ms=latency, trust=said["trust"]))
        return BenchReport(tuple(results), said["failures"])

    monkeypatch.setattr(benchmark_run, "bench", bench)
    return said


@pytest.mark.usefixtures("board")
def test_a_profile_is_written_and_predicts_what_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    found = edgecnn.calibrate_device("local", out=path)
    assert found.profile.name == "mine"
    assert found.profile.scale == {"float32": 1.5, "int8": 1.5}
    assert len(found.probes) == 2 * len(probe_nets.NETS) == 20
    assert any("Several threads" in each for each in found.warnings)
    scaled = edgecnn.predict("xception", device=str(path)).predictions[0]
    plain = path.with_name("plain.toml")
    plain.write_text(path.read_text().partition("[scale]")[0])
    unscaled = edgecnn.predict("xception", device=str(plain)).predictions[0]
    assert scaled.latency_ms == pytest.approx(1.5 * unscaled.latency_ms, rel=0.03)
    assert (unscaled.basis, scaled.basis) == ("no rows", "calibrated")
    assert scaled.high_ms / scaled.low_ms < unscaled.high_ms / unscaled.low_ms


def test_units_differ_where_the_device_does() -> None:
    depthwise, other = work.INDEX["depthwise_mac"], work.INDEX["pointwise_mac"]
    probes = []
    for share in np.linspace(0.0, 1.0, 10):
        unit_ms = np.zeros(len(work.NAMES))
        unit_ms[[depthwise, other]] = 10.0 * share, 10.0 * (1.0 - share)
        took = 2.0 * unit_ms[depthwise] + unit_ms[other]
        probes.append(own_profile.ProbeTime("net", "int8", took, 10.0, tuple(unit_ms)))
    scale = own_profile.scale_of(probes)
    units = own_profile.units_of(probes, scale)["int8"]
    assert units["depthwise_mac"] * scale["int8"] == pytest.approx(2.0, rel=0.1)
    assert units["pointwise_mac"] * scale["int8"] == pytest.approx(1.0, rel=0.1)


@pytest.mark.usefixtures("board")
def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    assert run(["devices", "calibrate", "local", "--out", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "4 x A72 1.8 GHz" in shown
    assert f"edgecnn predict xception --device {path}" in shown
    path.unlink()
    assert run(["devices", "calibrate", "local", "--out", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["profile"]["scale"]["int8"] == 1.5


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"facts": EMULATED_PI}, "emulated by qemu-user"),
        ({"trust": Trust("void", ("other programs took 60% of the CPU",))}, "disturbed"),
        ({"failures": (DeviceFailure("local", "it broke", "mend it"),)}, "it broke"),
    ],
)
def test_nothing_is_written_of_a_device_that_cannot_tell(
    board: dict[str, Any], changes: dict[str, Any], match: str, tmp_path: Path
) -> None:
    board.update(changes)
    with pytest.raises(DeviceError, match=match):
        edgecnn.calibrate_device("local", out=tmp_path / "mine.toml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "match"),
    [("mine.txt", "ends in .toml"), ("no/mine.toml", "folder"), ("there.toml", "already")],
)  # fmt: skip
def test_where_it_cannot_be_written_nothing_is_measured(
    name: str, match: str, tmp_path: Path
) -> None:
    (tmp_path / "there.toml").write_text("idle_w = 3.0")
    with pytest.raises(InputError, match=match):
        edgecnn.calibrate_device("local", out=tmp_path / name)
    assert (tmp_path / "there.toml").read_text() == "idle_w = 3.0"


def test_devices_lists_the_profiles(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "--profiles"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in profiles.names())
    assert run(["devices", "--profiles", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["profiles"]
    assert [each["profile"]["name"] for each in listed] == profiles.names()
    assert run(["devices", "--profiles", "local"]) == 2
