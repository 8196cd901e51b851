"""The page, on the standard library's http.server: few connections, each of a bounded time."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from edgecnn.deploying.device.streaming import trusted
from edgecnn.deploying.device.streaming.keeping import NotKeptError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgecnn.deploying.device.streaming.page_actions import Actions

_MOST_CONNECTIONS = 24
_TIMEOUT_S = 10.0
_POLL_S = 2.0
_MOST_BODY = 4096
_PAGE = Path(__file__).parent / "page"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}';"
    " img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)


class PageServer(ThreadingHTTPServer):
    """Answers viewers, each in a thread; of too many the one that came first is cut off.

    Args:
        address: to bind to.
        actions: what the page shows and does.
        token: that viewers need; "" for none.
        names: hosts that requests may be for, besides addresses.
    """

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], actions: Actions, token: str, names: frozenset[str]
    ) -> None:
        self.actions, self.token, self.names = actions, token, names
        self._lock = threading.Lock()
        self._open: dict[int, socket.socket] = {}
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, Handler)

    @property
    def port(self) -> int:
        """That it listens on."""
        return int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base's own
        """Begin to answer, in a new thread."""
        with self._lock:
            while len(self._open) >= _MOST_CONNECTIONS:
                self._cut(self._open.pop(next(iter(self._open))))
            self._open[id(request)] = request
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - the base's own
        """A connection has ended."""
        with self._lock:
            self._open.pop(id(request), None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base's own
        """A viewer that goes away, or is cut off, is no error of ours."""

    def stop(self) -> None:
        """End, and cut all viewers off."""
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._open.values():
                self._cut(connection)

    @staticmethod
    def _cut(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it has gone
            connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: PageServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "edgecnn", ""
    timeout = _TIMEOUT_S
    _GETS: ClassVar = {
        "/": "_page",
        "/state.json": "_state",
        "/next.json": "_next",
        "/favicon.ico": "_no_icon",
    }
    _POSTS: ClassVar = {"/pause": "_pause", "/above": "_above", "/keep": "_keep"}

    def do_GET(self) -> None:
        """Show something."""
        path = urlsplit(self.path).path
        if path == "/health.json" and self._host_is_own():
            self._json({"ok": True, "release": self.server.actions.release})
        elif self._may_pass():
            if path.startswith("/frame/"):
                self._frame(path)
            else:
                self._go(self._GETS.get(path))

    def do_POST(self) -> None:
        """Change something."""
        if not self._may_pass():
            return
        if not trusted.is_same_origin(self.headers):
            self._refuse(HTTPStatus.FORBIDDEN, "Not from this page.")
            return
        self._go(self._POSTS.get(urlsplit(self.path).path))

    def _go(self, name: str | None) -> None:
        if name is None:
            self._refuse(HTTPStatus.NOT_FOUND, "There is no such page.")
        else:
            answer: Callable[[], None] = getattr(self, name)
            answer()

    def _host_is_own(self) -> bool:
        if trusted.host_is_own(self.headers.get("Host", ""), self.server.names):
            return True
        self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "This device has no such name.")
        return False

    def _may_pass(self) -> bool:
        """Whether the request is answered; it is refused where not."""
        if not self._host_is_own():
            return False
        if trusted.comes_from_elsewhere(self.headers):
            self._refuse(HTTPStatus.FORBIDDEN, "Another site asked.")
            return False
        if not self.server.token or trusted.has_token(self.headers, self.server.token):
            return True
        parts = urlsplit(self.path)
        offered = parse_qs(parts.query).get("token", [""])[0]
        if self.command == "GET" and trusted.same(offered, self.server.token):
            self._let_in()
        else:
            self._refuse(HTTPStatus.UNAUTHORIZED, "The token is missing: open /?token=TOKEN.")
        return False

    def _let_in(self) -> None:
        """The token moves from the address, which others may see, into a cookie."""
        self.send_response(HTTPStatus.SEE_OTHER)
        cookie = f"{trusted.COOKIE}={self.server.token}; HttpOnly; SameSite=Strict; Path=/"
        self._end({"Location": "/", "Set-Cookie": cookie}, b"")

    def _page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        text = (_PAGE / "page.html").read_text("utf-8").replace("{{nonce}}", nonce)
        for name in ("page.css", "page.js"):
            text = text.replace(f"{{{{{name}}}}}", (_PAGE / name).read_text("utf-8"))
        self.send_response(HTTPStatus.OK)
        self._end(
            {
                "Content-Type": "text/html; charset=utf-8",
                "Content-Security-Policy": _POLICY.format(nonce=nonce),
            },
            text.encode(),
        )

    def _no_icon(self) -> None:
        """Browsers ask for one whatever the page says."""
        self.send_response(HTTPStatus.OK)
        self._end({"Content-Type": "image/x-icon"}, b"")

    def _state(self) -> None:
        self._json({"state": self.server.actions.state()})

    def _next(self) -> None:
        """The state, and the newest picture's number and result once it is another."""
        text = parse_qs(urlsplit(self.path).query).get("after", ["0"])[0]
        after = int(text) if text.isdigit() and len(text) < 16 else 0  # noqa: PLR2004 - a number
        drawn = self.server.actions.wait_for(after, _POLL_S)
        self._json(
            {
                "frame": None if drawn is None else drawn.number,
                "record": None if drawn is None else drawn.record,
                "state": self.server.actions.state(),
            }
        )

    def _frame(self, path: str) -> None:
        number = path[len("/frame/") :].partition(".jpg")[0]
        jpeg = self.server.actions.picture(int(number)) if number.isdigit() else b""
        # One that is no longer kept is no error: the next one is on its way.
        self.send_response(HTTPStatus.OK if jpeg else HTTPStatus.NO_CONTENT)
        self._end({"Content-Type": "image/jpeg"}, jpeg)

    def _pause(self) -> None:
        value = self._asked("paused", bool)
        if value is not None:
            self.server.actions.pause(paused=value)
            self._state()

    def _above(self) -> None:
        value = self._asked("above", float)
        if value is None or not 0 <= value <= 1:
            self._refuse(HTTPStatus.BAD_REQUEST, "A score from 0 to 1 is taken.")
            return
        self.server.actions.set_above(value)
        self._state()

    def _keep(self) -> None:
        if self._body() is None:
            return
        try:
            self._json({"kept": self.server.actions.keep(), "state": self.server.actions.state()})
        except NotKeptError as error:
            self._json({"error": str(error)}, HTTPStatus.INSUFFICIENT_STORAGE)

    def _asked(self, name: str, kind: type) -> Any:  # noqa: ANN401 - of that kind
        """A value of the body's JSON object; None, and the request is refused, where it is none."""
        body = self._body()
        if body is None:
            return None
        value = body.get(name)
        value = float(value) if kind is float and type(value) is int else value
        if not isinstance(value, kind):
            self._refuse(HTTPStatus.BAD_REQUEST, f"{name} is missing.")
            return None
        return value

    def _body(self) -> dict[str, Any] | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > _MOST_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "No such request is taken.")
            return None
        try:
            body = json.loads(self.rfile.read(int(length)) or b"{}")
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            self._refuse(HTTPStatus.BAD_REQUEST, "A JSON object is taken.")
            return None
        return body

    def _json(self, value: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self._end({"Content-Type": "application/json"}, json.dumps(value).encode())

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True  # a body may follow that nobody reads
        self.send_response(status)
        self._end({"Content-Type": "text/plain; charset=utf-8"}, f"{why}\n".encode())

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 - the base's own
        """What the base class refuses, in our form."""
        self._refuse(HTTPStatus(code), message or "Refused.")

    def _end(self, headers: dict[str, str], body: bytes) -> None:
        plain = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
        for name, value in {**_HEADERS, **plain, **headers}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: viewers ask ten times a second."""
