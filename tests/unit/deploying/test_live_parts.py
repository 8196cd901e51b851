"""The parts of `live` alone: mailbox, multipart, folders, kept frames, and who is answered."""

from __future__ import annotations

import ast
import os
import threading
from email.message import Message
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgecnn.deploying.device.streaming import cameras, frames, trusted
from edgecnn.deploying.device.streaming.cameras import Recorded
from edgecnn.deploying.device.streaming.failing import Failure
from edgecnn.deploying.device.streaming.folders import Files
from edgecnn.deploying.device.streaming.frames import Frame, LostError, Shot
from edgecnn.deploying.device.streaming.keeping import Keeper, NotKeptError
from edgecnn.deploying.device.streaming.mailbox import Mailbox
from edgecnn.deploying.device.streaming.multipart import MultipartError, Parts, boundary_of
from edgecnn.deploying.device.streaming.reader import Reader
from edgecnn.deploying.device.streaming.service import Confirmation
from edgecnn.deploying.device.streaming.sources import source_of
from edgecnn.deploying.device.streaming.telling import BoundedLog
from edgecnn.deploying.device.trouble import TroubleError

BODIES = st.lists(st.binary(max_size=60).filter(lambda body: b"--cut" not in body), max_size=5)


def test_the_newest_item_takes_the_place_of_what_nobody_took() -> None:
    box: Mailbox[int] = Mailbox()
    for number in (1, 2, 3):
        box.put(number)
    assert (box.take(0.0), box.take(0.0), box.replaced) == (3, None, 2)
    box.put(4)
    box.close()
    assert (box.ended, box.take(0.0), box.ended) == (False, 4, True)


@given(bodies=BODIES, cuts=st.lists(st.integers(1, 40), min_size=1), with_length=st.booleans())
def test_parts_are_the_same_however_they_come(
    bodies: list[bytes], cuts: list[int], *, with_length: bool
) -> None:
    # Without a length a body ends before the line's end and the dashes that stand there.
    wanted = bodies if with_length else [body.rstrip(b"-\r\n") for body in bodies]
    stream = b"some preamble\r\n"
    for body in wanted:
        length = f"Content-Length: {len(body)}\r\n" if with_length else ""
        stream += f"--cut\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode() + body + b"\r\n"
    stream += b"--cut--\r\nepilogue"
    parts, found, at = Parts("cut", 1000), list[bytes](), 0
    for number in range(len(stream)):
        size = cuts[number % len(cuts)]
        found += parts.add(stream[at : at + size])
        at += size
    assert found == wanted
    assert parts.ended


@pytest.mark.parametrize(
    "stream",
    [
        b"--cut\r\nContent-Length: 5000\r\n\r\n",
        b"--cut\r\n" + b"X" * 20_000,
        b"--cut\r\n\r\n" + b"X" * 5000,
        b"--cut" + b"X" * 70_000,
    ],
)
def test_parts_beyond_their_bounds_are_refused(stream: bytes) -> None:
    with pytest.raises(MultipartError, match="more than"):
        Parts("cut", 4000).add(stream)


def test_what_is_no_multipart_is_passed_over_without_being_kept() -> None:
    parts = Parts("cut", 4000)
    for _ in range(100):
        assert parts.add(b"x" * 10_000) == []
    assert len(parts._pending) < 10  # noqa: SLF001 - memory is the point


def test_boundaries_as_cameras_declare_them() -> None:
    assert boundary_of('multipart/x-mixed-replace; boundary="--my frame"') == "--my frame"
    assert boundary_of("Multipart/X-Mixed-Replace;boundary=abc;x=y") == "abc"
    assert boundary_of("image/jpeg") == ""
    # Declared with the dashes that the delimiter has anyway.
    assert Parts("--abc", 10).add(b"--abc\r\n\r\nJPEG\r\n--abc") == [b"JPEG"]


def picture(path: Path, shade: int) -> Path:
    Image.fromarray(np.full((16, 16, 3), shade, np.uint8)).save(path)
    return path


def test_of_a_folder_the_newest_is_taken_whatever_the_clock_says(tmp_path: Path) -> None:
    stopped = threading.Event()
    for number in range(3):
        picture(tmp_path / f"{number}.png", number)
        os.utime(tmp_path / f"{number}.png", (1000 - number, 1000 - number))
    (tmp_path / ".hidden.png").write_bytes(b"being written")
    shots = Files(tmp_path).shots(stopped)
    assert next(shots).name == str(tmp_path / "0.png")
    picture(tmp_path / "later.png", 9)
    os.utime(tmp_path / "later.png", (5, 5))  # the clock has jumped back
    assert next(shots).name == str(tmp_path / "later.png")
    stopped.set()
    assert list(shots) == []


def test_one_picture_is_taken_again_when_it_is_written_anew(tmp_path: Path) -> None:
    path = picture(tmp_path / "latest.png", 1)
    shots = Files(path).shots(threading.Event())
    first = next(shots)
    picture(tmp_path / "new.png", 2).replace(path)
    assert next(shots).encoded == path.read_bytes() != first.encoded


def test_a_folder_that_goes_is_lost(tmp_path: Path) -> None:
    with pytest.raises(LostError, match="No such file"):
        next(Files(tmp_path / "gone").shots(threading.Event()))


def test_once_gives_all_in_their_order_and_ends(tmp_path: Path) -> None:
    for name in ("b.png", "a.png"):
        picture(tmp_path / name, 1)
    (tmp_path / "notes.txt").write_text("no picture")
    shots = list(Files(tmp_path, once=True).shots(threading.Event()))
    assert [shot.name for shot in shots] == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ftp://host/x", "not a kind of address"),
        ("/absent/folder/x.jpg", "neither it nor its folder"),
        ("http:///path", "names no host"),
        ("http://host:99999/", "[Pp]ort"),
    ],
)
def test_what_is_no_source_is_said(name: str, says: str) -> None:
    with pytest.raises(TroubleError, match=says):
        source_of(name)


@pytest.mark.parametrize(("name", "needs"), [("camera", "cameras"), ("film.mp4", "video")])
def test_libraries_that_are_not_there_are_named(
    name: str, needs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cameras, "_installed", lambda _: False)
    with pytest.raises(TroubleError, match=f"no library for {needs}") as caught:
        source_of(name)
    assert "apt install" in caught.value.hint


class _Taking:
    """A recorder that gives two pictures, and then breaks."""

    closed = 0

    def __init__(self) -> None:
        self._left = 2

    def picture(self) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise OSError("No such device")
        return b"jpeg"

    def close(self) -> None:
        _Taking.closed += 1


def test_a_camera_that_breaks_is_closed_tried_again_and_told_of() -> None:
    told: list[str] = []
    box: Mailbox[Frame] = Mailbox()
    reader = Reader(
        Recorded("camera", _Taking), box, lambda name, **_: told.append(name), every=True,
        first_wait_s=0.01,
    )  # fmt: skip
    reader.start()
    numbers = [frame.number for _ in range(5) if (frame := box.take(10.0)) is not None]
    reader.stop()
    assert numbers == [1, 2, 3, 4, 5]
    assert told[:3] == ["source_lost", "source_back", "source_lost"]
    assert _Taking.closed >= 2


def test_a_kept_frame_is_named_by_its_content_and_their_number_is_bounded(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "kept", most_frames=2)
    names = {keeper.keep(Shot("x", b"\xff\xd8\xff%d" % number)) for number in (1, 2, 1)}
    assert names == {each.name for each in (tmp_path / "kept").iterdir()}
    with pytest.raises(NotKeptError, match="full"):
        keeper.keep(Shot("x", b"\xff\xd8\xff3"))
    with pytest.raises(NotKeptError, match="no kind"):
        keeper.keep(Shot("x", b"<html>"))
    assert (
        Keeper(tmp_path / "other")
        .keep(Shot("x", pixels=np.zeros((2, 2, 3), np.uint8)))
        .endswith(".png")
    )


def test_a_log_has_two_files_of_a_bounded_size(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "logs" / "live.log", most_bytes=100)
    for number in range(50):
        log.write(f"line {number}\n")
    files = sorted(each.name for each in (tmp_path / "logs").iterdir())
    assert files == ["live.log", "live.log.1"]
    assert all(each.stat().st_size <= 100 for each in (tmp_path / "logs").iterdir())
    assert (tmp_path / "logs" / "live.log").read_text().endswith("line 49\n")


def test_a_program_is_up_once_a_frame_is_answered_or_none_comes_for_a_while() -> None:
    told: list[str] = []
    frames_come = Confirmation(lambda: told.append("answered"), without_frame_s=1e9)
    frames_come.begin()
    frames_come.beat()
    assert told == []
    for _ in range(2):
        frames_come(object())
    unplugged = Confirmation(lambda: told.append("no frame"), without_frame_s=0.0)
    unplugged.beat()  # before frames can come
    assert told == ["answered"]
    unplugged.begin()
    unplugged.beat()
    unplugged(object())
    assert told == ["answered", "no frame"]


def test_a_thread_that_fails_ends_the_program_with_its_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped, passed_on = threading.Event(), list[threading.ExceptHookArgs]()
    monkeypatch.setattr(threading, "excepthook", passed_on.append)
    for error, says in (
        (MemoryError(), "out of memory in the painter"),
        (ZeroDivisionError("by zero"), "the painter failed: ZeroDivisionError: by zero"),
    ):
        failure, before = Failure(stopped.set), threading.excepthook
        with failure:
            failing = threading.Thread(target=_raises, args=(error,), name="painter")
            failing.start()
            failing.join()
        assert threading.excepthook is before
        assert stopped.is_set()
        with pytest.raises(TroubleError, match=says):
            failure.raise_first()
    # Its traceback is for whoever mends it; of memory there is nothing to mend.
    assert [failed.exc_type for failed in passed_on] == [ZeroDivisionError]
    Failure(stopped.set).raise_first()  # nothing has failed


def _raises(error: Exception) -> None:
    raise error


def headers(**given: str) -> Message:
    made = Message()
    for name, value in given.items():
        made[name.replace("_", "-")] = value
    return made


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1:8080", True), ("[::1]:8080", True), ("[::1]", True), ("192.168.1.5", True),
        ("localhost:1", True), ("pi.local:80", True), ("", False), ("evil.example:8080", False),
        ("127.0.0.1.evil.example", False), ("localhost.evil.example", False),
    ],
)  # fmt: skip
def test_a_host_is_an_address_or_our_own_name(host: str, *, own: bool) -> None:
    assert trusted.host_is_own(host, frozenset({"localhost", "pi.local"})) is own


def test_what_changes_something_comes_from_our_own_page() -> None:
    assert trusted.is_same_origin(headers(Host="pi:1", Origin="http://pi:1"))
    for origin in ("http://pi:2", "http://evil", "null", ""):
        assert not trusted.is_same_origin(headers(Host="pi:1", Origin=origin))
    assert not trusted.is_same_origin(headers(Host="pi:1"))
    assert trusted.comes_from_elsewhere(headers(Sec_Fetch_Site="cross-site"))
    link = headers(Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    assert not trusted.comes_from_elsewhere(link)


def test_a_token_is_written_once_for_its_owner_alone(tmp_path: Path) -> None:
    token = trusted.token_in(tmp_path / "new" / "token")
    assert trusted.token_in(tmp_path / "new" / "token") == token
    assert (tmp_path / "new" / "token").stat().st_mode & 0o777 == 0o600
    assert trusted.has_token(headers(Authorization=f"Bearer {token}"), token)
    assert trusted.has_token(headers(Cookie=f"a=b; edgecnn-live={token}"), token)
    for wrong in (headers(), headers(Authorization="Bearer x"), headers(Cookie="edgecnn-live=é")):
        assert not trusted.has_token(wrong, token)
    (tmp_path / "short").write_text("short\n")
    with pytest.raises(TroubleError, match="no token"):
        trusted.token_in(tmp_path / "short")


def test_nothing_counts_by_the_clock_that_jumps() -> None:
    folder = Path(frames.__file__).parent
    calls = [
        f"{file.name}:{node.lineno}"
        for file in [*folder.glob("*.py"), folder.parents[1] / "service_program.py"]
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in {("time", "time"), ("time", "time_ns")}
    ]
    assert calls == []
