"""What was counted of built networks agrees with what the zoo's table and the documents say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import experiment_parameters
import pytest
from experiments.experiment_record import FOLDER
from experiments.published_accuracy import PUBLISHED_TOP1

from edgecnn.evidence import files
from edgecnn.zoo import MODELS, keras_applications

if TYPE_CHECKING:
    from edgecnn.evidence.records import Parameters


@pytest.fixture(scope="module")
def record() -> Parameters:
    found = files.read_all(FOLDER).parameters
    assert found is not None
    return found


@pytest.mark.parametrize("name", MODELS)
def test_the_record_holds_what_the_table_says(record: Parameters, name: str) -> None:
    spec = MODELS[name]
    (own,) = [n for n in record.networks if (n.model, n.classes) == (name, spec.classes)]
    assert own.parameters == spec.parameters
    assert own.trainable_parameters == spec.trainable_parameters
    assert own.macs == spec.macs
    assert own.input_size == spec.input_size


def test_every_network_is_counted_once_at_equal_classes_too(record: Parameters) -> None:
    counted = [(each.model, each.classes) for each in record.networks]
    assert len(counted) == len(set(counted)) == len(experiment_parameters.requests())
    assert {model for model, classes in counted if classes == 10} >= set(MODELS)


def test_document_003_counts_the_same_shape_and_trainable_parameters(record: Parameters) -> None:
    assert record.entry_flow_shape == (19, 19, 728)
    (xception,) = [n for n in record.networks if (n.model, n.classes) == ("xception", 1000)]
    assert xception.trainable_parameters == 22_855_952


def test_published_accuracies_are_of_networks_that_keras_has() -> None:
    for model, accuracy in PUBLISHED_TOP1.items():
        assert keras_applications.PREFIX + keras_applications.find(model).name == model
        assert 0.5 < accuracy < 0.9
