"""TensorFlow, imported when it is first used: the table of operators is read without it."""

from __future__ import annotations

import importlib
from functools import reduce
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class _TensorFlow:
    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - TensorFlow has no types
        return getattr(importlib.import_module("tensorflow"), name)


tf: Any = _TensorFlow()


def function(path: str) -> Callable[..., Any]:
    """A function of TensorFlow's by its name, such as "math.log", for tables."""

    def call(*arguments: Any) -> Any:  # noqa: ANN401 - tf.Tensors
        return reduce(getattr, path.split("."), tf)(*arguments)

    return call
