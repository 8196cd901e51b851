"""A request to a Keras model, or to the callable of a SavedModel."""

from __future__ import annotations

import importlib
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.building import keras_config, saved_model, shapes, weights
from edgecnn.building.request import BuildRequest, ModelIdentity, identify, is_random
from edgecnn.errors import InputError
from edgecnn.zoo import find, keras_applications

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras

    from edgecnn.records import ModelSpec


@dataclass(frozen=True)
class BuiltModel:
    """A network in memory, ready to be traced.

    Attributes:
        identity: what was asked for.
        function: float32 `input_shape` to the network's one output, in inference mode. It keeps
            what it needs alive, and may be traced by tf.function.
        keras_model: the Keras model, whose batch (and, for a user's, size) may be variable; None
            for a SavedModel.
        input_shape: (1, height, width, channels).
        classes: size of the output's last axis.
        parameters: elements of all variables; a SavedModel's constants are not among them.
        trainable_parameters: those that training changes.
    """

    identity: ModelIdentity
    function: Callable[[Any], Any]
    keras_model: keras.Model | None
    input_shape: tuple[int, int, int, int]
    classes: int
    parameters: int
    trainable_parameters: int


def build(request: BuildRequest) -> BuiltModel:
    """Build or load what is asked for. Needs TensorFlow; meant for a process of its own.

    Keras's global state (layer names, random seeds, data format, float type) is set to known
    values first, so that the same request gives the same names and bytes in every process.

    Raises:
        InputError: as `identify`, or what only loading shows: a corrupt file, weights that do not
            fit, several inputs or outputs, a variable size.
    """
    identity = identify(request)
    _prepare_keras(request.seed)
    if identity.kind == "zoo":
        return _from_keras(identity, _build_zoo(request, identity), request)
    if identity.kind == "keras":
        return _from_keras(identity, _build_application(request, identity), request)
    path = Path(request.model)
    if identity.kind == "keras-file":
        return _from_keras(identity, _load_keras_file(path), request)
    if identity.kind == "savedmodel":
        return _from_saved_model(identity, path, request)
    raise InputError(
        f"{request.model} is a finished .tflite file; there is nothing to build.",
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


def _load_keras_file(path: Path) -> keras.Model:
    import keras

    if path.suffix.lower() != ".keras":
        keras_config.check_config(path, weights.read_legacy_config(path))
    try:
        # Training's optimizer and losses are not exported, and may be custom objects.
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        # Keras raises nearly every type here, by what it stumbles over in the file.
        raise InputError(
            f"{path}: Keras {keras.__version__} cannot load it: {_first_line(error)}",
            hint="If the file is whole: load it where it was made, and call model.export(FOLDER)"
            " there; edgecnn takes that SavedModel folder.",
        ) from error
    weights.check_finite(path, model.weights)
    return model


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _from_keras(identity: ModelIdentity, model: keras.Model, request: BuildRequest) -> BuiltModel:
    import keras

    image, output = (
        _single(model, "inputs", identity.name),
        _single(model, "outputs", identity.name),
    )
    _require_float32(identity.name, keras.backend.standardize_dtype(image.dtype))

    def function(images: Any) -> Any:  # noqa: ANN401 - tensors of TensorFlow, which has no types
        return keras.tree.flatten(model(images, training=False))[0]

    return BuiltModel(
        identity=identity,
        function=function,
        keras_model=model,
        input_shape=shapes.fix_input_shape(identity.name, image.shape, request.input_size),
        classes=shapes.fix_classes(identity.name, output.shape),
        parameters=_elements(model.weights),
        trainable_parameters=_elements(model.trainable_weights),
    )


def _single(model: keras.Model, side: str, name: str) -> keras.KerasTensor:
    try:
        tensors = getattr(model, side, None) or []
    except ValueError:  # a Sequential that has never seen an input
        tensors = []
    if len(tensors) != 1:
        names = ", ".join(tensor.name for tensor in tensors) or "none that is known"
        raise InputError(
            f"{name}: it has {len(tensors)} {side} ({names}); edgecnn exports networks with one.",
            hint="Save a model with one image as input and one output.",
        )
    return tensors[0]


def _require_float32(name: str, dtype: str) -> None:
    if dtype != "float32":
        raise InputError(
            f"{name}: its input is {dtype}; edgecnn feeds float32.",
            hint="Save the model with a float32 input; `--io` chooses the exported file's.",
        )


def _from_saved_model(identity: ModelIdentity, path: Path, request: BuildRequest) -> BuiltModel:
    signature = saved_model.load(path)
    _require_float32(identity.name, signature.input_dtype)
    return BuiltModel(
        identity=identity,
        function=signature.function,
        keras_model=None,
        input_shape=shapes.fix_input_shape(
            identity.name, signature.input_shape, request.input_size
        ),
        classes=shapes.fix_classes(identity.name, signature.output_shape),
        parameters=_elements(signature.variables),
        trainable_parameters=_elements(signature.trainable_variables),
    )


def _elements(variables: Any) -> int:  # noqa: ANN401 - variables of Keras or TensorFlow
    return sum(math.prod(variable.shape) for variable in variables)
