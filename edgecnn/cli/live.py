"""`edgecnn live`: a deployed network on a camera there, its page here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypedDict

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.options import common_options, quiet_option, threads_option
from edgecnn.cli.progress import watching

if TYPE_CHECKING:
    from typing_extensions import Unpack


class _Flags(TypedDict):
    """The options, as click hands them over."""

    source: str
    above: float | None
    every: float
    fps: float
    loop: bool
    once: bool
    port: int
    no_browser: bool
    threads: int | None
    quiet: bool
    as_json: bool


@click.command(short_help="Run a deployed network on a camera there, with a page here.")
@click.argument("target", metavar="DEVICE[/ARTIFACT]")
@click.option(
    "--source",
    default="camera",
    show_default=True,
    metavar="SOURCE",
    help="On the device: camera, a picture, a folder that is written to, http://... (MJPEG).",
)
@click.option("--loop", is_flag=True, help="Pictures: answer them again and again.")
@click.option("--once", is_flag=True, help="Pictures: answer each, and end.")
@click.option("--above", type=click.FloatRange(0, 1), metavar="S", help="Ignore lower scores.")
@click.option(
    "--every",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Tell of at most one result in S seconds.",
)
@click.option(
    "--fps", type=click.FloatRange(min=0), default=0, metavar="N", help="At most N frames a second."
)
@threads_option("the device's cores, at most 4")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Of the page here; 0: a free one."
)
@click.option("--no-browser", is_flag=True, help="Only print the page's address.")
@quiet_option
@common_options
def live(target: str, **flags: Unpack[_Flags]) -> None:
    """Run the network that `deploy` installed on a camera or a folder of DEVICE, frame by frame.

    DEVICE is ssh://user@host[:port]; /ARTIFACT names the network where several are deployed:
    ssh://pi@raspberrypi.local/xception-int8. The page opens in the browser through an SSH tunnel:
    nothing listens on the network. Ctrl-C ends it, here and there.

    With --json: a JSON object a line for each result and event.
    """
    options = edgecnn.LiveOptions(
        source=flags["source"],
        above=flags["above"],
        every_s=flags["every"],
        fps=flags["fps"],
        loop=flags["loop"],
        once=flags["once"],
        threads=flags["threads"],
        local_port=flags["port"],
    )
    printer = _Printer(flags)
    with watching(quiet=flags["quiet"] or flags["as_json"]) as progress:
        done = edgecnn.live(
            target, options=options, on_page=printer.page, on_line=printer.line, progress=progress
        )
    if not flags["as_json"] and not flags["quiet"]:
        how = "Stopped" if done.interrupted else "The source has ended"
        console.print_line(f"{how}: {done.results} results.")


class _Printer:
    """Prints what comes."""

    def __init__(self, flags: _Flags) -> None:
        self._flags = flags

    def page(self, url: str) -> None:
        """The page answers here."""
        if self._flags["as_json"]:
            console.print_json_line({"kind": "page", "url": url})
        else:
            console.print_line(f"Page: {url}", "bold")
            console.print_line("Ctrl-C ends it.")
        if not self._flags["no_browser"]:
            import webbrowser

            webbrowser.open(url)

    def line(self, line: dict[str, Any]) -> None:
        """A result or an event came."""
        if self._flags["as_json"]:
            console.print_json_line(line)
        elif line.get("kind") == "event" and not self._flags["quiet"]:
            details = {
                name: value
                for name, value in line.items()
                if name not in {"schema", "kind", "event"}
            }
            console.say(str(line.get("event")), json.dumps(details))
