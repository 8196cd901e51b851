"""Float32 ONNX -> half-precision weights, computed in float32 or in float16.

onnxruntime's own converter (transformers.float16) was tried and produced graphs that did not load;
for a feed-forward CNN the conversion is a cast at each end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import OnnxGraph
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from pathlib import Path

    import onnx
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
    graph = OnnxGraph(model)
    halves = _halve_constants(graph, progress or Silent())
    if compute == "float16":
        _cast_ends(graph)
    else:
        _cast_constants_back(graph, halves)
    graph.write()
    del model.graph.value_info[:]
    onnx_file.save(model, out_path)


def _halve_constants(graph: OnnxGraph, watcher: Progress) -> set[str]:
    """Make the float32 constants float16, and return their names."""
    kept = {
        node.input[position]
        for node in graph.nodes
        for position in _FLOAT32_INPUTS.get(node.op_type, set())
        if position < len(node.input)
    }
    names = {n for n, v in graph.constants.items() if v.dtype.name == "float32" and n not in kept}
    for name in sorted(names):
        graph.constants[name] = _halve(name, graph.constants[name], watcher)
    return names


def _halve(name: str, value: NDArray[np.float32], watcher: Progress) -> NDArray[np.float16]:

    beyond = int(np.count_nonzero(np.abs(value) > _LARGEST))
    if beyond:
        watcher.warn(
            f"{beyond} of {value.size} values of '{name}' are beyond float16's {_LARGEST:.0f} "
            "and were clipped to it."
        )
    # What is below 2^-25 becomes zero, an error of 3e-8 at most: nothing to warn of.
    return np.clip(value, -_LARGEST, _LARGEST).astype(np.float16)


def _cast(source: str, target: str, kind: int) -> onnx.NodeProto:
    from onnx import helper

    return helper.make_node("Cast", [source], [target], to=kind)


def _cast_constants_back(graph: OnnxGraph, halves: set[str]) -> None:
    from onnx import TensorProto

    back: dict[str, str] = {}
    for node in list(graph.nodes):
        for position, name in enumerate(node.input):
            if name not in halves:
                continue
            if name not in back:
                back[name] = graph.fresh(name)
                graph.insert_before(node, _cast(name, back[name], TensorProto.FLOAT))
            node.input[position] = back[name]
    graph.edited()


def _cast_ends(graph: OnnxGraph) -> None:
    from onnx import TensorProto

    for name in graph.inputs:
        half = graph.fresh(name)
        graph.redirect(name, half)
        graph.insert_before(graph.nodes[0], _cast(name, half, TensorProto.FLOAT16))
    for name in graph.outputs:
        maker = graph.producer(name)
        if maker is None:
            continue
        half = graph.fresh(name)
        maker.output[:] = [half if output == name else output for output in maker.output]
        graph.edited()
        graph.redirect(name, half)
        graph.nodes.append(_cast(half, name, TensorProto.FLOAT))
    graph.edited()
