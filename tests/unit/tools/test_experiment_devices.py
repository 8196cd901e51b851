"""The contenders are counted, labelled and predicted as the record says; nothing is exported."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import experiment_devices
import pytest
from experiments import contender_measuring, contenders
from experiments.contenders import Entry
from experiments.experiment_record import FOLDER

from edgecnn.errors import InputError
from edgecnn.evidence import files
from edgecnn.latency import profiles
from edgecnn.zoo import MODELS

if TYPE_CHECKING:
    from edgecnn.evidence.records import Devices, Fitted

XCEPTION = Entry("xception", "separable")


@pytest.fixture(scope="module")
def fits() -> list[Fitted]:
    return [*contenders.fits_of("raspberry-pi-4b"), *contenders.fits_of("raspberry-pi-zero-2w")]


@pytest.fixture(scope="module")
def record() -> Devices:
    found = files.read_all(FOLDER).devices
    assert found is not None
    return found


def test_parameters_from_costs_are_those_keras_counts() -> None:
    cost = XCEPTION.costs(["float32"])["float32"]
    counted = contenders.parameters(XCEPTION, cost, None)
    assert counted == MODELS["xception"].parameters


def test_a_network_that_was_not_counted_is_named() -> None:
    cost = XCEPTION.costs(["float32"])["float32"]
    with pytest.raises(InputError, match="keras:ResNet50 was not counted"):
        contenders.parameters(Entry("keras:ResNet50"), cost, None)


def test_labels_tell_contenders_apart(fits: list[Fitted]) -> None:
    labels = [entry.label for entry in contenders.entries(fits)]
    assert len(labels) == len(set(labels))
    assert {"xception", "xception, normal convolutions", "Keras Xception"} < set(labels)
    assert Entry("xception", "separable", 0.5, 160).label == "xception 0.5 at 160"


def test_only_the_normal_twin_of_full_size_is_not_exported(fits: list[Fitted]) -> None:
    kept = [entry for entry in contenders.entries(fits) if not entry.exported]
    assert [entry.label for entry in kept] == ["xception, normal convolutions"]
    twin = Entry("xception", "normal", 0.5, 160)
    assert twin.export_flags() == [
        *("--width", "0.5", "--input-size", "160", "--convolution", "normal")
    ]


def test_what_fit_proposes_is_within_the_budget_or_the_fastest(fits: list[Fitted]) -> None:
    for each in fits:
        assert each.found == (each.latency_ms <= each.budget_ms)
    assert [each.budget_ms for each in fits] == [*contenders.BUDGETS_MS] * 2


def test_an_entry_is_predicted_for_one_thread_and_for_four() -> None:
    cost = XCEPTION.costs(["int8"])["int8"]
    profile = profiles.find("raspberry-pi-4b")
    found = list(experiment_devices.predicted_latencies(XCEPTION, "int8", cost, profile))
    assert [each.threads for each in found] == [1, 4]
    assert found[1].latency_ms < found[0].latency_ms
    for each in found:
        assert each.low_ms < each.latency_ms < each.high_ms
        assert each.power_w is not None
        assert each.energy_mj == pytest.approx(each.power_w * each.latency_ms)


def test_memory_is_counted_from_a_process_with_a_tiny_network() -> None:
    cost = XCEPTION.costs(["float32"])["float32"]
    found = experiment_devices.predicted_contender(XCEPTION, "float32", cost, None)
    assert found.memory_bytes > found.size_bytes > 4 * 22_000_000
    assert found.size_provenance == found.memory_provenance == "predicted"


def test_what_was_measured_is_kept_and_predictions_are_not(record: Devices) -> None:
    first = dataclasses.replace(
        record.contenders[0], size_provenance="measured", local_latency_ms=1.5
    )
    predicted = dataclasses.replace(record.contenders[1], size_provenance="predicted")
    latency = dataclasses.replace(
        record.latencies[0], device="ssh://pi@board", provenance="measured", basis="measured"
    )
    kept = contender_measuring.earlier(
        dataclasses.replace(
            record,
            contenders=(first, predicted),
            latencies=(record.latencies[1], latency),
            runtime_bytes=50_000_000,
        )
    )
    assert kept.contenders == {(first.label, first.recipe): first}
    assert kept.latencies == [latency]
    assert kept.runtime_bytes == [50_000_000]


def test_every_contender_of_the_record_is_on_every_device_that_fit_was_asked_about(
    record: Devices,
) -> None:
    named = {(each.label, each.recipe, each.device) for each in record.latencies}
    assert {each.device for each in record.fits} == set(experiment_devices.HEADLINE)
    for each in record.contenders:
        for device in experiment_devices.HEADLINE:
            assert (each.label, each.recipe, device) in named


def test_the_records_predictions_are_the_predictors_present_answers(record: Devices) -> None:
    """Where they differ: python tools/experiment_devices.py --predictions-only."""
    kept = {
        (each.label, each.recipe, each.device, each.threads): each
        for each in record.latencies
        if each.provenance == "predicted"
    }
    compared = 0
    for entry in contenders.entries(record.fits):
        if entry.model not in MODELS:
            continue  # TensorFlow builds Keras's; their operators change with no predictor
        for now in experiment_devices.on_profiles(entry, entry.costs()):
            then = kept[now.label, now.recipe, now.device, now.threads]
            assert (then.basis, then.interval) == (now.basis, now.interval)
            assert [then.low_ms, then.latency_ms, then.high_ms] == pytest.approx(
                [now.low_ms, now.latency_ms, now.high_ms], rel=1e-6
            )
            compared += 1
    assert compared > 0.3 * len(kept)


def test_the_records_proposals_are_those_of_fit_now(record: Devices, fits: list[Fitted]) -> None:
    kept = [each for each in record.fits if each.device in {one.device for one in fits}]
    order = sorted(fits, key=lambda each: (each.device, each.budget_ms))
    assert sorted(kept, key=lambda each: (each.device, each.budget_ms)) == order
