"""What the side-by-side benchmarks compute and write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from measure.measuring import (
    Target,
    cpu_model,
    package_versions,
    paired_ratio,
    shuffled_rounds,
    write_report,
)

if TYPE_CHECKING:
    from pathlib import Path

TIMES = st.lists(st.floats(0.01, 1000), min_size=1, max_size=9)


def test_the_first_cpu_names_the_machine() -> None:
    text = "processor\t: 0\nmodel name\t: First\n\nprocessor\t: 1\nmodel name\t: Second\n"
    assert cpu_model(text) == "First"


def test_a_raspberry_pi_is_named_by_its_model() -> None:
    text = "processor\t: 0\nBogoMIPS\t: 108.00\n\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n"
    assert cpu_model(text) == "Raspberry Pi 4 Model B Rev 1.4"


def test_a_missing_package_says_so() -> None:
    assert package_versions(["no-such-package-here"]) == {"no-such-package-here": "not installed"}


def test_every_round_holds_every_name_once_in_changing_order() -> None:
    order = shuffled_rounds(["a", "b", "c"], 20, seed=0)
    rounds = [tuple(order[start : start + 3]) for start in range(0, 60, 3)]
    assert all(sorted(names) == ["a", "b", "c"] for names in rounds)
    assert len({names[0] for names in rounds}) == 3
    assert order == shuffled_rounds(["a", "b", "c"], 20, seed=0)


def test_a_ratio_is_taken_within_rounds() -> None:
    # Round 3 was slow for both: the ratio of the medians would be 2, that of the pairs is 1/2.
    assert paired_ratio([1, 2, 40], [2, 1, 80]) == pytest.approx(0.5)


@given(TIMES, st.floats(0.1, 10))
def test_a_constant_factor_is_found_whatever_the_times(times: list[float], factor: float) -> None:
    assert paired_ratio([time * factor for time in times], times) == pytest.approx(factor)


def test_unpaired_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        paired_ratio([1.0], [1.0, 2.0])


@pytest.mark.parametrize(
    ("measured", "at_most", "met"),
    [(0.4, True, True), (0.41, True, False), (0.4, False, True), (0.39, False, False)],
)
def test_a_target_is_met_on_its_side_of_the_bound(
    measured: float, *, at_most: bool, met: bool
) -> None:
    assert Target("any", measured, 0.4, at_most=at_most).met is met


def test_a_report_holds_machine_versions_samples_and_verdicts(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.json"
    write_report(path, {"runs": [1.5, 2.5]}, [Target("time", 0.5, 0.4)])
    report = json.loads(path.read_text(encoding="utf-8"))
    assert report["runs"] == [1.5, 2.5]
    assert report["machine"]["cores"] >= 1
    assert report["versions"]["numpy"][0].isdigit()
    assert report["targets"] == [
        {"name": "time", "measured": 0.5, "bound": 0.4, "at_most": True, "met": False}
    ]
