"""Float32 ONNX -> half-precision weights, computed in float32 or in float16.

onnxruntime's own converter (transformers.float16) was tried and produced graphs that did not load;
for a feed-forward CNN the conversion is a cast at each end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import array_of
from edgecnn.formats.onnx_rewrites import redirect
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from pathlib import Path

    import onnx_ir as ir
    from numpy.typing import NDArray

ComputeDtype = Literal["float32", "float16"]

_LARGEST = 65504.0  # IEEE 754 binary16
# Inputs that the ONNX specification keeps float32 whatever the data is (Resize-13).
_FLOAT32_INPUTS = {"Resize": {1, 2}, "Upsample": {1}}


def to_float16(
    float_path: Path,
    out_path: Path,
    *,
    compute: ComputeDtype = "float32",
    progress: Progress | None = None,
) -> None:
    """Store every float constant as float16; input and output stay float32.

    By default the weights are cast back as the file is loaded, as in a float16 .tflite: float32's
    speed, and activations that cannot overflow. With `compute="float16"` all operators work in
    float16, which pays only where a runtime has such kernels (ARMv8.2 and newer, GPUs); onnxruntime
    on x86 computes in float32 all the same: Xception 237, 239 and 236 ms (float16, weights alone,
    float32), 65 dB SNR either way.

    Args:
        float_path: a file `convert.onnx_float` wrote.
        out_path: the file to write; a path nobody reads yet.
        compute: what the operators compute in.
        progress: warned, by name, of constants beyond float16's range, which are clipped to it.

    Raises:
        InputError: not an ONNX file, or one with control flow.
        MissingPartError: onnx or onnxruntime is not installed.
    """
    model = onnx_file.canonicalize(onnx_file.load(float_path))
    halves = _halve_constants(model.graph, progress or Silent())
    if compute == "float16":
        _cast_ends(model.graph)
    else:
        _cast_constants_back(model.graph, halves)
    onnx_file.save(model, out_path)


def _halve_constants(graph: ir.Graph, watcher: Progress) -> list[ir.Value]:
    """Make the float32 constants float16, and return them."""
    import onnx_ir as ir

    kept = {
        node.inputs[position]
        for node in graph
        for position in _FLOAT32_INPUTS.get(node.op_type, set())
        if position < len(node.inputs)
    }
    halves = []
    for name, value in sorted(graph.initializers.items()):
        array = array_of(value)
        if array is None or array.dtype.name != "float32" or value in kept:
            continue
        value.const_value = ir.tensor(_halve(name, array, watcher), name=name)
        value.type = ir.TensorType(value.const_value.dtype)
        halves.append(value)
    return halves


def _halve(name: str, value: NDArray[np.float32], watcher: Progress) -> NDArray[np.float16]:

    beyond = int(np.count_nonzero(np.abs(value) > _LARGEST))
    if beyond:
        watcher.warn(
            f"{beyond} of {value.size} values of '{name}' are beyond float16's {_LARGEST:.0f} "
            "and were clipped to it."
        )
    # What is below 2^-25 becomes zero, an error of 3e-8 at most: nothing to warn of.
    return np.clip(value, -_LARGEST, _LARGEST).astype(np.float16)


def _cast_constants_back(graph: ir.Graph, halves: list[ir.Value]) -> None:
    import onnx_ir as ir

    first = graph[0]
    for value in halves:
        cast = ir.node("Cast", [value], {"to": ir.DataType.FLOAT})
        graph.insert_before(first, cast)
        redirect(value, cast.outputs[0])


def _cast_ends(graph: ir.Graph) -> None:
    import onnx_ir as ir

    for value in graph.inputs:
        cast = ir.node("Cast", [value], {"to": ir.DataType.FLOAT16})
        graph.insert_before(graph[0], cast)
        redirect(value, cast.outputs[0])
    for place, value in enumerate(list(graph.outputs)):
        if value.producer() is None:
            continue
        end = ir.val(value.name, type=value.type, shape=value.shape)
        value.name = f"{value.name}//half"
        graph.append(ir.node("Cast", [value], {"to": ir.DataType.FLOAT}, outputs=[end]))
        graph.outputs[place] = end
