"""Values as the page writes them; a dash where there is none."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgecnn.text import count_text, milliseconds_text, percent_text, size_text

if TYPE_CHECKING:
    from edgecnn.claims.record import Number
    from edgecnn.reporting.page.figure import Value

ABSENT = "\N{EN DASH}"
_HUNDRED = 100
_THOUSAND = 1000


def plain(value: Value) -> str:
    """Text as it is, yes or no, or a number without more digits than it has."""
    if value is None or value == "":
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def milliseconds(value: Value) -> str:
    """Milliseconds, with the unit."""
    return ABSENT if value is None else f"{milliseconds_text(_number(value))} ms"


def size(value: Value) -> str:
    """Bytes, with the unit."""
    return ABSENT if value is None else size_text(int(_number(value)))


def count(value: Value) -> str:
    """A count with its prefix."""
    return ABSENT if value is None else count_text(int(_number(value)))


def percent(value: Value) -> str:
    """A share of one, in per cent."""
    return ABSENT if value is None else percent_text(_number(value)).replace("%", " %")


def points(value: Value) -> str:
    """A difference of two shares, in percentage points, with its sign.

    >>> points(-0.0123), points(0.004)
    ('-1.23 points', '+0.40 points')
    """
    return ABSENT if value is None else f"{_number(value) * _HUNDRED:+.2f} points"


def decibel(value: Value) -> str:
    """A ratio in dB; None is no difference at all."""
    return "identical" if value is None else f"{_number(value):.1f} dB"


def ratio(value: Value) -> str:
    """A ratio with three digits.

    >>> ratio(0.1126)
    '0.113'
    """
    return ABSENT if value is None else f"{_number(value):.3g}"


def energy(value: Value) -> str:
    """Energy in mJ or J, three digits.

    >>> energy(361.2), energy(6519.8)
    ('361 mJ', '6.52 J')
    """
    energy_mj = _number(value)
    if value is None:
        return ABSENT
    return f"{energy_mj:.3g} mJ" if energy_mj < _THOUSAND else f"{energy_mj / _THOUSAND:.3g} J"


def power(value: Value) -> str:
    """Watts, with the unit."""
    return ABSENT if value is None else f"{_number(value):.2g} W"


def listed(names: list[str] | tuple[str, ...]) -> str:
    """Names in a sentence.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def times(value: float) -> str:
    """How many times as much.

    >>> times(2.345), times(12.3)
    ('2.3 times', '12 times')
    """
    return f"{value:.1f} times" if value < 10 else f"{value:.0f} times"  # noqa: PLR2004 - two digits


def quantity(number: Number) -> str:
    """A verdict's number with its unit, four digits.

    A share or ratio has the unit "1", which is not written.
    """
    value = number.value
    text = f"{value:,.0f}" if value == int(value) and abs(value) < 1e12 else f"{value:.4g}"  # noqa: PLR2004 - a float's exact integers
    return text if number.unit in {"", "1"} else f"{text} {number.unit}"
