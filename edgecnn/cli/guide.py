"""`edgecnn guide`: the guides that come with the package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edgecnn import guides
from edgecnn.cli import console
from edgecnn.cli.options import common_options
from edgecnn.records import SCHEMA

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from edgecnn.guides import Guide


def _complete(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in guides.NAMES if name.startswith(incomplete)]


@click.command(short_help="Show a guide: Raspberry Pi, your own model, CI, ...")
@click.argument("name", required=False, shell_complete=_complete)
@common_options
def guide(name: str | None, *, as_json: bool) -> None:
    """Show the guide NAME, or list the guides.

    In a terminal the text is formatted; in a pipe or a file it is Markdown.
    """
    if name is None:
        _list(as_json=as_json)
        return
    chosen = guides.read(name)
    if as_json:
        console.print_json({"schema": SCHEMA, **_item(chosen), "markdown": chosen.text})
    else:
        console.print_markdown(chosen.text)


def _list(*, as_json: bool) -> None:
    every = [guides.read(name) for name in guides.NAMES]
    if as_json:
        console.print_json({"schema": SCHEMA, "guides": [_item(page) for page in every]})
        return
    console.print_pairs([(page.name, page.title) for page in every])
    console.print_line()
    console.print_line("Show one with: edgecnn guide NAME")


def _item(page: Guide) -> dict[str, str]:
    return {"name": page.name, "title": page.title}
