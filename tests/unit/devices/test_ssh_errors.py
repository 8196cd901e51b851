"""What OpenSSH says, and what a user is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.devices import parse
from edgecnn.devices.ssh_errors import by_hand, why

_TARGET = parse("ssh://pi@raspberrypi.local:2222")
_CHANGED = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Offending ED25519 key in /home/me/.ssh/known_hosts:1
Host key for [raspberrypi.local]:2222 has changed and you have requested strict checking.
Host key verification failed.
"""
_UNKNOWN = """\
No ED25519 host key is known for [raspberrypi.local]:2222 and you have requested strict checking.
Host key verification failed.
"""
_TOO_OPEN = """\
Permissions 0644 for '/home/me/.ssh/id_ed25519' are too open.
It is required that your private key files are NOT accessible by others.
Load key "/home/me/.ssh/id_ed25519": bad permissions
pi@raspberrypi.local: Permission denied (publickey).
"""
_SAID = {
    _CHANGED: ("host key has changed", "ssh-keygen -R '[raspberrypi.local]:2222'"),
    _UNKNOWN: ("not known here", "accept it: ssh -p 2222 pi@raspberrypi.local"),
    _TOO_OPEN: ("others can read it", "chmod 600 /home/me/.ssh/id_ed25519"),
    "pi@raspberrypi.local: Permission denied (publickey,password).": (
        "no key of ours",
        "ssh-copy-id -p 2222 pi@raspberrypi.local",
    ),
    "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures": (
        "no key of ours",
        "ssh-copy-id",
    ),
    "ssh: Could not resolve hostname raspberrypi.local: Name or service not known": (
        "leads to no address",
        "IP address",
    ),
    "ssh: connect to host raspberrypi.local port 2222: Connection refused": (
        "nothing listens",
        "raspi-config",
    ),
    "ssh: connect to host raspberrypi.local port 2222: Connection timed out": (
        "does not answer",
        "switched on",
    ),
    "Connection timed out during banner exchange": ("does not answer", "switched on"),
    "ssh: connect to host raspberrypi.local port 2222: No route to host": (
        "no route to it",
        "ping",
    ),
    "Unable to negotiate with 10.0.0.1 port 22: no matching host key type found.": (
        "no algorithm in common",
        "ssh -p 2222 pi@raspberrypi.local -v",
    ),
    "kex_exchange_identification: Connection closed by remote host": ("closed the connection", ""),
    "Timeout, server raspberrypi.local not responding.": ("stopped answering", "run it again"),
    "Bad owner or permissions on /home/me/.ssh/config": ("others can write", "chmod 600"),
    "/home/me/.ssh/config: line 3: Bad configuration option: hots": ("configuration", "by hand"),
}


@pytest.mark.parametrize("said", _SAID)
def test_the_cause_is_told_and_what_to_do(said: str) -> None:
    reason = why(said, _TARGET)
    assert reason is not None
    what, hint = _SAID[said]
    assert what in reason.what
    assert hint in reason.hint


def test_the_command_by_hand_names_the_configuration_that_was_used() -> None:
    target = parse("ssh://[fe80::1%eth0]")
    assert by_hand("ssh", target, "my config") == "ssh -F 'my config' fe80::1%eth0"


def test_what_is_not_known_gives_no_reason() -> None:
    assert why("the dog ate the cable", _TARGET) is None


@given(st.text())
def test_whatever_is_said_the_sentence_is_one_printable_line(said: str) -> None:
    for text in (said, f"Host key for {said} has changed", f"Bad owner or permissions on {said}"):
        reason = why(text, _TARGET)
        if reason is not None:
            assert reason.what.isprintable()
            assert reason.hint.isprintable()
