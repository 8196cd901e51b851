"""What runner.py works out inside: inputs, percentiles, cores, the machine's state."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.measurements import DeviceState
from edgecnn.records import TensorInfo
from edgecnn.runtime import runner
from edgecnn.runtime.session import quantize_input

SOURCE = Path(runner.__file__).read_text("utf-8")
MODULES = {"numpy", "ai_edge_litert", "tflite_runtime", "onnxruntime"}


def test_it_is_python_3_9() -> None:
    ast.parse(SOURCE, feature_version=(3, 9))


def test_it_imports_the_standard_library_numpy_and_runtimes_alone() -> None:
    names = set()
    for node in ast.walk(ast.parse(SOURCE)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    assert names - sys.stdlib_module_names <= MODULES


# --- Inputs -------------------------------------------------------------------


@given(
    dtype=st.sampled_from(["int8", "uint8", "int16", "float32"]),
    scale=st.floats(1e-4, 10),
    zero_point=st.integers(-128, 127),
    seed=st.integers(0, 1000),
)
def test_it_quantizes_as_verify_does(dtype: str, scale: float, zero_point: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(0, 5, (3, 4))
    quantized = dtype != "float32"
    info = runner.Input("x", dtype, (3, 4), scale if quantized else 0.0, zero_point)
    tensor = TensorInfo("x", dtype, (3, 4), scale, zero_point) if quantized else None
    expected = quantize_input(values, tensor or TensorInfo("x", dtype, (3, 4)))
    found = runner.as_dtype(values, info)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_seeded_inputs_are_the_same_numbers_for_every_dtype_and_machine() -> None:
    shape = (1, 4, 4, 3)
    (real,) = runner.seeded([runner.Input("x", "float32", shape)], 7)
    (half,) = runner.seeded([runner.Input("y", "float16", shape)], 7)
    (fine,) = runner.seeded([runner.Input("z", "int8", shape, 1 / 127, 0)], 7)
    np.testing.assert_allclose(half, real, atol=1e-3)
    np.testing.assert_allclose(fine / 127, real, atol=0.5 / 127)
    # numpy promises these very numbers for all its versions.
    assert real.ravel()[0] == np.float32(2 * 0.07630828937395717 - 1)
    assert -1 <= real.min() < -0.8
    assert 0.8 < real.max() < 1


def test_several_inputs_get_numbers_of_their_own() -> None:
    one, other = runner.seeded([runner.Input(name, "float32", (50,)) for name in "ab"], 0)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool"])
def test_integers_without_a_scale_are_safe_indices(dtype: str) -> None:
    (values,) = runner.seeded([runner.Input("ids", dtype, (100,))], 0)
    assert values.dtype == dtype
    assert set(values.tolist()) == {0, 1}


def test_an_input_of_text_is_refused() -> None:
    with pytest.raises(runner.RunError, match="'words' is string"):
        runner.seeded([runner.Input("words", "string", (1,))], 0)


# --- Timing -------------------------------------------------------------------


@given(
    values=st.lists(st.floats(0, 1e9), min_size=1, max_size=50), share=st.sampled_from([0.5, 0.9])
)
def test_percentile_is_numpys(values: list[float], share: float) -> None:
    assert runner.percentile(values, share) == pytest.approx(np.percentile(values, 100 * share))


@pytest.mark.parametrize(("lead", "runs"), [(0, 1), (3, 5)])
def test_leading_runs_are_not_counted(lead: int, runs: int) -> None:
    calls: list[int] = []
    samples = runner.sample(lambda: calls.append(0), lead, runs, 0.0)
    assert len(samples) == runs
    assert len(calls) == lead + runs


# --- The machine --------------------------------------------------------------


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc and a /sys of our own, empty."""
    monkeypatch.setattr(runner, "PROC", tmp_path / "proc")
    monkeypatch.setattr(runner, "SYS", tmp_path / "sys")
    monkeypatch.setattr(runner, "CPUS", tmp_path / "sys/devices/system/cpu")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("QEMU_CPU", raising=False)
    return tmp_path


def clock(core: int, **files: str) -> dict[str, str]:
    return {f"sys/devices/system/cpu/cpu{core}/cpufreq/{k}": v for k, v in files.items()}


def test_the_state_of_a_raspberry_pi(system: Path) -> None:
    write(
        system,
        {
            **clock(
                0,
                scaling_cur_freq="1500000\n",
                cpuinfo_max_freq="1800000\n",
                scaling_governor="ondemand\n",
            ),
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "48312\n",
            "proc/meminfo": "MemTotal: 3884352 kB\nMemAvailable:    3400000 kB\n",
            "bin/vcgencmd": '#!/bin/sh\n[ "$1" = get_throttled ] && echo throttled=0x50005\n',
        },
    )
    (system / "bin/vcgencmd").chmod(0o755)
    state = runner.read_state(0)
    state.pop("load_average")
    assert state == {
        "clock_mhz": 1500.0,
        "max_clock_mhz": 1800.0,
        "governor": "ondemand",
        "temperature_c": 48.312,
        "throttled": 0x50005,
        "free_memory_bytes": 3400000 * 1024,
        "busy_share": None,
    }


def test_a_state_is_a_device_state() -> None:
    assert DeviceState(**runner.read_state(0)).busy_share is None


def test_a_system_that_tells_nothing(system: Path) -> None:
    state = runner.read_state(0)
    assert {key: value for key, value in state.items() if value is not None}.keys() <= {
        "load_average"
    }
    assert not (system / "sys").exists()


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        ({"0": ("battery", 60), "1": ("cpu-1-thermal", 40), "2": ("cpu-0-thermal", 45)}, 45.0),
        ({"0": ("acpitz", 30), "1": ("x86_pkg_temp", 70)}, 70.0),
        ({"0": ("acpitz", 30), "1": ("battery", 25)}, 30.0),
    ],
)
def test_the_temperature_is_the_cpus(
    system: Path, zones: dict[str, tuple[str, int]], expected: float
) -> None:
    for number, (kind, degrees) in zones.items():
        folder = f"sys/class/thermal/thermal_zone{number}"
        write(system, {f"{folder}/type": kind, f"{folder}/temp": f"{degrees}000"})
    assert runner.read_state(0)["temperature_c"] == expected


@pytest.mark.parametrize(("level", "bits"), [("0", 0), ("3", 4)])
def test_a_phone_that_cools_by_its_clock_throttles(system: Path, level: str, bits: int) -> None:
    folder = "sys/class/thermal/cooling_device0"
    write(system, {f"{folder}/type": "thermal-cpufreq-0", f"{folder}/cur_state": level})
    assert runner.read_state(0)["throttled"] == bits


def test_the_firmware_is_asked_before_its_program(system: Path) -> None:
    write(system, {"sys/devices/platform/soc/soc:firmware/get_throttled": "80008\n"})
    assert runner.read_state(0)["throttled"] == 0x80008


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


@pytest.mark.usefixtures("eight_cores")
def test_a_phones_big_cores_come_first(system: Path) -> None:
    speeds = [1800] * 4 + [2400] * 3 + [2900]
    for core, speed in enumerate(speeds):
        write(system, clock(core, cpuinfo_max_freq=f"{speed}000"))
    assert runner.fastest_cores() == [7, 6, 5, 4, 3, 2, 1, 0]


@pytest.mark.usefixtures("eight_cores")
def test_one_thread_of_each_physical_core_comes_first(system: Path) -> None:
    for core in range(8):
        name = f"sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list"
        write(system, {name: f"{core % 4},{core % 4 + 4}"})
    assert runner.fastest_cores() == [3, 2, 1, 0, 7, 6, 5, 4]


def test_cores_that_are_not_ours_are_not_used(
    system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(system, clock(5, cpuinfo_max_freq="9000000"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 3})
    assert runner.fastest_cores() == [3, 2]


def test_a_system_without_affinity(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert sorted(runner.fastest_cores()) == list(range(os.cpu_count() or 1))
    assert not (system / "sys").exists()


# --- Emulation ----------------------------------------------------------------


def test_this_machine_is_not_emulated() -> None:
    assert runner.detect_emulator() == ""


EMULATED: dict[str, dict[str, str]] = {
    "a fake Pi": {"proc/cpuinfo": "Model\t: Raspberry Pi 4 Model B Rev 1.1 (EMULATED)\n"},
    "its device tree": {"proc/device-tree/model": "Raspberry Pi 4 (EMULATED)\0"},
    "QEMU's board": {"proc/device-tree/compatible": "linux,dummy-virt\0"},
    "QEMU's PC": {"sys/class/dmi/id/sys_vendor": "QEMU\n"},
}
KVM = "sys/devices/system/clocksource/clocksource0/available_clocksource"
REAL: dict[str, dict[str, str]] = {
    "a Pi": {"proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.1\0"},
    "a guest of KVM": {"sys/class/dmi/id/sys_vendor": "QEMU\n", KVM: "tsc kvm-clock\n"},
    "KVM on ARM": {
        "proc/device-tree/compatible": "linux,dummy-virt\0",
        "proc/device-tree/hypervisor/compatible": "linux,kvm\0",
    },
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [*((f, "qemu") for f in EMULATED.values()), *((f, "") for f in REAL.values())],
    ids=[*EMULATED, *REAL],
)
def test_what_a_whole_emulated_machine_says(
    system: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: str
) -> None:
    monkeypatch.setattr(runner, "_maps_of_a_child", lambda: "libc.so")
    write(system, files)
    assert runner.detect_emulator() == expected


@pytest.mark.parametrize(
    ("maps", "variable", "expected"),
    [
        ("/usr/bin/qemu-aarch64-static", "", "qemu-user"),
        ("", "cortex-a72", "qemu-user"),
        ("libc.so", "cortex-a72", ""),  # set on a real machine
        ("", "", ""),
    ],
)
@pytest.mark.usefixtures("system")
def test_qemu_user_is_seen_in_a_child(
    monkeypatch: pytest.MonkeyPatch, maps: str, variable: str, expected: str
) -> None:
    monkeypatch.setattr(runner, "_maps_of_a_child", lambda: maps)
    if variable:
        monkeypatch.setenv("QEMU_CPU", variable)
    assert runner.detect_emulator() == expected


# --- Pairs --------------------------------------------------------------------


def pair(**more: Any) -> runner.Pair:  # noqa: ANN401 - any field
    job = {"path": "a", "inputs": None, "outputs": None, "seed": 0, "threads": 1, "cores": None}
    return runner.Pair("a.tflite", job, **more)


def test_files_to_compare_stand_beside_each_other(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(b"")
    request = {"files": [{"path": "a"}, {"path": "b"}], "threads": [1, 2], "pin": False}
    pairs = runner.pairs_of(request, tmp_path)
    assert [(each.job["threads"], each.name) for each in pairs] == [
        (1, "a"),
        (1, "b"),
        (2, "a"),
        (2, "b"),
    ]


def test_a_failed_pair_has_no_samples() -> None:
    failed = pair(repeats=[[1, 2]], timeline=[{}])
    failed.fail("killed")
    told = failed.to_json()
    assert (told["error"], told["repeats"], told["timeline"]) == ("killed", [], [])


def test_samples_are_told_in_milliseconds() -> None:
    assert pair(repeats=[[1_234_567, 89]]).to_json()["repeats"] == [[1.23457, 0.00009]]


def test_outputs_that_change_from_process_to_process_are_an_error() -> None:
    facts = {"output_sha256": "1", "load_ms": 1.0, "first_ms": 2.0}
    measured = pair()
    measured.loaded(facts)
    measured.loaded(facts)
    with pytest.raises(runner.RunError, match="differ"):
        measured.loaded({**facts, "output_sha256": "2"})
