"""Options of a verb as a SPEC.toml says them, held to the types of the verb's own record."""

from __future__ import annotations

import math
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from edgecnn.datasets.labelled import Part
from edgecnn.errors import InputError
from edgecnn.records import OutputKind, Preprocessing
from edgecnn.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

# What the records' annotations name, which is imported there for the type checker alone.
_NAMES: dict[str, Any] = {
    "Path": Path, "Part": Part, "OutputKind": OutputKind, "Preprocessing": Preprocessing,
}  # fmt: skip
_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def check(table: Mapping[str, object], record: type, where: str) -> None:
    """Hold every value to the type that the record's field of its name has.

    Args:
        table: options by name, each of them a field of the record.
        record: a dataclass.
        where: what a sentence begins with.

    Raises:
        InputError: one is of another type, or no number.
    """
    hints = get_type_hints(record, localns=_NAMES)
    for name, value in table.items():
        if not _fits(value, hints[name]):
            types = " or ".join(_words(hints[name]))
            raise InputError(
                f"{where}: {name} has the wrong type: it takes {types}, not"
                f" {printable(repr(value))}."
            )


def _fits(value: object, hint: Any) -> bool:  # noqa: ANN401 - any type's
    if get_origin(hint) in {Union, UnionType}:
        return any(_fits(value, option) for option in get_args(hint))
    if get_origin(hint) is Literal:
        return isinstance(value, str) and value in get_args(hint)
    if hint is float:
        return type(value) in {int, float} and math.isfinite(float(str(value)))
    return type(value) is (str if hint is Path else hint)


def _words(hint: Any) -> list[str]:  # noqa: ANN401 - any type's
    if get_origin(hint) in {Union, UnionType}:
        kinds = [option for option in get_args(hint) if option is not NoneType]
        return list(dict.fromkeys(word for kind in kinds for word in _words(kind)))
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [_WORDS[str if hint is Path else hint]]
