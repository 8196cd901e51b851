"""sweep.jsonl: whole lines only, one writer, and what it says is what was kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgecnn.errors import InputError
from edgecnn.sweeping import journal
from edgecnn.sweeping.records import Accuracy, Place, Point, PointRecord, Run, Timing

if TYPE_CHECKING:
    from pathlib import Path


def record(key: str = "a") -> PointRecord:
    return PointRecord(
        key,
        Point("vgg", width=0.5),
        "done",
        artifact="f" * 64,
        size_bytes=1234,
        snr_db=None,
        accuracy=Accuracy("top1", 0.9, 0.88, 0.92, 1000, "fashion-mnist"),
        timings=(Timing(Place("raspberry-pi-5", 4), 12.5, 11.0, 14.0),),
        notes=("one",),
        run=Run(3.5, 1 << 20, 99, 2),
    )


def read(path: Path) -> tuple[list[PointRecord], list[str]]:
    warnings = list[str]()
    return list(journal.read(path, warnings.append)), warnings


def test_what_is_kept_is_read_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "sweep.jsonl"
    with journal.opened(path) as book:
        book.append(record("a"))
        assert read(path) == ([record("a")], [])
        book.append(record("b"))
    assert read(path) == ([record("a"), record("b")], [])
    assert journal.line_of(record()) == journal.line_of(
        journal.record_of(journal.line_of(record()))
    )


def test_there_is_nothing_before_there_is_a_file(tmp_path: Path) -> None:
    assert read(tmp_path / "sweep.jsonl") == ([], [])


@pytest.mark.parametrize("kept", [1, 20, 200])
def test_a_half_line_is_dropped_and_the_next_is_whole(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "sweep.jsonl"
    line = journal.line_of(record("b"))
    path.write_bytes(journal.line_of(record("a")) + line[:kept])
    assert read(path) == ([record("a")], [])
    with journal.opened(path) as book:
        book.append(record("b"))
    assert read(path) == ([record("a"), record("b")], [])


def test_a_half_line_that_is_all_there_is(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    path.write_bytes(b"x" * 200_000)
    with journal.opened(path):
        assert path.read_bytes() == b""


def test_a_damaged_line_is_told_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    foreign = journal.line_of(record("b")).replace(b'"schema":1', b'"schema":99')
    path.write_bytes(b'{"schema":1}\n' + foreign + journal.line_of(record("a")) + b"\n")
    records, warnings = read(path)
    assert records == [record("a")]
    assert len(warnings) == 2
    assert "line 1, holds no point" in warnings[0]
    assert "its schema is 99" in warnings[1]


def test_one_sweep_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    with (
        journal.opened(path),
        pytest.raises(InputError, match="Another sweep is at work"),
        journal.opened(path),
    ):
        pass
    with journal.opened(path) as book:
        book.append(record())


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "sweep.jsonl").symlink_to(tmp_path / ".bashrc")
    with (
        pytest.raises(InputError, match="it is a symbolic link"),
        journal.opened(tmp_path / "sweep.jsonl"),
    ):
        pass
    assert not (tmp_path / ".bashrc").exists()
