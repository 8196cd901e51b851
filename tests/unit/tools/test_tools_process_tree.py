"""Measuring a command's process tree, on small real commands."""

from __future__ import annotations

import os
import sys

import pytest
from measure.process_tree import CommandFailedError, descendants, measure, pss_bytes, rss_bytes

_TENTH_GIB = 100 << 20
_GRANDCHILD = f"import time; block = bytearray({_TENTH_GIB}); block[::4096] = block[::4096]"
_HOLD = f"{_GRANDCHILD}; time.sleep(0.5)"
_PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_HOLD!r}], check=True)"


def test_a_grandchilds_memory_counts() -> None:
    run = measure([sys.executable, "-c", _PARENT], os.environ)
    assert run.tree_peak_rss_bytes > _TENTH_GIB
    assert run.tree_pss_at_peak_bytes <= run.tree_peak_rss_bytes
    assert run.process_peak_rss_bytes > _TENTH_GIB
    assert run.samples > 1


def test_a_failing_command_shows_its_last_words() -> None:
    with pytest.raises(CommandFailedError, match=r"exit 3(.|\n)*the disk is full"):
        measure([sys.executable, "-c", "print('the disk is full'); exit(3)"], os.environ)


def test_this_process_is_part_of_its_own_tree() -> None:
    assert os.getpid() in descendants(os.getpid())
    assert 0 < pss_bytes(os.getpid()) <= rss_bytes(os.getpid())


def test_a_process_that_is_gone_has_no_memory() -> None:
    gone = 2**22 + 1  # above the kernel's largest process id
    assert rss_bytes(gone) == pss_bytes(gone) == 0
    assert descendants(gone) == [gone]
