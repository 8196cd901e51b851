"""Microcontroller boards that people own: how much they hold, and where that is said.

Sources are pages of the makers or of Zephyr's documentation, read on 2026-11-28.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_KIB, _MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Board:
    """One board.

    Attributes:
        name: as its maker has it.
        flash_bytes: for program and constants.
        ram_bytes: on the chip; memory beside it is not counted.
        core: of the processor, and what of it is used: one.
        clock_mhz: highest.
        flash_place: "chip" where it is on it, else "beside": weights come slower from outside.
        source: where flash, RAM, core and clock are said.
    """

    name: str
    flash_bytes: int
    ram_bytes: int
    core: str
    clock_mhz: int
    flash_place: Literal["chip", "beside"]
    source: str

    @property
    def option(self) -> str:
        """Its name on the command line.

        >>> BOARDS[2].option
        'raspberry-pi-pico-2'
        """
        return self.name.lower().replace(" ", "-")

    @property
    def spellings(self) -> tuple[str, str]:
        """What it may be called, in lower case."""
        return (self.name.lower(), self.option)


BOARDS = (
    Board(
        "Arduino Nano 33 BLE Sense", 1 * _MIB, 256 * _KIB, "Cortex-M4", 64, "chip",
        "Arduino's datasheet of the board: 64 MHz Cortex-M4F, 1 MB flash, 256 kB RAM"
        " (github.com/arduino/docs-content, nano-33-ble-sense)",
    ),
    Board(
        "STM32F746G Discovery", 1 * _MIB, 340 * _KIB, "Cortex-M7", 216, "chip",
        "Zephyr's page of the board: 1 Mbyte flash, 340 Kbytes RAM, Cortex-M7, 216 MHz"
        " (boards/st/stm32f746g_disco); its 16 MB of Quad-SPI flash and its SDRAM are not counted",
    ),
    Board(
        "Raspberry Pi Pico 2", 4 * _MIB, 520 * _KIB, "Cortex-M33", 150, "beside",
        "Zephyr's page of the board: up to 150 MHz Cortex-M33, 520 KB SRAM, 4 MB on-board flash"
        " (boards/raspberrypi/rpi_pico2)",
    ),
    Board(
        "ESP32-S3-DevKitC-1-N8", 8 * _MIB, 320 * _KIB, "Xtensa LX7", 240, "beside",
        "PlatformIO's definition of the board: 8 MB flash, 240 MHz, and 320 KB of the chip's 512 KB"
        " of RAM for a program (platform-espressif32, boards/esp32-s3-devkitc-1.json)",
    ),
    Board(
        "Teensy 4.1", 7936 * _KIB, 1024 * _KIB, "Cortex-M7", 600, "beside",
        "PJRC's page of the board: Cortex-M7 at 600 MHz, 7936K flash, 1024K RAM, 512K of it"
        " tightly coupled (pjrc.com/store/teensy41.html)",
    ),
)  # fmt: skip


def find(name: str) -> Board | None:
    """The board of that name, as its maker or the command line has it; None where it is none."""
    return next((board for board in BOARDS if name.lower() in board.spellings), None)
