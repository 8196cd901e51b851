"""Graph passes: one file each, each with the reason why the function is kept.

Every pass is `apply(graph, ...) -> PassResult` and changes the graph it is given.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PassResult:
    """What a pass did.

    Attributes:
        changes: how many operators, constants or ends it changed; 0: the graph is as it was.
        notes: sentences for the manifest.
    """

    changes: int
    notes: tuple[str, ...] = ()
