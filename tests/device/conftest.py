"""The emulated devices: started when a test first asks, one of each for a run (or xdist worker).

What they are made of is fetched once and kept outside the run's own cache, in
$EDGECNN_EMULATED_CACHE or ~/.cache/edgecnn-emulated.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from emulated_adbd import EmulatedAndroid
from emulated_pi import EmulatedPi
from emulation.host import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator

_Device = TypeVar("_Device", EmulatedPi, EmulatedAndroid)
_FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as one that needs an emulated device."""
    for item in items:
        if _FOLDER in item.path.parents:
            item.add_marker(pytest.mark.device)


def _started(device: _Device) -> Generator[_Device, None, None]:
    try:
        device.start()
    except UnavailableError as error:
        pytest.skip(str(error))
    try:
        yield device
    finally:
        device.stop()


def _machine(name: str, folder: Path) -> Generator[EmulatedPi, None, None]:
    return _started(EmulatedPi(name, folder))


@pytest.fixture(scope="session")
def emulated_pi4(tmp_path_factory: pytest.TempPathFactory) -> Generator[EmulatedPi, None, None]:
    """A Raspberry Pi 4: 64-bit, Cortex-A72. Leave it as you found it: others use it too."""
    yield from _machine("raspberry-pi-4b", tmp_path_factory.mktemp("pi4"))


@pytest.fixture(scope="session")
def emulated_pi5(tmp_path_factory: pytest.TempPathFactory) -> Generator[EmulatedPi, None, None]:
    """A Raspberry Pi 5: 64-bit, Cortex-A76."""
    yield from _machine("raspberry-pi-5", tmp_path_factory.mktemp("pi5"))


@pytest.fixture(scope="session")
def emulated_armv7l(tmp_path_factory: pytest.TempPathFactory) -> Generator[EmulatedPi, None, None]:
    """A Raspberry Pi 2: 32-bit, Cortex-A7, with Debian's numpy."""
    yield from _machine("armv7l", tmp_path_factory.mktemp("armv7l"))


@pytest.fixture(scope="session")
def emulated_pi4_32_bit(
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[EmulatedPi, None, None]:
    """A Raspberry Pi 4 under a 32-bit system on a 64-bit kernel."""
    yield from _machine("raspberry-pi-4b-32-bit", tmp_path_factory.mktemp("pi4-32-bit"))


@pytest.fixture
def own_pi4(tmp_path: Path) -> Generator[EmulatedPi, None, None]:
    """A Raspberry Pi 4 that is this test's alone: to break, to reboot, to run out of disk."""
    yield from _machine("raspberry-pi-4b", tmp_path / "pi")


@pytest.fixture
def own_armv7l(tmp_path: Path) -> Generator[EmulatedPi, None, None]:
    """A 32-bit one of the test's own: its runtime is a tenth of the others', and soon there."""
    yield from _machine("armv7l", tmp_path / "pi")


@pytest.fixture(scope="session")
def emulated_android(
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[EmulatedAndroid, None, None]:
    """A phone with the real adbd, and adb. Leave it as you found it."""
    yield from _started(EmulatedAndroid(tmp_path_factory.mktemp("android")))


@pytest.fixture
def own_android(tmp_path: Path) -> Generator[EmulatedAndroid, None, None]:
    """A phone that is this test's alone: to unplug, to run out of disk."""
    yield from _started(EmulatedAndroid(tmp_path / "android"))
