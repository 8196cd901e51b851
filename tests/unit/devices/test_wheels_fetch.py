"""A runtime's archive: pip's errors told, the cache whole or absent, the same bytes every time.

The wheels are made here and lie in a folder that pip is pointed to: no network.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
import threading
import venv
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgecnn
from edgecnn import caching
from edgecnn.caching import cache_folder
from edgecnn.devices import wheel_tree, wheels
from edgecnn.devices.wheel_pins import Wheel
from edgecnn.errors import DeviceError
from edgecnn.progress import Silent

WHEEL = "numpy-9.0-cp311-cp311-manylinux2014_aarch64.whl"
_DIST_INFO = "numpy-9.0.dist-info"
FILES = {
    "numpy/__init__.py": b"__version__ = '9.0'\n",
    "numpy/core.so": b"\x7fELF" * 999,
    "numpy/core.pyi": b"never needed",
    "numpy/tests/test_core.py": b"never needed",
    f"{_DIST_INFO}/METADATA": b"Metadata-Version: 2.1\nName: numpy\nVersion: 9.0\n",
    f"{_DIST_INFO}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311\n",
    f"{_DIST_INFO}/RECORD": b"",
}
NEEDED = sorted(name for name in FILES if not name.endswith((".pyi", "_core.py", "RECORD")))


def make_wheel(path: Path, files: dict[str, bytes], year: int = 2020) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), content)
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its index, with one wheel, and a cache of our own."""
    folder = tmp_path / "index"
    folder.mkdir()
    make_wheel(folder / WHEEL, FILES)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    return folder


def spec_of(index: Path) -> wheels.RuntimeSpec:
    [file] = index.glob("*.whl")
    total = hashlib.sha256(file.read_bytes()).hexdigest()
    wheel = Wheel("numpy", "9.0", (2, 17), "aarch64", "3.11", total)
    return wheels.RuntimeSpec("aarch64", "3.11", (wheel,))


def cached_files() -> list[str]:
    root = cache_folder()
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_the_archive_holds_what_is_needed_and_nothing_of_this_machine(index: Path) -> None:
    fetched = wheels.fetch(spec_of(index))
    with tarfile.open(fetched.archive) as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == NEEDED
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {
            (0, 0, 0, "", "", 0o644)
        }
        core = archive.extractfile("numpy/core.so")
        assert core is not None
        assert core.read() == FILES["numpy/core.so"]
    assert fetched.sha256 == hashlib.sha256(fetched.archive.read_bytes()).hexdigest()
    assert fetched.size_bytes == fetched.archive.stat().st_size


def test_what_was_fetched_once_needs_no_pip_and_no_network(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(index)
    first = wheels.fetch(spec)
    (index / WHEEL).unlink()
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    assert wheels.fetch(spec) == first


def test_an_archive_that_was_changed_in_the_cache_is_fetched_again(index: Path) -> None:
    spec = spec_of(index)
    first = wheels.fetch(spec)
    content = first.archive.read_bytes()
    first.archive.write_bytes(content[:-1])
    assert wheels.fetch(spec) == first
    assert first.archive.read_bytes() == content


@pytest.mark.parametrize("what", ["archive", "wheel"])
def test_the_cache_is_held_to_the_pins_and_not_to_a_sum_beside_it(index: Path, what: str) -> None:
    spec = spec_of(index)
    first = wheels.fetch(spec)
    content = first.archive.read_bytes()
    if what == "archive":
        first.archive.write_bytes(content.replace(b"ELF", b"EVL"))
    else:
        make_wheel(first.archive.parent / "wheels" / WHEEL, {**FILES, "numpy/core.so": b"evil"})
    sums = first.archive.parent / caching.SUMS
    sums.unlink()
    caching.write_sums(sums.parent)  # as whoever changes both would
    progress = Silent()
    assert wheels.fetch(spec, progress) == first
    assert first.archive.read_bytes() == content
    assert ["is not used" in warning for warning in progress.warnings] == [True]


def test_a_wheel_that_is_not_the_pinned_one_is_refused(index: Path) -> None:
    spec = spec_of(index)
    [file] = index.glob("*.whl")
    make_wheel(file, {**FILES, "numpy/core.so": b"another"})
    with pytest.raises(DeviceError, match=r"numpy 9\.0") as caught:
        wheels.fetch(spec)
    assert "not the files that edgecnn pins" in caught.value.message
    assert cached_files() == []


def test_an_index_without_the_wheel_is_told_in_pips_words(index: Path) -> None:
    spec = spec_of(index)
    [file] = index.glob("*.whl")
    file.unlink()
    with pytest.raises(DeviceError) as caught:
        wheels.fetch(spec)
    assert "No matching distribution found for numpy==9.0" in caught.value.message
    assert "WARNING" not in caught.value.message
    assert "online" in caught.value.hint
    assert cached_files() == []


def test_a_folder_named_pip_where_the_user_stands_is_not_imported(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__main__.py").write_text("raise SystemExit('the wrong pip')")
    monkeypatch.chdir(tmp_path)
    assert wheels.fetch(spec_of(index)).size_bytes


_FETCH = """
    import sys
    from edgecnn.devices import wheels
    from edgecnn.devices.wheel_pins import Wheel
    from edgecnn.errors import MissingPartError
    wheel = Wheel("numpy", "9.0", (2, 17), "aarch64", "3.11", sys.argv[1])
    try:
        print(wheels.fetch(wheels.RuntimeSpec("aarch64", "3.11", (wheel,))).sha256)
    except MissingPartError as error:
        print(error.message, error.hint)
"""


def fetch_command(index: Path) -> list[str]:
    return ["-c", textwrap.dedent(_FETCH), spec_of(index).wheels[0].sha256]


def test_a_python_without_pip_says_how_to_get_it(index: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    ended = subprocess.run(
        [tmp_path / "bare" / "bin" / "python", *fetch_command(index)],
        env={**os.environ, "PYTHONPATH": str(Path(edgecnn.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "has no pip" in ended.stdout, ended.stderr
    assert "-m ensurepip" in ended.stdout


def test_two_at_once_leave_one_whole_archive(index: Path) -> None:
    spec = spec_of(index)
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(wheels.fetch(spec).sha256)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 2
    assert [Path(name).name for name in cached_files()] == ["runtime.tar", "sums.json", WHEEL]


def test_a_killed_fetch_leaves_nothing_that_the_next_one_takes_for_whole(index: Path) -> None:
    child = subprocess.Popen([sys.executable, *fetch_command(index)], start_new_session=True)
    runtimes = cache_folder() / "runtimes"
    while not list(runtimes.glob(".*.part/wheels")):
        assert child.poll() is None, "it ended before it was killed"
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    assert not (runtimes / spec_of(index).key).exists()
    wheels.fetch(spec_of(index))
    assert [Path(name).name for name in cached_files()] == ["runtime.tar", "sums.json", WHEEL]


@given(st.permutations(sorted(FILES)), st.integers(1980, 2107))
def test_the_archive_depends_on_the_wheels_content_alone(
    tmp_path_factory: pytest.TempPathFactory, order: list[str], year: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    wheel_tree.pack([make_wheel(folder / "a.whl", FILES)], folder / "a.tar")
    other = make_wheel(folder / "b.whl", {name: FILES[name] for name in order}, year)
    wheel_tree.pack([other], folder / "b.tar")
    assert (folder / "a.tar").read_bytes() == (folder / "b.tar").read_bytes()


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil.py", "numpy/../../evil.py"])
def test_a_wheel_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    wheel = make_wheel(tmp_path / "x.whl", {name: b""})
    with pytest.raises(DeviceError, match="leads out of its folder"):
        wheel_tree.pack([wheel], tmp_path / "x.tar")


def test_a_wheel_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "x.whl"
    wheel.write_bytes(b"<html>Sign in to the proxy</html>")
    with pytest.raises(DeviceError, match="is no wheel"):
        wheel_tree.pack([wheel], tmp_path / "x.tar")


def test_ai_edge_litert_is_reduced_to_its_interpreter() -> None:
    new, old = "ai_edge_litert-2.3.0-cp311.whl", "ai_edge_litert-2.1.0-cp39.whl"
    assert wheel_tree.needed(new, "ai_edge_litert/interpreter.py")
    assert not wheel_tree.needed(new, "ai_edge_litert/libLiteRt.so")
    assert wheel_tree.needed(old, "ai_edge_litert/libLiteRt.so")
    assert not wheel_tree.needed(new, "ai_edge_litert/tools/apply_plugin_main")
    assert wheel_tree.needed(new, "ai_edge_litert-2.3.0.dist-info/licenses/LICENSE")
