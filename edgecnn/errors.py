"""Every error a user may see: what failed, where, and what to do next."""

from __future__ import annotations


class EdgeCnnError(Exception):
    """Base of all errors edgecnn raises on purpose.

    Args:
        message: what failed and where, one sentence.
        hint: what to do next, one sentence or a command; printed on its own line.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class CheckFailedError(EdgeCnnError):
    """A check or budget the user asked about does not hold."""

    exit_code = 1


class InputError(EdgeCnnError):
    """The usage or the input is wrong."""

    exit_code = 2


class DeviceError(EdgeCnnError):
    """A device could not be reached, or failed while working."""

    exit_code = 3


class MissingPartError(EdgeCnnError):
    """An optional part of edgecnn is not installed."""

    exit_code = 4
