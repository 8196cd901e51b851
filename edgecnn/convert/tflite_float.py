"""From a network in memory to a float .tflite, without freezing anything twice."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from edgecnn.building import BuiltModel

INPUT, OUTPUT = "input", "output"


@dataclass(frozen=True)
class Traced:
    """A network as a graph over constants, with one input and one output.

    Attributes:
        graph: the tf.Graph.
        inputs: its one input tensor, (1, H, W, C) float32.
        outputs: its one output tensor.
    """

    graph: Any
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


@dataclass(frozen=True)
class Definition:
    """A network as a GraphDef.

    Attributes:
        graph_def: with the weights.
        input: a tensor of the input's name, shape and dtype; of no graph with weights.
        output: likewise.
    """

    graph_def: Any
    input: Any
    output: Any


def trace(built: BuiltModel) -> Traced:
    """The network at batch 1, every size fixed, no variables.

    A Keras model is called without state in a plain graph, its weights as constants: half a second
    for Xception, where tracing variables and freezing them takes three. A SavedModel's function is
    frozen by TensorFlow.
    """
    import tensorflow as tf

    if built.keras_model is not None:
        return _trace_keras(built)
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = [tf.TensorSpec(built.input_shape, tf.float32, name=INPUT)]
    traced = tf.function(built.function, input_signature=signature).get_concrete_function()
    frozen = convert_variables_to_constants_v2(traced)
    images = tuple(tensor for tensor in frozen.graph.inputs if tensor.dtype != tf.resource)
    return Traced(frozen.graph, images, tuple(frozen.graph.outputs))


def _trace_keras(built: BuiltModel) -> Traced:
    import keras
    import tensorflow as tf

    model: Any = built.keras_model
    trainable = [np.asarray(variable) for variable in model.trainable_variables]
    fixed = [np.asarray(variable) for variable in model.non_trainable_variables]
    held = _held_tensors(model)
    graph = tf.Graph()
    with (
        graph.as_default(),
        _replaced([(layer, name, tf.constant(values)) for layer, name, values in held]),
    ):
        images = tf.compat.v1.placeholder(tf.float32, built.input_shape, name=INPUT)
        outputs, _ = model.stateless_call(
            [tf.constant(values) for values in trainable],
            [tf.constant(values) for values in fixed],
            images,
            training=False,
        )
        output = tf.identity(keras.tree.flatten(outputs)[0], name=OUTPUT)
    return Traced(graph, (images,), (output,))


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
    """The network apart from its graph, which can go then."""
    import tensorflow as tf

    with tf.Graph().as_default():
        image, output = (
            tf.compat.v1.placeholder(tensor.dtype, tensor.shape, name=tensor.op.name)
            for tensor in (*traced.inputs, *traced.outputs)
        )
    return Definition(traced.graph.as_graph_def(), image, output)


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
        definition.graph_def, [definition.input], [definition.output]
    )
    try:
        return bytes(converter.convert())
    except ConverterError as error:
        raise InputError(
            f"{name}: TFLite cannot have this network: {str(error).splitlines()[0]}",
            hint="Replace the operators it names; edgecnn does not fall back on Flex operators.",
        ) from error
