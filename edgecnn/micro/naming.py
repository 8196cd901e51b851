"""Names for C++ out of names that anybody may have given."""

from __future__ import annotations

import re

_LONGEST = 40


def identifier(text: str) -> str:
    """A name in small letters that C++ takes, whatever the text is.

    It always has a letter in front and is never a keyword, since others are put together with it.

    >>> identifier("xception-mini"), identifier("../x; rm -rf"), identifier("7 days")
    ('xception_mini', 'x_rm_rf', 'net_7_days')
    """
    words = re.findall(r"[a-z0-9]+", text.lower())
    name = "_".join(words)[:_LONGEST].rstrip("_")
    if not name:
        return "net"
    return name if name[0].isalpha() else f"net_{name}"


def camel(name: str) -> str:
    """An identifier as one word with capitals.

    >>> camel("xception_mini")
    'XceptionMini'
    """
    return "".join(part.capitalize() for part in name.split("_"))
