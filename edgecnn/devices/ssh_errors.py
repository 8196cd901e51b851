"""What OpenSSH's client says when it fails, and what that means: pure.

The sentences are those of OpenSSH 7 to 10, which are not translated; an unknown one is passed on.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

from edgecnn.devices.facts import printable

if TYPE_CHECKING:
    from edgecnn.devices.target import Target


class Reason(NamedTuple):
    """Why ssh failed, as a clause, and what to do."""

    what: str
    hint: str


def by_hand(program: str, target: Target, config: str) -> str:
    """The command that makes the same connection by hand, to be pasted into a shell."""
    words = [program, *(["-F", config] if config else [])]
    if target.port is not None:
        words += ["-p", str(target.port)]
    host = f"{target.user}@{target.address}" if target.user else target.address
    return shlex.join([*words, host])


def why(message: str, target: Target, config: str = "") -> Reason | None:
    """The reason that ssh gives on stderr; None when it gives none that is known.

    Args:
        message: its stderr, or the end of that.
        target: for the commands in the hints.
        config: the configuration file that stands in for the user's own; "" for none.
    """
    hand = by_hand("ssh", target, config)
    copy = by_hand("ssh-copy-id", target, config)
    for pattern, what, hint in _SENTENCES:
        match = re.search(pattern, message, re.IGNORECASE | re.DOTALL)
        if match:
            words = {key: printable(value) for key, value in match.groupdict("").items()}
            words |= {"hand": hand, "copy": copy, "host": target.address}
            words["entry"] = shlex.quote(_known_name(message) or target.address)
            return Reason(what.format_map(words), hint.format_map(words))
    return None


def _known_name(message: str) -> str:
    """The host as known_hosts names it: "[127.0.0.1]:2222"."""
    match = re.search(r"^Host key for (\S+) has changed", message, re.MULTILINE)
    return printable(match[1]) if match else ""


# The first that matches counts: the causes come before their consequences.
_SENTENCES = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key for \S+ has changed",
        "its host key has changed",
        "If the device was set up anew: ssh-keygen -R {entry}; then connect once by hand: {hand}",
    ),
    (
        r"REVOKED HOST KEY|has been revoked|marked as revoked",
        "its host key is revoked",
        "This device must not be trusted; see known_hosts.",
    ),
    (
        r"No (?P<kind>\S+) host key is known for (?P<name>\S+)",
        "its host key is not known here",
        "Connect once by hand, compare the fingerprint, and accept it: {hand}",
    ),
    (
        r"Host key verification failed",
        "its host key cannot be verified",
        "Connect once by hand: {hand}",
    ),
    (
        r"Permissions (?P<mode>\S+) for '(?P<file>[^']*)' are too open",
        "ssh does not use the key {file}: others can read it",
        "chmod 600 {file}",
    ),
    (
        r"Permission denied|Too many authentication failures|no more authentication methods",
        "it does not let us in: no key of ours is accepted",
        "Put your key there: {copy}; edgecnn never asks for a password.",
    ),
    (
        r"Bad owner or permissions on (?P<file>\S+)",
        "ssh refuses its own configuration: others can write to {file}",
        "chmod 600 {file}",
    ),
    (
        r"Bad configuration option|terminating, \d+ bad configuration|missing argument|keyword",
        "ssh cannot read its configuration",
        "Try by hand: {hand}",
    ),
    (
        r"Can't open user config file (?P<file>.*?): ",
        "there is no configuration file {file}",
        "EDGECNN_SSH_CONFIG names it.",
    ),
    (
        r"Could not resolve hostname|Name or service not known|nodename nor servname",
        "the name {host} leads to no address",
        "Is it spelled right, switched on, and in this network? Else give its IP address.",
    ),
    (
        r"Connection refused",
        "the machine is there, and nothing listens at that port",
        "On a Raspberry Pi: sudo raspi-config, Interface Options, SSH. The port is right?",
    ),
    (
        r"No route to host|Network is unreachable|Host is down",
        "there is no route to it",
        "Is it switched on, and in this network? ping {host}",
    ),
    (
        r"connect(ion)? to .* timed out|Operation timed out|during banner exchange",
        "it does not answer",
        "Is it switched on, and in this network? ping {host}",
    ),
    (
        r"Unable to negotiate|no matching (host key|key exchange|cipher|mac)",
        "this ssh and the device's have no algorithm in common",
        "Try by hand: {hand} -v",
    ),
    (
        r"kex_exchange_identification|banner line|Connection (closed|reset) by",
        "it closed the connection",
        "Is that port an SSH server's, and not overloaded? Try by hand: {hand}",
    ),
    (
        r"Timeout, server \S+ not responding",
        "it stopped answering",
        "Is it still on, and its network too? It clears up by itself; run it again.",
    ),
    (
        r"Session open refused|administratively prohibited|open failed",
        "its SSH server allows no further session in one connection",
        "MaxSessions in its sshd_config must be 3 at least.",
    ),
    (
        r"ProxyCommand|proxy|stdio forwarding failed|UNKNOWN port",
        "the way through a jump host or proxy command failed",
        "Try by hand: {hand}",
    ),
)
