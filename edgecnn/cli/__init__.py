"""The `edgecnn` command: parse, one call of the public API, print. Only here is printed or exited.

Nothing heavy is imported before a command needs it: `edgecnn --help` loads click alone.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line in `sys.argv`, and exit with its code."""
    from edgecnn.cli.app import run
    from edgecnn.cli.failure import INTERRUPTED_EXIT_CODE

    code = run(sys.argv[1:])
    if code == INTERRUPTED_EXIT_CODE:
        # All is told and tidied. A thread inside a native library may keep Python from ending.
        os._exit(code)
    sys.exit(code)
