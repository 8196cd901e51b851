"""What the operators of a .tflite or .onnx file cost; no TensorFlow."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn import inspection
from edgecnn.convert import inspecting
from edgecnn.errors import InputError
from edgecnn.inspection import shapes
from edgecnn.inspection.shapes import InputSizes
from edgecnn.latency.cost import INPUT, MULTIPLYING, NetCost, OperatorCost
from edgecnn.latency.fusion import Nodes
from edgecnn.latency.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgecnn.inspection import Inspection, Operator
    from edgecnn.latency.cost import Kind, Precision

Shape = tuple[int, ...]
_IMAGE_RANK = 3  # without the batch
_INTEGERS: dict[str, Precision] = {"int8": "int8", "uint8": "int8", "int16": "int16x8"}
_HEAVY_WEIGHTS_RANK = 4
_LOOPS = {"WHILE", "Loop", "Scan"}


def costs_of_file(path: Path, sizes: InputSizes | None = None) -> NetCost:
    """The cost of a .tflite or .onnx file, anybody's, at batch 1.

    An ONNX file is costed as the .tflite of the same network (see `fusion`).

    Args:
        path: the file; its content decides the format.
        sizes: the sizes that the file leaves open, beside the batch.

    Raises:
        InputError: no such file, not a model, or damaged; sizes that stay open, or that the file
            cannot have; operators whose multiplications nobody can count.
        CrashedError: native code crashed on it.
        MissingPartError: an ONNX file, and the onnx package is not installed.
    """
    file = inspection.inspect(path, delegate=False)
    sizes = sizes or InputSizes()
    if sizes or any(map(shapes.is_open, file.inputs)) or not _is_shaped(file):
        file = inspecting.at(path, file, sizes)
    return costs_of_inspection(path.name, file)


def _is_shaped(file: Inspection) -> bool:
    """Whether nothing but a batch is open that propagating shapes could close."""
    every = [s for op in file.operators for s in (*op.input_shapes, *op.output_shapes)]
    if any(-1 in shape[1:] for shape in every):
        return False
    uncounted = [op for op in file.operators if not op.counted]
    if file.format == "onnx":  # a shape that is not known at all is told as none
        return not uncounted
    return not any(-1 in s for op in uncounted for s in (*op.input_shapes, *op.output_shapes))


def costs_of_inspection(name: str, file: Inspection) -> NetCost:
    """The cost of a file that was inspected before.

    Args:
        name: what to call the network.
        file: what `inspection` read.

    Raises:
        InputError: operators multiply that nobody can count, or run in a loop.
    """
    _refuse_uncounted(name, file)
    nodes = Nodes(file)
    recipe = _float_precision(nodes)
    operators, sources = _flow(nodes, recipe)
    unknown = Counter(operator.name for operator in operators if operator.kind == "unknown")
    notes = tuple(note for note in file.notes if "Shapes" in note)
    counted_at = "".join(note for note in file.notes if note.startswith(inspecting.COUNTED_AT))
    return NetCost(
        name,
        tuple(operators),
        dict(unknown),
        notes,
        file.size_bytes,
        shapes=counted_at,
        sources=tuple(sources),
        input_elements=sum(_elements(tensor.shape) for tensor in file.inputs),
    )


def _flow(nodes: Nodes, recipe: Precision) -> tuple[list[OperatorCost], list[tuple[int, ...]]]:
    """What runs, and what of it each operator reads: of a fused one, what that one reads."""
    operators: list[OperatorCost] = []
    sources: list[tuple[int, ...]] = []
    results: list[int] = []
    for place, fused in enumerate(nodes.fused):
        read = tuple(
            results[source] if 0 <= source < place else INPUT for source in nodes.sources(place)
        )
        if fused:
            results.append(read[0] if read else INPUT)
            continue
        for cost in _costs(nodes, place, recipe):
            sources.append(read)
            read = (len(operators),)
            operators.append(cost)
        results.append(len(operators) - 1)
    return operators, sources


def _refuse_uncounted(name: str, file: Inspection) -> None:
    if uncounted := file.uncounted:
        raise InputError(
            f"{name} cannot be predicted: how often {_listed(uncounted)} multiply is not known.",
            hint="Measure it: `edgecnn bench`; or cut what follows them off, such as"
            " post-processing.",
        )
    loops = Counter(operator.name for operator in file.operators if operator.name in _LOOPS)
    if loops:
        raise InputError(
            f"{name} cannot be predicted: {_listed(loops)} repeats what is in it as often as the"
            " data says.",
            hint="Measure it: `edgecnn bench`; or unroll the loop when the file is made, or cut"
            " post-processing off.",
        )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _float_precision(nodes: Nodes) -> Precision:
    """The recipe that a file's operators on floats belong to: float32, float16 or dynamic."""
    macs = Counter[str]()
    for operator in nodes.operators:
        if kind_of(nodes.format, operator.name) in MULTIPLYING:
            macs[_own_precision(operator)] += operator.macs
    heaviest = max(macs, key=macs.__getitem__, default="float32")
    return "dynamic" if heaviest == "dynamic" else "float16" if heaviest == "float16" else "float32"


def _own_precision(operator: Operator) -> Precision:
    dtype = operator.compute_dtype
    if dtype == inspection.DYNAMIC:
        return "dynamic"
    if dtype in _INTEGERS:
        return _INTEGERS[dtype]
    return "float16" if "float16" in {dtype, operator.weights_dtype} else "float32"


def _precision(nodes: Nodes, place: int, recipe: Precision) -> Precision:
    operator = nodes.operators[place]
    if kind_of(nodes.format, operator.name) in MULTIPLYING:
        return _own_precision(operator)
    if operator.compute_dtype in _INTEGERS:
        return _INTEGERS[operator.compute_dtype]
    return "int8" if nodes.is_dequantized(place) else recipe


def _costs(nodes: Nodes, place: int, recipe: Precision) -> list[OperatorCost]:
    operator = nodes.operators[place]
    precision = _precision(nodes, place, recipe)
    kind = kind_of(nodes.format, operator.name)
    count = _of_product if kind in MULTIPLYING else _of_non_multiplying
    cost = replace(count(nodes, place, kind), precision=precision)
    # A normalization that no convolution fuses is a product and a sum.
    return [cost, cost] if operator.name == "BatchNormalization" else [cost]


def _of_product(nodes: Nodes, place: int, kind: Kind) -> OperatorCost:
    operator, layout = nodes.operators[place], nodes.format
    inputs, output = nodes.inputs(place), _output(operator)
    read = inputs[0] if inputs else ()
    in_channels, taps = _channels(read, layout), 1
    out_channels, groups = _channels(output, layout), 1
    weights, parameters = _weights(nodes, place)
    if kind == "recurrent":  # a step of each sequence, whatever its matrices are
        in_channels = max(abs(read[-1]), 1) if read else 1
        steps = _elements(read) // in_channels
        out_channels = max(_elements(output) // max(steps, 1), 1)
    elif kind in {"dense", "matmul"}:  # what each output adds up
        kind = "dense" if weights else "matmul"
        out_channels = max(abs(output[-1]), 1) if output else 1
        in_channels = operator.macs // max(_elements(output), 1)
    elif len(weights) >= _HEAVY_WEIGHTS_RANK:
        taps = _window(operator.name, weights, layout)
        groups = _groups(operator.name, weights, in_channels, layout)
        kind, groups = _convolution(kind, taps, groups, in_channels)
    return OperatorCost(
        kind=kind,
        name=operator.name,
        pixels=max(_elements(output) // max(out_channels, 1), 1),
        in_channels=in_channels,
        out_channels=out_channels,
        taps=taps,
        groups=groups,
        macs=operator.macs,
        input_elements=sum(map(_elements, inputs)),
        output_elements=_elements(output),
        weight_elements=parameters,
    )


def _weights(nodes: Nodes, place: int) -> tuple[Shape, int]:
    """The weights' shape, and all parameters; also of weights that other operators unpack."""
    operator = nodes.operators[place]
    if operator.weights_shape:
        return operator.weights_shape, operator.parameters
    unpacked = nodes.unpacked(place)
    elements = sum(map(_elements, unpacked))
    return (unpacked[0] if unpacked else ()), operator.parameters + elements


def _convolution(kind: Kind, taps: int, groups: int, in_channels: int) -> tuple[Kind, int]:
    """The sort of convolution, and its groups; a depthwise one counts as one."""
    if kind == "depthwise" or (kind == "convolution" and groups == in_channels > 1):
        return "depthwise", 1
    if kind == "transposed":
        return kind, groups
    return ("grouped" if groups > 1 else "pointwise" if taps == 1 else "convolution"), groups


def _window(name: str, weights: Shape, layout: str) -> int:
    if layout == "onnx":  # MI.., or IM.. for transposed ones
        return math.prod(weights[2:])
    return math.prod(weights[:3]) if name.startswith("CONV_3D") else math.prod(weights[1:-1])


def _groups(name: str, weights: Shape, in_channels: int, layout: str) -> int:
    """Groups, from the channels that each filter reads."""
    if name not in {"CONV_2D", "Conv", "FusedConv", "ConvInteger", "QLinearConv"}:
        return 1
    per_group = weights[1] if layout == "onnx" else weights[-1]
    return max(in_channels // per_group, 1) if per_group > 0 else 1


def _of_non_multiplying(nodes: Nodes, place: int, kind: Kind) -> OperatorCost:
    operator = nodes.operators[place]
    output = _output(operator)
    channels = _channels(output, nodes.format)
    return OperatorCost(
        kind=kind,
        name=operator.name,
        pixels=_elements(output) // max(channels, 1),
        in_channels=channels,
        out_channels=channels,
        taps=math.prod(operator.window),
        groups=1,
        macs=0,
        input_elements=sum(map(_elements, nodes.inputs(place))),
        output_elements=sum(map(_elements, operator.output_shapes)),
        weight_elements=operator.parameters,
    )


def _output(operator: Operator) -> Shape:
    return operator.output_shapes[0] if operator.output_shapes else ()


def _elements(shape: Shape) -> int:
    return math.prod(abs(size) for size in shape)


def _channels(shape: Shape, layout: str) -> int:
    """Size of the channels' axis: the last in TFLite, the second of an ONNX image."""
    if len(shape) < 2:  # noqa: PLR2004 - the batch and something else
        return max(abs(shape[0]), 1) if shape else 1
    own = shape[1] if layout == "onnx" and len(shape) > _IMAGE_RANK else shape[-1]
    return max(abs(own), 1)
