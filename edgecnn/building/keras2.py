"""What Keras 2 wrote into configurations, in the words of Keras 3: a table of the differences.

Applied before Keras loads a file; what is not in the table stays, and Keras judges it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgecnn.building import keras2_functions
from edgecnn.errors import InputError

EXPORT_HINT = (
    "Where it was made, call model.export(FOLDER) (Keras 2.13 or newer), or load it with the"
    " package tf_keras and call tf.saved_model.save(model, FOLDER); edgecnn takes that SavedModel"
    " folder."
)

# Arguments Keras 3 does not know, with the values under which leaving them out changes nothing.
_ANY = object()
_DEAD: dict[str, tuple[Any, ...]] = {
    "batch_input_shape": (_ANY,),
    "input_length": (_ANY,),
    "rng_type": (_ANY,),
    "query_shape": (_ANY,),
    "key_shape": (_ANY,),
    "value_shape": (_ANY,),
    "softmax_robust_masking": (False, None),
    "time_major": (False,),
    "output_mode_config": (None,),
    "virtual_batch_size": (None,),
    "fused": (True, False, None),
    "renorm": (False,),
    "adjustment": (None,),
}
# Where a convolution is grouped, the argument is alive.
_WITHOUT_GROUPS = {
    "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D",
    "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose",
}  # fmt: skip
# Of the class Keras 2's derived from; the layer itself never read them.
_OF_THE_BASE = ("kernel_initializer", "kernel_regularizer", "kernel_constraint")
_UNUSED = {
    "SeparableConv1D": _OF_THE_BASE,
    "SeparableConv2D": _OF_THE_BASE,
    "SpatialDropout1D": ("trainable", "noise_shape"),
    "SpatialDropout2D": ("trainable", "noise_shape"),
    "SpatialDropout3D": ("trainable", "noise_shape"),
    "Discretization": ("trainable",),
    # Both stretch images in training only.
    "RandomHeight": ("factor", "interpolation", "seed"),
    "RandomWidth": ("factor", "interpolation", "seed"),
}
_RENAMED_CLASSES = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "LSTMV2": "LSTM",
    "GRUV2": "GRU",
    "Convolution2D": "Conv2D",
    "ThresholdedReLU": "ReLU",
    "RandomHeight": "Identity",
    "RandomWidth": "Identity",
}
_RENAMED_ARGUMENTS = {
    "ThresholdedReLU": {"theta": "threshold"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "InputLayer": {"batch_input_shape": "batch_shape"},
}
_ONE_AXIS = {"BatchNormalization"}
_ACTIVATIONS = {"activation", "recurrent_activation"}
# Keras 3 has another function of that name.
HARD_SIGMOID = "keras2_hard_sigmoid"
_HARD_SIGMOID = {
    "module": "edgecnn",
    "class_name": "function",
    "config": HARD_SIGMOID,
    "registered_name": HARD_SIGMOID,
}
_POLICIES = {"Policy", "PolicyV1"}
_FUNCTION_LAYERS = {"TFOpLambda", "SlicingOpLambda"}
_CONSTANT = "_CONSTANT_VALUE"
_ENTRY_LENGTHS = {3, 4}


@dataclass(frozen=True)
class _Graph:
    """The names of a functional model's layers.

    Attributes:
        names: those its references may have.
        models: those of them that are models, whose calls Keras 2 counted from 1.
        sequentials: those of them that are Sequential.
    """

    names: frozenset[str]
    models: frozenset[str]
    sequentials: frozenset[str]


def is_keras2(version: object) -> bool:
    """Whether what a file has for its version is one of Keras 2, or of tf_keras after it."""
    return isinstance(version, str) and version.startswith(("1.", "2."))


def unknown_function(node: dict[str, Any]) -> str | None:
    """The function of a serialized layer that stands for one, when it is not in the table."""
    config = node.get("config")
    if node.get("class_name") not in _FUNCTION_LAYERS or not isinstance(config, dict):
        return None
    function = str(config.get("function"))
    return None if keras2_functions.resolve(function) else f"tf.{function}"


def translate(node: Any) -> Any:  # noqa: ANN401 - JSON
    """A configuration of Keras 2 in the form of Keras 3.

    Raises:
        InputError: an argument is alive that Keras 3 does not have.
    """
    if isinstance(node, list):
        return [translate(child) for child in node]
    if not isinstance(node, dict):
        return node
    if node.get("class_name") == "Sequential":
        node = _with_input(node)
    changed = {key: translate(value) for key, value in node.items()}
    if isinstance(changed.get("class_name"), str) and "config" in changed:
        return _translate_object(changed)
    return changed


def _with_input(node: dict[str, Any]) -> dict[str, Any]:
    """A Sequential whose first layer holds the input's shape, with an InputLayer in front."""
    config = node["config"]
    config = {"layers": config} if isinstance(config, list) else config
    layers = config.get("layers") or [{}]
    first = layers[0].get("config", {})
    shape = first.get("batch_input_shape") if isinstance(first, dict) else None
    if shape is None or layers[0]["class_name"] == "InputLayer":
        return {**node, "config": config}
    own = {"batch_shape": shape, "dtype": "float32", "name": f"{first.get('name', 'first')}_input"}
    return {
        **node,
        "config": {**config, "layers": [{"class_name": "InputLayer", "config": own}, *layers]},
    }


def _translate_object(node: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    kind = node["class_name"]
    if kind == "function" or not isinstance(node["config"], dict):
        return node["config"] if _is_plain_function(node) else node
    if kind in _POLICIES:
        return node["config"].get("name", node)
    if kind in _FUNCTION_LAYERS:
        return _translate_function(node)
    config = _translate_arguments(kind, node["config"])
    kind = _RENAMED_CLASSES.get(kind, kind)
    if "layers" in config and "input_layers" in config:
        kind, config = "Functional", _translate_graph(config)
    if kind != "Sequential":  # which may have no other shape; others are built by being called
        node.pop("build_config", None)
    return {**node, "class_name": kind, "config": config, **_home(node, kind)}


def _is_plain_function(node: dict[str, Any]) -> bool:
    """An activation that Keras ships, which newer files of Keras 2 wrote as an object."""
    return isinstance(node["config"], str) and node.get("module") in {
        "builtins",
        "keras.activations",
    }


def _home(node: dict[str, Any], kind: str) -> dict[str, Any]:
    """Where Keras 3 has a class; nothing for what is no layer, or of another library."""
    if kind == "Functional":
        return {"module": "keras.src.models.functional", "registered_name": "Functional"}
    if kind == "Sequential":
        return {"module": "keras", "registered_name": None}
    of_keras = str(node.get("module") or "keras").partition(".")[0] in {"keras", "tf_keras"}
    if of_keras and "name" in node["config"]:
        return {"module": "keras.layers", "registered_name": None}
    return {}


def _translate_arguments(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    renamed = _RENAMED_ARGUMENTS.get(kind, {})
    config = {renamed.get(key, key): value for key, value in config.items()}
    for key in [key for key in config if key in _DEAD]:
        _drop(kind, config, key, _DEAD[key])
    if kind in _WITHOUT_GROUPS and "groups" in config:
        _drop(kind, config, "groups", (1,))
    for key in _UNUSED.get(kind, ()):
        config.pop(key, None)
    axis = config.get("axis")
    if kind in _ONE_AXIS and isinstance(axis, list) and len(axis) == 1:
        config["axis"] = axis[0]
    if isinstance(config.get("name"), str):
        config["name"] = plain_name(config["name"])
    for key in _ACTIVATIONS & config.keys():
        if config[key] == "hard_sigmoid":
            config[key] = _HARD_SIGMOID
    return config


def _drop(kind: str, config: dict[str, Any], key: str, harmless: tuple[Any, ...]) -> None:
    value = config.pop(key)
    if _ANY not in harmless and value not in harmless:
        raise InputError(
            f"The layer {config.get('name', '')!r} ({kind}) was saved by Keras 2 with"
            f" {key}={value}, which Keras 3 does not have.",
            hint=EXPORT_HINT,
        )


def _translate_function(node: dict[str, Any]) -> dict[str, Any]:
    config = node["config"]
    name = plain_name(str(config["name"]))
    function = keras2_functions.resolve(str(config["function"]))
    return {
        "module": "edgecnn",
        "class_name": "TensorFlowFunction",
        "registered_name": "TensorFlowFunction",
        "config": {"name": name, "function": function},
        "name": node.get("name", name),
        "inbound_nodes": node.get("inbound_nodes", []),
    }


def plain_name(name: str) -> str:
    """A layer's name as Keras 3 allows it, without slashes."""
    return name.replace("/", "_")


def _translate_graph(config: dict[str, Any]) -> dict[str, Any]:
    layers = config["layers"]
    graph = _Graph(
        names=frozenset(layer["name"] for layer in layers),
        models=_of_class(layers, {"Functional", "Sequential"}),
        sequentials=_of_class(layers, {"Sequential"}),
    )
    return {
        **config,
        "layers": [_translate_calls(layer, graph) for layer in layers],
        "input_layers": _translate_ends(config["input_layers"], graph),
        "output_layers": _translate_ends(config["output_layers"], graph),
    }


def _of_class(layers: list[dict[str, Any]], kinds: set[str]) -> frozenset[str]:
    return frozenset(layer["name"] for layer in layers if layer.get("class_name") in kinds)


def _translate_ends(ends: Any, graph: _Graph) -> Any:  # noqa: ANN401 - a structure of references
    if _is_entry(ends):
        name, call, tensor = ends[:3]
        return [plain_name(name), call - (name in graph.sequentials), tensor]
    if isinstance(ends, dict):
        return {key: _translate_ends(end, graph) for key, end in ends.items()}
    return [_translate_ends(end, graph) for end in ends]


def _translate_calls(layer: dict[str, Any], graph: _Graph) -> dict[str, Any]:
    calls = [_translate_call(call, graph) for call in layer.get("inbound_nodes", [])]
    return {**layer, "name": plain_name(layer["name"]), "inbound_nodes": calls}


def _translate_call(call: Any, graph: _Graph) -> Any:  # noqa: ANN401 - JSON
    if isinstance(call, dict) and "args" in call:
        return call
    first = call[0] if isinstance(call, list) and len(call) == 1 and _is_entry(call[0]) else call
    options = {key: value for key, value in _options(first).items() if key != "name"}
    return {
        "args": [_argument(first, graph)],
        "kwargs": {key: _option(value, graph) for key, value in options.items()},
    }


def _is_entry(value: Any) -> bool:  # noqa: ANN401 - JSON
    return (
        isinstance(value, list)
        and len(value) in _ENTRY_LENGTHS
        and isinstance(value[0], str)
        and isinstance(value[1], int)
    )


def _argument(value: Any, graph: _Graph) -> Any:  # noqa: ANN401 - a structure of references
    if _is_entry(value):
        return value[2] if value[0] == _CONSTANT else _tensor(value, graph)
    if isinstance(value, list):
        return [_argument(child, graph) for child in value]
    if isinstance(value, dict):
        return {key: _argument(child, graph) for key, child in value.items()}
    return value


def _options(value: Any) -> dict[str, Any]:  # noqa: ANN401 - a structure of references
    """The keyword arguments of a call, which every reference of its first argument repeats."""
    if _is_entry(value):
        return dict(value[3]) if len(value) > min(_ENTRY_LENGTHS) and value[3] else {}
    children = value.values() if isinstance(value, dict) else value
    return next((_options(child) for child in children if isinstance(child, (list, dict))), {})


def _option(value: Any, graph: _Graph) -> Any:  # noqa: ANN401 - JSON
    if _is_entry(value) and value[0] in graph.names:
        return _tensor(value, graph)
    if isinstance(value, list):
        return [_option(child, graph) for child in value]
    if isinstance(value, dict):
        return {key: _option(child, graph) for key, child in value.items()}
    return value


def _tensor(entry: list[Any], graph: _Graph) -> dict[str, Any]:
    name, call, tensor = entry[:3]
    history = [plain_name(name), call - (name in graph.models), tensor]
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [], "dtype": "float32", "keras_history": history},
    }
