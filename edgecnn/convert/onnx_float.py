"""TensorFlow graph -> float ONNX file. Runs where TensorFlow may be imported (a child process).

tf2onnx's own entry points take 19 s for Xception, of which 17 go into copying the weights before
each of a dozen optimizers, three times over. Its converter alone and the four optimizers a CNN
needs take 2.6 s and leave the same nodes; `onnx_passes` does what they do not.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from edgecnn.convert.onnx_passes import simplify
from edgecnn.errors import InputError, MissingPartError
from edgecnn.formats.onnx_file import save
from edgecnn.formats.onnx_graph import OnnxGraph, require_onnx

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

# Per-channel QuantizeLinear needs 13; 17 is read by every onnxruntime since 1.12 (2022), and what
# came after it (18: tf2onnx's last) gives a CNN nothing.
OPSET = 17
_OPTIMIZERS = ("optimize_transpose", "fold_constants", "remove_identity", "remove_back_to_back")


def to_onnx(
    function: Any,  # noqa: ANN401 - tf.types.experimental.ConcreteFunction; TensorFlow has no types
    path: Path,
    *,
    input_name: str = "input",
    output_name: str = "output",
    opset: int = OPSET,
) -> None:
    """Write a concrete function as float32 ONNX; the same function gives the same bytes.

    Args:
        function: one input (1, H, W, C) float32 and one output, every size known, and the weights
            constants of its graph (traced over numpy arrays, or frozen).
        path: the file to write; a path nobody reads yet.
        input_name: the input's name in the file. Its layout stays NHWC.
        output_name: the output's name in the file.
        opset: version of ONNX's operator set, 13 to 18.

    Raises:
        InputError: variables are left in the graph, a size is open, there is more than one input
            or output, or ONNX has no equivalent of an operator.
        MissingPartError: onnx, onnxruntime or tf2onnx is not installed.
    """
    _require_tf2onnx()
    source, target = _ends(function)
    model = _convert(function.graph, source, target, opset)
    _rename_ends(model, {source: input_name, target: output_name})
    simplify(model)
    save(model, path)


def _require_tf2onnx() -> None:
    require_onnx()
    if find_spec("tf2onnx") is None:
        raise MissingPartError(
            "Writing ONNX needs tf2onnx, not installed here.", hint="pip install 'edgecnn[export]'"
        )


def _ends(function: Any) -> tuple[str, str]:  # noqa: ANN401 - as in to_onnx
    """Names of the input and output tensors, once the function is known to be convertible."""
    if len(function.inputs) != 1 or len(function.outputs) != 1:
        raise InputError(
            f"The network has {len(function.inputs)} inputs (unfrozen weights count as such) and "
            f"{len(function.outputs)} outputs; an ONNX export takes one of each.",
            hint="Trace the network over constant weights, for one image.",
        )
    for tensor in (*function.inputs, *function.outputs):
        if tensor.shape.rank is None or None in tensor.shape.as_list():
            raise InputError(
                f"Tensor {tensor.name} has the open shape {tensor.shape}.",
                hint="Trace the network for a fixed input, batch size 1.",
            )
    return function.inputs[0].name, function.outputs[0].name


def _convert(graph: Any, source: str, target: str, opset: int) -> onnx.ModelProto:  # noqa: ANN401 - tf.Graph
    from tf2onnx import optimizer, tfonnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    try:
        converted = tfonnx.process_tf_graph(
            graph, input_names=[source], output_names=[target], opset=opset
        )
    except (ValueError, RuntimeError, NotImplementedError) as error:
        raise InputError(
            f"ONNX cannot express this network: {error}",
            hint="Export it with --format tflite, or replace the layer named above.",
        ) from error
    known = optimizer._get_optimizers()  # noqa: SLF001 - the only way to choose among them
    chosen = {name: known[name] for name in _OPTIMIZERS}
    model: onnx.ModelProto = optimizer.optimize_graph(
        converted, catch_errors=False, optimizers=chosen
    ).make_model("")
    _refuse_leftovers(model)
    return model


def _refuse_leftovers(model: onnx.ModelProto) -> None:
    """tf2onnx logs an operator it does not know and passes it on; the file would not load."""
    foreign = sorted(
        {node.op_type for node in model.graph.node if node.domain not in {"", "ai.onnx"}}
    )
    if foreign:
        raise InputError(
            f"ONNX has no equivalent of: {', '.join(foreign)}.", hint="Use --format tflite."
        )


def _rename_ends(model: onnx.ModelProto, names: dict[str, str]) -> None:
    """Give input and output the names of the file's contract; canonicalize names all between."""
    for info in (*model.graph.input, *model.graph.output):
        info.name = names.get(info.name, info.name)
    for node in OnnxGraph(model).nodes:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
