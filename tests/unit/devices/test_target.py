"""What a target names, and which names go no further."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgecnn.devices import Target, parse
from edgecnn.errors import InputError

_GOOD = {
    "local": ("local", "", "", None),
    "ssh://pi@raspberrypi.local": ("ssh", "raspberrypi.local", "pi", None),
    "ssh://raspberrypi.local:2222": ("ssh", "raspberrypi.local", "", 2222),
    "ssh://kitchen": ("ssh", "kitchen", "", None),
    "ssh://kitchen/": ("ssh", "kitchen", "", None),
    "ssh://pi@192.168.1.7:22": ("ssh", "192.168.1.7", "pi", 22),
    "ssh://pi@[fe80::1%eth0]:2222": ("ssh", "fe80::1%eth0", "pi", 2222),
    "ssh://[::1]": ("ssh", "::1", "", None),
    "ssh://me@corp.example@jump": ("ssh", "jump", "me@corp.example", None),
    "adb://": ("adb", "", "", None),
    "adb://emulator-5554": ("adb", "emulator-5554", "", None),
    "adb://127.0.0.1:5559": ("adb", "127.0.0.1:5559", "", None),
    "adb://adb-1A2B-xyz (2)._adb-tls-connect._tcp": (
        "adb",
        "adb-1A2B-xyz (2)._adb-tls-connect._tcp",
        "",
        None,
    ),
}


@pytest.mark.parametrize("text", _GOOD)
def test_a_target_is_taken_apart(text: str) -> None:
    scheme, address, user, port = _GOOD[text]
    assert parse(text) == Target(text, scheme, address, user, port)


_BAD = {
    "": "is not a device",
    "pi@raspberrypi": "is not a device",
    "Local": "is not a device",
    "local:": "is not a device",
    "ftp://pi": "is not a device",
    "ssh://" + "a" * 300: "is not a device",
    "ssh://": "names no host",
    "ssh://pi@": "names no host",
    "ssh://@host": "no user's name",
    "ssh://-oProxyCommand=reboot": "no host's name",
    "ssh://-oProxyCommand=reboot@host": "no user's name",
    "ssh://pi@-h": "no host's name",
    "ssh://pi@host;reboot": "no host's name",
    "ssh://pi@$(reboot)": "no host's name",
    "ssh://`reboot`@host": "no user's name",
    "ssh://pi@host\nreboot": "no host's name",
    "ssh://pi@host\n": "no host's name",
    "ssh://pi@host/home": "no host's name",
    "ssh://pi@my host": "no host's name",
    "ssh://fe80::1": "stands in brackets",
    "ssh://[fe80::1": "no IPv6 address",
    "ssh://[raspberrypi]": "no IPv6 address",
    "ssh://[::1]22": "no IPv6 address",
    "ssh://[::1]:": "no port",
    "ssh://pi@host:": "no port",
    "ssh://pi@host:ssh": "no port",
    "ssh://pi@host:0": "no port",
    "ssh://pi@host:65536": "no port",
    "ssh://pi@host:٢٢": "no port",
    "adb://-s": "no serial",
    "adb://a\nb": "no serial",
    "adb:// ": "no serial",
}


@pytest.mark.parametrize("text", _BAD)
def test_what_is_no_target_is_refused_by_name(text: str) -> None:
    with pytest.raises(InputError, match=_BAD[text]) as caught:
        parse(text)
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_a_host_without_a_scheme_is_told_how_to_write_it() -> None:
    with pytest.raises(InputError) as caught:
        parse("pi@raspberrypi.local")
    assert "ssh://pi@raspberrypi.local" in caught.value.hint


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError, match="no password") as caught:
        parse("ssh://pi:s3cret@host")
    assert "s3cret" not in caught.value.message + caught.value.hint
    assert "ssh-copy-id pi@HOST" in caught.value.hint


@given(st.sampled_from(["ssh://", "adb://", "", "local", "SSH://"]), st.text())
@example("ssh://", "-oProxyCommand=x")
def test_whatever_is_written_is_a_safe_target_or_an_input_error(scheme: str, rest: str) -> None:
    try:
        target = parse(scheme + rest)
    except InputError:
        return
    assert target.text == scheme + rest
    assert not target.address.startswith("-")
    assert not target.user.startswith("-")
    if target.scheme == "ssh":
        assert target.address
        assert not set(target.address + target.user) & set(" \t\n\"'`$;&|<>(){}*?!#~")


_names = st.from_regex(r"[A-Za-z0-9_.][A-Za-z0-9_.+-]{0,40}", fullmatch=True)


@given(_names, _names, st.integers(1, 65535))
def test_parts_come_back_as_they_were_put_together(user: str, host: str, port: int) -> None:
    target = parse(f"ssh://{user}@{host}:{port}")
    assert (target.user, target.address, target.port) == (user, host, port)
