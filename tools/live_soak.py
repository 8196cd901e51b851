"""Runs a release's `live` for minutes with a viewer, and prints how its memory goes.

    python tools/live_soak.py ~/edgecnn/xception-int8/current/live --minutes 60

The pictures are made here. The viewer keeps one connection, as a browser does: each is a thread of
the program, and of every thread that ended qemu-user keeps 240 kB. One JSON object: frames
answered, and of each minute the largest memory that the program held, MiB; `grown_percent` is the
last minute's over that of --settled.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_PICTURES = 20
_SIZE = (640, 480)
_LOOK_S = 0.2
_TIMEOUT_S = 600.0  # of a machine that has other things to do
_MIB = 1 << 20


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("program", type=Path, help="a release's `live`")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--settled", type=int, default=10, help="the minute compared with (10)")
    parser.add_argument("--fps", type=float, default=0.0, help="at most so many frames a second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _write_pictures(Path(folder))
        with _started(options.program, Path(folder), options.fps) as port:
            minutes = _watched(port, options.minutes * 60.0)
    print(json.dumps(_summary(minutes, options.settled)))


def _write_pictures(folder: Path) -> None:
    import numpy as np
    from PIL import Image

    for seed in range(_PICTURES):
        pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
        picture = Image.fromarray(pixels).resize(_SIZE, Image.Resampling.BICUBIC)
        picture.save(folder / f"{seed}.jpg")


@contextlib.contextmanager
def _started(program: Path, pictures: Path, fps: float) -> Iterator[int]:
    """The program while it runs; yields its page's port."""
    command = [str(program), "--source", str(pictures), "--loop", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--fps", f"{fps:g}", "--every", "60"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        yield int(json.loads(process.stdout.readline())["port"])
    finally:
        process.terminate()
        process.wait(_TIMEOUT_S)


def _watched(port: int, seconds: float) -> list[dict[str, Any]]:
    """The state at the end of each minute, with the minute's largest memory."""
    minutes: list[dict[str, Any]] = []
    start, frame = time.monotonic(), 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    with contextlib.closing(connection):
        while (at_s := time.monotonic() - start) < seconds:
            connection.request("GET", f"/next.json?after={frame}")
            answer = json.loads(connection.getresponse().read())
            frame = answer["frame"] or frame
            memory = answer["state"]["device"]["own_memory_bytes"]
            if int(at_s // 60) == len(minutes):
                minutes.append({"memory": 0})
            minutes[-1] = {**answer["state"], "memory": max(minutes[-1]["memory"], memory)}
            time.sleep(_LOOK_S)
    return minutes


def _summary(minutes: list[dict[str, Any]], settled: int) -> dict[str, Any]:
    memory = [round(minute["memory"] / _MIB, 2) for minute in minutes]
    first = memory[min(settled, len(memory)) - 1]
    return {
        "answered": minutes[-1]["answered"],
        "fps": minutes[-1]["fps"],
        "memory_mib": memory,
        "grown_percent": round(100 * (memory[-1] / first - 1), 2),
    }


if __name__ == "__main__":
    main()
