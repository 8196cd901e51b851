"""TensorFlow graph -> float ONNX file. Runs where TensorFlow may be imported (a child process).

tf2onnx's own entry points take 19 s for Xception, of which 17 go into copying the weights before
each of a dozen optimizers, three times over. Its converter alone and the four optimizers a CNN
needs take 2.6 s and leave the same nodes; `onnx_passes` does what they do not.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert.onnx_passes import simplify
from edgecnn.errors import InputError, MissingPartError
from edgecnn.formats.onnx_file import save
from edgecnn.formats.onnx_graph import from_proto, require_onnx

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import onnx

    from edgecnn.convert.tflite_float import Traced

# Per-channel QuantizeLinear needs 13; 17 is read by every onnxruntime since 1.12 (2022), and what
# came after it (18: tf2onnx's last) gives a CNN nothing.
OPSET = 17
_COMPILED = ("_XlaMustCompile", "_noinline", "api_implements")
_OPTIMIZERS = ("optimize_transpose", "fold_constants", "remove_identity", "remove_back_to_back")


def to_onnx(
    traced: Traced,
    path: Path,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    *,
    opset: int = OPSET,
) -> None:
    """Write a traced network as float32 ONNX; the same network gives the same bytes.

    Args:
        traced: any number of inputs and outputs, every size known, weights as constants.
        path: the file to write; a path nobody reads yet.
        input_names: what the file calls the inputs, in their order; without, as the graph does.
            Their layout stays.
        output_names: likewise.
        opset: version of ONNX's operator set, 13 to 18.

    Raises:
        InputError: variables are left in the graph, a size is open, or ONNX has no equivalent of
            an operator.
        MissingPartError: onnx, onnxruntime or tf2onnx is not installed.
    """
    _require_tf2onnx()
    inputs, outputs = (
        [tensor.op.name for tensor in tensors] if names is None else list(names)
        for tensors, names in ((traced.inputs, input_names), (traced.outputs, output_names))
    )
    sources, targets = _ends(traced.inputs, inputs), _ends(traced.outputs, outputs)
    model = _convert(_inlined(traced.graph, sources, targets), sources, targets, opset)
    _set_ends(model, dict(zip(sources, inputs, strict=True)), traced.inputs, inputs=True)
    _set_ends(model, dict(zip(targets, outputs, strict=True)), traced.outputs, inputs=False)
    graph = from_proto(model)
    simplify(graph)
    save(graph, path)


def _require_tf2onnx() -> None:
    require_onnx()
    if find_spec("tf2onnx") is None:
        raise MissingPartError(
            "Writing ONNX needs tf2onnx, not installed here.", hint="pip install 'edgecnn[export]'"
        )


def _ends(tensors: Sequence[Any], names: Sequence[str]) -> list[str]:
    """Names of the tensors in the graph, once the network is known to be convertible."""
    if len(tensors) != len(names):
        raise InputError(
            f"The network has {len(tensors)} inputs or outputs (unfrozen weights count as such)"
            f" where {len(names)} are named.",
            hint="Trace the network over constant weights.",
        )
    for tensor in tensors:
        if tensor.shape.rank is None or None in tensor.shape.as_list():
            raise InputError(
                f"Tensor {tensor.name} has the open shape {tensor.shape}.",
                hint="Trace the network for a fixed input, batch size 1.",
            )
    return [tensor.name for tensor in tensors]


def _inlined(graph: Any, sources: list[str], targets: list[str]) -> Any:  # noqa: ANN401 - a tf.Graph
    """The graph with what it calls put in the place of the calls: ONNX has no PartitionedCall.

    Keras wraps a grouped convolution in a function that XLA compiles. Grappler, which would inline
    it, leaves those alone, so their mark goes first.
    """
    import tensorflow as tf
    from tf2onnx import tf_loader

    if not any("PartitionedCall" in operation.type for operation in graph.get_operations()):
        return graph
    definition = graph.as_graph_def()
    for item in (*definition.node, *definition.library.function):
        for mark in _COMPILED:
            item.attr.pop(mark, None)
    with tf.Graph().as_default() as plain:
        tf.graph_util.import_graph_def(definition, name="")
    with plain.as_default():
        flat = tf_loader.tf_optimize_grappler(sources, targets, plain.as_graph_def())
    with tf.Graph().as_default() as result:
        tf.graph_util.import_graph_def(flat, name="")
    return result


def _erfc(context: Any, node: Any, _name: str, _arguments: Any) -> None:  # noqa: ANN401 - tf2onnx's
    """The exact GELU of TensorFlow; erfc(x) = 1 - erf(x)."""
    shape, dtype = context.get_shape(node.output[0]), context.get_dtype(node.output[0])
    source = node.input[0]
    targets = list(node.output)
    context.remove_node(node.name)
    erf = context.make_node("Erf", [source], shapes=[shape], dtypes=[dtype])
    one = context.make_const(f"{node.name}_one", np.ones((), np.float32))
    context.make_node(
        "Sub", [one.output[0], erf.output[0]], outputs=targets, shapes=[shape], dtypes=[dtype]
    )


def _convert(
    graph: Any,  # noqa: ANN401 - tf.Graph
    sources: list[str],
    targets: list[str],
    opset: int,
) -> onnx.ModelProto:
    from tf2onnx import optimizer, tfonnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    try:
        converted = tfonnx.process_tf_graph(
            graph,
            input_names=sources,
            output_names=targets,
            opset=opset,
            custom_op_handlers={"Erfc": (_erfc, [])},
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


def _set_ends(
    model: onnx.ModelProto, names: dict[str, str], tensors: Sequence[Any], *, inputs: bool
) -> None:
    """Give inputs or outputs the contract's names and order; canonicalize names all between.

    An input nobody reads is put back: it is one of the model's.
    """
    from onnx import helper

    ends = model.graph.input if inputs else model.graph.output
    known = {item.name: item for item in ends}
    rows = []
    for (old, new), tensor in zip(names.items(), tensors, strict=True):
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype.as_numpy_dtype))
        plain = helper.make_tensor_value_info(new, kind, tensor.shape.as_list())
        rows.append(
            plain if old not in known else type(plain).FromString(known[old].SerializeToString())
        )
        rows[-1].name = new
    del ends[:]
    ends.extend(rows)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
