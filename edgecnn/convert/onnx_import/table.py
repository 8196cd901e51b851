"""The table of operators: ONNX's name to the function that lowers it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from edgecnn.convert.onnx_import.node import Node
    from edgecnn.convert.onnx_import.value import Value

Lowering = Callable[["Node"], "Value | tuple[Value, ...]"]
_Function = TypeVar("_Function", bound=Lowering)
# Why a node cannot be lowered, told from its attributes; "" when it can.
Limit = Callable[[Mapping[str, Any]], str]

_KINDS = (
    "activations", "constants", "conv", "conv_transpose", "einsum", "elementwise", "grid",
    "indexing", "matmul", "normalization", "pool", "recurrent", "reduce", "resize", "shape",
    "spectra",
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One operator.

    Attributes:
        operator: ONNX's name.
        kind: the file it is in.
        lowering: makes its outputs.
        limit: why a node of it cannot be had.
        note: what of it cannot be had, for the table that users see.
    """

    operator: str
    kind: str
    lowering: Lowering
    limit: Limit | None = None
    note: str = ""


_ENTRIES: dict[str, Entry] = {}


def operator(
    *names: str, limit: Limit | None = None, note: str = ""
) -> Callable[[_Function], _Function]:
    """Enter a function into the table, under each of these names."""

    def enter(lowering: _Function) -> _Function:
        kind = lowering.__module__.rpartition(".")[2]
        for name in names:
            _ENTRIES[name] = Entry(name, kind, lowering, limit, note)
        return lowering

    return enter


def entries() -> Mapping[str, Entry]:
    """The whole table, by operator."""
    for kind in _KINDS:
        importlib.import_module(f"edgecnn.convert.onnx_import.operators.{kind}")
    return dict(sorted(_ENTRIES.items()))
