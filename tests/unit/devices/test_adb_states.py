"""What adb lists, and which device is meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.devices import adb_states
from edgecnn.errors import DeviceError

# As adb 1.0.41 prints it; the server's own lines come first when it has to start.
LISTED = """\
* daemon not running; starting now at tcp:5037
* daemon started successfully
List of devices attached
R58M123ABC\tdevice
emulator-5554\toffline
adb-1A2B-xyz (2)._adb-tls-connect._tcp\tunauthorized
0123456789\tno permissions (user in plugdev group; are your udev rules wrong?); see [a page]

"""


def test_the_list_is_read() -> None:
    assert adb_states.parse(LISTED) == {
        "R58M123ABC": "device",
        "emulator-5554": "offline",
        "adb-1A2B-xyz (2)._adb-tls-connect._tcp": "unauthorized",
        "0123456789": "no permissions (user in plugdev group; are your udev rules wrong?); see"
        " [a page]",
    }


def test_what_is_no_list_lists_nothing() -> None:
    assert adb_states.parse("adb: error: cannot connect to daemon") == {}


@given(st.text())
def test_any_text_gives_printable_names(text: str) -> None:
    for serial, state in adb_states.parse(f"List of devices attached\n{text}").items():
        assert serial.isprintable()
        assert state.isprintable()


def test_the_device_that_is_named_is_taken() -> None:
    assert adb_states.choose("adb://b", "b", {"a": "device", "b": "device"}) == "b"


@pytest.mark.parametrize("listed", [{"a": "device"}, {"a": "device", "b": "offline"}])
def test_without_a_serial_the_only_one_that_is_ready_is_taken(listed: dict[str, str]) -> None:
    assert adb_states.choose("adb://", "", listed) == "a"


@pytest.mark.parametrize(
    ("serial", "listed", "why", "hint"),
    [
        ("", {}, "adb knows no device", "USB debugging on"),
        ("x", {"a": "device"}, "no such device (it knows: a)", "adb devices"),
        ("x", {}, "no such device (it knows: none)", "adb devices"),
        ("10.0.0.7:5555", {}, "no such device", "adb connect 10.0.0.7:5555"),
        ("", {"a": "device", "b": "device"}, "several devices: a, b", "--on adb://a"),
        (
            "",
            {"a": "offline", "b": "unauthorized"},
            "several devices: a (offline), b (unauthorized)",
            "--on adb://a",
        ),
        ("a", {"a": "unauthorized"}, "has not allowed this computer", "USB debugging"),
        ("a", {"a": "offline"}, "does not answer", "adb reconnect"),
        ("a", {"a": "no permissions (user in plugdev"}, "may not open", "udev rules"),
        ("a", {"a": "authorizing"}, "just being connected", "few seconds"),
        ("a", {"a": "recovery"}, "recovery mode", "adb reboot"),
        ("a", {"a": "sideload"}, "waits for an update", "adb reboot"),
        ("a", {"a": "bootloader"}, "bootloader", "fastboot reboot"),
        ("a", {"a": "host"}, "'host'", "adb devices"),
        ("", {"a": "unauthorized"}, "has not allowed this computer", "USB debugging"),
    ],
)
def test_a_device_that_cannot_be_used_is_told_with_what_to_do(
    serial: str, listed: dict[str, str], why: str, hint: str
) -> None:
    with pytest.raises(DeviceError) as caught:
        adb_states.choose(f"adb://{serial}", serial, listed)
    assert caught.value.message.startswith(f"adb://{serial}: ")
    assert why in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("serial", "by_network"),
    [
        ("127.0.0.1:5555", True),
        ("phone.lan:5555", True),
        ("[fe80::1%wlan0]:5555", True),
        ("emulator-5554", False),
        ("R58M123", False),
        ("", False),
        ("a b:1", False),
    ],
)
def test_addresses_are_told_from_serials(serial: str, *, by_network: bool) -> None:
    assert adb_states.is_by_network(serial) == by_network
