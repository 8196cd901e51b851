"""What a model file is, as `edgecnn inspect` shows it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from edgecnn.reporting.table import Column, Table
from edgecnn.text import (
    ABSENT,
    count_text,
    percent_text,
    printable,
    shape_text,
    size_text,
    tally_text,
)

if TYPE_CHECKING:
    from edgecnn.inspection import Inspection
    from edgecnn.records import GraphInfo, TensorInfo

_WHOLE_GRAPH = 1


def facts(inspection: Inspection) -> tuple[tuple[str, str], ...]:
    """Name and value of what can be said of the file in a line each."""
    graph = inspection.graph
    pairs = (
        ("format", _format_text(inspection)),
        ("size", f"{size_text(inspection.size_bytes)} ({inspection.size_bytes:,} bytes)"),
        ("sha256", inspection.sha256),
        ("producer", printable(inspection.producer)),
        ("description", printable(inspection.description)),
        ("parameters", _by_dtype_text(graph.parameters_by_dtype)),
        ("MACs", _macs_text(inspection)),
        ("partitions", partitions_text(inspection)),
    )
    return tuple((name, value) for name, value in pairs if value)


def _format_text(inspection: Inspection) -> str:
    if inspection.format == "tflite":
        return f"TFLite, schema version {inspection.schema_version}"
    opsets = ", ".join(
        f"{printable(domain) or 'ai.onnx'} {version}"
        for domain, version in sorted(inspection.opsets.items())
    )
    return f"ONNX, IR version {inspection.schema_version}, opset {opsets or ABSENT}"


def _by_dtype_text(counts: dict[str, int]) -> str:
    """The whole, and its parts where there is more than one."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if len(ordered) == 1:
        dtype, number = ordered[0]
        return f"{count_text(number)}, all {dtype}"
    parts = ", ".join(f"{count_text(number)} {dtype}" for dtype, number in ordered)
    return f"{count_text(sum(counts.values()))}: {parts}" if parts else "none"


def _macs_text(inspection: Inspection) -> str:
    counted = _by_dtype_text(inspection.graph.macs_by_dtype)
    uncounted = inspection.uncounted
    if not uncounted:
        return counted
    what = f"not counted: {tally_text(uncounted)}"
    return f"{counted}; {what}" if inspection.graph.macs_by_dtype else what


def partitions_text(inspection: Inspection) -> str:
    """How XNNPACK divides the graph; "" where the format has no such thing."""
    graph = inspection.graph
    count = graph.delegate_partitions
    if count is None:
        return "not known" if inspection.format == "tflite" else ""
    if count == 0:
        return "none: XNNPACK supports no operator of this graph"
    partitions, them = ("partition", "it") if count == 1 else ("partitions", "them")
    if not graph.undelegated_ops:
        return f"{count} XNNPACK {partitions}, with every operator in {them}"
    return f"{count} XNNPACK {partitions}; outside {them}: {tally_text(graph.undelegated_ops)}"


def cautions(graph: GraphInfo) -> tuple[str, ...]:
    """What makes the file slow, or keeps it from running at all, one sentence each."""
    sentences: list[str] = []
    if (graph.delegate_partitions or 0) > _WHOLE_GRAPH and graph.undelegated_ops:
        sentences.append(
            f"The graph is split into {graph.delegate_partitions} XNNPACK partitions: operators"
            " outside them are slower, and every boundary costs time."
        )
    if graph.flex_ops:
        sentences.append(
            f"{_names(graph.flex_ops)}: Flex operators need TensorFlow itself on the device."
        )
    if graph.variable_ops:
        sentences.append(
            f"{_names(graph.variable_ops)}: the weights were not frozen before converting."
        )
    if graph.custom_ops:
        sentences.append(
            f"{_names(graph.custom_ops)}: custom operators run only where they are registered."
        )
    return tuple(sentences)


def _names(operators: tuple[str, ...]) -> str:
    return tally_text(dict(Counter(operators)))


def tensors_table(inspection: Inspection) -> Table:
    """The graph's inputs and outputs."""
    columns = (
        Column(""),
        Column("name"),
        Column("dtype"),
        Column("shape"),
        Column("scale", number=True),
        Column("zero point", number=True),
    )
    rows = [_tensor_row("in", tensor) for tensor in inspection.inputs]
    rows += [_tensor_row("out", tensor) for tensor in inspection.outputs]
    return Table(columns, tuple(rows))


def _tensor_row(role: str, tensor: TensorInfo) -> tuple[str, ...]:
    return (
        role,
        printable(tensor.name),
        tensor.dtype,
        shape_text(tensor.shape),
        ABSENT if tensor.scale is None else f"{tensor.scale:.5g}",
        ABSENT if tensor.zero_point is None else str(tensor.zero_point),
    )


def operators_table(inspection: Inspection) -> Table:
    """Operators by type and the dtype they compute in, the costliest first."""
    columns = (
        Column("operator"),
        Column("computes in"),
        Column("count", number=True),
        Column("MACs", number=True),
        Column("share", number=True),
    )
    counts: Counter[tuple[str, str]] = Counter()
    macs: Counter[tuple[str, str]] = Counter()
    for operator in inspection.operators:
        kind = (operator.name, operator.compute_dtype)
        counts[kind] += 1
        macs[kind] += operator.macs
    total = macs.total()
    ordered = sorted(counts, key=lambda kind: (-macs[kind], -counts[kind], kind))
    rows = tuple(
        (
            printable(name),
            dtype,
            str(counts[name, dtype]),
            count_text(macs[name, dtype]) if macs[name, dtype] else ABSENT,
            percent_text(macs[name, dtype] / total) if macs[name, dtype] else ABSENT,
        )
        for name, dtype in ordered
    )
    return Table(columns, rows)
