"""Read the tensors of a PyTorch checkpoint without PyTorch.

The legacy `.pth` layout (torch.save before 1.6): five pickles (magic number, protocol version,
system facts, the object itself, the storages' keys in order), then for each key an int64 element
count and the raw little-endian elements.
"""

from __future__ import annotations

import io
import pickle  # the restricted subclass below admits five names and nothing else
import struct
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
STORAGE_DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


@dataclass(frozen=True)
class _StorageType:
    dtype: str


@dataclass(frozen=True)
class _TensorView:
    """A tensor before its storage is read: element offset, shape and strides into `key`."""

    key: str
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild_tensor(  # the arguments torch._utils._rebuild_tensor_v2 was pickled with
    storage: tuple[str, str],
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *_autograd: object,
) -> _TensorView:
    key, dtype = storage
    return _TensorView(key, dtype, offset, tuple(shape), tuple(strides))


class _TensorUnpickler(pickle.Unpickler):
    """Unpickles dictionaries of tensors; every other global is refused."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - pickle's signature
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in STORAGE_DTYPES:
            return _StorageType(STORAGE_DTYPES[name])
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a dictionary of tensors")

    def persistent_load(self, pid: Any) -> tuple[str, str]:  # noqa: ANN401 - pickle's signature
        _tag, storage_type, key, _location, _count, _view = pid
        return key, storage_type.dtype


def _read_storages(stream: io.BufferedIOBase, dtypes: dict[str, str]) -> dict[str, NDArray[Any]]:
    keys = _TensorUnpickler(stream).load()
    storages = {}
    for key in keys:
        (count,) = struct.unpack("<q", stream.read(8))
        dtype = np.dtype(dtypes[key])
        storages[key] = np.frombuffer(stream.read(count * dtype.itemsize), dtype, count)
    return storages


def _as_array(view: _TensorView, storage: NDArray[Any]) -> NDArray[Any]:
    strides = [step * storage.itemsize for step in view.strides]
    last = view.offset + sum((n - 1) * s for n, s in zip(view.shape, view.strides, strict=True))
    if view.offset < 0 or min(view.strides, default=0) < 0 or last >= storage.size:
        raise ValueError("a tensor reaches outside its storage")
    base = storage[view.offset :]
    return np.lib.stride_tricks.as_strided(base, view.shape, strides).copy()


def read_checkpoint(path: Path) -> dict[str, NDArray[Any]]:
    """Return a legacy checkpoint's state dictionary as numpy arrays.

    Args:
        path: a `.pth` file that holds one flat dictionary of float32 and int64 tensors.

    Returns:
        Parameter name to array, in the file's order.

    Raises:
        InputError: the file is not such a checkpoint, is cut short, or names any other Python
            object in its pickles.
    """
    stream = io.BytesIO(path.read_bytes())
    try:
        if _TensorUnpickler(stream).load() != MAGIC_NUMBER:
            raise InputError(f"{path.name} is no legacy PyTorch checkpoint", hint="See its source.")
        _protocol, _system = (_TensorUnpickler(stream).load() for _ in range(2))
        views: dict[str, _TensorView] = _TensorUnpickler(stream).load()
        storages = _read_storages(stream, {view.key: view.dtype for view in views.values()})
        return {name: _as_array(view, storages[view.key]) for name, view in views.items()}
    except (pickle.UnpicklingError, EOFError, struct.error, ValueError, KeyError) as error:
        raise InputError(
            f"{path.name} cannot be read as a PyTorch checkpoint: {error}",
            hint="Download the package again; the file may be cut short.",
        ) from error
