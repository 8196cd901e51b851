"""What a device sends is bounded in size and in time, whatever it sends."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.devices.hearing import (
    Incoming,
    Lines,
    SilentError,
    Tail,
    TooMuchError,
    converse,
    stopping,
    stream,
)

if TYPE_CHECKING:
    from collections.abc import Generator

_LATER_S = 60.0
_FLOOD = "import sys\nwhile True: sys.{}.buffer.write(b'x' * 65536)"


def started(code: str) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-I", "-S", "-c", code]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)


@pytest.fixture
def flooding() -> Generator[subprocess.Popen[bytes], None, None]:
    process = started(_FLOOD.format("stdout"))
    Tail(stream(process.stderr))
    with stopping(process):
        yield process


def later() -> float:
    return time.monotonic() + _LATER_S


@settings(max_examples=20)
@given(st.lists(st.binary(max_size=40)), st.integers(0, 30))
def test_lines_and_blocks_are_what_was_sent(parts: list[bytes], size: int) -> None:
    lines = [part.replace(b"\n", b"") + b"\n" for part in parts]
    sent = b"".join(lines) + b"end"
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S607 - POSIX has it
        stream(process.stdin).write(sent)
        stream(process.stdin).close()
        incoming = Incoming(stream(process.stdout))
        assert [incoming.line(100, later()) for _ in lines] == lines
        assert incoming.block(size, later()) == b"end"[:size]
        assert incoming.rest(100, later()) == b"end"[size:]


def test_a_line_without_end_is_too_much(flooding: subprocess.Popen[bytes]) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(TooMuchError):
            Incoming(stream(flooding.stdout)).line(1 << 20, later())
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_an_answer_without_end_is_too_much(flooding: subprocess.Popen[bytes]) -> None:
    with pytest.raises(TooMuchError):
        Incoming(stream(flooding.stdout)).rest(1 << 20, later())


def test_silence_has_an_end() -> None:
    process = started("import time; time.sleep(600)")
    with stopping(process):
        incoming = Incoming(stream(process.stdout))
        for hear in (incoming.line, incoming.block, incoming.rest):
            with pytest.raises(SilentError):
                hear(9, time.monotonic() + 0.05)
    assert process.returncode == -9


def test_half_a_line_and_then_silence_has_an_end() -> None:
    process = started("import sys, time; print('x', end='', flush=True); time.sleep(600)")
    with stopping(process), pytest.raises(SilentError):
        Incoming(stream(process.stdout)).line(9, time.monotonic() + 0.3)


def test_of_stderr_the_end_is_kept() -> None:
    code = "import sys\nsys.stderr.write('x' * 30_000_000 + 'the end')"
    process = started(code)
    tracemalloc.start()
    try:
        tail = Tail(stream(process.stderr))
        process.wait()
        assert tail.text().endswith("xxxthe end")
        assert len(tail.text()) == 4000
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
        with stopping(process):
            pass


def test_a_conversation_gives_both_streams_and_the_code() -> None:
    code = "import sys; print(sys.stdin.read()); sys.exit('no')"
    heard = converse(started(code), b"hello", within_s=_LATER_S, most=99)
    assert (heard.stdout, heard.stderr, heard.code) == (b"hello\n", "no", 1)


def test_a_conversation_that_does_not_end_is_stopped() -> None:
    process = started("import time; time.sleep(600)")
    assert converse(process, b"", within_s=0.1, most=99).code is None
    assert process.returncode == -9


def test_a_flood_on_stdout_is_stopped() -> None:
    process = started(_FLOOD.format("stdout"))
    with pytest.raises(TooMuchError):
        converse(process, b"", within_s=_LATER_S, most=1 << 20)
    assert process.returncode == -9


def test_a_flood_on_stderr_is_stopped() -> None:
    process = started(_FLOOD.format("stderr"))
    assert converse(process, b"", within_s=0.3, most=1 << 20).code is None
    assert process.returncode == -9


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_lines_are_handed_on_however_they_come(data: bytes, cuts: list[int]) -> None:
    heard: list[str] = []
    lines = Lines(heard.append, 1000)
    edges = [0, *sorted(cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        lines.add(data[start:end])
    lines.end()
    whole = data.decode(errors="replace").split("\n")
    assert heard == (whole if whole[-1] else whole[:-1])
    assert lines.tail() == data.decode(errors="replace")


def test_a_line_that_is_too_long_is_handed_on_in_pieces() -> None:
    heard: list[str] = []
    lines = Lines(heard.append, 10)
    for _ in range(4):
        lines.add(b"12345678")
    lines.end()
    assert heard == ["1234567812345678"] * 2
