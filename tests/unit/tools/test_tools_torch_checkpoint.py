"""Reading a PyTorch checkpoint without PyTorch: the layout, and what is refused."""

from __future__ import annotations

import os
import pickle
import struct
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from compare.torch_checkpoint import MAGIC_NUMBER, read_checkpoint

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

# A tensor of shape (2, 3) at element 1 of storage "7", as torch.save pickles it: protocol 2, text
# opcodes, so that the globals are those of a module that is not installed here.
_STORAGE = (
    b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x007X\x03\x00\x00\x00cpuK\x08NtQ"
)


def tensor_dictionary(
    shape: bytes = b"K\x02K\x03\x86", strides: bytes = b"K\x03K\x01\x86"
) -> bytes:
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + _STORAGE + b"K\x01" + shape + strides
    tensor += b"\x89ccollections\nOrderedDict\n)RtR"
    return b"\x80\x02}X\x01\x00\x00\x00w" + tensor + b"s."


def checkpoint(path: Path, views: bytes, elements: int = 8) -> Path:
    parts: list[Any] = [pickle.dumps(MAGIC_NUMBER), pickle.dumps(1001), pickle.dumps({})]
    values = np.arange(elements, dtype="<f4").tobytes()
    parts += [views, pickle.dumps(["7"]), struct.pack("<q", elements), values]
    path.write_bytes(b"".join(parts))
    return path


def test_offset_shape_and_strides_are_followed(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "a.pth", tensor_dictionary())
    assert read_checkpoint(path)["w"].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_a_transposed_view_is_read_transposed(tmp_path: Path) -> None:
    views = tensor_dictionary(b"K\x03K\x02\x86", b"K\x01K\x03\x86")
    path = checkpoint(tmp_path / "a.pth", views)
    assert read_checkpoint(path)["w"].tolist() == [[1, 4], [2, 5], [3, 6]]


def test_a_view_outside_its_storage_is_refused(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "a.pth", tensor_dictionary(b"K\x09K\x03\x86"))
    with pytest.raises(InputError, match="outside its storage"):
        read_checkpoint(path)


@pytest.mark.parametrize("length", [0, 10, 60, -1, -20])
def test_a_file_cut_short_is_refused(tmp_path: Path, length: int) -> None:
    path = checkpoint(tmp_path / "a.pth", tensor_dictionary())
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match=r"a\.pth"):
        read_checkpoint(path)


class _Hostile:
    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._target),)


def test_code_in_a_pickle_is_not_run(tmp_path: Path) -> None:
    target = tmp_path / "made-by-the-pickle"
    hostile = pickle.dumps(OrderedDict(w=_Hostile(target)))
    path = checkpoint(tmp_path / "a.pth", hostile)
    with pytest.raises(InputError, match="no place in a dictionary of tensors"):
        read_checkpoint(path)
    assert not target.exists()
