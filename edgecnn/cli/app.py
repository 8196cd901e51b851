"""The root command, and the one place where an exit code is decided."""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING

import click

from edgecnn.cli import console, failure
from edgecnn.cli.group import LazyGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "edgecnn"
COMPLETE_VARIABLE = "_EDGECNN_COMPLETE"
_BROKEN_PIPE_EXIT_CODE = 141  # as a shell reports a program that SIGPIPE ended

COMMANDS = {
    "models": "edgecnn.cli.models:models",
    "operators": "edgecnn.cli.operators:operators",
    "train": "edgecnn.cli.train:train",
    "export": "edgecnn.cli.export:export",
    "inspect": "edgecnn.cli.inspect:inspect",
    "verify": "edgecnn.cli.verify:verify",
    "diagnose": "edgecnn.cli.diagnose:diagnose",
    "evaluate": "edgecnn.cli.evaluate:evaluate",
    "bench": "edgecnn.cli.bench:bench",
    "compare": "edgecnn.cli.compare:compare",
    "check": "edgecnn.cli.check:check",
    "predict": "edgecnn.cli.predict:predict",
    "fit": "edgecnn.cli.fit:fit",
    "sweep": "edgecnn.cli.sweep:sweep",
    "verdict": "edgecnn.cli.verdict:verdict",
    "report": "edgecnn.cli.report:report",
    "mcu": "edgecnn.cli.mcu:mcu",
    "deploy": "edgecnn.cli.deploy:deploy",
    "live": "edgecnn.cli.live:live",
    "service": "edgecnn.cli.service:service",
    "collect": "edgecnn.cli.collect:collect",
    "devices": "edgecnn.cli.devices:devices",
    "guide": "edgecnn.cli.guide:guide",
    "cache": "edgecnn.cli.cache:cache",
    "completion": "edgecnn.cli.completion:completion",
}


def _print_version(context: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click calls it so
    if value and not context.resilient_parsing:
        import edgecnn

        click.echo(f"{PROGRAM} {edgecnn.__version__}")
        context.exit()


@click.group(
    cls=LazyGroup,
    lazy_commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command takes --json; `edgecnn guide` lists the guides. Exit codes: 0 success,"
    " 1 a check failed, 2 wrong usage or input, 3 a device failed, 4 an optional part is not"
    " installed, 74 output cannot be written.",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Take a CNN to a Raspberry Pi or a phone: build, quantize, verify, measure, deploy.

    \b
    Start with:
      edgecnn models
      edgecnn export xception --int8
      edgecnn bench artifacts/xception/int8
    """  # noqa: D301 - \b is click's mark for lines that are not to be wrapped


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit code; nothing is raised."""
    _write_any_character()
    try:
        return _run(args)
    except BrokenPipeError:  # the reader of our output (`| head`) has gone: nobody to tell
        _discard_output()
        return _BROKEN_PIPE_EXIT_CODE
    except (OSError, console.OutputError):  # stderr takes nothing either
        _discard_output()
        return console.OutputError.exit_code


def _run(args: Sequence[str]) -> int:
    try:
        code = _invoke(list(args))
        if sys.stdout is not None:  # None where the process was started with its stdout closed
            with console.writing():
                sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last stop: all is told
        always = os.environ.get("EDGECNN_TRACEBACK", "0") not in {"", "0"}
        if always or _has_option("--traceback", args):
            traceback.print_exception(error)
        code = failure.tell(failure.describe(error), as_json=_has_option("--json", args))
        _flush_or_discard()
    return code


def _invoke(args: list[str]) -> int:
    if instruction := os.environ.get(COMPLETE_VARIABLE):
        from edgecnn.cli.shells import complete

        return complete(cli, PROGRAM, COMPLETE_VARIABLE, instruction)
    with console.writing():  # --help and --version
        context = cli.make_context(PROGRAM, args)
    with context:
        cli.invoke(context)
    return 0


def _has_option(option: str, args: Sequence[str]) -> bool:
    """Whether an option was given, also when the command line could not be parsed."""
    before_dashes = args[: args.index("--")] if "--" in args else args
    return option in before_dashes


def _write_any_character() -> None:
    """Let a character that the terminal's encoding lacks be escaped; it must not end the command.

    A file's name may hold bytes that are no text at all.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _flush_or_discard() -> None:
    """What a full disk refused is told already; it must not change the exit code at the end."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError:
        _discard_output()


def _discard_output() -> None:
    """Python flushes stdout once more when it ends: let that go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
