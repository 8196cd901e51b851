"""Names of ARM cores by the numbers they report of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# MIDR_EL1's implementer and part number, as util-linux's lscpu and Linux's asm/cputype.h list them.
_ARM = 0x41
_BROADCOM = 0x42
_QUALCOMM = 0x51
_SAMSUNG = 0x53
_APPLE = 0x61
_CORES = {
    (_ARM, 0xB76): "ARM1176",
    (_ARM, 0xC05): "Cortex-A5",
    (_ARM, 0xC07): "Cortex-A7",
    (_ARM, 0xC08): "Cortex-A8",
    (_ARM, 0xC09): "Cortex-A9",
    (_ARM, 0xC0D): "Cortex-A17",
    (_ARM, 0xC0E): "Cortex-A17",
    (_ARM, 0xC0F): "Cortex-A15",
    (_ARM, 0xD01): "Cortex-A32",
    (_ARM, 0xD02): "Cortex-A34",
    (_ARM, 0xD03): "Cortex-A53",
    (_ARM, 0xD04): "Cortex-A35",
    (_ARM, 0xD05): "Cortex-A55",
    (_ARM, 0xD06): "Cortex-A65",
    (_ARM, 0xD07): "Cortex-A57",
    (_ARM, 0xD08): "Cortex-A72",
    (_ARM, 0xD09): "Cortex-A73",
    (_ARM, 0xD0A): "Cortex-A75",
    (_ARM, 0xD0B): "Cortex-A76",
    (_ARM, 0xD0C): "Neoverse-N1",
    (_ARM, 0xD0D): "Cortex-A77",
    (_ARM, 0xD0E): "Cortex-A76AE",
    (_ARM, 0xD40): "Neoverse-V1",
    (_ARM, 0xD41): "Cortex-A78",
    (_ARM, 0xD42): "Cortex-A78AE",
    (_ARM, 0xD44): "Cortex-X1",
    (_ARM, 0xD46): "Cortex-A510",
    (_ARM, 0xD47): "Cortex-A710",
    (_ARM, 0xD48): "Cortex-X2",
    (_ARM, 0xD49): "Neoverse-N2",
    (_ARM, 0xD4A): "Neoverse-E1",
    (_ARM, 0xD4B): "Cortex-A78C",
    (_ARM, 0xD4C): "Cortex-X1C",
    (_ARM, 0xD4D): "Cortex-A715",
    (_ARM, 0xD4E): "Cortex-X3",
    (_ARM, 0xD4F): "Neoverse-V2",
    (_ARM, 0xD80): "Cortex-A520",
    (_ARM, 0xD81): "Cortex-A720",
    (_ARM, 0xD82): "Cortex-X4",
    (_ARM, 0xD85): "Cortex-X925",
    (_ARM, 0xD87): "Cortex-A725",
    (_BROADCOM, 0x100): "Brahma-B53",
    (_QUALCOMM, 0x001): "Oryon",
    (_QUALCOMM, 0x201): "Kryo",
    (_QUALCOMM, 0x205): "Kryo",
    (_QUALCOMM, 0x211): "Kryo",
    (_QUALCOMM, 0x800): "Kryo 2xx Gold",
    (_QUALCOMM, 0x801): "Kryo 2xx Silver",
    (_QUALCOMM, 0x802): "Kryo 3xx Gold",
    (_QUALCOMM, 0x803): "Kryo 3xx Silver",
    (_QUALCOMM, 0x804): "Kryo 4xx Gold",
    (_QUALCOMM, 0x805): "Kryo 4xx Silver",
    (_SAMSUNG, 0x001): "Exynos-M1",
    (_SAMSUNG, 0x002): "Exynos-M3",
    (_SAMSUNG, 0x003): "Exynos-M4",
    (_SAMSUNG, 0x004): "Exynos-M5",
    (_APPLE, 0x022): "Apple M1 Icestorm",
    (_APPLE, 0x023): "Apple M1 Firestorm",
    (_APPLE, 0x032): "Apple M2 Blizzard",
    (_APPLE, 0x033): "Apple M2 Avalanche",
}


def core_name(implementer: int, part: int) -> str:
    """The core's name; its two numbers where it is not known, so that they can be looked up."""
    return _CORES.get((implementer, part), f"ARM core {implementer:#04x}/{part:#05x}")


def core_of_midr(midr: int) -> str:
    """The core's name by its main ID register (Arm ARM, MIDR_EL1)."""
    return core_name(midr >> 24 & 0xFF, midr >> 4 & 0xFFF)


def named(cores: Iterable[tuple[int, int]]) -> str:
    """The names of all cores, each once, in the order of the cores: "Cortex-A55 + Cortex-A76"."""
    return " + ".join(dict.fromkeys(core_name(*core) for core in cores))
