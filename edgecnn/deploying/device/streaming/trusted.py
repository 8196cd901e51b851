"""Which requests the page answers: its own, and none that another site has sent.

A page elsewhere can make a browser send requests here, and by DNS rebinding (its name pointing to
this address) read the answers too: so the Host has to be an address or our own name, what changes
something has to come from our own page, and whoever comes from the network has to have the token.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import secrets
import socket
from http import cookies
from typing import TYPE_CHECKING

from edgecnn.deploying.device.trouble import TroubleError

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

COOKIE = "edgecnn-live"
_BYTES = 24
_SHORTEST = 16


def token_in(path: Path) -> str:
    """The token that a file holds; a new one is written where there is none.

    Raises:
        TroubleError: the file cannot be read or written, or holds no token.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(path, flags, 0o600), "w") as stream:
                stream.write(f"{secrets.token_urlsafe(_BYTES)}\n")
        token = path.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        raise TroubleError(f"--token-file {path}: {error}", "Name another file.") from error
    if len(token) < _SHORTEST or not token.isprintable() or set(token) & set(' ";,\\'):
        raise TroubleError(
            f"--token-file {path} holds no token of {_SHORTEST} characters",
            "Remove the file: a new one is written.",
        )
    return token


def own_names() -> frozenset[str]:
    """What this machine is called in its own network."""
    name = socket.gethostname().lower()
    return frozenset({"localhost", name, f"{name.partition('.')[0]}.local"})


def host_is_own(host: str, names: frozenset[str]) -> bool:
    """Whether a Host header is an address, or one of our names."""
    if host.startswith("["):
        name = host[1:].partition("]")[0]
    else:
        name = host.rpartition(":")[0] if ":" in host else host
    if name.lower().rstrip(".") in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def comes_from_elsewhere(headers: Message[str, str]) -> bool:
    """Whether another site made the browser ask; a link to the page itself may be followed."""
    site, mode = headers.get("Sec-Fetch-Site", ""), headers.get("Sec-Fetch-Mode", "")
    return site in {"cross-site", "same-site"} and mode != "navigate"


def is_same_origin(headers: Message[str, str]) -> bool:
    """Whether what changes something was sent by our own page."""
    host, origin = headers.get("Host", ""), headers.get("Origin", "")
    return bool(host) and origin in {f"http://{host}", f"https://{host}"}


def has_token(headers: Message[str, str], token: str) -> bool:
    """Whether the token is in the cookie or the Authorization header; compared in constant time."""
    scheme, _, offered = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return same(offered.strip(), token)
    try:
        held = cookies.SimpleCookie(headers.get("Cookie", "")).get(COOKIE)
    except cookies.CookieError:
        return False
    return held is not None and same(held.value, token)


def same(offered: str, token: str) -> bool:
    """Compare in a time that does not tell where they differ."""
    return hmac.compare_digest(offered.encode("utf-8", "replace"), token.encode())
