"""How many random examples a test draws whose examples take seconds."""

from __future__ import annotations

import os

TIMES = "EDGECNN_EXAMPLES"


def examples(usual: int) -> int:
    """This many, or as many times more as $EDGECNN_EXAMPLES says: what a night can be given."""
    return usual * int(os.environ.get(TIMES, "1"))
