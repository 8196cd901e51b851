"""TensorFlow, imported when it is first used: the table of operators is read without it."""

from __future__ import annotations

import importlib
from typing import Any


class _TensorFlow:
    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - TensorFlow has no types
        return getattr(importlib.import_module("tensorflow"), name)


tf: Any = _TensorFlow()
