"""Which runtime a device gets, and why another gets none."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import pytest

from edgecnn.devices import wheels
from edgecnn.devices.device import Completed, Limits
from edgecnn.devices.wheel_pins import WHEELS
from edgecnn.errors import DeviceError
from edgecnn.measurements import DeviceFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

PI_4 = DeviceFacts(
    model="Raspberry Pi 4 Model B Rev 1.1",
    machine="aarch64",
    userland_bits=64,
    system="Debian GNU/Linux 12 (bookworm)",
    kernel="6.12.25",
    libc="glibc 2.36",
    cpu="Cortex-A72",
    cores=4,
    memory_bytes=4 << 30,
    python="3.11.2",
)
PI_32_BIT = dataclasses.replace(PI_4, userland_bits=32)
TFLITE = {"tflite"}
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")


def titles(facts: DeviceFacts, formats: set[str], *extras: str) -> list[str]:
    spec = wheels.runtime_for(facts, formats, extras=extras)
    return [wheel.title for wheel in spec.wheels]


@pytest.mark.parametrize("machine", ["aarch64", "x86_64"])
@pytest.mark.parametrize("python", PYTHONS)
def test_a_64_bit_device_gets_wheels_of_its_python_and_machine(machine: str, python: str) -> None:
    facts = dataclasses.replace(PI_4, machine=machine, python=f"{python}.7")
    spec = wheels.runtime_for(facts, {"tflite", "onnx"}, extras={"pillow"})
    packages = [wheel.package for wheel in spec.wheels]
    assert packages == ["ai-edge-litert", "onnxruntime", "numpy", "pillow"]
    assert {(w.machine, w.python) for w in spec.wheels} == {(machine, python)}
    assert spec.own_modules == ()


@pytest.mark.parametrize(
    ("python", "runtime", "numpy"),
    [
        ("3.9", "tflite-runtime 2.11.0", "1.19.2"),
        ("3.10", "tflite-runtime 2.14.0", "1.23.2"),
        ("3.11", "tflite-runtime 2.14.0", "1.23.2"),
    ],
)
@pytest.mark.parametrize("machine", ["aarch64", "armv7l", "armv8l"])
def test_a_32_bit_device_gets_tflite_runtime_and_needs_its_own_numpy(
    machine: str, python: str, runtime: str, numpy: str
) -> None:
    facts = dataclasses.replace(PI_32_BIT, machine=machine, python=f"{python}.2")
    spec = wheels.runtime_for(facts, TFLITE, extras={"pillow"})
    assert [wheel.title for wheel in spec.wheels] == [runtime]
    assert [own.module for own in spec.own_modules] == ["numpy", "PIL"]
    assert spec.own_modules[0].at_least == numpy


def test_only_what_the_files_need_is_brought() -> None:
    assert titles(PI_4, TFLITE) == ["ai-edge-litert 2.3.0", "numpy 2.2.6"]
    assert titles(PI_4, {"onnx"}) == ["onnxruntime 1.31.1", "numpy 2.2.6"]
    assert titles(PI_4, TFLITE, "pillow")[-1] == "pillow 13.0.0"


@pytest.mark.parametrize(
    ("changes", "formats", "why", "hint"),
    [
        ({"python": ""}, TFLITE, "has no Python 3", "apt install python3"),
        ({"python": "3.8.10"}, TFLITE, "its Python is 3.8.10", "newer system"),
        ({"python": "2.7.18"}, TFLITE, "its Python is 2.7.18", "newer system"),
        ({"python": "3.15.0"}, TFLITE, "its Python is 3.15.0", "older Python"),
        ({"machine": "armv6l", "userland_bits": 32}, TFLITE, "armv6l", "Zero 2 W"),
        ({"machine": "riscv64"}, TFLITE, "64-bit system on riscv64", "Supported"),
        ({"machine": "x86_64", "userland_bits": 32}, TFLITE, "32-bit system", "Supported"),
        ({"libc": "musl 1.2"}, TFLITE, "musl", "not Alpine"),
        ({"libc": "bionic"}, TFLITE, "Android", "--benchmark-model"),
        ({"userland_bits": 32}, {"onnx"}, "32-bit one on a 64-bit kernel", "64-bit system"),
        (
            {"userland_bits": 32, "machine": "armv7l", "python": "3.13.5"},
            TFLITE,
            "up to Python 3.11; its Python is 3.13",
            "bookworm",
        ),
        ({"libc": "glibc 2.27"}, {"onnx"}, "needs glibc 2.28 or newer", "newer system"),
        (
            {"libc": "glibc 2.31", "userland_bits": 32},
            TFLITE,
            "tflite-runtime 2.14.0 needs glibc 2.34",
            "newer system",
        ),
    ],
)
def test_a_device_without_a_runtime_is_told_why_and_what_would_fit(
    changes: dict[str, object], formats: set[str], why: str, hint: str
) -> None:
    facts = dataclasses.replace(PI_4, **changes)  # type: ignore[arg-type] # one of its fields
    with pytest.raises(DeviceError) as caught:
        wheels.runtime_for(facts, formats)
    assert "Raspberry Pi 4" in caught.value.message
    assert why in caught.value.message
    assert hint in caught.value.hint


def test_a_device_that_does_not_tell_its_libc_is_given_a_try() -> None:
    facts = dataclasses.replace(PI_4, libc="")
    assert wheels.runtime_for(facts, TFLITE) == wheels.runtime_for(PI_4, TFLITE)


def test_debian_11_is_served_at_64_and_at_32_bits() -> None:
    facts = dataclasses.replace(PI_4, libc="glibc 2.31", python="3.9.2")
    assert titles(facts, {"tflite", "onnx"})[0] == "ai-edge-litert 2.1.0"
    assert titles(dataclasses.replace(facts, userland_bits=32), TFLITE)


def test_every_pin_is_whole_and_no_two_are_alike() -> None:
    assert len({(w.package, w.machine, w.python) for w in WHEELS}) == len(WHEELS)
    assert [w for w in WHEELS if not re.fullmatch(r"[0-9a-f]{64}", w.sha256)] == []
    assert len({w.sha256 for w in WHEELS}) == len(WHEELS)


def test_the_key_follows_the_content() -> None:
    specs = [
        wheels.runtime_for(facts, formats)
        for facts in (PI_4, dataclasses.replace(PI_4, python="3.12.1"))
        for formats in (TFLITE, {"onnx"})
    ]
    assert len({spec.key for spec in specs}) == len(specs)
    same = dataclasses.replace(PI_4, model="Raspberry Pi 5", python="3.11.9")
    assert wheels.runtime_for(same, TFLITE).key == specs[0].key
    assert re.fullmatch("[0-9a-f]{32}", specs[0].key)


class OneAnswer:
    """A workspace whose Python always answers the same; nothing else is asked of it."""

    folder = "/w"
    python = "python3"

    def __init__(self, answer: Completed) -> None:
        self.answer = answer
        self.asked: list[Sequence[str]] = []

    def run(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,  # noqa: ARG002 - as the protocol has it
        on_error_line: Callable[[str], None] | None = None,  # noqa: ARG002 - likewise
        timeout_s: float | None = None,  # noqa: ARG002 - likewise
        limits: Limits = Limits(),  # noqa: ARG002, B008 - likewise, and frozen
    ) -> Completed:
        """Answer."""
        self.asked.append(command)
        return self.answer

    def send(self, files: Mapping[str, Path | bytes]) -> None:
        """Not asked."""
        raise NotImplementedError

    def fetch(self, name: str, to: Path, most_bytes: int = 0) -> None:
        """Not asked."""
        raise NotImplementedError

    def runtime(self, key: str, archive: Path) -> str:
        """Not asked."""
        raise NotImplementedError


def own_numpy(exit_code: int, stdout: str) -> None:
    workspace = OneAnswer(Completed(exit_code, stdout, ""))
    wheels.require_own_modules(wheels.runtime_for(PI_32_BIT, TFLITE), workspace)
    assert len(workspace.asked) == 1


def test_the_devices_own_numpy_is_taken_when_it_fits() -> None:
    own_numpy(0, "1.24.2")


@pytest.mark.parametrize(
    ("exit_code", "version", "why"),
    [(1, "", "has no numpy"), (0, "1.19.5", "numpy is 1.19.5"), (0, "2.0.2", "numpy is 2.0.2")],
)
def test_a_missing_or_wrong_numpy_is_told_with_the_command_that_installs_it(
    exit_code: int, version: str, why: str
) -> None:
    with pytest.raises(DeviceError, match=why) as caught:
        own_numpy(exit_code, version)
    assert "sudo apt install python3-numpy" in caught.value.hint


def test_nothing_is_asked_of_a_device_that_gets_all_it_needs() -> None:
    workspace = OneAnswer(Completed(1, "", ""))
    wheels.require_own_modules(wheels.runtime_for(PI_4, TFLITE), workspace)
    assert workspace.asked == []
