"""A click group that imports a command only when it is used, and knows what was meant."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping


class HintedUsageError(click.UsageError):
    """Wrong usage, with what to do next."""

    def __init__(self, message: str, *, hint: str, context: click.Context | None = None) -> None:
        super().__init__(message, ctx=context)
        self.hint = hint


class LazyGroup(click.Group):
    """A group whose commands are "module:attribute" strings.

    Args:
        lazy_commands: name to where its command is, in the order of `--help`.
        **settings: as click.Group takes them.
    """

    def __init__(self, *, lazy_commands: Mapping[str, str], **settings: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(**settings)
        self._lazy_commands = lazy_commands

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the table's order."""
        return list(self._lazy_commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import one command."""
        if cmd_name not in self._lazy_commands:
            return None
        module, _, attribute = self._lazy_commands[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a hint where there is no such command."""
        name = args[0]
        if name not in self._lazy_commands and not name.startswith("-"):
            hint = _suggestion(name, self._lazy_commands)
            raise HintedUsageError(f"There is no command {name!r}.", hint=hint, context=ctx)
        return super().resolve_command(ctx, args)


def _suggestion(name: str, commands: Mapping[str, str]) -> str:
    from edgecnn.zoo import MODELS
    from edgecnn.zoo.suggest import suggest

    if name.lower() in MODELS or name.lower().startswith("keras:"):
        return f"Did you mean `edgecnn export {name}`?"
    return suggest(name, commands)
