"""Runs the network that lies in this folder on a camera, a folder or an address, frame by frame.

Nothing but the standard library is imported before it is known what this device has.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.deploying.device import run
from edgecnn.deploying.device.trouble import TroubleError, needs, needs_pillow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgecnn.deploying.device.streaming.running import Running

_PORT, _HIGHEST_PORT = 8080, 65535
_LOOPBACK = "127.0.0.1"


def main(here: Path, arguments: Sequence[str] | None = None) -> int:
    """Run until the source ends, or somebody ends it; returns the exit code."""
    options = _parse(arguments)
    # A viewer or a reader that goes away is heard of where it is written to.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    return run.guarded(lambda: _main(here, options), as_json=True, log=_log_of(options))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="live", description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--source", required=True, metavar="SOURCE",
        help="a picture, a folder that is written to, http://... (MJPEG), a video file, rtsp://...,"
        " camera, or /dev/videoN")  # fmt: skip
    add("--once", action="store_true", help="files: answer each that is there, and end")
    add("--loop", action="store_true", help="files: answer them again and again")
    add("--fps", type=_seconds, default=0.0, metavar="N", help="at most N frames a second")
    run.add_task_options(parser)
    add("--every", type=_seconds, default=0.0, metavar="S", help="print at most a line in S s")
    add("--on-result", metavar="COMMAND", help="is run with each printed line on its stdin")
    add("--on-result-seconds", type=_seconds, default=10.0, metavar="S", help="its time (10)")
    _add_page(parser)
    run.add_threads(parser)
    options = parser.parse_args(arguments)
    if options.once and options.loop:
        parser.error("--once and --loop exclude each other")
    return options


def _add_page(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--port", type=_port, default=_PORT, metavar="N", help=f"of the page ({_PORT}; 0: any)")
    add("--no-page", action="store_true", help="serve no page")
    add("--listen", default=_LOOPBACK, metavar="ADDRESS",
        help=f"of the page ({_LOOPBACK}: this device alone); others need the token")  # fmt: skip
    add("--token-file", type=Path, metavar="FILE", help="holds the token; written where it is not")
    add("--keep", type=Path, metavar="DIR", help="for kept frames")
    add("--keep-most", type=run.count, default=500, metavar="N", help="kept frames (500)")
    add("--service", type=Path, metavar="FOLDER", help="as the service of this folder")
    add("--log", type=Path, metavar="FILE", help="events, in two megabytes at most")
    add("--to-stderr", action="store_true", help="print the lines on stderr")
    add("--while-stdin", action="store_true", help="end when stdin does")


def _seconds(text: str) -> float:
    """A number of at least 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"takes a number of at least 0, not '{text}'")
    return value


def _port(text: str) -> int:
    """A port's number, for argparse."""
    if not text.isdigit() or int(text) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"takes a port's number, not '{text}'")
    return int(text)


def _main(here: Path, options: argparse.Namespace) -> int:
    needs("numpy", "python3-numpy")
    needs_pillow()
    from edgecnn.deploying.device import session
    from edgecnn.deploying.device.streaming.running import Running

    release = session.read_json(here / "release.json")
    task = options.task or release["task"]["name"]
    run.require_task(task)
    if options.above is not None and not 0 <= options.above <= 1:
        raise TroubleError("--above takes a score from 0 to 1", "For example --above 0.6.")
    manifest = session.read_json(here / "manifest.json")
    loaded = session.Session(here, manifest, options.threads)
    session.warnings(manifest)
    question = run.question_of(here, release["task"], options, task, loaded)
    running = Running(here, release, manifest, options, loaded, question)
    _end_by_signal(running)
    if options.while_stdin:
        threading.Thread(target=_end_with_stdin, args=(running,), daemon=True).start()
    return running.run()


def _log_of(options: argparse.Namespace) -> Callable[[TroubleError], None]:
    """What writes an error into the log: a service has no other place to say it."""
    from edgecnn.deploying.device.streaming import telling

    def write(trouble: TroubleError) -> None:
        path = telling.log_path(options.log, options.service)
        if path is not None:
            log = telling.BoundedLog(path)
            telling.Teller(lambda _: None, log.write).event(
                "failed", why=trouble.message, hint=trouble.hint
            )

    return write


def _end_by_signal(running: Running) -> None:
    def end(*_: Any) -> None:  # noqa: ANN401 - a handler's
        running.stop()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)


def _end_with_stdin(running: Running) -> None:
    """Whoever started this over a connection has gone when its end is."""
    while os.read(sys.stdin.fileno(), 1 << 12):
        pass
    running.stop()
