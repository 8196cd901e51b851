"""`edgecnn completion`: makes the shell complete commands, options, models and paths."""

from __future__ import annotations

import click

from edgecnn.cli import console
from edgecnn.cli.options import common_options
from edgecnn.cli.shells import SHELLS, script
from edgecnn.records import SCHEMA

_HOW = {
    "bash": (
        "mkdir -p ~/.local/share/bash-completion/completions",
        "edgecnn completion bash > ~/.local/share/bash-completion/completions/edgecnn",
    ),
    "zsh": (
        "edgecnn completion zsh > ~/.edgecnn-completion.zsh",
        "echo '. ~/.edgecnn-completion.zsh' >> ~/.zshrc  # below the line with compinit",
    ),
    "fish": ("edgecnn completion fish > ~/.config/fish/completions/edgecnn.fish",),
}


@click.command(short_help="Print a shell's completion script, or how to install it.")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@common_options
@click.pass_context
def completion(context: click.Context, shell: str | None, *, as_json: bool) -> None:
    """Print the completion script of a SHELL, or how to install it.

    Without SHELL: the commands that install it, for each of bash, zsh and fish.
    """
    if shell is None:
        _explain(as_json=as_json)
        return
    text = _script(context, shell)
    if as_json:
        content = {"schema": SCHEMA, "shell": shell, "script": text, "install": list(_HOW[shell])}
        console.print_json(content)
    else:
        click.echo(text)


def _script(context: click.Context, shell: str) -> str:
    from edgecnn.cli.app import COMPLETE_VARIABLE, PROGRAM

    return script(context.find_root().command, shell, PROGRAM, COMPLETE_VARIABLE)


def _explain(*, as_json: bool) -> None:
    if as_json:
        console.print_json({"schema": SCHEMA, "install": {s: list(_HOW[s]) for s in SHELLS}})
        return
    for shell in SHELLS:
        console.print_line(f"{shell}:", "bold")
        for line in _HOW[shell]:
            console.print_line(f"  {line}")
    console.print_line("It takes effect in new shells.")
