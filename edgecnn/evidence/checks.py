"""What a record's numbers can be: a damaged or hostile file must not decide a claim."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHARES = {"accuracy", "float_accuracy", "published_top1", "share", "interval"}
_ANY_SIGN = {"snr_db"}
_ABOVE_ZERO = {
    "latency_ms", "low_ms", "high_ms", "budget_ms", "local_latency_ms", "latency_ratio",
    "low_ratio", "high_ratio", "macs", "weights", "parameters", "size_bytes", "threads",
    "input_size", "classes", "depth", "cores", "size", "channels", "filters", "width",
    "test_samples", "training_samples", "epochs", "power_w", "energy_mj",
}  # fmt: skip
_ZERO_ALLOWED = {("OperatorTime", "macs")}
_LARGEST = 1 << 62
_INTERVALS = (("low_ms", "high_ms"), ("low_ratio", "high_ratio"))


def problems(record: object) -> list[str]:
    """What in a record cannot be, each with the path of its entry; empty where all is well."""
    return list(_walk(record, "$"))


def _walk(value: object, path: str) -> Iterator[str]:
    if isinstance(value, tuple):
        for index, element in enumerate(value):
            yield from _walk(element, f"{path}[{index}]")
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            member = getattr(value, field.name)
            yield from _walk(member, f"{path}.{field.name}")
            if isinstance(member, int | float) and not isinstance(member, bool):
                yield from _field(type(value).__name__, field.name, member, path)
        yield from _interval(value, path)
    elif isinstance(value, int | float) and not (math.isfinite(value) and abs(value) < _LARGEST):
        yield f"{value!r} is no number that can be used @ {path}"
    elif isinstance(value, int | float) and path.endswith("]") and value < 0:
        yield f"{value!r} is negative @ {path}"


def _field(kind: str, name: str, value: float, path: str) -> Iterator[str]:
    where = f"@ {path}.{name}"
    if name in _ANY_SIGN:
        return
    if value < 0:
        yield f"{value!r} is negative {where}"
    elif value == 0 and name in _ABOVE_ZERO and (kind, name) not in _ZERO_ALLOWED:
        yield f"0 cannot be {where}"
    elif value > 1 and name in _SHARES:
        yield f"{value!r} is no share of one {where}"


def _interval(value: object, path: str) -> Iterator[str]:
    for low_name, high_name in _INTERVALS:
        low, high = getattr(value, low_name, None), getattr(value, high_name, None)
        if low is not None and high is not None and low > high:
            yield f"{low_name} {low!r} is above {high_name} {high!r} @ {path}"
