"""From what a runner prints to results: hostile devices, cut connections, failing files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_benches import PI

from edgecnn.benchmark import answer, parsing
from edgecnn.benchmark.files import BenchFile
from edgecnn.benchmark.outputs import Outputs
from edgecnn.benchmark.plans import plan
from edgecnn.benchmark.session import Job, request
from edgecnn.errors import DeviceError
from edgecnn.runtime.runner import MOST_SAMPLES

FILES = tuple(
    BenchFile(Path(name), name, "tflite", sha * 32, 1000)
    for name, sha in (("a", "ab"), ("b", "cd"))
)
JOB = Job(FILES, (1, 2), plan("quick"), keep=False, here={})
ONE, TWO = replace(JOB, files=FILES[:1], threads=(1,)), replace(JOB, threads=(1,))
OTHER = "ef" * 32
SAMPLES = [1.0 + 0.001 * (i % 7) for i in range(2000)]


def entry(number: int = 0, threads: int = 1, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    made = {
        "path": f"{number}.tflite", "sha256": FILES[number].sha256, "runtime": "r 1",
        "threads": threads, "samples_every": 2, "load_ms": 3, "first_ms": 2.5, "repeats": [SAMPLES],
        "peak_rss_bytes": 70_000_000, "output_sha256": OTHER, "outputs_shape": [1, 5],
        "output_dtype": "int8", "inputs": "seeded", "timeline": [], "error": None,
    }  # fmt: skip
    return {**made, **changes}


def read(*entries: dict[str, Any], job: Job = ONE, cut: str = "", **changes: Any) -> Any:  # noqa: ANN401 - a pair
    state = {"load_average": 0.1, "busy_share": 0.0}
    said = {"schema": 1, "runner": 1, "emulator": "", "before": state, "after": state,
            "results": list(entries), **changes}  # fmt: skip
    context = parsing.Context("ssh://pi@host", PI, job)
    return parsing.results(answer.content("t", said, job), context, {}, cut=cut)


def test_a_result_has_what_was_measured_and_what_is_known() -> None:
    (made,), failures = read(entry(0, 2), job=replace(ONE, threads=(2,)))
    assert failures == []
    assert (made.target, made.device, made.file, made.threads) == ("ssh://pi@host", PI, "a", 2)
    assert made.samples_ms == tuple(SAMPLES)
    assert made.samples_every == 2
    assert made.latency_ms.min == 1.0
    assert made.repeat_p50_ms == (pytest.approx(1.003),)
    assert (made.outputs_match, made.emulated, made.plan) == (None, False, "quick")
    assert made.trust.grade == "trusted"
    assert made.measured_at.endswith("+00:00")


def test_the_runner_may_notice_an_emulator_that_the_probe_did_not() -> None:
    (made,), _ = read(entry(), emulator="qemu-user")
    assert made.emulated
    assert made.device.emulator == "qemu-user"


def test_a_file_that_fails_is_a_failure_and_the_others_are_results() -> None:
    results, failures = read(entry(0, error="killed by signal 9 (probably out of memory)",
                                   repeats=[]), entry(1), job=TWO)  # fmt: skip
    assert [each.file for each in results] == ["b"]
    (failure,) = failures
    assert failure.file == "a"
    assert "a (threads 1): killed by signal 9" in failure.message
    assert "smaller" in failure.hint


def test_one_problem_of_all_files_is_told_once() -> None:
    missing = "No runtime can be imported: libstdc++.so.6 is missing."
    broken = [entry(n, t, error=missing, repeats=[]) for n in (0, 1) for t in (1, 2)]
    results, failures = read(*broken, job=JOB)
    assert results == []
    (failure,) = failures
    assert "a, b (threads 1, 2)" in failure.message
    assert "apt install libstdc++6" in failure.hint


def test_a_device_that_read_other_bytes_measured_another_file() -> None:
    results, failures = read(entry(sha256="ff" * 32))
    assert results == []
    assert "other bytes" in failures[0].message


def test_a_cut_measurement_keeps_what_it_has_and_says_why_it_ended() -> None:
    told = entry(0), entry(1, repeats=[])
    (made,), failures = read(*told, job=JOB, cut="the connection broke")
    assert made.trust.grade == "warned"
    assert "it was cut off: the connection broke" in made.trust.reasons
    assert failures == []  # that the device failed is told once, for all


def test_a_cut_measurement_with_too_few_repeats_is_void() -> None:
    (made,), _ = read(entry(), job=replace(ONE, plan=plan("publish")), cut="interrupted")
    assert made.trust.grade == "void"


def test_nothing_came_back() -> None:
    assert read(job=JOB, cut="no answer") == ([], [])


def test_a_row_that_is_missing_is_a_failure() -> None:
    (made,), (failure,) = read(entry(1, 2), job=JOB)
    assert (made.file, made.threads) == ("b", 2)
    assert "a, b (threads 1, 2): the device says nothing of it" in failure.message


@pytest.mark.parametrize("rows", [
    [entry(0, 3)], [entry(0, -1)], [entry(0, 10**400)], [entry(0), entry(0)],
    [entry(0), entry(path="7.tflite")], [entry(path="")], [entry(path="0.onnx")],
])  # fmt: skip
def test_a_row_that_was_not_asked_for_is_the_devices_failure(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(DeviceError, match=r"an unexpected result|where one was|128 bits"):
        read(*rows, job=JOB)


def test_other_outputs_than_this_machines_void_a_result() -> None:
    job = replace(TWO, here={FILES[0].sha256: Outputs(OTHER, "r 1")})
    same, unknown = read(entry(), entry(1), job=job)[0]
    assert (same.outputs_match, unknown.outputs_match) == (True, None)


@pytest.mark.parametrize("changes", [
    {"repeats": [["x"]]}, {"repeats": [[float("nan")]]}, {"repeats": [[True]]}, {"threads": "1"},
    {"peak_rss_bytes": 1.5}, {"timeline": [{"start_s": 0}]}, {"path": 3}, {"repeats": "ab"},
    {"load_ms": -1e300}, {"load_ms": 1e300}, {"first_ms": -1}, {"peak_rss_bytes": -1},
    {"peak_rss_bytes": 10**400}, {"samples_every": 0}, {"repeats": [SAMPLES, SAMPLES]},
    {"repeats": [[1e300]]}, {"runtime": ""}, {"runtime": "\x1b[2J"}, {"runtime": "r" * 101},
    {"output_sha256": "ee"}, {"output_sha256": "\ud800" * 64}, {"inputs": "a\nb"},
    {"timeline": [{"start_s": 0, "runs": 1, "p50_ms": 0, "p90_ms": 1, "state": {}}]},
    {"timeline": [{"start_s": 0, "runs": 0, "p50_ms": 1, "p90_ms": 1, "state": {}}]},
    {"timeline": [{"start_s": 0, "runs": 1, "p50_ms": 1, "p90_ms": 1,
                   "state": {"clock_mhz": -1}}]},
])  # fmt: skip
def test_a_damaged_object_is_the_devices_failure(changes: dict[str, Any]) -> None:
    with pytest.raises(DeviceError, match="damaged"):
        read(entry(**changes))


@pytest.mark.parametrize("changes", [
    {"busy_share": -0.1}, {"busy_share": 3}, {"temperature_c": 1e300}, {"throttled": -1},
    {"throttled": 1 << 40}, {"governor": "\x1b]0;x\x07"}, {"governor": "g" * 101},
    {"load_average": -1}, {"free_memory_bytes": -5}, {"clock_mhz": 1e9},
])  # fmt: skip
def test_a_state_that_cannot_be_is_the_devices_failure(changes: dict[str, Any]) -> None:
    for said in ({"before": changes, "after": {}}, {"before": {}, "after": changes}):
        with pytest.raises(DeviceError, match="cannot be"):
            answer.content("t", {"results": [entry()], **said}, ONE)


def test_an_error_that_a_device_tells_does_nothing_to_a_terminal() -> None:
    _, (failure,) = read(entry(error="no \x1b[2J good\n" * 1000, repeats=[]))
    assert "no \\x1b[2J good" in failure.message
    assert failure.message.isprintable()
    assert len(failure.message) < 1200


def test_a_runner_may_print_what_its_samples_need_and_little_more() -> None:
    limits = answer.limits(JOB)
    largest = json.dumps([[123.45678] * MOST_SAMPLES] * JOB.plan.repeats)
    assert 4 * len(largest) < limits.stdout_bytes < 16 * len(largest)
    assert limits.line_bytes == limits.stdout_bytes


@pytest.mark.parametrize("samples", [[[]], [], [[0.0]], [[1.0, -1.0]]])
def test_negative_and_empty_samples_are_no_result(samples: list[list[float]]) -> None:
    results, failures = read(entry(repeats=samples))
    assert results == []
    assert "samples" in failures[0].message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
KEYS = ("path", "threads", "sha256", "repeats", "timeline", "error", "load_ms", "inputs")


@given(st.dictionaries(st.sampled_from(KEYS), JSON), JSON)
def test_any_object_gives_results_or_a_device_error(changes: dict[str, Any], before: Any) -> None:  # noqa: ANN401 - anything
    try:
        results, failures = read(entry(**changes), before=before)
    except DeviceError:
        return
    assert len(results) + len(failures) <= 2  # one may be of the row that is missing then


def test_the_request_names_files_by_number() -> None:
    asked = request(JOB)
    assert [file["path"] for file in asked["files"]] == ["0.tflite", "1.tflite"]
    assert asked["threads"] == [1, 2]
    assert asked["plan"]["min_runs"] == 64
    assert asked["files"][0]["inputs"] is None
