"""A request to a Keras model, or to the callable of a SavedModel."""

from __future__ import annotations

import importlib
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.building import ends, files, keras_files, saved_model, shapes, weights
from edgecnn.building.request import BuildRequest, ModelIdentity, identify, is_random
from edgecnn.errors import InputError
from edgecnn.records import Endpoint, Network
from edgecnn.zoo import find, keras_applications

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras

    from edgecnn.records import ModelSpec

# What the ends of networks by name are called.
_INPUT, _OUTPUT = "input", "output"


@dataclass(frozen=True)
class BuiltModel:
    """A network in memory, ready to be traced.

    Attributes:
        identity: what was asked for.
        function: a list of tensors or arrays, one for each input in the model's order, to the list
            of output tensors in its order, in inference mode. It keeps what it needs alive, and
            may be traced by tf.function.
        keras_model: the Keras model, whose batch (and, for a user's, size) may be variable; None
            for a SavedModel.
        network: the inputs and outputs in order, and how many parameters; a SavedModel's constants
            are not counted. A Keras model's order is that of `keras.tree.flatten`, so a dict's is
            by key; a SavedModel's signature lists its ends by name, numbers in names by value.
    """

    identity: ModelIdentity
    function: Callable[[Sequence[Any]], list[Any]]
    keras_model: keras.Model | None
    network: Network

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the first input, (1, height, width, channels) of an image."""
        return self.network.inputs[0].shape

    @property
    def classes(self) -> int:
        """Size of the first output's last axis."""
        return self.network.outputs[0].shape[-1]

    @property
    def parameters(self) -> int:
        """Elements of all variables."""
        return self.network.parameters

    @property
    def trainable_parameters(self) -> int:
        """Elements of the variables that training changes."""
        return self.network.trainable_parameters


def build(request: BuildRequest) -> BuiltModel:
    """Build or load what is asked for. Needs TensorFlow; meant for a process of its own.

    Keras's global state (layer names, random seeds, data format, float type) is set to known
    values first, so that the same request gives the same names and bytes in every process.

    Raises:
        InputError: as `identify`, or what only loading shows: a corrupt file, weights that do not
            fit, a size that stays open.
    """
    identity = identify(request)
    _prepare_keras(request.seed)
    if identity.kind == "zoo":
        return _from_name(identity, _build_zoo(request, identity))
    if identity.kind == "keras":
        return _from_name(identity, _build_application(request, identity))
    path = Path(request.model)
    if identity.kind == "keras-file":
        return _from_keras_file(identity, keras_files.load(path), request)
    if identity.kind == "savedmodel":
        return _from_saved_model(identity, request)
    raise InputError(
        f"{request.model} is a finished .{identity.kind} file; there is nothing to build.",
        hint="It can be quantized, inspected, verified and measured as it is.",
    )


def load_builder(spec: ModelSpec) -> Callable[..., keras.Model]:
    """Import the builder function a ModelSpec names."""
    module, _, function = spec.builder.partition(":")
    builder: Callable[..., keras.Model] = getattr(importlib.import_module(module), function)
    return builder


def _prepare_keras(seed: int) -> None:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"Keras already runs on {keras.backend.backend()} in this process.",
            hint="Set KERAS_BACKEND=tensorflow before Keras is imported.",
        )
    # ~/.keras/keras.json may say otherwise, and would change the network.
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)


def _build_zoo(request: BuildRequest, identity: ModelIdentity) -> keras.Model:
    spec = find(request.model)
    variant: dict[str, Any] = {}
    if spec.has_width and request.width is not None:
        variant["width"] = request.width
    if spec.has_convolution and request.convolution is not None:
        variant["convolution"] = request.convolution
    model = load_builder(spec)(input_size=identity.input_size, classes=identity.classes, **variant)
    _load_weights(model, request)
    return model


def _build_application(request: BuildRequest, identity: ModelIdentity) -> keras.Model:
    assert identity.input_size is not None  # noqa: S101 - for the type checker
    assert identity.classes is not None  # noqa: S101 - for the type checker
    imagenet = identity.weights == "imagenet"
    model = keras_applications.build(
        keras_applications.find(request.model),
        input_size=identity.input_size,
        classes=identity.classes,
        imagenet=imagenet,
    )
    if not imagenet:
        _load_weights(model, request)
    return model


def _load_weights(model: keras.Model, request: BuildRequest) -> None:
    if not is_random(request):
        assert request.weights is not None  # noqa: S101 - for the type checker: None is random
        weights.load(model, Path(request.weights))


def _from_name(identity: ModelIdentity, model: keras.Model) -> BuiltModel:
    """A network of the zoo or of keras.applications: one image in, one row of classes out."""
    image = Endpoint(_INPUT, "float32", (1, *model.inputs[0].shape[1:]), "NHWC")
    classes = Endpoint(_OUTPUT, "float32", (1, *model.outputs[0].shape[1:]))
    return BuiltModel(
        identity=identity,
        function=_caller(model),
        keras_model=model,
        network=_network(model, (image,), (classes,)),
    )


def _from_keras_file(
    identity: ModelIdentity, model: keras.Model, request: BuildRequest
) -> BuiltModel:
    names = keras_files.input_names(model), keras_files.output_names(model)
    opens = [
        shapes.OpenEnd(name, tensor.dtype, tuple(tensor.shape))
        for name, tensor in zip(names[0], model.inputs, strict=True)
    ]
    inputs = shapes.fix_inputs(identity.name, opens, request)
    function = _caller(model)
    outputs = ends.measure_outputs(identity.name, function, inputs, ends.unique(names[1], names[0]))
    return BuiltModel(
        identity=identity,
        function=function,
        keras_model=model,
        network=_network(model, inputs, outputs),
    )


def _caller(model: keras.Model) -> Callable[[Sequence[Any]], list[Any]]:
    import keras

    def function(tensors: Sequence[Any]) -> list[Any]:
        packed = keras_files.pack_inputs(model, tensors)
        return list(keras.tree.flatten(model(packed, training=False)))

    return function


def _from_saved_model(identity: ModelIdentity, request: BuildRequest) -> BuiltModel:
    folder, name = files.split_signature(request.model)
    signature = saved_model.load(Path(folder), name)
    inputs = shapes.fix_inputs(identity.name, signature.inputs, request)
    names = ends.unique(signature.outputs, [end.name for end in inputs])
    outputs = ends.measure_outputs(identity.name, signature.function, inputs, names)
    return BuiltModel(
        identity=identity,
        function=signature.function,
        keras_model=None,
        network=_network(signature, inputs, outputs),
    )


def _network(
    owner: Any,  # noqa: ANN401 - a Keras model or a signature
    inputs: tuple[Endpoint, ...],
    outputs: tuple[Endpoint, ...],
) -> Network:
    return Network(inputs, outputs, _elements(owner.weights), _elements(owner.trainable_weights))


def _elements(variables: Any) -> int:  # noqa: ANN401 - variables of Keras or TensorFlow
    return sum(math.prod(variable.shape) for variable in variables)
