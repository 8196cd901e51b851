"""What README and the results say of predictions is what `validate_predictor.py` last printed."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from measure.measuring import BENCHMARKS
from samples import documents

RESULTS = documents.GUIDES / "results.md"
README = documents.ROOT / "README.md"


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((BENCHMARKS / "predictor.json").read_text("utf-8"))
    return found


def text(document: Any) -> str:  # noqa: ANN401 - a path
    return re.sub(r"\s+", " ", document.read_text("utf-8"))


def percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f}%"


def test_the_headline_is_that_of_left_out_sources_by_basis(record: dict[str, Any]) -> None:
    lines = [each for each in record["headline"] if each["without"] == "all"]
    assert [each["basis"] for each in lines] == ["interpolated", "extrapolated", "no rows"]
    for each in lines:
        row = (
            f"| {each['basis']} | {each['rows']:,}, {each['sources']} |"
            f" {percent(each['median_error'], 1)} | {percent(each['in_interval'])} |"
            f" {percent(each['in_interval_by_source'])} |"
            f" x{each['low']:.2f} to x{each['high']:.2f} |"
        )
        assert row in text(RESULTS)
    shares = sorted(each["in_interval"] for each in lines)
    median = percent(record["median_error"], 1)
    said = f"{median} median error; 80% intervals hold for {100 * shares[0]:.0f} to"
    assert f"{said} {percent(shares[-1])} of the rows" in text(README)
    assert f"all three together hold {percent(record['coverage'])}" in text(RESULTS)


def test_calibration_and_the_other_half_are_those_of_the_record(record: dict[str, Any]) -> None:
    before, after = record["calibration_before"], record["calibration_after"]
    held = percent(record["calibrated_in_interval"])
    said = f"{percent(before, 1)} to {percent(after, 1)}; its interval holds {held}"
    assert said in text(RESULTS)
    by_device = {each["device"]: each for each in record["nasbench"]}
    pi, pixel = by_device["raspberry-pi-4b"], by_device["pixel-3"]
    ranks = f"{pi['spearman']:.3f} / {pixel['spearman']:.3f}"
    errors = f"{percent(pi['median_error'], 1)} / {percent(pixel['median_error'], 1)}"
    assert f"| {ranks}; {errors} |" in text(RESULTS)
    for each in (pi, pixel):
        low, _, high = each["spearman_of_few"]
        assert (round(low, 2), round(high, 2)) == (0.95, 0.99)
