"""From a network in memory to a float .tflite, without freezing anything twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from edgecnn.building import BuiltModel

INPUT = "input"


def trace(built: BuiltModel) -> Any:  # noqa: ANN401 - a ConcreteFunction; TensorFlow has no types
    """The network as a graph over constants: batch 1, every size fixed, no variables.

    A Keras model is traced through `stateless_call` with its weights as numpy arrays, so that they
    enter the graph as constants; a third of the time that tracing variables and freezing them
    takes. A SavedModel's function is frozen by TensorFlow.
    """
    import tensorflow as tf

    signature = [tf.TensorSpec(built.input_shape, tf.float32, name=INPUT)]
    if built.keras_model is None:
        from tensorflow.python.framework.convert_to_constants import (
            convert_variables_to_constants_v2,
        )

        traced = tf.function(built.function, input_signature=signature).get_concrete_function()
        return convert_variables_to_constants_v2(traced)
    return tf.function(_stateless(built), input_signature=signature).get_concrete_function()


def _stateless(built: BuiltModel) -> Any:  # noqa: ANN401 - a function of tensors
    import keras
    import tensorflow as tf

    model: Any = built.keras_model
    trainable = [np.asarray(variable) for variable in model.trainable_variables]
    fixed = [np.asarray(variable) for variable in model.non_trainable_variables]

    def function(images: Any) -> Any:  # noqa: ANN401 - tensors
        outputs, _ = model.stateless_call(
            [tf.constant(value) for value in trainable],
            [tf.constant(value) for value in fixed],
            images,
            training=False,
        )
        return keras.tree.flatten(outputs)[0]

    return function


def to_tflite(function: Any, name: str) -> bytes:  # noqa: ANN401 - as trace returns it
    """Convert a traced network; the same network gives the same bytes in every process.

    The graph goes to the converter as it is (its frozen-graph entry): `from_concrete_functions`
    would freeze and optimize it once more.

    Raises:
        InputError: an operator that TFLite does not have.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert import ConverterError

    graph = function.graph
    inputs = [tensor for tensor in graph.inputs if tensor.dtype != tf.resource]
    converter = tf.compat.v1.lite.TFLiteConverter(graph.as_graph_def(), inputs, list(graph.outputs))
    try:
        return bytes(converter.convert())
    except ConverterError as error:
        raise InputError(
            f"{name}: TFLite cannot have this network: {str(error).splitlines()[0]}",
            hint="Replace the operators it names; edgecnn does not fall back on Flex operators.",
        ) from error
