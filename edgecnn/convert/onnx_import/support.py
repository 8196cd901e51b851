"""What can be lowered: the table for users, and what of a model cannot, before any work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.convert.onnx_import.node import attributes_of, label_of
from edgecnn.convert.onnx_import.table import entries
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

    from edgecnn.convert.onnx_import.table import Entry

_OWN_DOMAINS = {"", "ai.onnx"}
_NAMED = 3  # nodes of one kind that an error names
# What to do about operators that people meet and TFLite does not have.
_WAYS_OUT = {
    "NonMaxSuppression": "cut the model before it and pick boxes after inference",
    "DeformConv": "TFLite has no deformable convolution",
    "RoiAlign": "cut the model before it",
    "NonZero": "the size of its result depends on the data",
    "If": "simplify the model so that no control flow is left",
    "Loop": "simplify the model so that no control flow is left",
    "Scan": "simplify the model so that no control flow is left",
    "DequantizeLinear": "the model is quantized already; start from the float one",
    "QuantizeLinear": "the model is quantized already; start from the float one",
}


@dataclass(frozen=True)
class Support:
    """A row of the table of operators.

    Attributes:
        operator: ONNX's name.
        kind: which file of `operators` it is in.
        note: what of it cannot be had; "" for nothing.
    """

    operator: str
    kind: str
    note: str


@dataclass(frozen=True)
class Unsupported:
    """Nodes of one operator that cannot be lowered, for one reason.

    Attributes:
        operator: ONNX's name, with its domain where that is not ONNX's own.
        count: how many nodes.
        nodes: names of the first of them.
        reason: why, or the way out; "" where there is just no such operator.
    """

    operator: str
    count: int
    nodes: tuple[str, ...]
    reason: str


def supported() -> tuple[Support, ...]:
    """Every operator of the table, by name."""
    return tuple(Support(e.operator, e.kind, e.note) for e in entries().values())


def unsupported(model: onnx.ModelProto) -> tuple[Unsupported, ...]:
    """What of a model cannot be lowered, as far as operators and attributes tell.

    Args:
        model: an ONNX model, prepared or not.
    """
    table = entries()
    nodes: dict[tuple[str, str], list[str]] = {}
    for node in model.graph.node:
        if (why := _reason(node, table.get(node.op_type))) is not None:
            nodes.setdefault((_full_name(node), why), []).append(label_of(node))
    return tuple(
        Unsupported(name, len(labels), tuple(labels[:_NAMED]), why)
        for (name, why), labels in sorted(nodes.items())
    )


def refuse_unsupported(model: onnx.ModelProto, name: str) -> None:
    """Raise the one error that names everything in a model that cannot be lowered.

    Raises:
        InputError: there is something.
    """
    if rows := unsupported(model):
        raise InputError(
            f"{name}: {_sentence(rows)}.",
            hint="Cut the model before them, or replace them; --format onnx keeps them.",
        )


def _sentence(rows: Sequence[Unsupported]) -> str:
    parts = []
    for row in rows:
        more = ", ..." if row.count > len(row.nodes) else ""
        why = f": {row.reason}" if row.reason else ""
        parts.append(f"{row.operator} ({row.count}x, at {', '.join(row.nodes)}{more}){why}")
    return f"TFLite cannot have these operators: {'; '.join(parts)}"


def _full_name(node: onnx.NodeProto) -> str:
    return node.op_type if node.domain in _OWN_DOMAINS else f"{node.domain}.{node.op_type}"


def _reason(node: onnx.NodeProto, entry: Entry | None) -> str | None:
    """Why it cannot be had; None where it can."""
    if entry is None or node.domain not in _OWN_DOMAINS:
        return _WAYS_OUT.get(node.op_type, "")
    return (entry.limit(attributes_of(node)) if entry.limit else "") or None
