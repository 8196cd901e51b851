"""Did you mean: the nearest known name to one that is not known."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the known names nearest to `name`, or else all of them.

    >>> suggest("exception", ["vgg", "xception"])
    'Did you mean xception?'
    """
    by_folded = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), by_folded, n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(by_folded[match] for match in near)}?"
    return f"Known: {', '.join(sorted(by_folded.values(), key=str.lower))}."
