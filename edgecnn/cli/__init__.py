"""The `edgecnn` command: parse, one call of the public API, print. Only here is printed or exited.

Nothing heavy is imported before a command needs it: `edgecnn --help` loads click alone.
"""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line in `sys.argv`, and exit with its code."""
    from edgecnn.cli.app import run

    sys.exit(run(sys.argv[1:]))
