"""A device that answers what no device should: the other end of the wire, one odd answer at a time.

It stands in for the login shell of a device. `HostileServer` lets a real sshd start it, and gives
each odd answer a host name of its own; $EDGECNN_ODD says which. It is run by Python without any
library, as a device runs the guard, and does what the guard does wherever it is not odd.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
import sys
import zipfile
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Json = Any
SILENT, ENDLESS, END = "silent", "endless", "end"
_PROBED = (
    "\nedgecnn-facts-begin\nmachine=armv7l\nkernel=6.1\nlong_bit=32\nlibc=glibc 2.36\n"
    "implementer=0x41\npart=0xc07\npython=3.11.2 32 /usr/bin/python3\nedgecnn-facts-end\n"
)
_MARKER = "\nedgecnn-guard\n"
_DEEP = "[" * 100_000
_HUGE = "9" * 5000


@dataclass(frozen=True)
class Odd:
    """One odd answer.

    Attributes:
        at: the moment at which it comes.
        says: the bytes that come instead of what should, or for "report" the object that a runner
            prints, made from a good one.
        then: what follows: SILENT, ENDLESS (the same again and again), END, or "" for going on.
        words: a part of the sentence that the user is to read.
        measured: whether a result is there all the same: it had come before.
    """

    at: str
    says: bytes | Callable[[Json], Json] = b""
    then: str = ""
    words: str = "an answer that makes no sense"
    measured: bool = False


def _frame(**fields: Json) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def _row(**fields: Json) -> Callable[[Json], Json]:
    """The good report with its one row changed."""
    return lambda good: {**good, "results": [{**good["results"][0], **fields}]}


def _after(**fields: Json) -> Callable[[Json], Json]:
    return lambda good: {**good, "after": {**good["after"], **fields}}


def _with(*rows: Json) -> Callable[[Json], Json]:
    """The good report with further rows: what they change of its own one."""
    return lambda good: {
        **good,
        "results": [*good["results"], *({**good["results"][0], **row} for row in rows)],
    }


def _damaged(says: Callable[[Json], Json]) -> Odd:
    return Odd("report", says, words="what the runner printed is damaged")


def _npz(shape: tuple[int, ...], data: bytes) -> bytes:
    """An .npz of one array whose header may promise anything."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape!r}, }}\n".encode()
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        start = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header))
        archive.writestr("y0.npy", start + header + data)
    return stream.getvalue()


_INTERVAL = {"start_s": 0, "runs": 1, "p50_ms": 0.0, "p90_ms": 0.0, "state": {}}
_SILENCE = "it gave no answer within"
_FLOOD = "does not end"
CASES: dict[str, Odd] = {
    # What it is.
    "probe-endless": Odd("probe", b"x" * 4096, ENDLESS, _FLOOD),
    "probe-endless-lines": Odd("probe", b"machine=x\n" * 400, ENDLESS, _FLOOD),
    "probe-errors": Odd("probe-errors", b"no\n" * 2000, ENDLESS, "asking what it is"),
    "probe-silent": Odd("probe", b"", SILENT, "while asking what it is"),
    "probe-rubbish": Odd("probe", bytes(range(256)), END, "did not answer as a POSIX shell"),
    "probe-cut": Odd("probe", _PROBED.encode()[:60], END, "did not answer as a POSIX shell"),
    "probe-machine": Odd(
        "probe", _PROBED.replace("armv7l", "\x1b[2J").encode(), END, "No runtime for"
    ),
    "probe-python": Odd(
        "probe", _PROBED.replace("3.11.2", f"3.{_HUGE}.1").encode(), END, "no Python 3"
    ),
    # The guard's first words.
    "greeting-endless": Odd("greeting", (b"W" * 400 + b"\n") * 40, ENDLESS, _FLOOD),
    "greeting-silent": Odd("greeting", b"", SILENT, _SILENCE),
    "greeting-no-newline": Odd("greeting", b"x" * 4096, ENDLESS, _FLOOD),
    "greeting-ends": Odd("greeting", b"Welcome!\n", END, "preparing a folder there"),
    "hello-silent": Odd("hello", b"", SILENT, _SILENCE),
    "hello-ends": Odd("hello", b"", END, "preparing a folder there"),
    "hello-half": Odd("hello", b'{"op": "hello", "folder": "/x', END, "preparing a folder there"),
    "hello-text": Odd("hello", b"hello\n"),
    "hello-list": Odd("hello", b"[]\n"),
    "hello-number": Odd("hello", b"5\n"),
    "hello-null": Odd("hello", b"null\n"),
    "hello-deep": Odd("hello", _DEEP.encode() + b"\n"),
    "hello-huge-number": Odd("hello", f'{{"op": "hello", "folder": {_HUGE}}}\n'.encode()),
    "hello-endless-line": Odd("hello", b" " * 4096, ENDLESS, _FLOOD),
    "hello-no-folder": Odd("hello", _frame(op="hello")),
    "hello-folder-number": Odd("hello", _frame(op="hello", folder=7, python="")),
    "hello-folder-relative": Odd("hello", _frame(op="hello", folder="x", python="")),
    "hello-python-list": Odd("hello", _frame(op="hello", folder="/x", python=[])),
    "hello-op-list": Odd("hello", _frame(op=["hello"], folder="/x", python="")),
    "hello-other-op": Odd("hello", _frame(op="exit", code=0, late=False)),
    "hello-error-list": Odd("hello", _frame(op="error", kind=[], text={})),
    "hello-error-free": Odd("hello", _frame(op="error", kind="full", text="", free="none")),
    "hello-error-escape": Odd(
        "hello", _frame(op="error", kind="x", text="\x1b[2J"), END, "[2J (while preparing"
    ),
    "hello-bye": Odd("hello", _frame(op="bye"), END, "was asked to end"),
    # A folder for the libraries and the files.
    "runtime-silent": Odd("runtime", b"", SILENT, _SILENCE),
    "runtime-empty": Odd("runtime", _frame(op="ok")),
    "runtime-folder-list": Odd("runtime", _frame(op="ok", folder=["/x"], free=1)),
    "space-text": Odd("space", _frame(op="ok", free="much")),
    "space-negative": Odd("space", _frame(op="ok", free=-5)),
    "space-infinite": Odd("space", b'{"op": "ok", "free": Infinity}\n'),
    "space-none": Odd("space", _frame(op="ok", free=0), words="its disk is full"),
    "send-silent": Odd("send", b"", SILENT, _SILENCE),
    "send-sum-number": Odd("send", _frame(op="ok", sha256=5)),
    "send-sum-other": Odd("send", _frame(op="ok", sha256="ab" * 32), words="sums here and there"),
    # A program that runs.
    "run-silent": Odd("run", b"", SILENT, _SILENCE),
    "run-alive-for-ever": Odd("run", _frame(op="alive"), ENDLESS, "said nothing for"),
    "run-size-negative": Odd("run", _frame(op="out", size=-1)),
    "run-size-enormous": Odd("run", _frame(op="out", size=10**12)),
    "run-size-text": Odd("run", _frame(op="out", size="9")),
    "run-size-true": Odd("run", _frame(op="err", size=True)),
    "run-size-missing": Odd("run", _frame(op="out")),
    "run-payload-missing": Odd("run", _frame(op="out", size=9), END, "while running"),
    "run-other-op": Odd("run", _frame(op="sing", size=9)),
    "run-code-text": Odd("run", _frame(op="exit", code="0", late=False)),
    "run-code-enormous": Odd("run", _frame(op="exit", code=10**30, late=False)),
    "run-late-missing": Odd("run", _frame(op="exit", code=0)),
    "run-stdout-endless": Odd(
        "run", _frame(op="out", size=1 << 16) + b"x" * (1 << 16), ENDLESS, "printed more than"
    ),
    "run-stderr-endless": Odd(
        "run", _frame(op="err", size=1 << 16) + b"x" * (1 << 16), ENDLESS, "printed without end"
    ),
    "progress-text": Odd("progress", b'{"event": "progress", "done": "half"}\n', words="progress"),
    "progress-huge": Odd("progress", b'{"event": "progress", "done": 1e999}\n', words="progress"),
    "progress-nothing": Odd("progress", b'{"event": "progress"}\n', words="progress"),
    # What the runner prints.
    "report-text": Odd("report", lambda _: b"no JSON", words="and no result"),
    "report-deep": Odd("report", lambda _: _DEEP.encode(), words="and no result"),
    "report-list": _damaged(lambda _: [1]),
    "report-number": _damaged(lambda _: 5),
    "report-string": _damaged(lambda _: "results"),
    "report-results-null": _damaged(lambda good: {**good, "results": None}),
    "report-results-number": _damaged(lambda good: {**good, "results": 5}),
    "report-row-null": _damaged(lambda good: {**good, "results": [None]}),
    "report-no-rows": Odd("report", lambda good: {**good, "results": []}, words="says nothing of"),
    "report-threads": _damaged(_with({"threads": 7})),
    "report-path": _damaged(_with({"path": "9.tflite"})),
    "report-twice": _damaged(_with({})),
    "report-load": _damaged(_row(load_ms=-1e300)),
    "report-first": _damaged(_row(first_ms=1e300)),
    "report-samples-text": _damaged(_row(repeats=[["1"]])),
    "report-samples-nan": _damaged(_row(repeats=[[math.nan]])),
    "report-samples-huge": _damaged(_row(repeats=[[1e300] * 99])),
    "report-samples-negative": Odd("report", _row(repeats=[[-1.0]]), words="that no clock gives"),
    "report-repeats": _damaged(_row(repeats=[[1.0]] * 9)),
    "report-memory": _damaged(_row(peak_rss_bytes=10**400)),
    "report-memory-half": _damaged(_row(peak_rss_bytes=1.5)),
    "report-other-file": Odd("report", _row(sha256="ab" * 32), words="read other bytes"),
    "report-sum": _damaged(_row(output_sha256="\ud800")),
    "report-runtime": _damaged(_row(runtime="\x1b[2J")),
    "report-timeline": _damaged(_row(timeline=[_INTERVAL])),
    "report-heat": _damaged(_after(temperature_c=1e9)),
    "report-governor": _damaged(_after(governor="\x1b]0;x\x07")),
    "report-busy": _damaged(_after(busy_share=-1.0)),
    # The outputs, which come back when their sum is another than this machine's.
    "fetch-size-negative": Odd("fetch", _frame(op="data", size=-1), measured=True),
    "fetch-size-enormous": Odd(
        "fetch", _frame(op="data", size=10**12), words="the most that it can have", measured=True
    ),
    "fetch-sum": Odd("fetch", _frame(op="data", size=1) + b"x" + _frame(op="ok"), measured=True),
    "fetch-no-arrays": Odd("fetch-file", b"PK no", words="cannot be read", measured=True),
    "fetch-promise": Odd(
        "fetch-file", _npz((10**12,), b"1234"), words="cannot be read", measured=True
    ),
    # The end.
    "bye-missing": Odd("bye", b"", END, "while clearing up", measured=True),
    "bye-endless": Odd("bye", b"x\n" * 2000, ENDLESS, "while clearing up", measured=True),
}


class _Gone(Exception):  # noqa: N818 - no error: the other side has hung up
    pass


class _Device:
    """The device of one connection's one command."""

    def __init__(self, odd: Odd) -> None:
        self._odd = odd
        self._sha256 = ""

    def play(self) -> None:
        """Be the login shell."""
        line = sys.stdin.buffer.readline()
        if line.startswith(b"exec "):
            while b'"patience_s": ' not in line:  # the guard's text, which has many lines
                line = sys.stdin.buffer.readline()
            self._guard()
        else:
            sys.stdin.buffer.read()  # the probe's script, which nobody runs here
            if self._odd.at == "probe-errors":
                for _ in range(20_000):  # 120 MB
                    sys.stderr.buffer.write(self._says())
            elif not self._odd_at("probe"):
                self._write(_PROBED.encode())

    def _says(self) -> bytes:
        says = self._odd.says
        assert isinstance(says, bytes), "a report stands where bytes are wanted"
        return says

    def _guard(self) -> None:
        if self._odd_at("greeting"):
            return
        self._write(_MARKER.encode())
        if not self._odd_at("hello"):
            self._write(_frame(op="hello", folder="/home/pi/files", python="/usr/bin/python3"))
        for header in self._asked():
            getattr(self, f"_do_{header['op']}")(header)
        if not self._odd_at("bye"):
            self._write(_frame(op="bye"))

    def _asked(self) -> Iterator[Json]:
        """Each frame that is sent to us, without its payload."""
        while line := sys.stdin.buffer.readline():
            header = json.loads(line)
            sys.stdin.buffer.read(header.get("size", 0))
            yield header

    def _do_alive(self, _: Json) -> None:
        pass

    def _do_runtime(self, _: Json) -> None:
        if not self._odd_at("runtime"):
            self._write(_frame(op="ok", folder="/home/pi/kept", free=1 << 30))

    def _do_space(self, _: Json) -> None:
        if not self._odd_at("space"):
            self._write(_frame(op="ok", free=1 << 30))

    def _do_send(self, header: Json) -> None:
        if header["name"] == "0.tflite":
            self._sha256 = header["sha256"]
        if not self._odd_at("send"):
            self._write(_frame(op="ok", sha256=header["sha256"]))

    def _do_run(self, header: Json) -> None:
        if "--with-parent" not in header["argv"]:  # which numpy it has
            self._print(b"1.24.2")
            return
        if self._odd.at == "progress":
            says = self._says()
            self._write(_frame(op="err", size=len(says)) + says)
        if not self._odd_at("run"):
            self._print(self._report())

    def _report(self) -> bytes:
        state = {"load_average": 0.1, "busy_share": 0.0}
        fetched = self._odd.at.startswith("fetch")
        row = {"path": "0.tflite", "threads": 1, "sha256": self._sha256, "runtime": "r 1",
               "load_ms": 1.0, "first_ms": 1.0, "repeats": [[1.0] * 2000], "samples_every": 1,
               "peak_rss_bytes": 1 << 20, "output_sha256": "ab" * 32 if fetched else "",
               "inputs": "seeded", "timeline": [], "error": None}  # fmt: skip
        report: Json = {"schema": 1, "emulator": "", "before": state, "after": state,
                        "results": [row]}  # fmt: skip
        if self._odd.at == "report" and callable(self._odd.says):
            report = self._odd.says(report)
        return report if isinstance(report, bytes) else json.dumps(report).encode()

    def _print(self, text: bytes) -> None:
        for start in range(0, len(text), 1 << 16):
            chunk = text[start : start + (1 << 16)]
            self._write(_frame(op="out", size=len(chunk)) + chunk)
        self._write(_frame(op="exit", code=0, late=False))

    def _do_fetch(self, _: Json) -> None:
        if self._odd_at("fetch"):
            return
        content = self._says() if self._odd.at == "fetch-file" else b""
        total = hashlib.sha256(content).hexdigest()
        self._write(_frame(op="data", size=len(content)) + content + _frame(op="ok", sha256=total))

    def _odd_at(self, moment: str) -> bool:
        """Give the odd answer, if this is its moment."""
        if self._odd.at != moment:
            return False
        says = self._says()
        self._write(says)
        while self._odd.then == ENDLESS:
            self._write(says)
        if self._odd.then == SILENT:
            sys.stdin.buffer.read()
        if self._odd.then:
            raise _Gone
        return True

    def _write(self, data: bytes) -> None:
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError as error:
            raise _Gone from error


def _main() -> None:
    if os.environ.get("SSH_ORIGINAL_COMMAND") == "cat":  # what holds the connection
        sys.stdin.buffer.read()
        return
    try:
        _Device(CASES[os.environ["EDGECNN_ODD"]]).play()
    except _Gone:
        os._exit(0)


if __name__ == "__main__":
    _main()
