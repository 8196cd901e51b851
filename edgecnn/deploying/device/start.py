"""Starts the program that lies beside this file: a network with all it needs.

It stands in a release as `run.py`, and as `classify.py` under the name the program had before. It
puts the release's own libraries on the module path, or starts again with the Python that they are
made for.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
_MISSING_PART = 4


def main() -> int:
    """Find the libraries, then run; returns the exit code."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `run *.jpg | head` ends quietly
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # real streams
    release = json.loads((HERE / "release.json").read_text("utf-8"))
    required, actual = release["python"], f"{sys.version_info.major}.{sys.version_info.minor}"
    if required not in {"", actual}:
        right = shutil.which(f"python{required}")
        if right is None:
            return _refuse(required, actual)
        os.execv(right, [right, __file__, *sys.argv[1:]])  # noqa: S606 - no shell is wanted
    # Resolved: a new release may take the place of `current` while this runs.
    sys.path[:1] = [str(HERE), str(HERE / "runtime")]
    program = importlib.import_module(f"edgecnn.deploying.device.{Path(__file__).stem}")
    code: int = program.main(HERE)
    return code


def _refuse(required: str, actual: str) -> int:
    message = f"this folder was made for Python {required}, and here is {actual}"
    hint = "Deploy again: edgecnn sends what fits the Python it finds."
    if {"--json", "--prove"} & set(sys.argv):
        error = {"message": message, "hint": hint, "exit_code": _MISSING_PART}
        print(json.dumps({"schema": 1, "ok": False, "error": error}))  # noqa: T201 - of a program
    else:
        sys.stderr.write(f"error: {message}\n{hint}\n")
    return _MISSING_PART


if __name__ == "__main__":
    sys.exit(main())
