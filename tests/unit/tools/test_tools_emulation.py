"""The parts of the emulated devices that need no emulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from emulation.cache import CACHE, kept
from emulation.device_files import cpuinfo, meminfo, system_files
from emulation.machines import MACHINES, PHONE
from emulation.supervisor import elf_pattern

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_is_kept_is_made_once() -> None:
    made: list[Path] = []
    first = kept("thing", "flour", made.append)
    assert kept("thing", "flour", made.append) == first
    assert len(made) == 1
    assert first.is_dir()


def test_other_ingredients_make_another() -> None:
    assert kept("thing", "flour", lambda _: None) != kept("thing", "sugar", lambda _: None)


def test_what_failed_is_not_kept(own_cache: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise RuntimeError("burnt")

    with pytest.raises(RuntimeError, match="burnt"):
        kept("thing", "flour", fail)
    assert list(own_cache.glob("thing-*")) == []
    folder = kept("thing", "flour", lambda _: None)
    assert list(folder.iterdir()) == []


def test_elf_pattern_tells_architectures_apart() -> None:
    magic, mask = elf_pattern(64, 183)
    assert len(magic) == len(mask) == 20
    header = b"\x7fELF\x02\x01\x01\x03" + bytes(8) + b"\x03\x00\xb7\x00"  # PIE, GNU/Linux ABI
    assert bytes(byte & bit for byte, bit in zip(header, mask, strict=True)) == magic
    x86 = header[:18] + b"\x3e\x00"
    assert bytes(byte & bit for byte, bit in zip(x86, mask, strict=True)) != magic


@pytest.mark.parametrize("machine", [*MACHINES.values(), PHONE], ids=lambda each: each.name)
def test_files_say_what_the_board_does(machine: object) -> None:
    from emulation.machines import Machine

    assert isinstance(machine, Machine)
    assert cpuinfo(machine).count("processor\t") == 4
    assert f"MemTotal:       {machine.memory_kib:>8} kB" in meminfo(machine)
    files = system_files(machine)
    assert files["sys/firmware/devicetree/base/model"] == f"{machine.model}\0"
    assert "EMULATED" in machine.model


def test_main_id_registers_are_the_cores_own() -> None:
    """Arm's manuals: Cortex-A72 r0p3, Cortex-A76 r4p1, Cortex-A7 r0p5."""
    names = ("raspberry-pi-4b", "raspberry-pi-5", "armv7l")
    found = [MACHINES[name].midr for name in names]
    assert found == [0x410FD083, 0x414FD0B1, 0x410FC075]
