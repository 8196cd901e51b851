"""The main claim: devices, recipes and budgets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import sample_benches
import sample_experiments as sample
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.claims import low_power, standings
from edgecnn.claims.measured import with_measurements
from edgecnn.evidence.files import Evidence
from edgecnn.evidence.records import Contender, DeviceLatency, Devices, Fitted

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.claims.record import Outcome

GOODNESS: dict[Outcome, int] = {"fails": 0, "holds with conditions": 1, "holds": 2}
PI_4, PI_5, ZERO = "raspberry-pi-4b", "raspberry-pi-5", "raspberry-pi-zero-2w"


def contender(recipe: str = "int8", memory_mb: int = 40, **more: Any) -> Contender:  # noqa: ANN401 - any field
    made = Contender(
        "xception", "xception", "separable", 299, 22_900_000, 8_400_000_000, 0.79, recipe,
        23_000_000, "measured", memory_mb * 1_000_000, "predicted", None, file_sha256="ab" * 32,
    )  # fmt: skip
    return replace(made, **more)


def latency(ms: float, device: str = PI_4, **more: Any) -> DeviceLatency:  # noqa: ANN401 - any field
    made = DeviceLatency(
        "xception", "int8", device, 4, ms, ms * 0.8, ms * 1.25, 0.77, 4.0, 4.0 * ms,
        "extrapolated", "predicted",
    )  # fmt: skip
    return replace(made, **more)


def evidence(*latencies: DeviceLatency, contenders: tuple[Contender, ...] = ()) -> Evidence:
    record = Devices(sample.header("devices"), contenders or (contender(),), latencies)
    return Evidence(devices=record)


def outcome(*latencies: DeviceLatency, contenders: tuple[Contender, ...] = ()) -> Outcome:
    return low_power.judge(evidence(*latencies, contenders=contenders)).outcome


def test_the_three_outcomes() -> None:
    assert outcome(latency(50), latency(99, PI_5)) == "holds"
    assert outcome(latency(50), latency(300, ZERO)) == "holds with conditions"
    assert outcome(latency(1500), latency(3000, ZERO)) == "fails"
    told = low_power.judge(evidence(latency(50), latency(300, ZERO)))
    assert told.headline == (
        "Full Xception is fast enough, or likely so, for 10 frames a second in int8 on Pi 4, and"
        " for 1 frame a second in int8 on Pi Zero 2 W and Pi 4 (predicted, not measured)."
    )
    assert told.summary.startswith(told.headline)
    assert "not 10 frames a second on Pi Zero 2 W" in told.conditions


def test_memory_and_power_are_budgets_too() -> None:
    heavy = low_power.judge(evidence(latency(50), contenders=(contender(memory_mb=65),)))
    assert heavy.outcome == "holds with conditions"
    assert heavy.conditions == ("more than 64 MB of memory in int8",)
    assert "No recipe fits in 64 MB of memory: int8 needs 65.0 MB" in heavy.summary
    hungry = low_power.judge(evidence(latency(50, power_w=9.7)))
    assert hungry.outcome == "holds with conditions"
    assert hungry.conditions == ("more than 5 W with all cores on Pi 4",)
    assert outcome(latency(50, power_w=None, energy_mj=None)) == "holds"


def test_fewer_cores_within_the_power_are_told() -> None:
    found = low_power.judge(
        evidence(latency(50, PI_5, power_w=9.7), latency(190, PI_5, threads=1, power_w=4.5))
    )
    assert found.outcome == "holds with conditions"
    assert any("5 W with all cores on Pi 5" in each for each in found.conditions)
    (pi,) = found.devices
    assert (pi.device, pi.recipe, pi.threads, pi.latency_ms) == ("Pi 5", "int8", 4, 50)
    assert (pi.frames, pi.enough_for) == ({"int8": 20.0}, "10/s")
    assert pi.frugal == pytest.approx(1000 / 190)


@pytest.mark.parametrize(
    ("low_ms", "high_ms", "words"),
    [(80, 95, "10/s"), (80, 110, "10/s likely"), (500, 900, "1/s"), (800, 1100, "1/s likely"),
     (950, 3000, "below 1/s")],
)  # fmt: skip
def test_the_rate_it_is_enough_for(low_ms: float, high_ms: float, words: str) -> None:
    middle = latency((low_ms + high_ms) / 2, low_ms=low_ms, high_ms=high_ms)
    (pi,) = low_power.judge(evidence(middle)).devices
    assert pi.enough_for == words


def test_a_recipe_over_the_memory_is_a_condition() -> None:
    both = (contender(), contender("float32", 130))
    rows = latency(90), latency(400, recipe="float32")
    found = low_power.judge(evidence(*rows, latency(2000, ZERO), contenders=both))
    assert "more than 64 MB of memory in float32" in found.conditions
    assert any("int8 23.0 MB and 40.0 MB" in each.text for each in found.details)


@given(
    times=st.lists(st.floats(1, 5000), min_size=1, max_size=4),
    shrink=st.floats(0.01, 1),
    watts=st.floats(1, 10),
)
def test_a_faster_network_is_never_judged_worse(
    times: list[float], shrink: float, watts: float
) -> None:
    devices = (PI_4, PI_5, ZERO, "pixel-4")
    pairs = list(zip(times, devices, strict=False))
    before = outcome(*(latency(ms, device, power_w=watts) for ms, device in pairs))
    after = outcome(*(latency(ms * shrink, device, power_w=watts) for ms, device in pairs))
    assert GOODNESS[after] >= GOODNESS[before]


@given(ms=st.floats(1, 5000), low=st.floats(0.1, 1), high=st.floats(1, 10))
def test_grades_follow_the_interval(ms: float, low: float, high: float) -> None:
    row = latency(ms, low_ms=ms * low, high_ms=ms * high)
    found = standings.grade(row, 100.0)
    assert (found == "meets") == (ms * high <= 100)
    assert (found == "misses") == (ms * low > 100 and ms > 100)
    assert standings.reaches(row, 100.0) == (ms <= 100 or ms * high <= 100)


def test_an_emulator_and_a_board_that_is_not_asked_decide_nothing() -> None:
    emulated = latency(1, provenance="emulated")
    board = latency(1, "jetson-nano")
    assert outcome(latency(3000), emulated, board) == "fails"
    assert outcome(emulated, board) == "not testable here"
    assert low_power.judge(Evidence()).outcome == "not testable here"


def test_a_measurement_takes_the_place_of_its_prediction() -> None:
    measured = latency(200, provenance="measured", basis="measured", interval=None)
    for rows in ((latency(50), measured), (measured, latency(50))):
        found = low_power.judge(evidence(*rows))
        assert found.outcome == "holds with conditions"
        assert [(e.provenance, e.latency_ms) for e in found.devices] == [("measured", 200)]
    other_threads = replace(measured, threads=1)
    assert outcome(latency(50), other_threads) == "holds"


def test_results_of_bench_are_measurements_where_the_file_is_the_contenders(tmp_path: Path) -> None:
    from edgecnn.evidence import results

    path = tmp_path / "results.jsonl"
    other = sample_benches.result(file_sha256="00" * 32)
    results.append(path, (sample_benches.TRUSTED, sample_benches.EMULATED, other))
    found = with_measurements(evidence(latency(5000)), path)
    (measurement,) = found.measurements
    assert measurement.latency.device == PI_4
    assert measurement.latency.latency_ms == 38.05
    assert measurement.latency.power_w == 4.0
    judged = low_power.judge(found)
    assert judged.outcome == "holds"
    sources = {str(each.source) for each in judged.numbers if each.provenance == "measured"}
    assert "results.jsonl #1; 2025-01-02, Raspberry Pi 4 Model B Rev 1.1" in sources
    assert with_measurements(evidence(latency(5000)), None).measurements == ()


def test_twin_and_others_are_compared_in_one_place() -> None:
    twin = contender(label="xception, normal", convolution="normal", macs=50_000_000_000)
    mobile = contender(model="keras:MobileNetV2", label="MobileNetV2", convolution=None,
                       published_top1=0.713)  # fmt: skip
    found = low_power.judge(
        evidence(
            latency(250),
            latency(1000, label="xception, normal"),
            latency(25, label="MobileNetV2"),
            latency(10, PI_5, label="MobileNetV2"),
            contenders=(contender(), twin, mobile),
        )
    )
    text = "\n".join(each.text for each in found.details)
    assert "on a Pi 4 in int8 with 4 threads it takes 1000 ms" in text
    assert "4.0 times as long" in text
    assert "MobileNetV2 0.10 of the time (predicted 25.0 ms), 0.713 top-1 published" in text
    assert "MobileNetV2 has the highest published top-1, 0.713" in text


def test_what_it_takes_is_told_where_it_is_too_slow() -> None:
    fits = (
        Fitted(PI_4, 100.0, True, 0.375, 160, "int8", 4, 95.0, 80.0, 99.0),  # noqa: FBT003 - found
        Fitted(ZERO, 100.0, False, 0.25, 96, "int8", 4, 150.0, 110.0, 190.0),  # noqa: FBT003 - found
        Fitted(PI_5, 100.0, True, 1.0, 299, "int8", 4, 90.0, 80.0, 99.0),  # noqa: FBT003 - found
    )
    found = evidence(latency(250), latency(900, ZERO), latency(90, PI_5)).devices
    assert found is not None
    judged = low_power.judge(Evidence(devices=replace(found, fits=fits)))
    (text,) = [each.text for each in judged.details if each.label == "For 10 a second"]
    assert "Pi 4 width 0.375 at 160x160 in int8, 4 threads (95.0 ms, 80.0-99.0: meets)" in text
    assert "nothing was found for Pi Zero 2 W" in text
    assert "Pi 5" not in text


def test_every_number_says_where_it_is_from() -> None:
    found = low_power.judge(Evidence(devices=sample.devices()))
    assert found.numbers
    for each in found.numbers:
        assert each.source.file == "devices.json"
        assert str(each.source).endswith("; 2026-11-22, made-up CPU")
    predicted = [each for each in found.numbers if each.name.startswith("latency, Xception int8")]
    assert {each.provenance for each in predicted} == {"predicted"}
