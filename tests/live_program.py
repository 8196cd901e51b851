"""The program `live` while it runs, and an MJPEG server to feed it."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import queue
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from tiny_release import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

OK = 200
PATIENCE_S = 120.0  # of a loaded machine


def jpeg(seed: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A picture, another for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(stream, "JPEG")
    return stream.getvalue()


def pictures(folder: Path, count: int = 3) -> Path:
    """A folder of pictures."""
    folder.mkdir()
    for seed in range(count):
        (folder / f"{seed}.jpg").write_bytes(jpeg(seed))
    return folder


def wait_for(condition: Callable[[], object], what: str = "") -> None:
    """Wait until something is so; the test fails when it never is."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"waited in vain {what}"
        time.sleep(0.02)


class Live:
    """One run of `live`.

    Attributes:
        process: the program.
        lines: all it has printed so far, as objects.
        url: of its page; "" for none.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.url = process, ""
        self.lines: list[dict[str, Any]] = []
        self._new: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.url = self.event("started").get("url", "")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._new.put(json.loads(line))
        self._new.put(None)

    def line(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next line that fits."""
        while True:
            line = self._new.get(timeout=PATIENCE_S)
            assert line is not None, (self.lines, self.errors())
            self.lines.append(line)
            if fits(line):
                return line

    def event(self, name: str) -> dict[str, Any]:
        """The next event of this name."""
        return self.line(lambda line: line.get("event") == name)

    def result(self) -> dict[str, Any]:
        """The next result."""
        return self.line(lambda line: line.get("kind") == "result")

    def errors(self) -> str:
        """Its stderr, once it has ended."""
        self.process.wait(PATIENCE_S)
        return self.process.stderr.read() if self.process.stderr else ""

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    @property
    def port(self) -> int:
        """Of its page."""
        return port_of(self.url)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        """The JSON of a page's path."""
        return asked(self.port, "GET", path, headers or {})

    def post(self, path: str, body: object, origin: str | None = None) -> Any:  # noqa: ANN401 - likewise
        """Change something, as the page does; of a refusal its status and its text."""
        sent = {"Origin": f"http://127.0.0.1:{self.port}" if origin is None else origin}
        return asked(self.port, "POST", path, sent, json.dumps(body))


def port_of(url: str) -> int:
    """The port in a page's URL."""
    return int(url.rpartition(":")[2].rstrip("/"))


def asked(
    port: int, method: str, path: str, headers: Mapping[str, str], body: str | None = None
) -> Any:  # noqa: ANN401 - JSON
    """What a page answers: its JSON, or the status and the text of a refusal."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        connection.request(method, f"/{path}", body, dict(headers))
        answer = connection.getresponse()
        text = answer.read().decode()
        return json.loads(text) if answer.status == OK else {"status": answer.status, "text": text}


@contextlib.contextmanager
def running(release: Path, *options: str | Path, **settings: Any) -> Generator[Live, None, None]:  # noqa: ANN401 - of Popen
    """Run `live` for as long as the block does."""
    command = [str(release / "live"), *map(str, options)]
    process = subprocess.Popen(
        command, env=environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, **settings,
    )  # fmt: skip
    try:
        yield Live(process)
    finally:
        process.kill()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # nobody reads its stdin any more
                    pipe.close()
        process.wait()


@contextlib.contextmanager
def running_unread(release: Path, log: Path, *options: str | Path) -> Generator[int, None, None]:
    """Run `live` with a stderr for its lines that nobody reads; yields its page's port."""
    command = [str(release / "live"), "--log", str(log), "--to-stderr", *map(str, options)]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE)
    try:
        wait_for(lambda: log.exists() and '"started"' in log.read_text())
        started = log.read_text().partition('"started"')
        line = f"{started[0].rpartition(' {')[2]}{started[1]}{started[2].partition(chr(10))[0]}"
        yield json.loads("{" + line)["port"]
    finally:
        process.kill()
        process.communicate()


class MjpegServer:
    """A camera's address: sends pictures to whoever asks, until it is cut, closed or unplugged."""

    def __init__(self, gap_s: float = 0.02) -> None:
        self._gap_s, self._closing = gap_s, False
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}/stream"
        self._viewers: list[socket.socket] = []
        threading.Thread(target=self._accept, args=(self._socket,), daemon=True).start()

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                viewer = server.accept()[0]
                self._viewers.append(viewer)
                threading.Thread(target=self._send, args=(viewer,), daemon=True).start()

    def _send(self, viewer: socket.socket) -> None:
        with contextlib.suppress(OSError), viewer:
            viewer.recv(1 << 12)
            viewer.sendall(
                b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=cut\r\n\r\n"
            )
            number = 0
            while not self._closing:
                number += 1
                body = jpeg(number % 50)
                viewer.sendall(b"--cut\r\nContent-Type: image/jpeg\r\n\r\n" + body + b"\r\n")
                time.sleep(self._gap_s)
            viewer.sendall(b"--cut--\r\n")

    def close(self) -> None:
        """End the stream as a server does that has no more."""
        self._closing = True

    def unplug(self) -> None:
        """Cut all connections, and take no new ones."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for viewer in self._viewers:
            with contextlib.suppress(OSError):
                viewer.shutdown(socket.SHUT_RDWR)

    def plug_in(self) -> None:
        """Listen again, at the same address."""
        self._socket = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._socket,), daemon=True).start()
