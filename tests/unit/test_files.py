"""edgecnn.files: what is no regular file, or larger than its kind, is refused unopened."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from edgecnn import digests, files
from edgecnn.files import RefusedFileError


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"caf\xc3\xa9")
    assert files.read_bytes(path) == b"caf\xc3\xa9"
    assert files.read_text(path) == "café"
    assert files.require(path) == 5
    with files.open_binary(path) as stream:
        assert stream.read(3) == b"caf"


def test_a_link_to_a_file_is_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert files.read_bytes(tmp_path / "b") == b"1"


def refused(path: Path) -> str:
    with pytest.raises(RefusedFileError) as caught:
        files.read_bytes(path)
    with pytest.raises(RefusedFileError):
        files.require(path)
    with pytest.raises(RefusedFileError):
        digests.of_file(path)
    return str(caught.value.strerror)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "pipe" in refused(tmp_path / "pipe")


def test_a_device_is_not_read_without_end() -> None:
    assert "device" in refused(Path("/dev/zero"))


def test_a_socket_is_none(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        assert "socket" in refused(tmp_path / "s")


def test_a_folder_is_none(tmp_path: Path) -> None:
    assert "directory" in refused(tmp_path)


def test_a_file_without_end_behind_a_size_of_nothing_is_refused() -> None:
    endless = Path("/proc/self/pagemap")  # a regular file of 0 bytes that gives terabytes
    if not endless.exists():
        pytest.skip("no /proc here")
    with pytest.raises(OSError, match=r"more bytes|Operation not permitted|allocate"):
        files.read_bytes(endless)


def test_a_file_larger_than_its_kind_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as stream:
        stream.truncate(files.MOST_MODEL_BYTES + 1)
    with pytest.raises(RefusedFileError, match="17,179,869,185 bytes"):
        files.read_bytes(path)
    with pytest.raises(RefusedFileError):
        files.read_text(path)


def test_what_is_missing_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.read_bytes(tmp_path / "nothing")
