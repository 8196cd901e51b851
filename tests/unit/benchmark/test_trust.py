"""Grades: what voids a measurement, what warns of it, and that each reason tells its figures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgecnn.benchmark import statistics, trust
from edgecnn.benchmark.plans import PLANS
from edgecnn.measurements import (
    BenchResult,
    DeviceFacts,
    DeviceState,
    Trust,
)

PI = DeviceFacts(
    model="Raspberry Pi 4 Model B Rev 1.1",
    machine="aarch64",
    userland_bits=64,
    system="Debian GNU/Linux 12 (bookworm)",
    kernel="6.6",
    libc="glibc 2.36",
    cpu="Cortex-A72",
    cores=4,
    memory_bytes=4 << 30,
    python="3.11.2",
)
BEFORE = DeviceState(
    clock_mhz=1800.0,
    max_clock_mhz=1800.0,
    governor="performance",
    temperature_c=50.0,
    throttled=0,
    load_average=0.1,
    free_memory_bytes=3 << 30,
)
AFTER = replace(BEFORE, busy_share=0.004)


def result(**changed: Any) -> BenchResult:  # noqa: ANN401 - any field
    samples = (20.0,) * 100
    sound = BenchResult(
        target="ssh://pi@host",
        device=PI,
        file="model.tflite",
        file_sha256="",
        model="xception",
        recipe="int8",
        runtime="ai-edge-litert 2.3.0",
        threads=1,
        plan="quick",
        load_ms=1.0,
        first_ms=30.0,
        latency_ms=statistics.latency(samples),
        samples_ms=samples,
        repeat_p50_ms=(20.0,),
        peak_rss_bytes=1,
        output_sha256="",
        outputs_match=True,
        inputs="reference",
        before=BEFORE,
        after=AFTER,
        timeline=(),
        trust=Trust("void", ("not graded yet",)),
        emulated=False,
        measured_at="2026-01-01T00:00:00+00:00",
        edgecnn="0",
    )
    return replace(sound, **changed)


def grade(plan: str = "quick", **changed: Any) -> Trust:  # noqa: ANN401 - any field
    return trust.grade(result(**changed), PLANS[plan])


def after(**changed: Any) -> Trust:  # noqa: ANN401 - any field
    return grade(after=replace(AFTER, **changed))


def before(**changed: Any) -> Trust:  # noqa: ANN401 - any field
    changed_after = {key: value for key, value in changed.items() if key != "load_average"}
    return grade(before=replace(BEFORE, **changed), after=replace(AFTER, **changed_after))


def test_a_sound_measurement_is_trusted() -> None:
    assert grade() == Trust("trusted")


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        (0x50005, "the power supply failed: under-voltage"),
        (0x20002, "throttled: clock capped (bits 0x20002)"),
        (0x80000, "soft temperature limit"),
        (0x40000, "throttled: throttled (bits 0x40000)"),
        (0x100000, "unknown bits (bits 0x100000)"),
    ],
)
def test_new_throttle_bits_void(bits: int, words: str) -> None:
    given = after(throttled=bits)
    assert given.grade == "void"
    assert words in "; ".join(given.reasons)


def test_bits_from_before_do_not_count_but_what_is_in_force_does() -> None:
    assert before(throttled=0x50000).grade == "trusted"
    assert before(throttled=0x50005).grade == "void"
    ended = grade(
        before=replace(BEFORE, throttled=0x40004), after=replace(AFTER, throttled=0x40000)
    )
    assert ended.grade == "void"


def test_a_clock_that_fell_over_5_percent_voids() -> None:
    assert after(clock_mhz=1720.0).grade == "trusted"
    given = after(clock_mhz=1500.0)
    assert given == Trust("void", ("the clock fell by 17%, from 1800 to 1500 MHz",))


def test_heat_is_what_a_sustained_plan_is_for() -> None:
    samples = (1000.0,) * 1800
    slow = replace(AFTER, clock_mhz=1500.0, throttled=0x60006)
    given = grade("sustained", after=slow, samples_ms=samples)
    assert given.grade == "warned"
    assert "from 1800 to 1500 MHz" in given.reasons[1]
    weak = grade("sustained", after=replace(AFTER, throttled=0x10001), samples_ms=samples)
    assert weak.grade == "void"


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, "trusted"), (0.02, "trusted"), (0.04, "warned"), (0.3, "void")]
)
def test_another_load(share: float, expected: str) -> None:
    given = after(busy_share=share)
    assert given.grade == expected
    assert expected == "trusted" or f"{share:.1%}" in given.reasons[0]


def test_a_load_nobody_can_see_is_warned_of() -> None:
    assert after(busy_share=None).grade == "warned"


@pytest.mark.parametrize("governor", ["ondemand", "schedutil", "powersave"])
def test_another_governor_warns(governor: str) -> None:
    given = before(governor=governor)
    assert given == Trust("warned", (f"the frequency governor is {governor}, not performance",))


def test_a_clock_far_below_its_highest_warns() -> None:
    assert before(clock_mhz=1500.0).grade == "trusted"
    given = before(clock_mhz=600.0)
    assert given == Trust("warned", ("the clock was 600 MHz of 1800 MHz while measuring",))


def test_a_machine_that_tells_nothing_of_its_clock_is_not_warned_of() -> None:
    silent = DeviceState(load_average=0.0)
    assert grade(before=silent, after=replace(silent, busy_share=0.0)).grade == "trusted"


def test_emulation_warns_and_is_named() -> None:
    given = grade(device=replace(PI, emulator="qemu-user"), emulated=True)
    assert given.grade == "warned"
    assert "qemu-user emulates the device" in given.reasons[0]


def test_few_samples_warn() -> None:
    given = grade(samples_ms=(200.0,) * 10)
    assert given == Trust("warned", ("there are only 10 samples (at least 64 are needed)",))
    given = grade(samples_ms=(1.0,) * 100)
    assert given.reasons == ("the samples last only 0.1 s (at least 1 s are needed)",)


@pytest.mark.parametrize(("slowest", "expected"), [(20.9, "trusted"), (21.1, "void")])
def test_repeats_must_agree(slowest: float, expected: str) -> None:
    repeats = (20.0, 20.1, slowest, 20.0, 20.2)
    given = grade("publish", samples_ms=(60.0,) * 5120, repeat_p50_ms=repeats)
    assert given.grade == expected
    if expected == "void":
        assert given.reasons == ("the repeats' medians differ by 5.5% (at most 5%)",)


def test_missing_repeats_warn() -> None:
    given = grade("publish", samples_ms=(60.0,) * 5120, repeat_p50_ms=(20.0, 20.0))
    assert given == Trust("warned", ("only 2 of 5 repeats were completed",))


def test_outputs_of_another_network_void() -> None:
    assert grade(outputs_match=False).grade == "void"
    assert grade(outputs_match=None).grade == "trusted"


def test_what_voids_is_told_first() -> None:
    given = grade(before=replace(BEFORE, governor="ondemand"), after=replace(AFTER, busy_share=0.5))
    assert given.grade == "void"
    assert [reason.split()[0] for reason in given.reasons] == ["other", "the"]
