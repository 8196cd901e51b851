"""Looks into a Keras file's configuration for code it would run, before Keras loads it.

Keras's safe mode stays on while loading; this only finds the same things earlier, without
TensorFlow, and names the layer and the way out.
"""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

from edgecnn.building import keras2
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A real configuration has up to two megabytes; more is a decompression bomb, and what Python makes
# of JSON is up to 30 times as large.
_MAX_CONFIG_BYTES = 16 << 20
# Keras 2 wrote them as plain functions without a home.
_ACTIVATIONS = {
    "elu", "exponential", "gelu", "hard_sigmoid", "hard_swish", "leaky_relu", "linear", "mish",
    "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "softsign", "swish", "tanh",
}  # fmt: skip
_EXPORT_HINT = (
    "Replace it by layers Keras ships, or, where its code is at hand, call model.export(FOLDER)"
    " and give edgecnn that SavedModel folder."
)


def check_archive(path: Path) -> None:
    """Check a .keras file's config.json.

    Raises:
        InputError: the archive is corrupt, or `check_config` refuses its configuration.
    """
    read_archive(path)


def read_archive(path: Path) -> dict[str, Any]:
    """Read and check a .keras file's configuration.

    Raises:
        InputError: as `check_archive`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size_bytes = archive.getinfo("config.json").file_size
            text = archive.read("config.json") if size_bytes <= _MAX_CONFIG_BYTES else b""
    except (zipfile.BadZipFile, KeyError, OSError, EOFError, NotImplementedError) as error:
        raise _corrupt(path, error) from error
    return check_config(path, text)


def check_config(path: Path, text: bytes | str) -> dict[str, Any]:
    """Check a model's configuration in Keras's JSON, and return it.

    Raises:
        InputError: it is no JSON object, or holds a Lambda, a TFSMLayer or a custom object.
    """
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _corrupt(path, error) from error
    if not isinstance(config, dict):
        raise _corrupt(path, "its configuration is no JSON object")
    for layer, node in _objects({**config, "compile_config": None}):
        _check_object(path, layer, node)
    return config


def _corrupt(path: Path, why: object) -> InputError:
    return InputError(
        f"{path} is no Keras model, or is corrupt: {why}.", hint="Save or download it again."
    )


def _objects(root: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every serialized object in the tree, in the file's order, with the layer it belongs to."""
    pending = [("", root)]
    while pending:
        layer, node = pending.pop()
        children: list[object] = []
        if isinstance(node, dict):
            if "class_name" in node:
                layer = _name(node) or layer
                yield layer, node
            children = list(node.values())
        elif isinstance(node, list):
            children = node
        pending.extend((layer, child) for child in reversed(children))


def _name(node: dict[str, Any]) -> str:
    config = node.get("config")
    return str(node.get("name") or (config.get("name") if isinstance(config, dict) else "") or "")


def _check_object(path: Path, layer: str, node: dict[str, Any]) -> None:
    where = f"{path}: its layer {layer!r}" if layer else f"{path}: it"
    if node["class_name"] in {"Lambda", "__lambda__"}:
        raise InputError(
            f"{where} is a Lambda: Python code in the file, which edgecnn does not run.",
            hint=_EXPORT_HINT,
        )
    if node["class_name"] == "TFSMLayer":
        raise InputError(
            f"{where} is a TFSMLayer, which runs another SavedModel.",
            hint="Give edgecnn that SavedModel's folder itself.",
        )
    function = keras2.unknown_function(node)
    if function:
        raise InputError(
            f"{where} is the function {function}, saved by Keras 2 as a layer, which edgecnn does"
            " not know.",
            hint=keras2.EXPORT_HINT,
        )
    custom = _custom_name(node)
    if custom:
        raise InputError(
            f"{where} is or uses the custom object {custom}, whose code is not in the file.",
            hint=_EXPORT_HINT,
        )


def _custom_name(node: dict[str, Any]) -> str | None:
    """The name of an object that Keras does not ship; None for Keras's own and for plain data."""
    if "module" not in node and "registered_name" not in node:
        return None  # plain data, or the format before Keras 3, which Keras itself must judge
    module = str(node.get("module") or "")
    if module.partition(".")[0] in {"keras", "tf_keras"}:
        return None
    if node["class_name"] == "function" and node.get("config") in _ACTIVATIONS:
        return None
    if node["class_name"] == "function":
        return str(node.get("config"))
    return str(node.get("registered_name") or node["class_name"])
