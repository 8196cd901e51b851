"""The names of schema.fbs: element types, builtin operators and their options.

Everything that touches the generated classes (`schema_py_generated`, made by flatc, without types)
is here and in `tflite_codec`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from edgecnn.errors import MissingPartError

_CUSTOM = "CUSTOM"
_NUMPY = {
    "FLOAT32": np.float32, "FLOAT16": np.float16, "FLOAT64": np.float64,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "BOOL": np.bool_, "COMPLEX64": np.complex64, "COMPLEX128": np.complex128,
}  # fmt: skip
_NAMES = {np.dtype(kind): name for name, kind in _NUMPY.items()}


def generated() -> Any:  # noqa: ANN401 - a generated module without types
    """The module of generated classes.

    Raises:
        MissingPartError: ai-edge-litert is not installed.
    """
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError as error:
        raise MissingPartError(
            ".tflite files are read and written with ai-edge-litert, which is not installed.",
            hint="pip install ai-edge-litert (it has no wheels for 32-bit systems)",
        ) from error
    return schema_py_generated


def numpy_dtype(name: str) -> np.dtype[Any] | None:
    """The type numpy has for schema.fbs's; None where it has none (INT4, STRING, RESOURCE, ...)."""
    kind = _NUMPY.get(name)
    return None if kind is None else np.dtype(kind)


def dtype_name(dtype: np.dtype[Any]) -> str:
    """schema.fbs's name of numpy's type, such as FLOAT32; KeyError where it has none."""
    return _NAMES[dtype]


@cache
def _names(table: str) -> dict[int, str]:
    members = vars(getattr(generated(), table))
    return {number: name for name, number in members.items() if isinstance(number, int)}


def type_name(number: int) -> str:
    """Name of an element type by its number."""
    return _names("TensorType")[number]


def type_number(name: str) -> int:
    """Number of an element type by its name."""
    return int(getattr(generated().TensorType, name))


def operator_name(code: Any) -> tuple[str, bool]:  # noqa: ANN401 - a generated class
    """(name, whether it is a custom operator) of an operator code."""
    name = _names("BuiltinOperator")[max(code.builtinCode, code.deprecatedBuiltinCode)]
    if name == _CUSTOM:
        return text(code.customCode), True
    return name, False


def operator_code(name: str, version: int, *, custom: bool) -> Any:  # noqa: ANN401 - likewise
    """An operator code: what a file says of an operator's kind once."""
    code = generated().OperatorCodeT()
    number = int(getattr(generated().BuiltinOperator, _CUSTOM if custom else name))
    code.builtinCode = number
    code.deprecatedBuiltinCode = min(number, 127)  # how schema.fbs keeps old readers working
    code.version = version
    code.customCode = name.encode() if custom else None
    return code


def options_slot(options: object) -> tuple[int, int]:
    """(which of an operator's two unions of options, number in it) for an options object."""
    kind = type(options).__name__.removesuffix("T")
    for slot, union in ((1, "BuiltinOptions"), (2, "BuiltinOptions2")):
        number = getattr(getattr(generated(), union), kind, None)
        if number is not None:
            return slot, int(number)
    raise TypeError(f"schema.fbs has no options called {kind}")


def new_options(kind: str) -> Any:  # noqa: ANN401 - generated classes
    """An empty options object by its name in schema.fbs, such as Conv2DOptions."""
    return getattr(generated(), f"{kind}T")()


def text(name: object) -> str:
    """A name as the generated classes give it, as text."""
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name or "")
