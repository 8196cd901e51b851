"""What a user writes after `--on`: "local", "ssh://pi@raspberrypi.local", "adb://SERIAL".

Names end up as arguments of ssh and adb, and in the commands of ~/.ssh/config (%h, %r). One that
starts with "-" would be taken for an option (CVE-2017-1000117), one with a shell's characters could
run a command there (CVE-2023-51385): neither passes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgecnn.errors import InputError

_HOST = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.+-]*")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9_.-]+)?")
_USER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.+@\\-]*")
_SERIAL = re.compile(r"(?!-)[!-~]([ -~]*[!-~])?")
_PORT = re.compile(r"[0-9]{1,5}")
_MAX_PORT = 65535
_MAX_LENGTH = 255
_FORMS = "Write local, ssh://user@host, ssh://host:2222, or adb://SERIAL."


@dataclass(frozen=True)
class Target:
    """A device's name, taken apart.

    Attributes:
        text: as the user wrote it.
        scheme: "local", "ssh" or "adb".
        address: the host (an IPv6 address without brackets), or the serial; "" for this machine,
            and for the only device adb has.
        user: to log in as; "" leaves it to ~/.ssh/config.
        port: None leaves it to ~/.ssh/config.
    """

    text: str
    scheme: str
    address: str = ""
    user: str = ""
    port: int | None = None


def parse(text: str) -> Target:
    """Take a target apart.

    Raises:
        InputError: it is not one; the sentence says what is wrong with it.
    """
    if text == "local":
        return Target(text, "local")
    scheme, separator, rest = text.partition("://")
    if separator and len(rest) <= _MAX_LENGTH:
        if scheme == "ssh":
            return _ssh(text, rest)
        if scheme == "adb":
            return _adb(text, rest)
    raise InputError(f"{_redacted(text)} is not a device.", hint=_hint(text))


def _hint(text: str) -> str:
    """The same name as a target, where it reads like a host's."""
    if re.fullmatch(rf"({_USER.pattern}@)?{_HOST.pattern}", text):
        return f"Over SSH it is ssh://{text}. {_FORMS}"
    return _FORMS


def _redacted(text: str) -> str:
    """Short, on one line, and without a password."""
    hidden = re.sub(r"^(\w+://[^@/]*?):[^/]*@", r"\1:***@", text)
    return repr(hidden if len(hidden) <= _MAX_LENGTH else hidden[:60] + "...")


def _ssh(text: str, rest: str) -> Target:
    user, at, address = rest.removesuffix("/").rpartition("@")
    if at and ":" in user:
        raise InputError(
            f"{_redacted(text)}: a target takes no password.",
            hint=f"Put a key on the device instead: ssh-copy-id {user.partition(':')[0]}@HOST",
        )
    if at and not _USER.fullmatch(user):
        raise InputError(f"{_redacted(text)}: {user!r} is no user's name.", hint=_FORMS)
    host, port = _host_and_port(text, address)
    return Target(text, "ssh", host, user, port)


def _host_and_port(text: str, address: str) -> tuple[str, int | None]:
    if address.startswith("["):
        host, bracket, rest = address[1:].partition("]")
        if not bracket or not _IPV6.fullmatch(host) or (rest and not rest.startswith(":")):
            raise InputError(
                f"{_redacted(text)}: {address!r} is no IPv6 address in brackets.",
                hint="Write ssh://pi@[fe80::1%eth0]:22.",
            )
        return host, _port(text, rest[1:]) if rest else None
    if address.count(":") > 1:
        raise InputError(
            f"{_redacted(text)}: an IPv6 address stands in brackets.",
            hint=f"Write ssh://[{address}]." if _IPV6.fullmatch(address) else _FORMS,
        )
    host, colon, port = address.partition(":")
    if not _HOST.fullmatch(host):
        what = f"{host!r} is no host's name" if host else "it names no host"
        raise InputError(f"{_redacted(text)}: {what}.", hint=_FORMS)
    return host, _port(text, port) if colon else None


def _port(text: str, port: str) -> int:
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= _MAX_PORT:
        raise InputError(f"{_redacted(text)}: {port!r} is no port (1 to {_MAX_PORT}).", hint=_FORMS)
    return int(port)


def _adb(text: str, serial: str) -> Target:
    if serial and not _SERIAL.fullmatch(serial):
        raise InputError(
            f"{_redacted(text)}: {serial!r} is no serial.", hint="`adb devices` lists the serials."
        )
    return Target(text, "adb", serial)
