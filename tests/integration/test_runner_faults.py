"""runner.py when files are damaged, workers are killed or hang, and whoever started it is gone."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
import runner_process
from onnx_nets import Net
from runner_process import LONG_PLAN, SHORT_PLAN
from tiny_tflite import TinyModel, float_net

if TYPE_CHECKING:
    from pathlib import Path

PLAN_3S = {**SHORT_PLAN, "min_s": 1.5}


def write_net(folder: Path, name: str = "good.tflite") -> None:
    (folder / name).write_bytes(float_net().to_bytes())


def corrupt_net() -> bytes:
    data = bytearray(float_net().to_bytes())
    for position in range(60, len(data) // 2, 3):
        data[position] ^= 0xA5
    return bytes(data)


DAMAGED = {
    "garbage.tflite": b"not a model at all",
    "empty.tflite": b"",
    "cut.tflite": float_net().to_bytes()[:200],
    "corrupt.tflite": corrupt_net(),
    "garbage.onnx": b"\x00\x01not a model",
}


def test_damaged_files_give_a_sentence_and_the_others_go_on(tmp_path: Path) -> None:
    write_net(tmp_path)
    for name, data in DAMAGED.items():
        (tmp_path / name).write_bytes(data)
    outcome = runner_process.run(tmp_path, [*DAMAGED, "good.tflite"], SHORT_PLAN)
    assert outcome.exit_code == 0
    assert outcome.errors["good.tflite"] is None
    assert outcome.report["results"][-1]["repeats"][0]
    for name in DAMAGED:
        error = outcome.errors[name]
        assert error
        assert "Traceback" not in error
        assert "\n" not in error
    assert all(each["repeats"] == [] for each in outcome.report["results"] if each["error"])
    assert "Traceback" not in outcome.stderr


def test_exit_code_is_1_when_nothing_gave_a_result(tmp_path: Path) -> None:
    outcome = runner_process.run(tmp_path, ["missing.tflite"], SHORT_PLAN)
    assert outcome.exit_code == 1
    error = outcome.errors["missing.tflite"]
    assert error == "The file cannot be read: No such file or directory."


def test_inputs_that_are_missing_or_do_not_fit(tmp_path: Path) -> None:
    write_net(tmp_path)
    np.save(tmp_path / "small.npy", np.zeros((2, 4, 4, 3), np.float32))
    np.save(tmp_path / "none.npy", np.zeros((0, 8, 8, 3), np.float32))
    np.save(tmp_path / "objects.npy", np.array([{}], object))
    np.save(tmp_path / "cut.npy", np.zeros((9, 8, 8, 3), np.float32))
    with (tmp_path / "cut.npy").open("r+b") as file:
        file.truncate(1000)
    expected = {
        "missing.npy": "No such file",
        "small.npy": "takes (1, 8, 8, 3)",
        "none.npy": "hold no run",
        "objects.npy": "object",
        "cut.npy": "cannot be read",
    }
    for inputs, words in expected.items():
        files = [{"path": "good.tflite", "inputs": inputs}]
        error = runner_process.run(tmp_path, files, SHORT_PLAN).errors["good.tflite"]
        assert error
        assert words in error


def test_an_input_nobody_can_make_up(tmp_path: Path) -> None:
    net = TinyModel()
    text = net.tensor("string", (1,), name="text")
    net.border([text], [text])
    (tmp_path / "text.tflite").write_bytes(net.to_bytes())
    error = runner_process.run(tmp_path, ["text.tflite"], SHORT_PLAN).errors["text.tflite"]
    assert error
    assert "Traceback" not in error


def test_an_onnx_file_with_open_sizes_runs_at_one(tmp_path: Path) -> None:
    net = Net()
    model = net.model(net.node("Relu", "input"), (1, 8, 8, 3))
    for end in (model.graph.input[0], model.graph.output[0]):
        end.type.tensor_type.shape.dim[0].dim_param = "batch"
    (tmp_path / "open.onnx").write_bytes(model.SerializeToString())
    outcome = runner_process.run(tmp_path, ["open.onnx"], SHORT_PLAN)
    assert outcome.errors["open.onnx"] is None
    assert outcome.report["results"][0]["outputs_shape"] == [1, 8, 8, 3]


REQUESTS = (
    "",
    "[]",
    "{}",
    '{"plan": {}, "files": 3}',
    '{"plan": {}, "files": [], "threads": [1]}',
    '{"plan": {"warmup_s": "x"}, "files": [{"path": "good.tflite"}], "threads": [1]}',
)


@pytest.mark.parametrize("request_text", REQUESTS)
def test_a_request_that_is_none(tmp_path: Path, request_text: str) -> None:
    command = runner_process.write_request(tmp_path, ["good.tflite"], SHORT_PLAN)
    (tmp_path / "request.json").write_text(request_text)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("The request cannot be used: ")
    assert "Traceback" not in done.stderr


def test_a_worker_killed_in_the_middle_is_its_own_error(tmp_path: Path) -> None:
    write_net(tmp_path, "a.tflite")
    write_net(tmp_path, "b.tflite")
    command = runner_process.write_request(tmp_path, ["a.tflite", "b.tflite"], PLAN_3S)
    started = runner_process.start(command, tmp_path)
    workers = runner_process.children(started.pid)
    assert len(workers) == 2
    # Whoever waits is stopped: its thread pool cannot spin while the other measures.
    runner_process.wait_for(lambda: "T" in [runner_process.state(pid) for pid in workers])
    os.kill(workers[0], signal.SIGKILL)
    stdout, _ = started.communicate()
    outcome = runner_process.outcome(
        subprocess.CompletedProcess([], started.returncode, stdout, "")
    )
    assert outcome.exit_code == 0
    errors = sorted(outcome.errors.values(), key=str)
    assert errors == [None, "killed by signal 9 (probably out of memory)"]
    for each in outcome.report["results"]:
        assert bool(each["repeats"]) == (each["error"] is None)


def test_a_worker_that_hangs_is_killed(tmp_path: Path) -> None:
    write_net(tmp_path)
    command = runner_process.write_request(tmp_path, ["good.tflite"], LONG_PLAN, limit_s=2)
    started = runner_process.start(command, tmp_path)
    (worker,) = runner_process.children(started.pid)

    def stopped_for_good() -> bool:
        if runner_process.state(worker):
            os.kill(worker, signal.SIGSTOP)  # again and again: each turn wakes it
        return started.poll() is not None

    runner_process.wait_for(stopped_for_good)
    stdout, _ = started.communicate()
    outcome = runner_process.outcome(
        subprocess.CompletedProcess([], started.returncode, stdout, "")
    )
    assert outcome.exit_code == 1
    assert outcome.errors["good.tflite"] == "It gave no answer within 2 s and was killed."
    assert runner_process.state(worker) == ""


@pytest.mark.parametrize("how", ["stdin", "SIGTERM", "SIGHUP", "SIGINT", "SIGKILL"])
def test_nothing_outlives_whoever_started_it(tmp_path: Path, how: str) -> None:
    write_net(tmp_path, "a.tflite")
    write_net(tmp_path, "b.tflite")
    command = runner_process.write_request(tmp_path, ["a.tflite", "b.tflite"], LONG_PLAN)
    started = runner_process.start([*command, "--with-parent"], tmp_path)
    workers = runner_process.children(started.pid)
    assert len(workers) == 2
    assert started.stdin is not None
    if how == "stdin":
        started.stdin.close()
        started.stdin = None
    else:
        started.send_signal(getattr(signal, how))
    started.communicate()
    assert started.returncode != 0
    runner_process.wait_for(lambda: not any(runner_process.state(pid) for pid in workers))


def test_without_with_parent_the_end_of_stdin_ends_nothing(tmp_path: Path) -> None:
    write_net(tmp_path)
    command = runner_process.write_request(tmp_path, ["good.tflite"], SHORT_PLAN)
    done = subprocess.run(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 0
