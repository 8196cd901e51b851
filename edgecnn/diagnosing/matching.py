"""Which tensor of the float file is the counterpart of which in the quantized file."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from edgecnn.formats import tflite_file as tfl
from edgecnn.quantize.passes import affine

_INNER = "_inner"  # what `io_dtype` calls the tensor behind an end whose dtype it changed
_BORDER = {"QUANTIZE", "DEQUANTIZE"}


@dataclass(frozen=True)
class Pair:
    """A tensor of the quantized file and its counterpart.

    Attributes:
        index: place of the operator that makes it, in the quantized file.
        operator: its name; a RELU that is written as a QUANTIZE is a QUANTIZE.
        name: of the tensor.
        quantized: its index there.
        real: index of the float tensor.
        matched_by: "name" or "order".
    """

    index: int
    operator: str
    name: str
    quantized: int
    real: int
    matched_by: str


def match(quantized: tfl.ModelT, real: tfl.ModelT) -> tuple[list[Pair], int]:
    """Pair the operators' outputs, by name; what is left, by kind and shape, in order.

    By order only where both files have equally many of a kind and shape left. QUANTIZE and
    DEQUANTIZE that only change a dtype have no counterpart, and are not counted as skipped.

    Returns:
        The pairs in order of execution, and how many operators have no counterpart.
    """
    named = _float_outputs(real)
    pairs, left, taken = [], [], set[int]()
    for index, operator in enumerate(tfl.main_graph(quantized).operators):
        found = _by_name(quantized, real, operator, named)
        at_border = tfl.operator_name(quantized, operator) in _BORDER
        if found is not None and not (at_border and found in taken):
            taken.add(found)
            pairs.append(_pair(quantized, index, operator, found, "name"))
        elif not at_border:
            left.append((index, operator))
    ordered = _by_order(quantized, real, left, taken)
    pairs = sorted(pairs + ordered, key=lambda pair: pair.index)
    return pairs, len(left) - len(ordered)


def _float_outputs(real: tfl.ModelT) -> dict[str, int]:
    graph = tfl.main_graph(real)
    made = (int(tensor) for operator in graph.operators for tensor in operator.outputs)
    return {
        tfl.tensor_name(graph.tensors[t]): t
        for t in made
        if tfl.type_name(graph.tensors[t]) == "FLOAT32"
    }


def _by_name(
    quantized: tfl.ModelT, real: tfl.ModelT, operator: tfl.OperatorT, named: dict[str, int]
) -> int | None:
    tensor = tfl.main_graph(quantized).tensors[int(operator.outputs[0])]
    found = named.get(tfl.tensor_name(tensor).removesuffix(_INNER))
    if found is None:
        return None
    same = _shape(tensor) == _shape(tfl.main_graph(real).tensors[found])
    return found if same else None


def _shape(tensor: tfl.TensorT) -> tuple[int, ...]:
    return () if tensor.shape is None else tuple(map(int, tensor.shape))


def _pair(
    quantized: tfl.ModelT, index: int, operator: tfl.OperatorT, real: int, matched_by: str
) -> Pair:
    tensor = int(operator.outputs[0])
    name = tfl.tensor_name(tfl.main_graph(quantized).tensors[tensor])
    return Pair(index, tfl.operator_name(quantized, operator), name, tensor, real, matched_by)


def _by_order(
    quantized: tfl.ModelT,
    real: tfl.ModelT,
    left: list[tuple[int, tfl.OperatorT]],
    taken: set[int],
) -> list[Pair]:
    ours, theirs = defaultdict(list), defaultdict(list)
    for index, operator in left:
        ours[_kind(quantized, operator)].append((index, operator))
    for operator in tfl.main_graph(real).operators:
        output = int(operator.outputs[0])
        if output not in taken and tfl.type_name(
            tfl.main_graph(real).tensors[output]) == "FLOAT32":  # fmt: skip
            theirs[_kind(real, operator)].append(output)
    return [
        _pair(quantized, index, operator, output, "order")
        for kind, found in ours.items()
        if len(found) == len(theirs[kind])
        for (index, operator), output in zip(found, theirs[kind], strict=True)
    ]


def _kind(model: tfl.ModelT, operator: tfl.OperatorT) -> tuple[object, ...]:
    tensor = tfl.main_graph(model).tensors[int(operator.outputs[0])]
    return tfl.operator_name(model, operator), affine.fused_activation(operator), _shape(tensor)
