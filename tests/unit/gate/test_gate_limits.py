"""edgecnn.gate: limits in proportion to the file, children that meet them, sentences."""

from __future__ import annotations

import errno
import math
import os
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgecnn import gate, isolation
from edgecnn.errors import InputError
from edgecnn.gate import DamagedFileError, Work, foreign_errors, guarded, limits_for
from edgecnn.isolation import LimitError
from edgecnn.progress import Silent
from edgecnn.runtime.onnxrt import OnnxSession

HERE = "test_gate_limits"
_MIB = 1 << 20


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    for name in ("EDGECNN_MEMORY_MB", "EDGECNN_SECONDS"):
        monkeypatch.delenv(name, raising=False)


def take(size: int) -> int:
    return len(bytearray(size))


def run_forever() -> None:
    while True:
        pass


def raise_it(text: str) -> None:
    raise KeyError(text)


def report_for(seconds: float, progress: object) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        progress.advance()  # type: ignore[attr-defined] # a Progress
    return "done"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.tflite"
    path.write_bytes(b"1234")
    return path


def test_limits_grow_with_the_file() -> None:
    work = Work(memory_mb=100, memory_per_byte=10, seconds=15, seconds_per_mb=25)
    small, large = limits_for(work, 0), limits_for(work, 2_000_000)
    assert (large.memory_bytes or 0) - (small.memory_bytes or 0) == 10_000_000
    assert (small.seconds, large.seconds) == (15, 65)


def test_what_a_small_file_may_take_is_less_than_a_gigabyte() -> None:
    limits = limits_for(gate.RUN, 10_000)
    cores = max(0, (os.cpu_count() or 1) - 2)
    assert (limits.memory_bytes or 0) - cores * 60_000_000 < 1_000_000_000
    assert (limits.seconds or 0) < 20


def test_no_more_than_the_machine_has() -> None:
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert limits_for(gate.RUN, 1 << 50).memory_bytes == machine


def test_the_environment_decides_where_it_says_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECNN_MEMORY_MB", "8000")
    monkeypatch.setenv("EDGECNN_SECONDS", "600")
    limits = limits_for(gate.RUN, 10_000)
    assert (limits.memory_bytes, limits.seconds) == (8_000_000_000, 600)


@pytest.mark.parametrize("text", ["many", "-1", "0", "inf", "nan"])
def test_an_environment_that_says_nonsense_is_told(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECNN_SECONDS", text)
    with pytest.raises(InputError, match="EDGECNN_SECONDS"):
        limits_for(gate.RUN, 10_000)


def test_a_child_that_asks_for_too_much_memory_is_told_so(small: Path) -> None:
    work = Work(200, 1, 60, 1)
    assert gate.run(f"{HERE}:take", 10 * _MIB, source=small, work=work, what="taking") == 10 * _MIB
    with pytest.raises(LimitError, match=r"taking: it asked for more than the [\d,]+ MB") as caught:
        gate.run(f"{HERE}:take", 4096 * _MIB, source=small, work=work, what="taking")
    assert "EDGECNN_MEMORY_MB" in caught.value.hint


def refuse(text: str) -> None:
    raise InputError(text)


def test_what_may_be_a_want_of_memory_is_told_as_such(small: Path) -> None:
    said = "The runtime refuses the file: XNNPack delegate failed to reshape runtime."
    with pytest.raises(InputError, match=r"Perhaps it needs more than the [\d,]+ MB") as caught:
        gate.run(f"{HERE}:refuse", said, source=small, work=gate.RUN, what="running")
    assert "EDGECNN_MEMORY_MB=" in caught.value.hint
    with pytest.raises(InputError, match=r"No\.") as caught:
        gate.run(f"{HERE}:refuse", "No.", source=small, work=gate.RUN, what="running")
    assert (caught.value.message, caught.value.hint) == ("No.", "")


def test_more_memory_is_named_in_megabytes_as_far_as_there_is_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = limits_for(gate.RUN, 10_000)
    twice = min(2 * (limits.memory_bytes or 0), _machine_bytes())
    assert f"EDGECNN_MEMORY_MB={math.ceil(twice / 1e6)} " in limits.memory_hint
    monkeypatch.setenv("EDGECNN_MEMORY_MB", f"{_machine_bytes() / 1e6 + 1}")
    assert limits_for(gate.RUN, 10_000).memory_hint == "This machine has no more."


def _machine_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_a_limited_child_runs_onnx_without_the_arena(tmp_path: Path) -> None:
    path = tmp_path / "wide.onnx"
    path.write_bytes(wide_net())
    found = gate.run(
        f"{HERE}:run_wide", str(path), source=path, work=gate.RUN, what="running wide.onnx"
    )
    assert found == _SIDE * _SIDE


_SIDE, _CHANNELS = 1024, 34


def wide_net() -> bytes:
    """An .onnx of some hundred bytes, 1024x1024, whose three tensors of 140 to 290 MB live at once.

    The arena, whose pieces are powers of two, would take 1 GB.
    """
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, depth, _SIDE, _SIDE])
        for name, depth in (("x", 1), ("y", 1))
    ]
    times = helper.make_tensor("times", TensorProto.INT64, [4], [1, _CHANNELS, 1, 1])
    nodes = [
        helper.make_node("Tile", ["x", "times"], ["a"]),
        helper.make_node("Softplus", ["a"], ["b"]),
        helper.make_node("Concat", ["a", "b"], ["c"], axis=1),
        helper.make_node("ReduceMean", ["c"], ["y"], axes=[1]),
    ]
    graph = helper.make_graph(nodes, "wide", ends[:1], ends[1:], [times])
    imports = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    return bytes(model.SerializeToString())


def run_wide(path: str) -> int:
    session = OnnxSession(path)
    (output,) = session.run([np.zeros((1, 1, _SIDE, _SIDE), np.float32)])
    return int(output.size)


def test_a_child_that_never_ends_is_stopped(small: Path) -> None:
    with pytest.raises(LimitError, match=r"more than 1 s without an answer") as caught:
        gate.run(f"{HERE}:run_forever", source=small, work=Work(500, 1, 1, 0), what="running")
    assert "EDGECNN_SECONDS" in caught.value.hint


def test_a_word_of_progress_gives_it_its_time_again() -> None:
    found = isolation.run(
        f"{HERE}:report_for",
        6.0,
        what="working",
        progress=Silent(),
        # Long enough for a child to start in on a machine that is busy.
        limits=isolation.Limits(seconds=5.0),
    )
    assert found == "done"


def test_what_a_child_raises_becomes_a_sentence(small: Path) -> None:
    with pytest.raises(DamagedFileError, match=r"reading x failed \(KeyError: 'odd'\)") as caught:
        gate.run(f"{HERE}:raise_it", "odd", source=small, work=gate.READ, what="reading x")
    assert caught.value.exit_code == 2
    assert isinstance(caught.value.__cause__, KeyError)


def test_no_child_is_started_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tflite")
    with pytest.raises(InputError, match="it is a pipe"):
        gate.run(f"{HERE}:take", 1, source=tmp_path / "pipe.tflite", work=gate.READ, what="reading")


def test_a_folder_is_as_large_as_its_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "a").write_bytes(b"12")
    (tmp_path / "in" / "b").write_bytes(b"345")
    assert gate.size_of(tmp_path) == 5
    os.mkfifo(tmp_path / "in" / "c")
    with pytest.raises(InputError, match="it is a pipe"):
        gate.size_of(tmp_path)


def test_the_weights_beside_an_onnx_count(tmp_path: Path) -> None:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [4], bytes(16), raw=True)
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", [], [], [tensor])
    path = tmp_path / "a.onnx"
    model = helper.make_model(graph)
    onnx.save_model(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    weights = (tmp_path / "w.bin").stat().st_size
    assert weights
    assert gate.size_of(path) == path.stat().st_size + weights
    (tmp_path / "w.bin").unlink()
    assert gate.size_of(path) == path.stat().st_size


def fail(error: Exception) -> None:
    with foreign_errors("doing this"):
        raise error


@pytest.mark.parametrize(
    "error", [InputError("no"), PermissionError(errno.EACCES, "no"), OSError(errno.ENOSPC, "full")]
)
def test_what_is_clear_stays_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        fail(error)
    assert caught.value is error


@pytest.mark.parametrize(
    "error",
    [ValueError("a\nb"), AssertionError(), MemoryError(), OSError("h5py"), RecursionError("deep")],
)
def test_all_else_is_told_in_one_line(error: Exception) -> None:
    with pytest.raises(DamagedFileError, match=r"doing this failed") as caught:
        fail(error)
    assert "\n" not in caught.value.message


def test_a_verb_keeps_its_name_and_arguments() -> None:
    @guarded("Doing", lambda source: source != "own")
    def verb(path: str, *, more: int = 0) -> int:
        """What it does."""
        if more > 1:
            raise IndexError(path)
        return more

    assert (verb.__name__, verb.__doc__, verb("x", more=1), verb(path="x")) == (
        "verb", "What it does.", 1, 0,
    )  # fmt: skip
    with pytest.raises(DamagedFileError, match="Doing x failed"):
        verb("x", more=2)
    with pytest.raises(DamagedFileError, match="Doing x failed"):
        verb(path="x", more=2)
    with pytest.raises(IndexError):
        verb("own", more=2)
