"""Networks of the zoo as Keras models, for the scripts that work beside edgecnn."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from edgecnn import zoo


def build_network(name: str, **changes: int) -> Any:  # noqa: ANN401 - keras.Model; Keras is untyped
    """Build a network of the zoo, untrained.

    Args:
        name: what `edgecnn models` lists.
        **changes: builder arguments other than the table's, such as classes=10.

    Raises:
        InputError: the zoo has no such network.
    """
    spec = zoo.find(name)
    module, _, function = spec.builder.partition(":")
    arguments = {"input_size": spec.input_size, "classes": spec.classes, **changes}
    return getattr(import_module(module), function)(**arguments)
