"""A phone that allows nobody in, and one that never answers: adb's protocol, as far as that goes.

The messages are those of adb's protocol.txt: six little-endian words (command, two arguments,
length, sum of the data's bytes, command inverted), then the data.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_AUTH = 0x48545541
_TOKEN, _PUBLIC_KEY = 1, 3
_HEADER = struct.Struct("<6I")


@contextlib.contextmanager
def phone(*, answers: bool) -> Generator[str, None, None]:
    """Listen on the loopback; gives the address for `adb connect`.

    Args:
        answers: ask for a key, take none, and then wait for a user; else say nothing at all.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, answers), daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def _serve(server: socket.socket, answers: bool) -> None:  # noqa: FBT001 - a thread's argument
    kept = []
    with contextlib.suppress(OSError):  # it is closed when the block ends
        while True:
            connection, _ = server.accept()
            kept.append(connection)
            if answers:
                threading.Thread(target=_ask_for_keys, args=(connection,), daemon=True).start()


def _ask_for_keys(connection: socket.socket) -> None:
    token = bytes(20)
    with contextlib.suppress(OSError), connection.makefile("rb") as messages:
        while header := messages.read(_HEADER.size):
            command, kind, _, length, _, _ = _HEADER.unpack(header)
            messages.read(length)
            if (command, kind) == (_AUTH, _PUBLIC_KEY):
                continue  # now its user is asked, who never answers
            message = _HEADER.pack(_AUTH, _TOKEN, 0, len(token), sum(token), _AUTH ^ 0xFFFFFFFF)
            connection.sendall(message + token)
