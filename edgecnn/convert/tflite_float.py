"""From a network in memory to a float .tflite, without freezing anything twice."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.building.ends import unique
from edgecnn.building.keras_files import pack_inputs
from edgecnn.convert import graph_rewrites, recurrent, traced_ends
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from edgecnn.building import BuiltModel
    from edgecnn.records import Network


@dataclass(frozen=True)
class Traced:
    """A network as a graph over constants.

    Attributes:
        graph: the tf.Graph.
        inputs: its input tensors, in the model's order; placeholders called as the inputs are,
            in the letters TensorFlow allows.
        outputs: its output tensors likewise: an Identity each.
    """

    graph: Any
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


@dataclass(frozen=True)
class Definition:
    """A network as a GraphDef.

    Attributes:
        graph_def: with the weights.
        inputs: tensors of the inputs' names, shapes and dtypes; of no graph with weights.
        outputs: likewise.
    """

    graph_def: Any
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


def trace(built: BuiltModel) -> Traced:
    """The network with every size fixed and no variables.

    A Keras model is called without state in a plain graph, its weights as constants: half a second
    for Xception, where tracing variables and freezing them takes three. A SavedModel's function is
    frozen by TensorFlow.

    Raises:
        InputError: an output is an input or another output as it is, or is constant, or an input is
            not used.
    """
    traced = _trace_function(built) if built.keras_model is None else _trace_keras(built)
    graph_rewrites.apply(traced.graph)
    traced_ends.check(built.identity.name, built.network, traced.inputs, traced.outputs)
    return traced


def graph_names(network: Network, taken: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """What inputs and outputs are called in the graph: their names in TensorFlow's letters."""
    inputs, outputs = (
        [re.sub(r"^[^A-Za-z0-9.]|[^A-Za-z0-9_.\\/-]", "_", end.name).lstrip("_") for end in ends]
        for ends in (network.inputs, network.outputs)
    )
    names = unique([name or "end" for name in (*inputs, *outputs)], taken)
    return names[: len(inputs)], names[len(inputs) :]


def _trace_keras(built: BuiltModel) -> Traced:
    import keras
    import tensorflow as tf

    model: Any = built.keras_model
    trainable = [np.asarray(variable) for variable in model.trainable_variables]
    fixed = [np.asarray(variable) for variable in model.non_trainable_variables]
    held = _held_tensors(model)
    graph = _constant_graph()
    with (
        recurrent.unrolled(model, lambda: _run(built)),
        graph.as_default(),
        _replaced([(layer, name, tf.constant(values)) for layer, name, values in held]),
    ):
        inputs, names = _placeholders(built.network)
        answers, _ = model.stateless_call(
            [tf.constant(values) for values in trainable],
            [tf.constant(values) for values in fixed],
            pack_inputs(model, inputs),
            training=False,
        )
        outputs = _identities(keras.tree.flatten(answers), names)
    return Traced(graph, inputs, outputs)


def _constant_graph() -> Any:  # noqa: ANN401 - a tf.Graph
    """A graph that takes in tensors computed outside of it: as constants.

    People write `x @ anchors` with a tensor of numbers; Keras keeps it among the arguments of the
    operation. TensorFlow lets only the graph of a function ask for such a tensor.
    """
    import tensorflow as tf
    from tensorflow.python.framework.func_graph import FuncGraph

    class ConstantGraph(FuncGraph):  # type: ignore[misc] # TensorFlow has no types
        def capture(self, tensor: Any, name: str | None = None, shape: Any = None) -> Any:  # noqa: ANN401 - TensorFlow's own signature
            if tf.is_symbolic_tensor(tensor):
                return super().capture(tensor, name, shape)
            with self.as_default():
                return tf.constant(np.asarray(tensor), name=name)

    return ConstantGraph("network")


def _run(built: BuiltModel) -> list[Any]:
    """What the network makes of zeros."""
    import tensorflow as tf

    return built.function([tf.zeros(end.shape, end.dtype) for end in built.network.inputs])


def _placeholders(network: Network, taken: Sequence[str] = ()) -> tuple[tuple[Any, ...], list[str]]:
    """The inputs, in the default graph, and names kept free there for the outputs."""
    import tensorflow as tf

    inputs, outputs = graph_names(network, taken)
    placeholders = tuple(
        tf.compat.v1.placeholder(end.dtype, end.shape, name=name)
        for end, name in zip(network.inputs, inputs, strict=True)
    )
    for name in outputs:  # a layer of an output's name gets another scope
        tf.compat.v1.get_default_graph().unique_name(name)
    return placeholders, outputs


def _identities(tensors: Sequence[Any], names: Sequence[str]) -> tuple[Any, ...]:
    import tensorflow as tf

    # The slash takes the name as it is, reserved or not.
    return tuple(
        tf.identity(tensor, name=f"{name}/") for tensor, name in zip(tensors, names, strict=True)
    )


def _trace_function(built: BuiltModel) -> Traced:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    def function(*tensors: Any) -> list[Any]:  # noqa: ANN401 - tensors of TensorFlow
        return built.function(tensors)

    specs = [tf.TensorSpec(end.shape, end.dtype) for end in built.network.inputs]
    traced = tf.function(function, input_signature=specs).get_concrete_function()
    frozen = convert_variables_to_constants_v2(traced)
    arguments = [tensor for tensor in frozen.graph.inputs if tensor.dtype != tf.resource]
    definition = frozen.graph.as_graph_def()
    graph_rewrites.close_lists(definition, (*built.network.inputs[0].shape, 1)[0])
    kept = [node for node in definition.node if node.name not in {t.op.name for t in arguments}]
    graph = tf.Graph()
    with graph.as_default():
        inputs, names = _placeholders(built.network, taken=[node.name for node in kept])
        del definition.node[:]
        definition.node.extend(kept)
        answers = tf.graph_util.import_graph_def(
            definition,
            input_map={a.name: ours for a, ours in zip(arguments, inputs, strict=True)},
            return_elements=[tensor.name for tensor in frozen.graph.outputs],
            name="",
        )
        outputs = _identities(answers, names)
    return Traced(graph, inputs, outputs)


def _held_tensors(model: Any) -> list[tuple[Any, str, Any]]:  # noqa: ANN401 - a keras.Model
    """Layer, attribute and values of tensors that layers keep beside their variables.

    Normalization holds its mean and variance so. A graph cannot take them in as they are.
    """
    import tensorflow as tf

    layers = model._flatten_layers()  # noqa: SLF001 - no public walk
    return [
        (layer, name, np.asarray(value))
        for layer in layers
        for name, value in vars(layer).items()
        if tf.is_tensor(value) and not isinstance(value, tf.Variable)
    ]


@contextlib.contextmanager
def _replaced(attributes: Sequence[tuple[Any, str, Any]]) -> Generator[None, None, None]:
    """Give objects' attributes other values for a while."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in attributes]
    try:
        for owner, name, value in attributes:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def define(traced: Traced) -> Definition:
    """The network apart from its graph, which can go then and is TFLite's alone."""
    import tensorflow as tf

    graph_rewrites.apply_for_tflite(traced.graph)
    with tf.Graph().as_default():
        inputs, outputs = (
            tuple(
                tf.compat.v1.placeholder(tensor.dtype, tensor.shape, name=tensor.op.name)
                for tensor in tensors
            )
            for tensors in (traced.inputs, traced.outputs)
        )
    return Definition(traced.graph.as_graph_def(), inputs, outputs)


def to_tflite(definition: Definition, name: str) -> bytes:
    """Convert a traced network; the same network gives the same bytes in every process.

    The graph goes to the converter as it is (its frozen-graph entry): `from_concrete_functions`
    would freeze and optimize it once more.

    Raises:
        InputError: an operator that TFLite does not have.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert import ConverterError

    converter = tf.compat.v1.lite.TFLiteConverter(
        definition.graph_def, list(definition.inputs), list(definition.outputs)
    )
    try:
        return bytes(converter.convert())
    except ConverterError as error:
        raise InputError(
            f"{name}: TFLite cannot have this network: {str(error).splitlines()[0]}",
            hint="Replace the operators it names; edgecnn does not fall back on Flex operators.",
        ) from error
