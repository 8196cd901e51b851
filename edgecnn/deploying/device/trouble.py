"""Errors of the device's programs, and what they print."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

SCHEMA = 1
PROOF_FAILED, BAD_INPUT, MISSING_PART = 1, 2, 4
"""Exit codes, as edgecnn's own."""


class TroubleError(Exception):
    """What went wrong as a sentence, and what to do next."""

    def __init__(self, message: str, hint: str = "", code: int = BAD_INPUT) -> None:
        super().__init__(message)
        self.message, self.hint, self.code = message, hint, code


def out_of_memory(during: str = "") -> TroubleError:
    """What a MemoryError is for people; `during` says where it was raised."""
    return TroubleError(
        f"this device is out of memory{during and f' in {during}'}",
        "Run less beside it, or take a smaller network or smaller pictures.",
        MISSING_PART,
    )


def tell(trouble: TroubleError, *, as_json: bool) -> int:
    """Print it, as one JSON object where that was asked for; returns the exit code."""
    if as_json:
        error = error_object(trouble.message, trouble.hint, trouble.code)
        print(json.dumps({"schema": SCHEMA, "ok": False, "error": error}))  # noqa: T201 - of a program
    else:
        sys.stderr.write(f"error: {printable(trouble.message)}\n{printable(trouble.hint)}\n")
    return trouble.code


def error_object(message: str, hint: str, exit_code: int) -> dict[str, Any]:
    """An error as JSON has it."""
    return {"message": message, "hint": hint, "exit_code": exit_code}


def printable(text: str) -> str:
    """Safe for a terminal: a file's name may hold escape sequences that it would obey."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode()
        for char in text
    )


def needs(module: str, package: str) -> Any:  # noqa: ANN401 - a module
    """Import a module of a Debian package.

    Raises:
        TroubleError: it is not there, with what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise TroubleError(
            f"Python's {module} is missing on this device, or too old: {error}",
            f"sudo apt install {package}",
            MISSING_PART,
        ) from error


def needs_pillow() -> None:
    """Hold that Pillow is here and knows `Image.Resampling` (9.1 and newer).

    Raises:
        TroubleError: with what to install.
    """
    pillow = needs("PIL.Image", "python3-pil")
    if not hasattr(pillow, "Resampling"):
        raise TroubleError(
            f"Pillow 9.1 or newer is needed, and here is {pillow.__version__}",
            "python3 -m pip install --upgrade pillow",
            MISSING_PART,
        )
