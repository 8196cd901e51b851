"""The program `live` as a device runs it: sources that fail, viewers, signals, a full disk."""

from __future__ import annotations

import http.client
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from live_program import (
    MjpegServer,
    asked,
    jpeg,
    pictures,
    running,
    running_unread,
    wait_for,
)
from tiny_artifact import write_artifact
from tiny_release import release_of, run, write_out

from edgecnn.deploying import TaskOptions
from edgecnn.deploying.device.streaming.loop import holds_something

if TYPE_CHECKING:
    from pathlib import Path

    from live_program import Live

pytestmark = pytest.mark.usefixtures("warm_children")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live")
    artifact = write_artifact(folder / "net", ("tflite",))
    made = release_of(artifact, TaskOptions())
    return write_out(made, folder / "home" / "releases" / made.name)


def test_a_folder_once_gives_what_run_gives(release: Path, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures")
    done = run(release / "live", "--source", folder, "--once", "--no-page")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    live = [line for line in lines if line["kind"] == "result"]
    told = run(release / "run", "--json", *sorted(folder.iterdir())).stdout.splitlines()
    assert [line["top"] for line in live] == [json.loads(each)["top"] for each in told]
    assert set(live[0]["ms"]) == {"decode", "resize", "inference", "answer"}
    events = [line["event"] for line in lines if line["kind"] == "event"]
    assert events[0] == "started"
    assert {"source_ended", "ended"} <= set(events)


def test_a_damaged_picture_is_told_of_and_the_next_is_answered(
    release: Path, tmp_path: Path
) -> None:
    folder = pictures(tmp_path / "pictures", 2)
    (folder / "0.jpg").write_bytes(jpeg(0)[:100])
    done = run(release / "live", "--source", folder, "--once", "--no-page")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    (told,) = [line for line in lines if line.get("event") == "unreadable"]
    assert told["source"] == str(folder / "0.jpg")
    assert [line["file"] for line in lines if line["kind"] == "result"] == [str(folder / "1.jpg")]


def test_an_empty_folder_once_is_an_error(release: Path, tmp_path: Path) -> None:
    done = run(release / "live", "--source", tmp_path, "--once", "--no-page", code=2)
    assert "no picture lies there" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(release: Path, tmp_path: Path, number: int) -> None:
    folder = pictures(tmp_path / "pictures")
    with running(release, "--source", folder, "--loop", "--port", "0", "--fps", "20") as live:
        live.result()
        assert live.end(number) == 0
        assert live.event("stopped")


def test_it_ends_with_stdin_where_that_is_asked(release: Path, tmp_path: Path) -> None:
    with running(release, "--source", tmp_path, "--while-stdin", "--no-page") as live:
        assert live.process.stdin is not None
        live.process.stdin.close()
        live.event("stopped")
        assert live.process.wait(60) == 0


def test_an_address_lost_and_back_and_ended(release: Path) -> None:
    camera = MjpegServer()
    with running(release, "--source", camera.url, "--port", "0") as live:
        live.result()
        camera.unplug()
        lost = live.event("source_lost")
        assert lost["again_in_s"] > 0
        wait_for(lambda: live.get("state.json")["state"]["source"]["state"] == "lost")
        second = live.event("source_lost")
        assert second["again_in_s"] > lost["again_in_s"]  # the back-off
        camera.plug_in()
        live.event("source_back")
        live.result()
        camera.close()
        live.event("source_ended")
        assert live.process.wait(60) == 0


def test_the_newest_frame_wins_where_the_network_is_slower(release: Path, tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\ncat >> results\nsleep 30\n")
    slow.chmod(0o755)
    camera = MjpegServer(gap_s=0.001)
    options = ("--on-result", str(slow), "--on-result-seconds", "1", "--port", "0")
    with running(release, "--source", camera.url, *options, cwd=tmp_path) as live:
        # The command takes a second, and is ended then; the loop has long gone on.
        assert "within 1 s" in live.event("command_failed")["why"]
        results = [line for line in live.lines if line["kind"] == "result"]
        assert len(results) > 5
        wait_for(lambda: len((tmp_path / "results").read_text().splitlines()) >= 2)
        assert live.end() == 0
    given = [json.loads(line) for line in (tmp_path / "results").read_text().splitlines()]
    assert given[1]["frame"] > given[0]["frame"] + 1  # those between were passed over


def test_above_leaves_out_what_is_less_sure(release: Path, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures", 1)
    done = run(release / "live", "--source", folder, "--once", "--no-page", "--above", "0.9")
    (found,) = [json.loads(line) for line in done.stdout.splitlines() if '"result"' in line]
    assert [entry["probability"] > 0.9 for entry in found["top"]] == [True]
    assert not holds_something({"top": []})
    assert not holds_something({"detections": []})
    assert not holds_something({"mask": {"classes": [{"class": 0, "share": 1.0}]}})
    assert holds_something({"mask": {"classes": [{"class": 2, "share": 0.1}]}})
    assert holds_something({"outputs": []})


def test_the_page_shows_the_result_that_is_printed_and_what_is_set_is_so(
    release: Path, tmp_path: Path
) -> None:
    folder = pictures(tmp_path / "pictures", 1)
    with running(release, "--source", folder, "--port", "0") as live:
        printed = live.result()
        shown = live.get("next.json?after=0")
        assert shown["record"]["top"] == printed["top"]
        assert shown["frame"] == printed["frame"] == 1
        state = shown["state"]
        assert {"decode", "resize", "inference", "drawing"} <= set(state["ms"])
        assert {"temperature_c", "clock_mhz", "throttled"} <= set(state["device"])
        assert (state["release"], state["model"]) == (release.name, "tiny")
        assert live.post("pause", {"paused": True})["state"]["paused"]
        assert live.post("above", {"above": 0.25})["state"]["above"] == 0.25
        kept = live.post("keep", {})["kept"]
        assert (release.parent.parent / "kept" / kept).read_bytes() == (
            folder / "0.jpg"
        ).read_bytes()


def raw(live: Live, request: str) -> str:
    """The status line and headers that a request is answered with."""
    with socket.create_connection(("127.0.0.1", live.port), timeout=60) as connection:
        connection.sendall(request.encode())
        return connection.recv(1 << 16).decode()


def test_who_is_no_viewer_is_refused(release: Path, tmp_path: Path) -> None:
    with running(release, "--source", tmp_path, "--port", "0") as live:
        page = raw(live, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert "200 OK" in page
        for header in ("frame-ancestors 'none'", "nosniff", "default-src 'none'", "no-store"):
            assert header in page
        rebound = raw(live, "GET /state.json HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        assert " 421 " in rebound
        cross = "GET /state.json HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n\r\n"
        assert " 403 " in raw(live, cross)
        for origin in ("http://evil.example", ""):
            assert live.post("pause", {"paused": True}, origin)["status"] == 403
        assert not live.get("state.json")["state"]["paused"]
        assert live.post("above", {"above": 2})["status"] == 400
        assert live.post("above", [1])["status"] == 400
        assert live.post("absent", {})["status"] == 404
        large = "POST /keep HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
        assert " 413 " in raw(live, f"{large}Content-Length: 99999\r\n\r\n")
        assert " 501 " in raw(live, "PUT / HTTP/1.1\r\nHost: localhost\r\n\r\n")


def test_who_listens_to_the_network_asks_for_the_token(release: Path, tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    options = ("--listen", "0.0.0.0", "--port", "0", "--token-file", token_file)  # noqa: S104 - the point
    with running(release, "--source", tmp_path, *options) as live:
        token = token_file.read_text().strip()
        live.url = live.url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - likewise
        for path in ("/", "/state.json", "/next.json", "/frame/1.jpg", "/?token=wrong"):
            assert " 401 " in raw(live, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        moved = raw(live, f"GET /?token={token} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert " 303 " in moved
        assert "HttpOnly; SameSite=Strict" in moved
        assert live.get("state.json", {"Cookie": f"edgecnn-live={token}"})["state"]
        assert live.get("health.json") == {"ok": True, "release": release.name}
        assert live.end() == 0
    assert token not in json.dumps(live.lines)


def test_two_viewers_and_slow_ones_and_the_loop_goes_on(release: Path, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures")
    with running(release, "--source", folder, "--loop", "--port", "0") as live:
        port = live.port
        live.result()
        # Viewers who ask for picture after picture and take none of them, more than there is room.
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
        request = b"GET /next.json?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for viewer in slow[:30]:
            viewer.sendall(request * 50)
        first = live.get("next.json?after=0")
        second = live.get("next.json?after=0")
        assert first["frame"]
        assert second["frame"]
        before = live.get("state.json")["state"]["answered"]
        wait_for(lambda: live.get("state.json")["state"]["answered"] > before + 100)
        picture = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        picture.request("GET", f"/frame/{live.get('next.json?after=0')['frame']}.jpg")
        assert picture.getresponse().read()[:2] == b"\xff\xd8"
        for viewer in slow:
            viewer.close()
        picture.close()
        assert live.end() == 0


def test_a_full_disk_keeps_no_half_frame_and_says_so(release: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "0.jpg").write_bytes(jpeg(0, (640, 480)))

    def no_larger_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))

    options = ("--port", "0", "--keep", tmp_path / "kept")
    with running(
        release, "--source", folder, *options, preexec_fn=no_larger_files
    ) as live:  # fmt: skip
        live.result()
        told = live.post("keep", {})
        assert told["status"] == 507
        assert "the disk is full" in told["text"]
        assert list((tmp_path / "kept").iterdir()) == []
        assert live.event("not_kept")
        (folder / "1.jpg").write_bytes(jpeg(1))
        assert live.result()["file"] == str(folder / "1.jpg")  # it goes on


_CLOCK = """\
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *now) {
  struct stat file;
  int code = syscall(SYS_clock_gettime, id, now);
  if (id == CLOCK_REALTIME && stat(getenv("CLOCK_FILE"), &file) == 0) now->tv_sec = file.st_mtime;
  return code;
}
time_t time(time_t *now) {
  struct timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  if (now) *now = wall.tv_sec;
  return wall.tv_sec;
}
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_the_clock_jumps_and_the_loop_goes_on(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program's wall clock says when a file was written, as the test pleases."""
    (tmp_path / "clock.c").write_text(_CLOCK)
    library, clock, log = tmp_path / "clock.so", tmp_path / "clock", tmp_path / "log"
    command = ["gcc", "-shared", "-fPIC", str(tmp_path / "clock.c"), "-o", str(library)]
    subprocess.run(command, check=True)
    clock.touch()
    monkeypatch.setenv("CLOCK_FILE", str(clock))
    monkeypatch.setenv("LD_PRELOAD", str(library))
    folder = pictures(tmp_path / "pictures")
    options = ("--loop", "--port", "0", "--fps", "50", "--log", log)
    with running(release, "--source", folder, *options) as live:
        live.result()
        for year in (2071, 1991):
            os.utime(clock, ns=(0, int((year - 1970 + 0.5) * 365.25 * 86400 * 1e9)))
            seen = live.get("next.json?after=0")["frame"]
            assert live.get(f"next.json?after={seen}")["frame"] > seen  # within the page's wait
            live.post("pause", {"paused": False})
            live.event("continued")
            # An event is in the log before it is printed.
            assert log.read_text().splitlines()[-1].startswith(f"{year}-")
        assert live.end() == 0


def test_a_reader_of_lines_that_stands_still_does_not_stop_the_loop(
    release: Path, tmp_path: Path
) -> None:
    folder = pictures(tmp_path / "pictures")
    options = ("--source", folder, "--loop", "--port", "0")
    with running_unread(release, tmp_path / "log", *options) as port:

        def answered() -> int:
            count: int = asked(port, "GET", "state.json", {})["state"]["answered"]
            return count

        first = answered()
        wait_for(lambda: answered() > first + 500)


def test_memory_is_flat_while_frames_go_by(release: Path, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures")
    with running(release, "--source", folder, "--loop", "--port", "0", "--every", "5") as live:

        def state() -> dict[str, Any]:
            live.get("next.json?after=0")
            told: dict[str, Any] = live.get("state.json")["state"]
            return told

        wait_for(lambda: state()["answered"] > 300)
        time.sleep(2.1)  # the device's state is read every two seconds
        before = state()
        wait_for(lambda: state()["answered"] > before["answered"] + 1500)
        time.sleep(2.1)
        grown = state()["device"]["own_memory_bytes"] - before["device"]["own_memory_bytes"]
        assert grown < 4 << 20
