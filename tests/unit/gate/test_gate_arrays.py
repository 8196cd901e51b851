"""edgecnn.gate.arrays: an .npz is held to its own sizes before any array is made."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgecnn.gate import arrays

if TYPE_CHECKING:
    from pathlib import Path

_MIB = 1 << 20


def npy(descr: str, shape: str, body: bytes = b"") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (-(10 + len(text) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + body


def archive(path: Path, content: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as out:
        out.writestr("x0.npy", content)
    return path


def test_arrays_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    stored: dict[str, Any] = {
        "x": np.arange(6, dtype=np.float32).reshape(2, 3),
        "labels": np.array(3),
    }
    for save in (np.savez, np.savez_compressed):
        save(path, **stored)
        found = arrays.read(path)
        assert found.keys() == stored.keys()
        assert all(np.array_equal(found[name], stored[name]) for name in stored)


def test_an_array_of_fortran_order_comes_back(tmp_path: Path) -> None:
    values = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    np.savez(tmp_path / "a.npz", x=values)
    assert np.array_equal(arrays.read(tmp_path / "a.npz")["x"], values)


@pytest.mark.parametrize(
    ("descr", "shape"),
    [
        ("<f4", "(100000, 100000, 3)"), ("<f4", f"({2**62},)"), ("<f4", "(-1,)"),
        ("<f4", f"({2**40}, {2**40}, {2**40})"), ("|O", "(1,)"), ("<U99999", "(99999,)"),
        ("<f4", "(1e9,)"), ("<f4", "[3]"), ("nonsense", "(1,)"), ("<f4", "(1,"),
        ("<f4", "(1, L"),
    ],
)  # fmt: skip
def test_headers_that_promise_what_is_not_there_cost_nothing(
    descr: str, shape: str, tmp_path: Path
) -> None:
    path = archive(tmp_path / "a.npz", npy(descr, shape, b"1234"))
    tracemalloc.start()
    with pytest.raises(arrays.UNREADABLE):
        arrays.read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * _MIB


def test_a_small_file_of_gigabytes_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    size = 200 * _MIB
    path = archive(tmp_path / "a.npz", npy("|u1", f"({size},)", bytes(size)), zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"promise [\d,]+ of arrays"):
        arrays.read(path, always_bytes=100 * _MIB)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * _MIB
    assert arrays.read(path, always_bytes=300 * _MIB)["x0"].size == size


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(OSError, match="it is a pipe"):
        arrays.read(tmp_path / "a.npz")


def test_one_array(tmp_path: Path) -> None:
    values = np.arange(8, dtype=np.float32).reshape(2, 4)
    np.save(tmp_path / "a.npy", values)
    assert np.array_equal(arrays.read_npy(tmp_path / "a.npy"), values)
    (tmp_path / "b.npy").write_bytes(npy("<f4", "(100000, 100000)", b"1234"))
    with pytest.raises(ValueError, match="holds 4"):
        arrays.read_npy(tmp_path / "b.npy")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(arrays.UNREADABLE):
        arrays.read(tmp_path / "a.npz")
    out = io.BytesIO()
    np.savez(out, x=np.ones(3))
    (tmp_path / "a.npz").write_bytes(out.getvalue()[:-10])
    with pytest.raises(arrays.UNREADABLE):
        arrays.read(tmp_path / "a.npz")
