"""The statistics of fidelity, on logits small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest
from logits import fidelity, power_share, snr_db


def test_an_error_of_a_tenth_is_twenty_decibels() -> None:
    reference = np.array([[3.0, 4.0]], np.float32)
    assert snr_db(reference, reference * np.float32(1.1)) == pytest.approx(20, abs=1e-4)


def test_equal_logits_have_no_error() -> None:
    reference = np.array([[3.0, 4.0]], np.float32)
    assert snr_db(reference, reference) == float("inf")


def test_a_tie_agrees_tolerantly_and_not_strictly() -> None:
    reference = np.array([[1.0, 2.0], [2.0, 1.0]], np.float32)
    measured = np.array([[2.0, 2.0], [2.0, 1.0]], np.float32)
    found = fidelity(reference, measured, np.array([1, 0], np.uint8))
    assert found.top1_agreement == 1
    assert found.strict_agreement == 0.5
    assert found.ties == 0.5
    assert found.accuracy == 0.5


def test_without_labels_there_is_no_accuracy() -> None:
    logits = np.eye(2, dtype=np.float32)
    assert fidelity(logits, logits).accuracy is None


def test_one_loud_image_rules_the_pooled_snr_and_not_the_median() -> None:
    reference = np.array([[1000.0, 0], [1, 0], [1, 0]], np.float32)
    measured = np.array([[500.0, 0], [1.01, 0], [1.01, 0]], np.float32)
    found = fidelity(reference, measured)
    assert found.snr_db == pytest.approx(6.02, abs=0.01)
    assert found.image_snr_db == pytest.approx(40, abs=0.1)
    assert power_share(reference, 1 / 3) > 0.99


def test_power_spread_evenly_gives_a_tenth_a_tenth() -> None:
    assert power_share(np.ones((100, 3), np.float32)) == pytest.approx(0.1)
