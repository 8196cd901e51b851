"""What is recorded of operators and layers is what the profile and the diagnosis say."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import experiment_layers
from experiment_twins import TWINS
from experiments import experiment_record

from edgecnn.diagnosing.record import Diagnosis, Layer, Observations, ObservedOutput
from edgecnn.evidence import files
from edgecnn.evidence.records import Layers
from edgecnn.profiling.operator_record import Ceilings, KindTime, OperatorProfile

if TYPE_CHECKING:
    from pathlib import Path


def _profile() -> OperatorProfile:
    kinds = (
        KindTime("CONV_2D", "int8", 34, 40.0, 0.8, 8_000, 0.99, 10, None, None),
        KindTime("ADD", "int8", 12, 10.0, 0.2, 0, 0.0, 10, None, None),
    )
    return OperatorProfile(
        file="model.tflite",
        file_sha256="0" * 64,
        runtime="made up",
        threads=1,
        method="profiler",
        how="by making them up",
        latency_ms=50.0,
        profiled_ms=50.0,
        outside_ms=0.0,
        runs=1,
        layers=(),
        kinds=kinds,
        ceilings=Ceilings(1, {}, ()),
    )


def _made_up(kind: Any, **known: object) -> Any:  # noqa: ANN401 - any record of a diagnosis
    """A record in which only what is known matters."""
    return kind(**{**{each.name: 0 for each in fields(kind)}, **known})


def _diagnosis() -> Diagnosis:
    layers = tuple(
        _made_up(Layer, index=index, layer=f"layer{index}", operator="CONV_2D", snr_db=snr_db)
        for index, snr_db in enumerate((40.0, None))
    )
    observed = _made_up(
        Observations, outputs=(ObservedOutput("scores", 21.5, "logits"),), layers=layers
    )
    found: Diagnosis = _made_up(
        Diagnosis, observed=observed, source="made up", samples=4, causes=()
    )
    return found


def test_operators_and_layers_become_a_sound_record(tmp_path: Path) -> None:
    operators = tuple(experiment_layers.operator_times("net int8", _profile()))
    layers = tuple(experiment_layers.fidelity("net int8", _diagnosis()))
    notes = tuple(experiment_layers.notes_of("net int8", _diagnosis()))
    record = Layers(experiment_record.header("layers"), operators, layers, notes)
    files.write(record, tmp_path)
    assert files.read_all(tmp_path).layers == record
    assert [(each.operator, each.count, each.share) for each in operators] == [
        ("CONV_2D", 34, 0.8),
        ("ADD", 12, 0.2),
    ]
    assert [(each.index, each.snr_db) for each in layers] == [(0, 40.0), (1, None)]
    assert "21.5 dB on 4 images" in notes[0]


def test_trained_networks_take_part_where_their_weights_are(tmp_path: Path) -> None:
    without = [net.name for net in experiment_layers.nets(tmp_path)]
    assert without == ["xception", "xception-mini"]
    twin = TWINS[0]
    weights = tmp_path / twin.name / "weights.npz"
    weights.parent.mkdir()
    weights.write_bytes(b"")
    (*_, trained) = experiment_layers.nets(tmp_path)
    assert trained.diagnosed
    assert trained.data == "fashion-mnist"
    assert trained.export[-2:] == ("--weights", str(weights))
    assert str(tmp_path) not in trained.name
