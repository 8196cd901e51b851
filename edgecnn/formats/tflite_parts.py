"""What a .tflite graph is made of: tensors and operators, told apart by identity."""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from edgecnn.formats import tflite_schema as schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

_Item = TypeVar("_Item")
_serials = itertools.count()


class _Clock:
    """Counts edits of all graphs: what was looked up before the last one is looked up again."""

    now = 0


def edits() -> int:
    """How many edits there have been."""
    return _Clock.now


def touch() -> None:
    """Count an edit."""
    _Clock.now += 1


class Watched(list[_Item]):
    """A list whose every change counts as an edit."""


def _watching(name: str) -> Callable[..., Any]:
    plain = getattr(list, name)

    def method(self: list[Any], *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - of any list
        touch()
        return plain(self, *arguments, **named)

    return method


for _name in ("__setitem__", "__delitem__", "__iadd__", "append", "extend", "insert", "pop",
              "remove", "clear", "reverse", "sort"):  # fmt: skip
    setattr(Watched, _name, _watching(_name))


class Buffer:
    """Bytes that tensors of one or several subgraphs share; written in the order they were made."""

    __slots__ = ("data", "serial")

    def __init__(self, data: NDArray[np.uint8] | None) -> None:
        self.data = data
        self.serial = next(_serials)


@dataclass(frozen=True, eq=False)
class Quantization:
    """How steps stand for real numbers: real = scale * (step - zero_point).

    Attributes:
        scale: float32 (1,) for the whole tensor, or (C,) for each index along `axis`.
        zero_point: int64, likewise.
        axis: that axis.
    """

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int = 0

    @classmethod
    def of(cls, scale: float, zero_point: int = 0) -> Quantization:
        """One scale for the whole tensor."""
        return cls(np.asarray([scale], np.float32), np.asarray([zero_point], np.int64))

    def __eq__(self, other: object) -> bool:
        """Whether steps stand for the same numbers."""
        return isinstance(other, Quantization) and self._key() == other._key()

    def __hash__(self) -> int:
        """Equal for equal ones."""
        return hash(self._key())

    def _key(self) -> tuple[bytes, bytes, int]:
        return self.scale.tobytes(), self.zero_point.tobytes(), self.axis


class Tensor:
    """A tensor of a graph; two are the same only if they are the same object.

    Args:
        name: unique in its graph.
        dtype: as schema.fbs has it, such as FLOAT32.
        shape: every size as the file was written for.
        data: constant values; their dtype and shape are the tensor's.
        quantization: None for real numbers.
        is_variable: whether it keeps its value between inferences.
    """

    def __init__(
        self,
        name: str,
        dtype: str,
        shape: Iterable[int] = (),
        *,
        data: NDArray[Any] | None = None,
        quantization: Quantization | None = None,
        is_variable: bool = False,
    ) -> None:
        self._name, self.dtype, self.shape = name, dtype, tuple(int(n) for n in shape)
        self.quantization, self.is_variable = quantization, is_variable
        self.shape_signature: tuple[int, ...] | None = None  # -1 for a size that is open
        self.buffer: Buffer | None = None
        self.raw: Any = None  # the generated class: what else the file says of it
        self.assigned_name: str | None = None  # where the name in the file was taken
        if data is not None:
            self.data = data

    def __repr__(self) -> str:
        """Name, type and shape, for debugging."""
        return f"Tensor({self.name!r}, {self.dtype}, {self.shape})"

    @property
    def name(self) -> str:
        """What the tensor is called at every seam."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        touch()
        self._name = name

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The element type of numpy; KeyError for one it has no name for."""
        dtype = schema.numpy_dtype(self.dtype)
        if dtype is None:
            raise KeyError(self.dtype)
        return dtype

    @property
    def data(self) -> NDArray[Any] | None:
        """A constant's values in its shape (a view, not to be written to), else None.

        The bytes as they are, uint8, for an element type that numpy does not know.
        """
        if self.buffer is None or self.buffer.data is None or len(self.buffer.data) == 0:
            return None
        raw, dtype = np.asarray(self.buffer.data, np.uint8), schema.numpy_dtype(self.dtype)
        return raw if dtype is None else raw.view(dtype).reshape(self.shape)

    @data.setter
    def data(self, values: NDArray[Any] | None) -> None:
        """Give it constant values of its own (a shared buffer is left to its other readers)."""
        if values is None:
            self.buffer = None
            return
        values = np.asarray(values)
        self.buffer = Buffer(np.ascontiguousarray(values).reshape(-1).view(np.uint8))
        self.dtype, self.shape = schema.dtype_name(values.dtype), values.shape
        self.shape_signature = None  # it may have been made like a tensor whose batch is open

    @property
    def is_constant(self) -> bool:
        """Whether the file holds its values."""
        return self.buffer is not None and self.buffer.data is not None and len(
            self.buffer.data) > 0  # fmt: skip

    @property
    def channels(self) -> int:
        """Size of the last axis; 1 for a scalar."""
        return self.shape[-1] if self.shape else 1

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def is_float(self) -> bool:
        """Whether it is FLOAT32."""
        return self.dtype == "FLOAT32"

    def like(self, name: str) -> Tensor:
        """Another of the same type, shape and quantization, without contents."""
        tensor = copy.copy(self)
        tensor.name, tensor.buffer, tensor.assigned_name = name, None, None
        return tensor


class Operator:
    """One step of a graph.

    Args:
        name: the builtin's name as schema.fbs has it, such as CONV_2D; a custom one's own.
        inputs: tensors it reads; None for an optional one that is left out.
        outputs: tensors it makes.
        options: the generated options object, such as `schema_py_generated.Conv2DOptionsT`.
        version: of the operator; a file that has a newer one of the same name may use that.
        custom: whether the name is a custom operator's.
    """

    def __init__(
        self,
        name: str,
        inputs: Iterable[Tensor | None],
        outputs: Iterable[Tensor],
        options: Any = None,  # noqa: ANN401 - generated classes
        *,
        version: int = 1,
        custom: bool = False,
    ) -> None:
        self.name, self.options, self.version, self.custom = name, options, version, custom
        self._inputs, self._outputs = Watched(inputs), Watched(outputs)
        self.intermediates: list[Tensor] = []  # ranges inside a quantized LSTM
        self.raw: Any = None  # the generated class: what else the file says of it
        self.code: Any = None  # the file's operator code, as long as name and version are its

    def __repr__(self) -> str:
        """Name and results, for debugging."""
        outputs = ", ".join(tensor.name for tensor in self.outputs)
        return f"Operator({self.name} -> {outputs})"

    @property
    def inputs(self) -> list[Tensor | None]:
        """Tensors it reads; None for an optional one that is left out."""
        return self._inputs

    @inputs.setter
    def inputs(self, tensors: Iterable[Tensor | None]) -> None:
        touch()
        self._inputs = Watched(tensors)

    @property
    def outputs(self) -> list[Tensor]:
        """Tensors it makes."""
        return self._outputs

    @outputs.setter
    def outputs(self, tensors: Iterable[Tensor]) -> None:
        touch()
        self._outputs = Watched(tensors)

    @property
    def source(self) -> Tensor:
        """The first tensor it reads."""
        first = self.inputs[0]
        assert first is not None  # noqa: S101 - no operator leaves out its first input
        return first

    @property
    def output(self) -> Tensor:
        """The first tensor it makes."""
        return self.outputs[0]

    def input(self, position: int) -> Tensor | None:
        """The tensor at a position; None where it is left out."""
        return self.inputs[position] if position < len(self.inputs) else None

    def constant(self, position: int) -> NDArray[Any] | None:
        """The constant values it reads at a position; None where there are none."""
        tensor = self.input(position)
        return None if tensor is None else tensor.data

    @property
    def read(self) -> list[Tensor]:
        """The tensors it reads, those left out not counted."""
        return [tensor for tensor in self.inputs if tensor is not None]

    def become(self, name: str, options: Any = None, *, version: int = 1) -> None:  # noqa: ANN401 - generated classes
        """Turn it into another operator on the same tensors."""
        self.name, self.options, self.version, self.custom = name, options, version, False
