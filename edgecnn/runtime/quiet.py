"""Keeps the chatter that native libraries write to descriptor 2 from the user."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

# "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.", absl's "I0000 00:00:17... file.cc:1]",
# and what absl says before its first line.
_CHATTER = re.compile(rb"INFO: |I\d{4} \d\d:\d\d|WARNING: All log messages before absl::")


def _flush() -> None:
    """What Python has written must stand in order with what native code writes."""
    if sys.stderr is not None:  # None where the process was started with its stderr closed
        sys.stderr.flush()


@contextlib.contextmanager
def quiet_stderr() -> Generator[None, None, None]:
    """Hold back what is written to descriptor 2, and pass on all that is not mere information.

    Warnings and errors appear when the block ends, also when it ends with an exception. The
    descriptor belongs to the whole process, so keep the block short.
    """
    _flush()
    try:
        original = os.dup(2)
    except OSError:  # a daemon has no stderr to keep clean
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            _flush()
            os.dup2(original, 2)
            os.close(original)
            held.seek(0)
            kept = [line for line in held if not _CHATTER.match(line)]
            if kept:
                os.write(2, b"".join(kept))
