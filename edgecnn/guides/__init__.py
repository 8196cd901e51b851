"""The guides: Markdown files beside this one, which `edgecnn guide` shows."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from edgecnn.errors import InputError

NAMES = (
    "raspberry-pi",
    "live",
    "microcontroller",
    "own-model",
    "calibration",
    "accuracy",
    "bench",
    "ci",
    "predict",
    "sweep",
    "verdict",
    "results",
)
"""In the order a new user needs them."""


@dataclass(frozen=True)
class Guide:
    """One guide.

    Attributes:
        name: what the user types.
        title: its heading.
        text: all of it, in Markdown.
    """

    name: str
    title: str
    text: str


def read(name: str) -> Guide:
    """Read a guide.

    Raises:
        InputError: there is none of that name.
    """
    if name not in NAMES:
        raise InputError(f"There is no guide {name!r}.", hint=f"Guides: {', '.join(NAMES)}.")
    text = resources.files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8")
    return Guide(name, text.partition("\n")[0].removeprefix("# "), text)
