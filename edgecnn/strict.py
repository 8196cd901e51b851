"""JSON from outside into frozen records: no other type, no NaN, a sentence for what is wrong."""

from __future__ import annotations

import functools
import json
import math
import sys
from typing import TYPE_CHECKING, Any, TypeVar, get_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_Record = TypeVar("_Record")
_LONGEST = 1000  # characters of a sentence: what is wrong may be long
_MOST_BITS = 128  # far within what a float holds


class UnfitError(ValueError):
    """What came is not what it should be; the text says what, and where in it."""


def parse(text: str | bytes) -> Any:  # noqa: ANN401 - whatever it holds
    """Read JSON, however deeply it is nested.

    Raises:
        UnfitError: it is none.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnfitError(f"it is no JSON: {error}"[:_LONGEST]) from error


def parse_toml(text: str) -> dict[str, Any]:
    """Read TOML, however deeply it is nested and however long its numbers are.

    Raises:
        UnfitError: it is none.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnfitError(f"it is not TOML: {error}"[:_LONGEST]) from error


def structured(value: object, kind: type[_Record]) -> _Record:
    """Make a record of parsed JSON. Keys that the record does not have are passed over.

    Raises:
        UnfitError: a field is missing, of another type, or refused by the record itself.
    """
    import cattrs

    if not isinstance(value, dict):
        raise UnfitError(f"expected an object, found {type(value).__name__}")
    try:
        record: _Record = strict_converter().structure(value, kind)
    except cattrs.BaseValidationError as error:
        problems = cattrs.transform_error(error, format_exception=_problem)
        raise UnfitError("; ".join(problems)[:_LONGEST]) from error
    return record


def refuse(problems: Iterable[str]) -> None:
    """Hold that there are no problems.

    Raises:
        UnfitError: there is one; it names the first.
    """
    for problem in problems:
        raise UnfitError(problem)


def _problem(error: BaseException, _: type | None) -> str:
    return "required field missing" if isinstance(error, KeyError) else str(error)[:_LONGEST]


@functools.cache
def strict_converter() -> Any:  # noqa: ANN401 - cattrs.Converter, which is imported late
    """A reader of JSON into records that takes no other type, and no NaN, for a number."""
    import cattrs

    converter = cattrs.Converter(detailed_validation=True)

    def listed(kind: Any) -> Any:  # noqa: ANN401 - a tuple's type, and a hook
        def hook(values: object, _: type) -> tuple[Any, ...]:
            if not isinstance(values, list | tuple):  # the letters of a text are no list of texts
                raise TypeError(f"expected a list, found {type(values).__name__}")
            return tuple(converter.structure(values, list[kind.__args__[0]]))

        return hook

    converter.register_structure_hook_factory(_is_list, listed)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook_func(lambda kind: kind == tuple[float, ...], _numbers)
    converter.register_structure_hook(int, _integer)
    for kind in (bool, str):
        converter.register_structure_hook(kind, _exact(kind))
    return converter


def _is_list(kind: Any) -> bool:  # noqa: ANN401 - any type
    """Whether it is tuple[X, ...]."""
    return get_origin(kind) is tuple and kind.__args__[1:] == (Ellipsis,)


def _number(value: object, _: type) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, found {value!r}")
    if not math.isfinite(value):  # JSON has no such number, Python reads and writes it
        raise ValueError(f"expected a finite number, found {value!r}")
    return float(value)


def _numbers(values: object, _: type) -> tuple[float, ...]:
    """A million samples in a fraction of a second: the same test, without a call for each."""
    if not isinstance(values, list | tuple) or not set(map(type, values)) <= {int, float}:
        raise TypeError("expected numbers")
    if not all(map(math.isfinite, values)):
        raise ValueError("expected finite numbers")
    return tuple(map(float, values))


def _integer(value: object, _: type) -> int:
    if type(value) is not int:
        raise TypeError(f"expected int, found {value!r}")
    if value.bit_length() > _MOST_BITS:  # a count, a seed; JSON's digits have no end
        raise ValueError(f"expected an integer of at most {_MOST_BITS} bits")
    return value


def _exact(kind: type) -> Callable[[object, type], object]:
    def hook(value: object, _: type) -> object:
        if type(value) is not kind:
            raise TypeError(f"expected {kind.__name__}, found {value!r}")
        return value

    return hook
