"""Whatever ended a command, told as one sentence, one hint and one exit code."""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass

import click

from edgecnn.cli import INTERRUPTED_EXIT_CODE
from edgecnn.errors import EdgeCnnError
from edgecnn.files import RefusedFileError

BUG_EXIT_CODE = 70  # EX_SOFTWARE of BSD's sysexits.h
_USAGE_EXIT_CODE = 2
# What the machine refuses, through no fault of ours.
_ENVIRONMENT = {errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EPERM, errno.EROFS}


@dataclass(frozen=True)
class Failure:
    """What the user is told: what failed and where, and what to do next (may be empty)."""

    message: str
    hint: str
    exit_code: int
    title: str = "error"


def describe(error: BaseException) -> Failure:
    """Say what an exception means for the user."""
    if _is_interruption(error):
        return Failure("Interrupted.", "", INTERRUPTED_EXIT_CODE, title="")
    if isinstance(error, EdgeCnnError):
        return Failure(error.message, error.hint, error.exit_code)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return Failure(error.format_message(), "", _USAGE_EXIT_CODE, title="")
    if isinstance(error, click.ClickException):
        return Failure(_sentence(error), _usage_hint(error), error.exit_code)
    if isinstance(error, RefusedFileError) or (
        isinstance(error, OSError) and error.errno in _ENVIRONMENT
    ):
        where = f"{error.filename}: " if error.filename else ""
        return Failure(f"{where}{error.strerror}.", "", _USAGE_EXIT_CODE)
    return Failure(
        f"{type(error).__name__}: {error}",
        "This is a bug in edgecnn. Run the command again with --traceback, and report the command"
        " and its output.",
        BUG_EXIT_CODE,
        title="unexpected error",
    )


def _is_interruption(error: BaseException | None) -> bool:
    """Whether it is Ctrl-C, or was raised from it.

    Python 3.11 makes a RuntimeError of one that comes while a class gives its attributes names.
    """
    while error is not None:
        if isinstance(error, (KeyboardInterrupt, click.Abort)):
            return True
        error = error.__cause__
    return False


def _sentence(error: click.ClickException) -> str:
    # click's NoSuchOption adds its own, poorer suggestions in format_message.
    message = error.message if isinstance(error, click.NoSuchOption) else error.format_message()
    return message if message.endswith((".", ")")) else f"{message}."


def _usage_hint(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    if hint := getattr(error, "hint", ""):
        return str(hint)
    if context is None:
        return ""
    if isinstance(error, click.NoSuchOption):
        return _meant_option(error.option_name, context)
    return f"See `{context.command_path} --help`."


def _meant_option(name: str, context: click.Context) -> str:
    from edgecnn.zoo.suggest import suggest

    known = [option for p in context.command.get_params(context) for option in p.opts]
    # Without the dashes, which make any two options alike.
    bare = {option.lstrip("-"): option for option in known if option.startswith("--")}
    hint = suggest(name.lstrip("-"), bare)
    if not hint.startswith("Did"):
        return f"See `{context.command_path} --help`."
    near = hint.removeprefix("Did you mean ").removesuffix("?").split(" or ")
    return f"Did you mean {' or '.join(bare[option] for option in near)}?"


def tell(failure: Failure, *, as_json: bool) -> int:
    """Print it, and return its exit code."""
    if as_json:
        from edgecnn.reporting.json_objects import error_object

        fields = error_object(failure.message, failure.hint, failure.exit_code)
        try:
            click.echo(json.dumps(fields))
        except BrokenPipeError:
            raise
        except OSError:  # stdout takes nothing: perhaps that is what is to be told
            _tell_person(failure)
    else:
        _tell_person(failure)
    return failure.exit_code


def _tell_person(failure: Failure) -> None:
    from edgecnn.cli import console

    console.say(failure.title, failure.message, style="bold red")
    if failure.hint:
        console.say("", failure.hint)
