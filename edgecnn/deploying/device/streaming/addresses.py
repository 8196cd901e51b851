"""Frames from an http address: MJPEG (multipart/x-mixed-replace), or one picture a request."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from edgecnn.deploying.device.streaming.frames import MOST_BYTES, LostError, Shot
from edgecnn.deploying.device.streaming.multipart import MultipartError, Parts, boundary_of
from edgecnn.deploying.device.trouble import TroubleError

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

_SILENCE_S = 10.0
_CHUNK = 1 << 16
_BETWEEN_S = 0.1  # two requests for one picture each
_OK = 200


class Address:
    """A camera or program that serves pictures over http or https.

    Args:
        url: a name and password in it are sent as Basic authentication.
        silence_s: without a byte for so long, it is lost.

    Raises:
        TroubleError: the address is none.
    """

    def __init__(self, url: str, silence_s: float = _SILENCE_S) -> None:
        parts = urlsplit(url)
        try:
            self._port = parts.port
        except ValueError as error:
            raise TroubleError(f"--source: {error}", "http://HOST:PORT/PATH") from error
        if not parts.hostname:
            raise TroubleError("--source: the address names no host", "http://HOST:PORT/PATH")
        self.name = _without_password(parts)
        self._parts, self._silence_s = parts, silence_s
        self._socket: socket.socket | None = None

    def shots(self, stopped: threading.Event) -> Iterator[Shot]:
        """See `frames.Source`."""
        single = True
        while single and not stopped.is_set():
            with self._answer() as answer:
                boundary = boundary_of(answer.headers.get("Content-Type", ""))
                single = not boundary
                if boundary:
                    yield from self._parts_of(answer, boundary, stopped)
                else:
                    yield Shot(self.name, self._whole(answer))
            if single:
                stopped.wait(_BETWEEN_S)

    def interrupt(self) -> None:
        """See `frames.Source`."""
        taken = self._socket
        if taken is not None:
            with contextlib.suppress(OSError):  # it has ended already
                taken.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def _answer(self) -> Iterator[http.client.HTTPResponse]:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else (
            http.client.HTTPConnection
        )  # fmt: skip
        connection = kind(self._parts.hostname or "", self._port, timeout=self._silence_s)
        path = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
        try:
            connection.request("GET", path, headers=self._headers())
            self._socket = connection.sock
            answer = connection.getresponse()
            if answer.status != _OK:
                raise LostError(f"it answers {answer.status} {answer.reason[:60]}")
            yield answer
        except (OSError, http.client.HTTPException, MultipartError) as error:
            raise LostError(_why(error, self._silence_s)) from error
        finally:
            self._socket = None
            connection.close()

    def _headers(self) -> dict[str, str]:
        if self._parts.username is None:
            return {}
        pair = f"{unquote(self._parts.username)}:{unquote(self._parts.password or '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def _parts_of(
        self, answer: http.client.HTTPResponse, boundary: str, stopped: threading.Event
    ) -> Iterator[Shot]:
        parts = Parts(boundary, MOST_BYTES)
        while not stopped.is_set():
            data = answer.read1(_CHUNK)
            if not data:
                raise LostError("it closed the connection")
            # Of several that came at once the last is the newest.
            for body in parts.add(data)[-1:]:
                yield Shot(self.name, body)
            if parts.ended:
                return

    def _whole(self, answer: http.client.HTTPResponse) -> bytes:
        kind = answer.headers.get("Content-Type", "")
        if not kind.lower().startswith("image/"):
            raise LostError(f"it serves {kind[:60] or 'nothing that is named'}, and no picture")
        body = answer.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise LostError(f"its picture has more than {MOST_BYTES} bytes")
        return body


def _why(error: Exception, silence_s: float) -> str:
    if isinstance(error, socket.timeout):  # Python 3.9 has it beside TimeoutError
        return f"it said nothing for {silence_s:g} s"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error) or type(error).__name__


def _without_password(parts: SplitResult) -> str:
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{place}{parts.path}"
