"""From what a runner prints to results: hostile devices, cut connections, failing files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_benches import PI

from edgecnn.benchmark import parsing
from edgecnn.benchmark.files import BenchFile
from edgecnn.benchmark.outputs import Outputs
from edgecnn.benchmark.plans import plan
from edgecnn.benchmark.session import Job, request
from edgecnn.errors import DeviceError

FILES = tuple(
    BenchFile(Path(name), name, "tflite", sha * 32, 1000)
    for name, sha in (("a", "ab"), ("b", "cd"))
)
JOB = Job(FILES, (1, 2), plan("quick"), keep=False, here={})
CONTEXT = parsing.Context("ssh://pi@host", PI, JOB)
SAMPLES = [1.0 + 0.001 * (i % 7) for i in range(2000)]


def entry(number: int = 0, threads: int = 1, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    made = {
        "path": f"{number}.tflite", "sha256": FILES[number].sha256, "runtime": "r 1",
        "threads": threads, "samples_every": 2, "load_ms": 3, "first_ms": 2.5, "repeats": [SAMPLES],
        "peak_rss_bytes": 70_000_000, "output_sha256": "ee", "outputs_shape": [1, 5],
        "output_dtype": "int8", "inputs": "seeded", "timeline": [], "error": None,
    }  # fmt: skip
    return {**made, **changes}


def read(*entries: dict[str, Any], cut: str = "", **changes: Any) -> Any:  # noqa: ANN401 - a pair
    state = {"load_average": 0.1, "busy_share": 0.0}
    said = {"schema": 1, "runner": 1, "emulator": "", "before": state, "after": state,
            "results": list(entries), **changes}  # fmt: skip
    return parsing.results(parsing.content("t", said), CONTEXT, {}, cut=cut)


def test_a_result_has_what_was_measured_and_what_is_known() -> None:
    (made,), failures = read(entry(1, 2))
    assert failures == []
    assert (made.target, made.device, made.file, made.threads) == ("ssh://pi@host", PI, "b", 2)
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
                                   repeats=[]), entry(1))  # fmt: skip
    assert [each.file for each in results] == ["b"]
    (failure,) = failures
    assert failure.file == "a"
    assert "a (threads 1): killed by signal 9" in failure.message
    assert "smaller" in failure.hint


def test_one_problem_of_all_files_is_told_once() -> None:
    missing = "No runtime can be imported: libstdc++.so.6 is missing."
    broken = [entry(n, t, error=missing, repeats=[]) for n in (0, 1) for t in (1, 2)]
    results, failures = read(*broken)
    assert results == []
    (failure,) = failures
    assert "a, b (threads 1, 2)" in failure.message
    assert "apt install libstdc++6" in failure.hint


def test_a_device_that_read_other_bytes_measured_another_file() -> None:
    results, failures = read(entry(sha256="ff" * 32))
    assert results == []
    assert "other bytes" in failures[0].message


def test_a_cut_measurement_keeps_what_it_has_and_says_why_it_ended() -> None:
    (made,), failures = read(entry(0), entry(1, repeats=[]), cut="the connection broke")
    assert made.trust.grade == "warned"
    assert "it was cut off: the connection broke" in made.trust.reasons
    assert failures == []  # that the device failed is told once, for all


def test_a_cut_measurement_with_too_few_repeats_is_void() -> None:
    job = Job(FILES, (1,), plan("publish"), keep=False, here={})
    said = parsing.content("t", {"results": [entry()]})
    (made,), _ = parsing.results(said, parsing.Context("t", PI, job), {}, cut="interrupted")
    assert made.trust.grade == "void"


def test_nothing_came_back() -> None:
    assert parsing.results(parsing.content("t", {}), CONTEXT, {}, cut="no answer") == ([], [])


def test_other_outputs_than_this_machines_void_a_result() -> None:
    values = {FILES[0].sha256: Outputs("other", "r 1")}
    here = Job(FILES, (1,), plan("quick"), keep=False, here=values)
    said = parsing.content("t", {"results": [entry(output_sha256="other"), entry(1)]})
    same, unknown = parsing.results(said, parsing.Context("t", PI, here), {})[0]
    assert (same.outputs_match, unknown.outputs_match) == (True, None)


@pytest.mark.parametrize("changes", [
    {"repeats": [["x"]]}, {"repeats": [[float("nan")]]}, {"repeats": [[True]]}, {"threads": "1"},
    {"peak_rss_bytes": 1.5}, {"timeline": [{"start_s": 0}]}, {"path": 3}, {"repeats": "ab"},
])  # fmt: skip
def test_a_damaged_object_is_the_devices_failure(changes: dict[str, Any]) -> None:
    with pytest.raises(DeviceError, match="damaged"):
        read(entry(**changes))


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
    assert len(results) + len(failures) <= 1


def test_the_request_names_files_by_number() -> None:
    asked = request(JOB)
    assert [file["path"] for file in asked["files"]] == ["0.tflite", "1.tflite"]
    assert asked["threads"] == [1, 2]
    assert asked["plan"]["min_runs"] == 64
    assert asked["files"][0]["inputs"] is None
