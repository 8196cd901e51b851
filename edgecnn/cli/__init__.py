"""The `edgecnn` command: parse, one call of the public API, print. Only here is printed or exited.

Nothing heavy is imported before a command needs it: `edgecnn --help` loads click alone.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # see `edgecnn`
if TYPE_CHECKING:
    from typing import NoReturn

INTERRUPTED_EXIT_CODE = 130  # as a shell reports a program that SIGINT ended


def main() -> NoReturn:
    """Run the command line in `sys.argv`, and exit with its code."""
    try:
        from edgecnn.cli.app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while that is imported, or while a first Ctrl-C is told of
        os.write(2, b"Interrupted.\n")
        code = INTERRUPTED_EXIT_CODE
    if code == INTERRUPTED_EXIT_CODE:
        # All is told and tidied. A thread inside a native library may keep Python from ending.
        os._exit(code)
    sys.exit(code)
