"""What a file is at shapes that the user gives: sizes it leaves open are fixed and propagated.

An .onnx has its shape arithmetic folded, as `onnx_source` does before it is converted; a .tflite is
resized in LiteRT, which tells the shapes of its tensors. Both happen in a child process.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import gate, inspection
from edgecnn.inspection import shapes
from edgecnn.inspection.shapes import InputSizes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx

    from edgecnn.inspection import Inspection

    Shape = tuple[int, ...]

COUNTED_AT = "MACs are counted at"
# What hands a stored constant on in another form; folded, its dtype in the file would be lost.
_UNPACKING = {"Cast", "DequantizeLinear", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}


@gate.guarded("Inspecting")
def inspect(
    path: Path | str,
    *,
    delegate: bool = True,
    input_shapes: Mapping[str, Shape] | None = None,
    input_size: int | tuple[int, int] | None = None,
) -> Inspection:
    """Read what a .tflite or .onnx file really is; the content decides which, not the name.

    Args:
        path: the file, anybody's.
        delegate: for a .tflite, load it into LiteRT in a child process to see how XNNPACK divides
            it; without, `delegate_partitions` stays None.
        input_shapes: of inputs that leave sizes open, by name, or under "" for the only input; of
            an .onnx also in place of sizes that it fixes.
        input_size: of inputs that leave them open: height and width of the image inputs, pixels.

    Returns:
        The inputs and outputs as the file has them, -1 for an open size; the operators and MACs at
        the shapes given.

    Raises:
        InputError: no such file, not a model, or damaged; shapes that the file cannot have.
        CrashedError: native code crashed on it, or ran out of time.
        MissingPartError: an ONNX file, and the onnx package is not installed.
    """
    path, request = Path(path), InputSizes(dict(input_shapes or {}), input_size)
    record = inspection.inspect(path, delegate=delegate)
    return at(path, record, request) if request else record


def at(path: Path, record: Inspection, request: InputSizes) -> Inspection:
    """The inspection of a file with the sizes that it leaves open fixed.

    Args:
        path: the file.
        record: what `inspection.inspect` read of it.
        request: the sizes; none where nothing but the batch is open, and shapes are to be found.

    Raises:
        InputError: shapes that the file cannot have, or that stay open.
        CrashedError: native code crashed on it, or ran out of time.
    """
    fixed = shapes.resolve(
        record.inputs, request, record.format, str(path), overrides=record.format == "onnx"
    )
    at_shapes: Inspection = gate.run(
        f"edgecnn.convert.inspecting:{record.format}_at",
        str(path),
        fixed,
        source=path,
        work=gate.RUN,
        what=f"fixing the shapes of {path}",
    )
    return dataclasses.replace(
        at_shapes,
        inputs=record.inputs,
        outputs=record.outputs,
        graph=dataclasses.replace(
            at_shapes.graph,
            delegate_partitions=record.graph.delegate_partitions,
            undelegated_ops=record.graph.undelegated_ops,
        ),
        notes=(*at_shapes.notes, *_note(record, fixed)),
    )


def _note(record: Inspection, fixed: Sequence[Shape]) -> list[str]:
    named = [
        f"{tensor.name} {'x'.join(map(str, shape))}"
        for tensor, shape in zip(record.inputs, fixed, strict=True)
        if shapes.is_open(tensor) or tensor.shape[1:] != shape[1:]
    ]
    return [f"{COUNTED_AT} {', '.join(named)}."] if named else []


def tflite_at(path: str, fixed: Sequence[Shape]) -> Inspection:
    """A .tflite at these shapes; called in a child, for LiteRT sees the file."""
    from edgecnn.inspection import tflite
    from edgecnn.runtime import litert

    data = Path(path).read_bytes()
    return tflite.read(data, path, litert.shapes_at(data, fixed))


def onnx_at(path: str, fixed: Sequence[Shape]) -> Inspection:
    """An .onnx at these shapes; called in a child, for native code sees the file."""
    import onnx

    from edgecnn.convert import onnx_folding, onnx_shapes
    from edgecnn.formats.onnx_graph import from_proto, name_of, to_proto
    from edgecnn.inspection import onnx as onnx_inspection

    data = Path(path).read_bytes()
    model = onnx_inspection.parse(data, path)
    shaped = onnx.ModelProto.FromString(data)
    if shaped.functions:
        shaped = onnx.inliner.inline_local_functions(shaped)
    working = from_proto(shaped)
    names = [name_of(value) for value in working.graph.inputs]
    onnx_shapes.fix(working, dict(zip(names, fixed, strict=True)), None)
    onnx_folding.fold(working)
    folded = to_proto(working)
    _restore_stored(folded, shaped)
    return onnx_inspection.counted(data, model, folded, (), path)


def _restore_stored(folded: onnx.ModelProto, stored: onnx.ModelProto) -> None:
    """Put constants back as the file stores them: int8 or float16, behind what unpacks it."""
    from onnx import helper

    makers = _unpacking(stored)
    graph = folded.graph
    unpacked = [tensor for tensor in graph.initializer if tensor.name in makers]
    present = {tensor.name for tensor in graph.initializer} - {tensor.name for tensor in unpacked}
    nodes: list[onnx.NodeProto] = []
    read = set[str]()
    for tensor in unpacked:
        _chain(tensor.name, makers, nodes, read)
        graph.value_info.append(
            helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        )
        graph.initializer.remove(tensor)
    missing = read - present
    graph.initializer.extend(t for t in stored.graph.initializer if t.name in missing)
    constants = [
        node
        for node in stored.graph.node
        if node.op_type == "Constant" and node.output[0] in missing
    ]
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*constants, *nodes, *rest])


def _unpacking(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    """By their outputs, the nodes that hand stored constants on."""
    constant = {tensor.name for tensor in model.graph.initializer}
    makers: dict[str, onnx.NodeProto] = {}
    for node in model.graph.node:
        if node.op_type == "Constant":
            constant.add(node.output[0])
        elif node.op_type in _UNPACKING and constant.issuperset(filter(None, node.input)):
            makers[node.output[0]] = node
            constant.add(node.output[0])
    return makers


def _chain(
    name: str, makers: Mapping[str, onnx.NodeProto], nodes: list[onnx.NodeProto], read: set[str]
) -> None:
    """The nodes that make a constant, in order and each once; and all the names they read."""
    if name in read:
        return
    read.add(name)
    if name in makers:
        for source in filter(None, makers[name].input):
            _chain(source, makers, nodes, read)
        nodes.append(makers[name])
