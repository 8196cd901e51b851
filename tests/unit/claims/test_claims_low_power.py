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
from edgecnn.evidence import results
from edgecnn.evidence.files import Evidence
from edgecnn.evidence.records import Contender, DeviceLatency, Devices, Fitted
from edgecnn.evidence.words import Source
from edgecnn.measurements import Trust
from edgecnn.reporting import verdict_details
from edgecnn.reporting.page.figure import devices_source
from edgecnn.tflm.boards import BOARDS

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.claims.record import Outcome, Verdict
    from edgecnn.measurements import BenchResult

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
        "Partly: Xception makes 1 frame a second on all 2 devices, 10 frames a second on Pi 4, and"
        " needs 40.0 MB of memory, within the 64 MB that are allowed. These latencies are"
        " predicted, not measured."
    )
    assert told.summary.startswith(
        "Full Xception is fast enough, or likely so, for 10 frames a second in int8 on Pi 4, and"
        " for 1 frame a second in int8 on Pi Zero 2 W and Pi 4."
    )
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
    files = {fact.label: fact for fact in found.details if fact.topic == "Files"}
    assert files["int8, file"].value == 23_000_000
    memory = files["float32, memory"]
    assert (memory.value, memory.unit, memory.limit) == (130_000_000, "bytes", 64_000_000)


@pytest.mark.parametrize(
    ("size_bytes", "able"),
    [(23_000_000, ""), (8_000_000, "ESP32-S3-DevKitC-1-N8, Teensy 4.1")],
)
def test_which_microcontrollers_have_the_flash(size_bytes: int, able: str) -> None:
    net = replace(contender(), size_bytes=size_bytes)
    details = low_power.judge(evidence(latency(50), contenders=(net,))).details
    file, boards = [fact for fact in details if fact.topic == "Microcontrollers"]
    assert (file.value, file.limit) == (size_bytes, max(b.flash_bytes for b in BOARDS))
    assert (boards.value, boards.note) == (len(list(filter(None, able.split(", ")))), able)


def test_no_file_for_a_microcontroller_is_no_row() -> None:
    net = contender("float32")
    details = low_power.judge(evidence(latency(50, recipe="float32"), contenders=(net,))).details
    assert "Microcontrollers" not in {fact.topic for fact in details}


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


def benched(tmp_path: Path, *found: BenchResult, predicted_ms: float = 5000) -> Evidence:
    """The evidence of one prediction for a Pi 4, with results of `bench`."""
    path = tmp_path / "results.jsonl"
    results.append(path, found)
    return with_measurements(evidence(latency(predicted_ms)), path)


def left_out(found: Evidence) -> str:
    """What the verdict says of results that decide nothing; "" where it says nothing."""
    details = low_power.judge(found).details
    facts = (fact for fact in details if fact.topic == "Left out")
    return "".join(f"{fact.label} {fact.value} {fact.unit}: {fact.note}\n" for fact in facts)


def on(model: str, **changes: Any) -> BenchResult:  # noqa: ANN401 - any field
    return sample_benches.result(
        device=replace(sample_benches.PI, model=model), target="adb://SERIAL", **changes
    )


def test_a_result_of_bench_takes_the_place_of_its_prediction(tmp_path: Path) -> None:
    found = benched(tmp_path, sample_benches.TRUSTED)
    (measurement,) = found.measurements
    assert measurement.latency.device == PI_4
    assert measurement.latency.latency_ms == 38.05
    assert measurement.latency.power_w == 4.0
    judged = low_power.judge(found)
    assert judged.outcome == "holds"
    assert judged.headline.endswith("These latencies were measured.")
    sources = {each.source for each in judged.numbers if each.provenance == "measured"}
    pi = Source("results.jsonl", "#1", "2025-01-02", "Raspberry Pi 4 Model B Rev 1.1")
    assert pi in sources
    assert left_out(found) == ""
    assert with_measurements(evidence(latency(5000)), None).measurements == ()


def test_a_file_of_other_bytes_is_known_by_name_recipe_and_multiplications(tmp_path: Path) -> None:
    same = sample_benches.result(file_sha256="00" * 32, macs=8_400_000_000)
    assert len(benched(tmp_path / "same", same).measurements) == 1
    unsaid = benched(tmp_path / "unsaid", replace(same, macs=None))
    assert unsaid.measurements == ()
    assert "which network it is of is not known; measure again" in left_out(unsaid)
    narrow = benched(tmp_path / "narrow", replace(same, macs=1_000_000))
    assert "another network of that name" in left_out(narrow)
    onnx = benched(tmp_path / "onnx", replace(same, file="a/model.onnx"))
    assert "no .tflite file" in left_out(onnx)
    other = benched(tmp_path / "other", replace(same, model="vgg", macs=None))
    assert (other.measurements, left_out(other)) == ((), "")


@pytest.mark.parametrize(
    ("model", "name"),
    [("samsung SM-G973F", "Galaxy S10"), ("samsung SM-A037F", "Galaxy A03s"),
     ("Xiaomi Mi 10", "Mi 10"), ("Xiaomi MI 8 SE", "Mi 8 SE"), ("Google Pixel 4 XL", "Pixel 4"),
     ("Raspberry Pi 400 Rev 1.0", "Pi 400")],
)  # fmt: skip
def test_galaxy_xiaomi_and_other_pis_count(tmp_path: Path, model: str, name: str) -> None:
    found = benched(tmp_path, on(model))
    judged = low_power.judge(found)
    (place,) = [each for each in judged.devices if each.provenance == "measured"]
    assert (place.device, place.latency_ms, place.decided_by) == (name, 38.05, "")
    assert left_out(found) == ""
    assert f"measured on {name}, the others are predicted" in judged.headline


def test_a_measurement_that_decides_nothing_is_said_with_its_reason(tmp_path: Path) -> None:
    void = sample_benches.result(trust=Trust("void", ("it throttled",)))
    strange = on("OnePlus 9")
    found = benched(
        tmp_path, strange, replace(strange, threads=1), void, sample_benches.EMULATED,
        on("NVIDIA Jetson Nano Developer Kit"),
    )  # fmt: skip
    assert found.measurements == ()
    text = left_out(found)
    assert "OnePlus 9: xception int8, 1 thread 38.05 ms: no device profile has that name\n" in text
    assert "OnePlus 9: xception int8, 4 threads 38.05 ms" in text
    assert "void: it throttled\n" in text
    assert "an emulator's time\n" in text
    assert "NVIDIA Jetson Nano Developer Kit" in text
    assert low_power.judge(found).outcome == "fails"


def test_many_measurements_that_decide_nothing_are_told_shortly(tmp_path: Path) -> None:
    found = benched(tmp_path, *(on(f"Phone {number}") for number in range(30)))
    assert left_out(found).count("Phone") == 30
    rows = verdict_details.details_table(low_power.judge(found)).rows
    assert sum("Phone" in row[0] for row in rows) == 20
    assert ("  and 10 more", "", "", "", "") in rows


def test_the_ends_of_an_interval_and_the_measurement_that_settles_it() -> None:
    open_one = latency(90, PI_5, low_ms=70, high_ms=100.2)
    settled = latency(300, low_ms=200, high_ms=400)
    found = low_power.judge(evidence(open_one, settled, latency(95, "pixel-4", high_ms=120)))
    four, five, pixel = found.devices
    assert (five.at_low, five.at_high) == ("10/s", "1/s")
    command = "edgecnn bench artifacts/xception/int8 --on ssh://pi@HOST --threads 4"
    assert five.decided_by == command
    assert pixel.decided_by == command.replace("ssh://pi@HOST", "adb://SERIAL")
    assert (four.at_low, four.at_high, four.decided_by) == ("1/s", "1/s", "")
    pairs = dict(verdict_details.word_pairs(found))
    assert pairs["Open"] == "10/s or 1/s: Pi 5, Pixel 4"
    assert pairs["Settled"] == "1/s: Pi 4"
    assert pairs["Would change it"].startswith("holds with conditions: every latency at its lower")
    assert verdict_details.settling(found) == five.decided_by
    barriers = {fact.label: fact for fact in found.details if fact.topic == "To hold"}
    four_slow = barriers["Pi 4, lower end"]
    assert (four_slow.limit, four_slow.unit) == (100, "ms")
    assert float(four_slow.value) > 100


def test_one_measurement_that_would_give_another_verdict_is_named() -> None:
    found = low_power.judge(evidence(latency(50), latency(90, PI_5, high_ms=120)))
    assert found.outcome == "holds"
    assert changes(found) == [("Pi 5 alone, measured at", 120, "it then holds with conditions")]
    slow = low_power.judge(evidence(latency(1100, low_ms=900)))
    assert changes(slow) == [("Pi 4 alone, measured at", 900, "it then holds with conditions")]


def changes(found: Verdict) -> list[tuple[str, float | str, str]]:
    """What would give another verdict: label, value and note."""
    facts = (fact for fact in found.details if fact.topic == "Would change it")
    return [(fact.label, fact.value, fact.note) for fact in facts]


@given(
    middles=st.lists(st.floats(20, 3000), min_size=1, max_size=3),
    low=st.floats(0.3, 1),
    high=st.floats(1, 3),
)
def test_a_verdict_that_no_latency_changes_is_the_same_at_both_ends(
    middles: list[float], low: float, high: float
) -> None:
    rows = [
        latency(ms, device, low_ms=ms * low, high_ms=ms * high)
        for ms, device in zip(middles, (PI_4, PI_5, ZERO), strict=False)
    ]
    found = low_power.judge(evidence(*rows))
    ends = [
        outcome(*(latency(getattr(row, end), row.device) for row in rows))
        for end in ("low_ms", "high_ms")
    ]
    said = changes(found)
    fixed = all(outcome == found.outcome for _, outcome, _ in said)
    assert fixed == (set(ends) == {found.outcome})


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
    facts = {(fact.topic, fact.label): fact for fact in found.details}
    assert facts["Normal twin", "on a Pi 4 in int8 with 4 threads"].value == 1000
    assert facts["Normal twin", "the time there"].value == pytest.approx(4)
    topic = "Others on a Pi 4 in int8 with 4 threads"
    assert facts[topic, "MobileNetV2"].value == 25
    assert facts[topic, "Xception"].value == 250
    best = facts[topic, "MobileNetV2, top-1"]
    assert (best.value, best.kind, best.note) == (
        0.713, "published", "the most at 10 frames a second"
    )  # fmt: skip


def test_what_it_takes_is_told_where_it_is_too_slow() -> None:
    fits = (
        Fitted(PI_4, 100.0, True, 0.375, 160, "int8", 4, 95.0, 80.0, 99.0),  # noqa: FBT003 - found
        Fitted(ZERO, 100.0, False, 0.25, 96, "int8", 4, 150.0, 110.0, 190.0),  # noqa: FBT003 - found
        Fitted(PI_5, 100.0, True, 1.0, 299, "int8", 4, 90.0, 80.0, 99.0),  # noqa: FBT003 - found
    )
    found = evidence(latency(250), latency(900, ZERO), latency(90, PI_5)).devices
    assert found is not None
    judged = low_power.judge(Evidence(devices=replace(found, fits=fits)))
    facts = [fact for fact in judged.details if fact.topic == "For 10 a second"]
    (four, zero) = sorted(facts, key=lambda fact: fact.label)
    assert (four.label, four.note) == ("Pi 4: width 0.375 at 160, int8", "4 threads")
    assert (four.value, four.low, four.high, four.limit) == (95, 80, 99, 100)
    assert (zero.label, zero.value) == ("Pi Zero 2 W", "nothing was found")


def test_every_number_says_where_it_is_from() -> None:
    found = low_power.judge(Evidence(devices=sample.devices()))
    assert found.numbers
    for each in found.numbers:
        assert each.source.file == "devices.json"
        of_predictor = each.source.entry.startswith(("latencies", "fits"))
        on = standings.PREDICTOR if of_predictor else "made-up CPU"
        assert (each.source.date, each.source.machine) == ("2026-11-22", on)
    predicted = [each for each in found.numbers if each.name.startswith("latency, Xception int8")]
    assert {each.provenance for each in predicted} == {"predicted"}


def test_predictions_that_were_renewed_have_a_date_of_their_own() -> None:
    record = replace(sample.devices(), predicted_on="2026-11-28T10:00:00+00:00")
    numbers = low_power.judge(Evidence(devices=record)).numbers
    dates = {number.provenance: number.source.date for number in numbers if number.unit == "ms"}
    assert dates["predicted"] == "2026-11-28"
    renewed = devices_source(record, ("predicted",))
    assert (renewed.date, renewed.machine) == (record.predicted_on, "")
    assert renewed.command.endswith(" --predictions-only")
    mixed = devices_source(record, ("measured", "predicted"))
    assert (mixed.date, mixed.command) == (record.header.date, record.header.command)
