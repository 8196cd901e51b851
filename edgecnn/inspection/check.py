"""Whether a file is what its recipe says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.errors import CheckFailedError, InputError
from edgecnn.inspection.record import DYNAMIC
from edgecnn.recipes import RECIPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from edgecnn.inspection.record import Inspection, Operator

    _Check = Callable[[Inspection, Mapping[str, int]], list[str]]

_FLOATS = {"float16", "bfloat16", "float32", "float64"}
_BORDER_OPS = {"QUANTIZE", "DEQUANTIZE"}
_CONVERSIONS = _BORDER_OPS | {"CAST"}
# What a model may do to pictures of 8 bits before it casts them to numbers, in either format.
_MOVES = {
    "CAST", "CONCAT", "CONCATENATION", "EXPAND_DIMS", "FLATTEN", "GATHER", "IDENTITY", "RESHAPE",
    "REVERSE_V2", "SLICE", "SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE", "UNPACK",
    "UNSQUEEZE",
}  # fmt: skip
_COUNTING = {"int32", "int64", "bool", "uint32", "uint64"}
# TFLite's converter leaves weights of fewer elements in float under dynamic-range quantization.
_SMALL_WEIGHTS = 1024
# onnxruntime's dynamic quantization has no integer kernel for it.
_NEVER_DYNAMIC = {"ConvTranspose"}


def check_recipe(
    inspection: Inspection,
    recipe_name: str,
    io: str,
    *,
    float_places: Sequence[int] = (),
    kept: int = 0,
    float_ops: Mapping[str, int] | None = None,
    constants: Sequence[str] = (),
) -> None:
    """Raise when a file is not what its recipe says.

    What holds for every recipe: no Flex, variable or custom operators, and inputs and outputs of
    dtype `io`; but whole numbers that count things (int32, int64, bool, and whatever a CAST reads
    of the inputs or makes of the outputs) stay what they are, and an end stays float32 where the
    file was said to keep operators float.
    Beyond that, in the words of TFLite's quantization specification:
    float32: nothing but float32, behind a CAST of pictures that come in 8 bits and before one that
    makes them. float16: all weights stored in half precision. dynamic: weights of 1024 elements and
    more int8, activations float32. int8 and int16x8: weights int8, every MAC in int8 or int16, no
    float operator but a QUANTIZE or DEQUANTIZE at the border, and a SOFTMAX behind the DEQUANTIZE.
    In an ONNX file of QuantizeLinear/DequantizeLinear pairs (or QLinear operators) only the
    operators with MACs are held to that, and uint8 counts as int8.

    Args:
        inspection: of the file.
        recipe_name: one of `edgecnn.recipes.RECIPES`.
        io: dtype its inputs and outputs must have; float32 for an ONNX file of QDQ pairs.
        float_places: places in `inspection.operators` of layers that were kept in float32 on
            purpose, and of the conversions at their borders; every one of them must compute in
            float32, and the recipe is asked of all others.
        kept: how many layers those are, conversions and a SOFTMAX behind them not counted.
        float_ops: operators that an integer file was said to leave float, name to count; those
            and no others may be, with the conversions around them. A SOFTMAX behind the border's
            DEQUANTIZE need not be named.

        constants: names of outputs that are the same for every input, and float32.

    Raises:
        CheckFailedError: with everything that does not hold.
        InputError: there is no such recipe.
    """
    if recipe_name not in RECIPES:
        raise InputError(
            f"There is no recipe {recipe_name!r}.", hint=f"Recipes: {', '.join(RECIPES)}."
        )
    problems = [
        *_unwanted(inspection),
        *_io(inspection, io, float_ops or {}, constants),
        *_kept(inspection, float_places, kept),
        *_PRECISION[recipe_name](_without(inspection, float_places), float_ops or {}),
    ]
    if problems:
        raise CheckFailedError(
            f"The {inspection.format} file is not what recipe {recipe_name} says: "
            + "; ".join(problems)
            + ".",
            hint="See all its operators with `edgecnn inspect FILE`.",
        )


def _without(inspection: Inspection, places: Sequence[int]) -> Inspection:
    if not places:
        return inspection
    rest = (op for place, op in enumerate(inspection.operators) if place not in set(places))
    return replace(inspection, operators=tuple(rest))


def _kept(inspection: Inspection, places: Sequence[int], kept: int) -> list[str]:
    """What is wrong with the layers that were kept in float32."""
    operators = [inspection.operators[place] for place in places]
    layers = [op for op in operators if op.name not in _BORDER_OPS]
    surplus = len(layers) - kept - sum(op.name == "SOFTMAX" and op.at_border for op in layers)
    missing = kept - len(layers)
    wrong = [op for op in layers if set(op.input_dtypes) | set(op.output_dtypes) != {"float32"}]
    halves = [op for op in operators if op.name in _BORDER_OPS and not _touches(op, {"float32"})]
    return [
        *([f"{surplus} layers more than were kept are float32"] if surplus > 0 else []),
        *([f"{missing} of the layers that were kept are not float32"] if missing > 0 else []),
        *_check_weights(layers, "float32"),
        *_named(wrong + halves, "that were kept in float32 and are not"),
    ]


def _unwanted(inspection: Inspection) -> list[str]:
    kinds = {
        "Flex operators": inspection.graph.flex_ops,
        "variable operators": inspection.graph.variable_ops,
        "custom operators": inspection.graph.custom_ops,
    }
    return [f"it has {kind} ({', '.join(names)})" for kind, names in kinds.items() if names]


def _io(
    inspection: Inspection, io: str, float_ops: Mapping[str, int], constants: Sequence[str]
) -> list[str]:
    sides = {"input": inspection.inputs, "output": inspection.outputs}
    allowed = {io, *_COUNTING, *(["float32"] if float_ops else [])}
    casts = [op for op in inspection.operators if op.name.upper() == "CAST"]
    cast = {
        "input": {dtype for op in casts for dtype in op.input_dtypes},
        "output": {dtype for op in casts for dtype in op.output_dtypes},
    }
    return [
        f"{side} {tensor.name!r} is {tensor.dtype}, not {io}"
        for side, tensors in sides.items()
        for tensor in tensors
        if tensor.dtype not in allowed | cast[side]
        and not (tensor.dtype == "float32" and tensor.name in constants)
    ]


def _named(operators: Iterable[Operator], what: str) -> list[str]:
    """One sentence that counts the operators of which `what` is true; none when there are none."""
    counts = Counter(operator.name for operator in operators)
    listed = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    return [f"{listed} {what}"] if listed else []


def _multiplying(inspection: Inspection) -> list[Operator]:
    """The operators with MACs, also those whose MACs an open shape leaves uncounted."""
    return [op for op in inspection.operators if op.macs or op.weights_dtype is not None]


def _check_weights(operators: Iterable[Operator], *dtypes: str) -> list[str]:
    wrong = (op for op in operators if op.weights_dtype not in (None, *dtypes))
    return _named(wrong, f"with weights other than {' or '.join(dtypes)}")


def _check_compute(inspection: Inspection, *dtypes: str) -> list[str]:
    wrong = (op for op in _multiplying(inspection) if op.compute_dtype not in dtypes)
    return _named(wrong, f"that do not compute in {' or '.join(dtypes)}")


def _touches(operator: Operator, dtypes: set[str]) -> bool:
    return not dtypes.isdisjoint((*operator.input_dtypes, *operator.output_dtypes))


def _float32(inspection: Inspection) -> list[str]:
    stored = sorted(set(inspection.graph.parameters_by_dtype) - {"float32"})
    not_float32 = {"int8", "uint8", "int16", "float16", "bfloat16", "int4", "int2"}
    working = [op for op in inspection.operators if op.name.upper() not in _MOVES]
    return [
        *([f"parameters are stored in {', '.join(stored)}"] if stored else []),
        *_check_compute(inspection, "float32"),
        *_named((op for op in working if _touches(op, not_float32)), "that are not float32"),
    ]


# Below it, weights stay float32: unpacking them would cost more than they save.
_FEWEST_HALVED = 8


def _float16(inspection: Inspection) -> list[str]:
    # An ONNX file may also compute in half precision; a .tflite leaves that to the runtime.
    computes = ("float32", "float16") if inspection.format == "onnx" else ("float32",)
    return [
        *_check_weights(
            [op for op in _multiplying(inspection) if op.weights_elements >= _FEWEST_HALVED],
            "float16",
        ),
        *_check_compute(inspection, *computes),
    ]


def _dynamic(inspection: Inspection) -> list[str]:
    quantizable = [op for op in _multiplying(inspection) if op.name not in _NEVER_DYNAMIC]
    # onnxruntime's ConvInteger takes either sign.
    dtypes = ("int8", "uint8") if inspection.format == "onnx" else ("int8",)
    large = [op for op in quantizable if op.weights_elements >= _SMALL_WEIGHTS]
    problems = [
        *_check_weights(large, *dtypes),
        *_check_compute(inspection, DYNAMIC, "float32"),
    ]
    weighty = [op for op in quantizable if op.weights_dtype is not None]
    if weighty and not any(op.weights_dtype in dtypes for op in weighty):
        problems.append("no weights are int8")
    return problems


def _integer(*activations: str, weights: Sequence[str] = ("int8",)) -> _Check:
    def check(inspection: Inspection, float_ops: Mapping[str, int]) -> list[str]:
        rest = replace(inspection, operators=_undeclared(inspection, float_ops))
        problems = [
            *_check_weights(_multiplying(rest), *weights),
            *_check_compute(rest, *activations),
        ]
        if inspection.format == "tflite":
            problems += _float_operators(inspection, float_ops)
        return problems

    return check


def _undeclared(inspection: Inspection, float_ops: Mapping[str, int]) -> tuple[Operator, ...]:
    """The operators that were not said to compute on floats.

    Around every operator of an ONNX file stand conversions, so that all of them touch floats: what
    they compute in tells them apart.
    """
    left = Counter(float_ops)
    rest: list[Operator] = []
    for operator in inspection.operators:
        if inspection.format == "onnx":
            in_float = operator.compute_dtype in _FLOATS
        else:
            in_float = _touches(operator, _FLOATS)
        if in_float and left[operator.name] > 0:
            left[operator.name] -= 1
        else:
            rest.append(operator)
    return tuple(rest)


def _float_operators(inspection: Inspection, float_ops: Mapping[str, int]) -> list[str]:
    """What works on floats and was not said to, and what was said to and does not."""
    inner = inspection.operators if float_ops else _within(inspection.operators)
    casts = any(op.name == "CAST" and _counts(op) for op in inspection.operators)
    conversions = _CONVERSIONS if float_ops or casts else set[str]()
    floats = Counter(op.name for op in inner if _touches(op, _FLOATS))
    counts = Counter({name: n for name, n in floats.items() if name not in conversions})
    named = float_ops.get("SOFTMAX", 0)
    if float_ops and counts["SOFTMAX"] > named:
        counts["SOFTMAX"] = max(named, counts["SOFTMAX"] - _last_softmaxes(inspection))
    surplus = {name: n - float_ops.get(name, 0) for name, n in counts.items()}
    missing = {name: n - floats[name] for name, n in float_ops.items()}
    return [*_counted(surplus, "that work on floats"),
            *_counted(missing, "that were said to work on floats and do not")]  # fmt: skip


def _counts(cast: Operator) -> bool:
    """Whether it turns whole numbers into real ones or back: pixels, places, a comparison."""
    return not _FLOATS.issuperset((*cast.input_dtypes, *cast.output_dtypes))


def _last_softmaxes(inspection: Inspection) -> int:
    """Those at the border right behind a DEQUANTIZE, as `io_dtype` leaves them."""
    pairs = zip(inspection.operators, inspection.operators[1:], strict=False)
    return sum(op.name == "SOFTMAX" and op.at_border and before.name == "DEQUANTIZE"
               for before, op in pairs)  # fmt: skip


def _counted(counts: Mapping[str, int], what: str) -> list[str]:
    listed = ", ".join(f"{n} {name}" for name, n in sorted(counts.items()) if n > 0)
    return [f"{listed} {what}"] if listed else []


def _within(operators: Sequence[Operator]) -> list[Operator]:
    """All but the QUANTIZE and DEQUANTIZE at the border, and a SOFTMAX right behind the latter."""
    inner: list[Operator] = []
    for operator in operators:
        if operator.at_border and operator.name == "SOFTMAX" and _follows_dequantize(inner):
            inner.pop()
        elif not (operator.at_border and operator.name in _BORDER_OPS):
            inner.append(operator)
    return inner


def _follows_dequantize(before: Sequence[Operator]) -> bool:
    return bool(before) and before[-1].name == "DEQUANTIZE"


_int8 = _integer("int8")
# uint8 with zero point 128 is int8, one offset apart: the same numbers in as many bytes. Weights
# whose pairs would overflow 16 bits on x86 as int8 are stored so (`quantize.onnx_weights`).
_int8_onnx = _integer("int8", "uint8", weights=("int8", "uint8"))

_PRECISION: dict[str, _Check] = {
    "float32": lambda file, _: _float32(file),
    "float16": lambda file, _: _float16(file),
    "dynamic": lambda file, _: _dynamic(file),
    "int8": lambda file, kept: (_int8_onnx if file.format == "onnx" else _int8)(file, kept),
    "int16x8": _integer("int16"),
}
