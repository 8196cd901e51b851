"""edgecnn.strict: JSON from outside into records."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from edgecnn import strict


@dataclass(frozen=True)
class Counted:
    """Of each kind of number one."""

    count: int
    shares: tuple[float, ...] = ()
    share: float = 0.0


@pytest.mark.parametrize("count", [0, -1, 2**63, -(2**127)])
def test_a_count_is_taken_as_it_is(count: int) -> None:
    assert strict.structured(json.loads(f'{{"count": {count}}}'), Counted).count == count


@pytest.mark.parametrize(
    "text",
    [
        f'{{"count": {10**400}}}',
        f'{{"count": {-(2**128)}}}',
        f'{{"count": 1, "share": {10**400}}}',
        f'{{"count": 1, "shares": [1, {10**400}]}}',
        '{"count": true}',
        '{"count": 1.0}',
        '{"count": 1, "share": NaN}',
    ],
)
def test_no_number_that_cannot_be_reckoned_with(text: str) -> None:
    with pytest.raises(strict.UnfitError):
        strict.structured(strict.parse(text), Counted)
