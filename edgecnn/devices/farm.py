"""farm.toml: many devices under few names, for everything that takes `--on`.

    [pi4]
    targets = ["ssh://pi@rack-1", "ssh://pi@rack-2"]

    [pi5]
    targets = ["ssh://pi@rack-9"]

`@farm.toml` is all of them, `@farm.toml:pi4` one group. The file may be anybody's: its names go
through the same gate as those on the command line (`edgecnn.devices.target`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import files, strict
from edgecnn.devices.target import parse
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MARK = "@"
_TARGETS = "targets"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # a bare key of TOML, which needs no quotes in a shell
_MOST_BYTES = 1 << 20
_MOST_TARGETS = 4096
_SHOWN = 60
_HINT = 'Write groups such as [pi4] with targets = ["ssh://pi@host", ...].'


def expanded(names: Iterable[str]) -> tuple[str, ...]:
    """The devices that names stand for, each once, in the order they are named.

    Args:
        names: targets, "@FARM.toml" or "@FARM.toml:GROUP".

    Raises:
        InputError: one is no device; a farm cannot be read, has no such group, or holds something
            else than groups of devices.
    """
    targets: dict[str, None] = {}
    for name in names:
        for target in _members(name[len(MARK) :]) if name.startswith(MARK) else (name,):
            parse(target)
            targets[target] = None
    return tuple(targets)


def _members(name: str) -> tuple[str, ...]:
    """The devices of a farm, or of one of its groups."""
    path, group = _split(name)
    groups = read(path)
    if group is None:
        return tuple(target for targets in groups.values() for target in targets)
    if group not in groups:
        known = ", ".join(groups)
        raise InputError(f"{path} has no group {group!r}.", hint=f"Its groups: {known}.")
    return groups[group]


def _split(name: str) -> tuple[Path, str | None]:
    path, colon, group = name.rpartition(":")
    if colon and path and _NAME.fullmatch(group):
        return Path(path), group
    return Path(name), None


def read(path: Path) -> dict[str, tuple[str, ...]]:
    """Each group's devices.

    Raises:
        InputError: it cannot be read, or holds something else.
    """
    try:
        text = files.read_text(path, _MOST_BYTES)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8.", hint=_HINT) from error
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        why = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"The farm {str(path)!r} cannot be read: {why}.", hint=_HINT) from error
    try:
        content = strict.parse_toml(text)
        strict.refuse(_problems(content))
    except strict.UnfitError as error:
        raise InputError(f"{path}: {error}.", hint=_HINT) from error
    return {group: _parsed(path, group, table[_TARGETS]) for group, table in content.items()}


def _problems(content: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the shape of a farm; the names in it are not looked at."""
    if not content:
        yield "it has no group"
    for group, table in content.items():
        if not _NAME.fullmatch(group):
            yield f"{_short(group)} is no group's name (letters, digits, - and _)"
        if not isinstance(table, dict):
            yield f"{group} is no group: write [{group}] above its targets"
            continue
        if others := sorted(table.keys() - {_TARGETS}):
            yield f"[{group}] has {_short(others[0])}; a group has {_TARGETS} alone"
        targets = table.get(_TARGETS)
        if not isinstance(targets, list) or not targets:
            yield f"[{group}] needs {_TARGETS}, a list of devices"
        elif not all(isinstance(target, str) for target in targets):
            yield f"[{group}], {_TARGETS}: a device is a text in quotes"
    if sum(len(table[_TARGETS]) for table in content.values()) > _MOST_TARGETS:
        yield f"it has more than {_MOST_TARGETS} devices"


def _parsed(path: Path, group: str, targets: list[str]) -> tuple[str, ...]:
    try:
        for target in targets:
            parse(target)
    except InputError as error:
        raise InputError(f"{path}, [{group}]: {error.message}", hint=error.hint) from error
    return tuple(dict.fromkeys(targets))


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
