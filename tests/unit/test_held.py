"""Folders to work in: gone with their block, or with the next run when theirs was killed."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import edgecnn
from edgecnn import held, isolation
from edgecnn.isolation import CrashedError, Limits

ROOT = str(Path(edgecnn.__file__).parents[1])
HERE = "test_held"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the test's own, for this process and its children."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return folder


def litter() -> str:
    """As TensorFlow's autograph does for each function: a file that nobody removes."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="__autograph_generated_file", suffix=".py", delete=False
    ) as file:
        return file.name


def litter_and_die() -> None:
    litter()
    os.kill(os.getpid(), signal.SIGKILL)


def litter_and_hang() -> None:
    litter()
    time.sleep(600)


def test_what_a_child_leaves_behind_goes_with_it(temporary: Path) -> None:
    written = isolation.run(f"{HERE}:litter", what="littering")
    assert Path(written).is_relative_to(temporary)
    with pytest.raises(CrashedError):
        isolation.run(f"{HERE}:litter_and_die", what="littering")
    with pytest.raises(CrashedError):
        isolation.run(f"{HERE}:litter_and_hang", what="littering", limits=Limits(seconds=3.0))
    assert list(temporary.iterdir()) == []


_WORK = f"""
import sys
sys.path[:0] = {[ROOT, str(Path(__file__).parent)]!r}
from edgecnn import isolation
isolation.run("{HERE}:litter_and_hang", what="littering")
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_while_its_child_works_leaves_nothing_for_long(
    temporary: Path, ending: signal.Signals
) -> None:
    child = subprocess.Popen([sys.executable, "-c", _WORK], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(temporary.glob("edgecnn-*.tmp/__autograph*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child.send_signal(ending)
    child.wait()
    if ending == signal.SIGKILL:
        assert len(list(temporary.iterdir())) == 1
        held._sweep_temporary.cache_clear()  # noqa: SLF001 - as the next process does
        with held.temporary() as folder:
            assert list(temporary.iterdir()) == [folder]
    assert list(temporary.iterdir()) == []


def test_what_another_run_works_in_stays_and_what_is_not_ours_too(temporary: Path) -> None:
    dead, live, link = (temporary / f"edgecnn-{digit * 16}.tmp" for digit in "012")
    foreign = temporary / "edgecnn-notes.tmp"
    for folder in (dead, live, foreign):
        folder.mkdir()
        (folder / "file").write_text("content")
    link.symlink_to(foreign)
    lock = os.open(live, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_SH)
    held._sweep_temporary.cache_clear()  # noqa: SLF001 - as the next process does
    with held.temporary() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert set(temporary.iterdir()) == {live, foreign, link, folder}
    os.close(lock)
    assert (foreign / "file").read_text() == "content"


def test_a_folder_that_is_swept_before_it_is_locked_is_made_again(tmp_path: Path) -> None:
    names = iter((_Vanishing(tmp_path / "first"), tmp_path / "second"))
    with held.new(lambda: next(names)) as folder:
        assert folder == tmp_path / "second"


class _Vanishing(type(Path())):  # type: ignore[misc] # the class of this system's paths
    """Is gone as soon as it is made."""

    def mkdir(self, *_: object, **__: object) -> None:
        """Another run sweeps it in this moment."""
