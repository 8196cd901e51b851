"""What runner.py measures and prints, as a process of its own on this machine's runtimes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import runner_process
from runner_process import SHORT_PLAN
from tiny_artifact import same_net_as_onnx
from tiny_tflite import float_net, int8_net

from edgecnn.runtime import runner
from edgecnn.runtime.litert import LiteRTSession
from edgecnn.runtime.session import quantize_input

if TYPE_CHECKING:
    from pathlib import Path

AWKWARD = 'it\'s $(touch oops) "x" ü.tflite'


def write_nets(folder: Path) -> None:
    (folder / "0.tflite").write_bytes(float_net().to_bytes())
    (folder / "1.tflite").write_bytes(int8_net().to_bytes())
    (folder / "2.onnx").write_bytes(same_net_as_onnx().SerializeToString())


def result(outcome: runner_process.Outcome, path: str, threads: int = 1) -> dict[str, Any]:
    found = [r for r in outcome.report["results"] if (r["path"], r["threads"]) == (path, threads)]
    assert len(found) == 1
    return dict(found[0])


def test_every_file_at_every_number_of_threads(tmp_path: Path) -> None:
    write_nets(tmp_path)
    files = ["0.tflite", "1.tflite", "2.onnx"]
    outcome = runner_process.run(tmp_path, files, SHORT_PLAN, threads=[1, 2])
    assert outcome.exit_code == 0
    assert [(r["threads"], r["path"]) for r in outcome.report["results"]] == [
        (threads, path) for threads in (1, 2) for path in files
    ]
    for each in outcome.report["results"]:
        assert each["error"] is None
        (samples,) = each["repeats"]
        assert len(samples) >= SHORT_PLAN["min_runs"]
        assert sum(samples) >= 0.99e3 * SHORT_PLAN["min_s"]  # ms are rounded
        assert min(samples) > 0
        assert each["sha256"] == hashlib.sha256((tmp_path / each["path"]).read_bytes()).hexdigest()
        assert each["load_ms"] > 0
        assert each["first_ms"] > 0
        assert each["inputs"] == "seeded"
        assert 10e6 < each["peak_rss_bytes"] < 2e9


def test_the_report_says_what_the_machine_is_like(tmp_path: Path) -> None:
    write_nets(tmp_path)
    report = runner_process.run(tmp_path, ["0.tflite", "2.onnx"], SHORT_PLAN).report
    assert (report["schema"], report["runner"], report["emulator"]) == (1, 1, "")
    assert report["runtime_versions"].keys() == {"ai-edge-litert", "onnxruntime", "python"}
    assert 0 <= report["busy_share"] <= 1
    assert report["after"]["busy_share"] == report["busy_share"]
    assert report["before"]["free_memory_bytes"] > 0
    assert report["before"]["load_average"] >= 0


def test_files_run_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_nets(tmp_path)
    order: list[str] = []
    measure = runner.Worker.measure

    def noted(worker: runner.Worker, turn_s: float, *, after_another: bool) -> None:
        order.append(worker.pair.name)
        measure(worker, turn_s, after_another=after_another)

    monkeypatch.setattr(runner.Worker, "measure", noted)
    files = ["0.tflite", "2.onnx"]
    request = {"files": [{"path": path} for path in files], "threads": [1]}
    plan = {**SHORT_PLAN, "min_s": 0.6}  # eight turns on a quiet machine, two on any
    report = runner.Runner(runner.pairs_of(request, tmp_path), plan, limit_s=60.0).run()
    assert [len(r["repeats"][0]) >= SHORT_PLAN["min_runs"] for r in report["results"]] == [True] * 2
    rounds = len(order) // 2
    assert rounds >= 2
    assert order == files * rounds


def test_repeats_are_processes_of_their_own_and_each_is_sent_at_once(tmp_path: Path) -> None:
    write_nets(tmp_path)
    outcome = runner_process.run(tmp_path, ["0.tflite"], {**SHORT_PLAN, "repeats": 3})
    assert len(result(outcome, "0.tflite")["repeats"]) == 3
    partial = [event for event in outcome.events if event["event"] == "partial"]
    assert [len(event["results"][0]["repeats"]) for event in partial] == [1, 2, 3]
    assert partial[0]["results"][0]["repeats"][0] == result(outcome, "0.tflite")["repeats"][0]


def test_progress_never_falls(tmp_path: Path) -> None:
    write_nets(tmp_path)
    outcome = runner_process.run(tmp_path, ["0.tflite", "1.tflite"], {**SHORT_PLAN, "repeats": 2})
    done = [event["done"] for event in outcome.events if event["event"] == "progress"]
    assert done == sorted(done)
    assert all(0 <= share <= 1 for share in done)


def test_seeded_outputs_are_those_of_the_same_inputs_in_this_process(tmp_path: Path) -> None:
    write_nets(tmp_path)
    outcome = runner_process.run(tmp_path, ["0.tflite", "1.tflite"], SHORT_PLAN)
    for path in ("0.tflite", "1.tflite"):
        session = LiteRTSession(tmp_path / path)
        values = 2 * np.random.RandomState(0).random_sample((1, 8, 8, 3)) - 1
        (output,) = session.run([quantize_input(values, session.inputs[0])])
        found = result(outcome, path)
        assert found["output_sha256"] == hashlib.sha256(output.tobytes()).hexdigest()
        assert found["outputs_shape"] == list(output.shape)
        assert found["output_dtype"] == output.dtype.name


def test_formats_compute_the_same_from_the_same_seed_and_another_seed_differs(
    tmp_path: Path,
) -> None:
    write_nets(tmp_path)
    files = [{"path": path, "outputs": f"{path}.npy"} for path in ("0.tflite", "2.onnx")]
    first = runner_process.run(tmp_path, files, SHORT_PLAN)
    one, other = (np.load(tmp_path / f"{path}.npy")["y0"] for path in ("0.tflite", "2.onnx"))
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    second = runner_process.run(tmp_path, [{"path": "0.tflite", "seed": 1}], SHORT_PLAN)
    again = runner_process.run(tmp_path, ["0.tflite"], SHORT_PLAN)
    shas = [result(each, "0.tflite")["output_sha256"] for each in (first, second, again)]
    assert shas[0] == shas[2] != shas[1]


@pytest.mark.parametrize("path", ["0.tflite", "1.tflite", "2.onnx"])
def test_reference_inputs_are_computed_image_by_image(tmp_path: Path, path: str) -> None:
    write_nets(tmp_path)
    images = np.random.default_rng(0).uniform(0, 1, (5, 8, 8, 3)).astype(np.float32)
    np.save(tmp_path / "0.npy", images)
    file = {"path": path, "inputs": "0.npy", "outputs": "out.npz"}
    found = result(runner_process.run(tmp_path, [file], SHORT_PLAN), path)
    with np.load(tmp_path / "out.npz") as arrays:
        outputs = arrays["y0"]
    assert found["inputs"] == "reference"
    assert found["outputs_shape"] == list(outputs.shape)
    assert outputs.shape[0] == len(images)
    assert found["output_sha256"] == hashlib.sha256(outputs.tobytes()).hexdigest()
    if path.endswith(".tflite"):
        session = LiteRTSession(tmp_path / path)
        feeds = [quantize_input(image[None], session.inputs[0]) for image in images]
        expected = np.concatenate([session.run([feed])[0] for feed in feeds])
        np.testing.assert_array_equal(outputs, expected)


def test_reference_images_do_not_count_as_the_networks_memory(tmp_path: Path) -> None:
    write_nets(tmp_path)
    images = 60_000  # 46 MB
    header = {"descr": "<f4", "fortran_order": False, "shape": (images, 8, 8, 3)}
    with (tmp_path / "0.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + images * 8 * 8 * 3 * 4)
    peaks = []
    for inputs in (None, "0.npy"):
        files = [{"path": "0.tflite", "inputs": inputs}]
        outcome = runner_process.run(tmp_path, files, SHORT_PLAN)
        peaks.append(result(outcome, "0.tflite")["peak_rss_bytes"])
    assert peaks[1] - peaks[0] < 30e6


def test_a_timeline_of_a_sustained_plan(tmp_path: Path) -> None:
    write_nets(tmp_path)
    plan = {**SHORT_PLAN, "min_s": 1.0, "interval_s": 0.15}
    outcome = runner_process.run(tmp_path, ["0.tflite", "1.tflite"], plan)
    for path in ("0.tflite", "1.tflite"):
        found = result(outcome, path)
        timeline, (samples,) = found["timeline"], found["repeats"]
        assert len(timeline) >= 2
        assert [each["start_s"] for each in timeline] == sorted(e["start_s"] for e in timeline)
        first = samples[: timeline[0]["runs"]]
        assert timeline[0]["p50_ms"] == pytest.approx(np.percentile(first, 50), rel=1e-3)
        assert timeline[0]["p90_ms"] == pytest.approx(np.percentile(first, 90), rel=1e-3)
        assert timeline[0]["state"].keys() == outcome.report["before"].keys()
    # A sustained run has the machine for itself: the second begins when the first is over.
    partial = [event for event in outcome.events if event["event"] == "partial"]
    assert len(partial[0]["results"]) == 1


def test_any_file_name(tmp_path: Path) -> None:
    (tmp_path / AWKWARD).write_bytes(float_net().to_bytes())
    outcome = runner_process.run(tmp_path, [AWKWARD], SHORT_PLAN)
    assert result(outcome, AWKWARD)["error"] is None
    assert not (tmp_path / "oops").exists()


def test_by_hand_without_a_request(tmp_path: Path) -> None:
    path = tmp_path / "my net.tflite"
    path.write_bytes(float_net().to_bytes())
    command = [sys.executable, runner.__file__, path.name, "--threads", "1", "--plan", "quick"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    outcome = runner_process.outcome(done)
    found = result(outcome, path.name)
    (samples,) = found["repeats"]
    assert len(samples) >= 64
    assert sum(samples) * found["samples_every"] >= 500  # of a second; what is kept is a part


def test_threads_are_pinned_where_it_is_asked_for(tmp_path: Path) -> None:
    write_nets(tmp_path)
    for pin, cores in ((True, runner.fastest_cores()[:1]), (False, None)):
        outcome = runner_process.run(tmp_path, ["0.tflite"], SHORT_PLAN, pin=pin)
        assert result(outcome, "0.tflite")["cores"] == cores


def test_stdout_is_one_line(tmp_path: Path) -> None:
    write_nets(tmp_path)
    command = runner_process.write_request(tmp_path, ["0.tflite", "2.onnx"], SHORT_PLAN)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 1
    json.loads(done.stdout)


def test_of_too_many_runs_every_nth_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_nets(tmp_path)
    monkeypatch.setattr(runner, "MOST_SAMPLES", 100)
    plan = {"warmup_s": 0.05, "min_runs": 10, "min_s": 0.5}
    request = {"files": [{"path": "0.tflite", "inputs": None}], "threads": [1]}
    report = runner.Runner(runner.pairs_of(request, tmp_path), plan, limit_s=60).run()
    (found,) = report["results"]
    (samples,) = found["repeats"]
    assert found["samples_every"] > 1
    assert 10 <= len(samples) < 1000
