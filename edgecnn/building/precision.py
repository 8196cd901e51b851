"""Models trained under mixed precision, rebuilt in float32.

Their variables are float32 (mixed_float16, mixed_bfloat16) or fit into it (float16, bfloat16); only
the policies in the configuration say that layers compute in less.
"""

from __future__ import annotations

from typing import Any

_REDUCED = {"float16", "bfloat16", "mixed_float16", "mixed_bfloat16"}


def in_float32(node: Any) -> Any:  # noqa: ANN401 - JSON
    """The configuration with every layer's policy of reduced precision replaced by float32.

    Inputs keep their dtype: it is what the model is fed.
    """
    if isinstance(node, list):
        return [in_float32(child) for child in node]
    if not isinstance(node, dict):
        return node
    changed = {key: in_float32(value) for key, value in node.items()}
    config = changed.get("config")
    if isinstance(config, dict) and "dtype" in config and node.get("class_name") != "InputLayer":
        changed["config"] = {**config, "dtype": _policy(config["dtype"])}
    return changed


def _policy(dtype: Any) -> Any:  # noqa: ANN401 - a policy as a name or as an object
    name = dtype
    if isinstance(dtype, dict) and isinstance(dtype.get("config"), dict):
        name = dtype["config"].get("name")
    return "float32" if isinstance(name, str) and name in _REDUCED else dtype
