"""What `--verbose` says of stages."""

from __future__ import annotations

from edgecnn.cli.progress import Timed
from edgecnn.progress import Silent


def test_each_stage_takes_until_the_next_begins() -> None:
    clock = iter([10.0, 12.5, 20.0, 21.0])
    watcher = Silent()
    timed = Timed(watcher, lambda: next(clock))
    timed.stage("calibrating", 8)
    timed.advance()
    timed.warn("careful")
    timed.stage("quantizing")
    assert timed.lines() == (
        "    2.5 s  beginning",
        "    7.5 s  calibrating",
        "    1.0 s  quantizing",
        "   11.0 s  in all",
    )
    assert watcher.warnings == ["careful"]
